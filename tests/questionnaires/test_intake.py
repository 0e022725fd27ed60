"""The intake assessment: its form, what its answers become, and that suggestions go by them."""

import json
from typing import Any

import httpx

from service.definitions import compile_definitions
from tests.fhir.persons import found, new_person, stored
from tests.story.telling import OURS, phq9, weeks_ago

Json = dict[str, Any]
URL = "https://setpoint.example/fhir/Questionnaire/intake"


def coding(code: str, display: str, system: str = OURS) -> Json:
    return {"valueCoding": {"system": system, "code": code, "display": display}}


def one(link: str, *answers: Json) -> Json:
    return {"linkId": link, "answer": list(answers)}


def group(link: str, *items: Json) -> Json:
    return {"linkId": link, "item": list(items)}


def answers(person: str) -> Json:
    """Somebody with depression and a brother with bipolar disorder, for whom sertraline did nothing and mirtazapine was too much."""
    def treatment(name: str, result: Json) -> Json:
        status = coding("stopped", "Stopped", "http://hl7.org/fhir/CodeSystem/medication-statement-status")
        return group("treatment", one("treatment.medicine", {"valueString": name}), one("treatment.status", status),
                     one("treatment.from", {"valueDate": "2024-01-10"}), one("treatment.to", {"valueDate": "2024-04-10"}), one("treatment.result", result))

    return {
        "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": URL, "subject": {"reference": person}, "authored": weeks_ago(5),
        "item": [
            group("history",
                  group("history.condition", one("history.condition.what", coding("intake.condition.depression", "Depression")),
                        one("history.condition.since", {"valueDate": "2019-05-01"})),
                  one("history.mania", {"valueBoolean": False}), one("history.admissions", {"valueInteger": 1})),
            treatment("sertraline", coding("intake.no-response", "It did not help enough")),
            treatment("mirtazapine", coding("intake.not-tolerated", "I did not bear it: side effects")),
            group("trauma", group("ace", *[one(item, {"valueBoolean": number < 3}) for number, item in enumerate(ACE)])),
            group("substances", group("audit-c", *[one(item, {"valueInteger": 1}) for item in ("68518-0", "68519-8", "68520-6")])),
            group("family", one("family.who", coding("SIB", "sibling", "http://terminology.hl7.org/CodeSystem/v3-RoleCode")),
                  group("family.condition", one("family.condition.what", coding("intake.condition.bipolar", "Bipolar disorder")),
                        one("family.condition.age", {"valueQuantity": {"value": 22, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}}))),
            group("sleep", one("sleep.hours", {"valueDecimal": 5.5})),
            group("goal", one("goal.text", {"valueString": "To go swimming again"}), one("goal.by", {"valueDate": "2027-02-01"})),
            group("preference", one("preference.treatment", coding("intake.preference.medicine", "Medicine")),
                  one("preference.avoid", coding("intake.avoid.weight", "Gaining weight"), coding("intake.avoid.blunting", "Feeling nothing"))),
        ],
    }  # fmt: skip


ACE: list[str] = []


async def test_the_form_is_served_whole_and_valid(client: httpx.AsyncClient, knowledge: Any) -> None:
    """Every section that an intake has; scales stand in it with their own items and notices; nothing is required."""
    (form,) = await found(client, f"Questionnaire?url={URL}")
    assert compile_definitions(knowledge).validator.validate(form) == []
    links = [item["linkId"] for item in form["item"]]
    assert links == ["history", "treatment", "trauma", "substances", "family", "sleep", "social", "goal", "preference"]
    assert not any('"required": true' in json.dumps(item) for item in form["item"])
    ace = next(item for item in form["item"] if item["linkId"] == "trauma")["item"][0]
    ACE[:] = [item["linkId"] for item in ace["item"]]
    assert len(ACE) == 10
    for scale in ("ace", "audit-c", "dast-10", "isi"):
        assert knowledge.scales[scale].licence.notice in form["copyright"]
    system = (await found(client, f"CodeSystem?url={OURS}"))[0]
    assert {"code": "intake.condition.bipolar", "display": "Bipolar disorder"} in system["concept"]


async def test_what_the_answers_become(client: httpx.AsyncClient) -> None:
    (form,) = await found(client, f"Questionnaire?url={URL}")
    ACE[:] = [item["linkId"] for item in form["item"][2]["item"][0]["item"]]
    person = await new_person(client)
    await stored(client, answers(person))
    (condition,) = await found(client, f"Condition?patient={person}")
    assert condition["code"]["coding"][0]["code"] == "intake.condition.depression"
    assert condition["verificationStatus"]["coding"][0]["code"] == "unconfirmed", "it says whose word it is"
    medicines = {each["medicationCodeableConcept"]["text"]: each for each in await found(client, f"MedicationStatement?patient={person}")}
    assert medicines["sertraline"]["effectivePeriod"] == {"start": "2024-01-10", "end": "2024-04-10"}
    assert (medicines["mirtazapine"]["status"], medicines["mirtazapine"]["statusReason"][0]["coding"][0]["code"]) == ("stopped", "intake.not-tolerated")
    (family,) = await found(client, f"FamilyMemberHistory?patient={person}")
    assert (family["relationship"]["coding"][0]["code"], family["condition"][0]["onsetAge"]["value"]) == ("SIB", 22)
    (goal,) = await found(client, f"Goal?patient={person}")
    assert (goal["description"], goal["lifecycleStatus"], goal["target"]) == ({"text": "To go swimming again"}, "proposed", [{"dueDate": "2027-02-01"}])
    observations = {code["code"]: each for each in await found(client, f"Observation?patient={person}") for code in each["code"]["coding"]}
    assert observations["ace"]["valueQuantity"]["value"] == 3
    assert observations["audit-c"]["valueQuantity"]["value"] == 3
    assert observations["intake.mania"]["valueBoolean"] is False
    assert observations["intake.sleep-hours"]["valueQuantity"]["value"] == 5.5


async def test_suggestions_go_by_it(client: httpx.AsyncClient) -> None:
    """What failed before, what is preferred and the brother's illness stand in the plan; the offer that was not wanted is left out with its reason."""
    (form,) = await found(client, f"Questionnaire?url={URL}")
    ACE[:] = [item["linkId"] for item in form["item"][2]["item"][0]["item"]]
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, answers(person))
    await stored(client, phq9(person, 18, weeks_ago(4.1)))
    await stored(client, {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": person},
                          "medicationCodeableConcept": {"text": "escitalopram"}, "authoredOn": weeks_ago(4)})  # fmt: skip
    await stored(client, phq9(person, 18, weeks_ago(0)))
    plans = [each for each in await found(client, f"CarePlan?patient={person}") if "not-on-track" in json.dumps(each)]
    assert len(plans) == 1
    text = plans[0]["text"]["div"]
    for words in ("sertraline", "mirtazapine", "bipolar disorder in the family", "past mania or hypomania", "medicine alone is preferred"):
        assert words in text, words
