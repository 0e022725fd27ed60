"""Questionnaire/$populate (SDC populate.html): expressions, recent Observations, fixed initial values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.fhir.persons import issue, new_person, observation, stored
from tests.questionnaires.forms import mark

Json = dict[str, Any]
NOW = datetime.now(UTC)


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def form(url: str) -> Json:
    def by(text: str) -> list[Json]:
        return [mark("initialExpression", valueExpression={"language": "text/fhirpath", "expression": text})]

    period = mark("observationLinkPeriod", valueDuration={"value": 30, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"})
    code = [{"system": "urn:test:codes", "code": "weight"}]
    return {
        "resourceType": "Questionnaire", "url": url, "version": "2", "status": "active",
        "item": [
            {"linkId": "d", "type": "display", "text": "Hello"},
            {"linkId": "g", "type": "group", "item": [
                {"linkId": "born", "type": "date", "extension": by("%patient.birthDate")},
                {"linkId": "sex", "type": "choice", "extension": by("%patient.gender")},
                {"linkId": "year", "type": "integer", "extension": by("%patient.birthDate.toString().substring(0, 4).toInteger() + 1")},
            ]},
            {"linkId": "w", "type": "decimal", "code": code, "extension": [period]},
            {"linkId": "q", "type": "quantity", "code": code, "extension": [period]},
            {"linkId": "e", "type": "string", "extension": by("%encounter.reasonCode.text")},
            {"linkId": "i", "type": "boolean", "initial": [{"valueBoolean": True}]},
            {"linkId": "bad", "type": "string", "extension": by("nonsense((")},
            {"linkId": "none", "type": "string"},
        ],
    }  # fmt: skip


async def filled(client: httpx.AsyncClient, parameters: list[Json], at: str = "Questionnaire/$populate") -> tuple[Json, Json]:
    answer = await client.post(at, content=json.dumps({"resourceType": "Parameters", "parameter": parameters}))
    assert answer.status_code == 200, answer.text
    found = {each["name"]: each["resource"] for each in answer.json()["parameter"]}
    items = {each["linkId"]: each for item in found["response"]["item"] for each in [item, *item.get("item", [])]}
    return found, items


async def test_populate(client: httpx.AsyncClient) -> None:
    url, person = f"http://example.org/Questionnaire/{uuid4()}", await new_person(client)
    made = await stored(client, form(url))
    for days, value in ((40, 70), (20, 72.5), (25, 71)):
        await stored(client, observation(person, "weight", value, "kg", days_ago(days)))
    context = {"name": "context", "part": [{"name": "name", "valueString": "encounter"},
               {"name": "content", "resource": {"resourceType": "Encounter", "reasonCode": [{"text": "intake"}]}}]}  # fmt: skip
    subject = {"name": "subject", "valueReference": {"reference": person}}
    asked = [[{"name": "canonical", "valueUri": url}], [{"name": "questionnaire", "resource": form(url)}],
             [{"name": "questionnaireRef", "valueReference": {"reference": f"Questionnaire/{made['id']}"}}]]  # fmt: skip
    for which in asked:
        found, items = await filled(client, [*which, subject, context])
        assert {key: found["response"][key] for key in ("resourceType", "status", "questionnaire", "subject")} == {
            "resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": f"{url}|2", "subject": {"reference": person},
        }  # fmt: skip
        assert items["born"]["answer"] == [{"valueDate": "1990-06-15"}]
        assert items["sex"]["answer"] == [{"valueCoding": {"code": "female"}}]
        assert items["year"]["answer"] == [{"valueInteger": 1991}]
        assert items["w"]["answer"] == [{"valueDecimal": 72.5}], "the newest within 30 days"
        assert items["q"]["answer"][0]["valueQuantity"]["unit"] == "kg"
        assert (items["e"]["answer"], items["i"]["answer"]) == ([{"valueString": "intake"}], [{"valueBoolean": True}])
        assert all("answer" not in items[link] for link in ("bad", "none"))
        assert "Item bad" in found["issues"]["issue"][0]["diagnostics"]
    _, items = await filled(client, [subject], f"Questionnaire/{made['id']}/$populate")
    assert "answer" not in items["e"]


async def test_our_scales_come_back_empty(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    _, items = await filled(client, [{"name": "subject", "valueReference": {"reference": person}}], "Questionnaire/phq-9/$populate")
    assert len(items) == 11
    assert not any("answer" in item for item in items.values()), "nobody's symptoms are guessed"


async def test_bad_questions(client: httpx.AsyncClient) -> None:
    person = {"name": "subject", "valueReference": {"reference": await new_person(client)}}
    ours = {"name": "canonical", "valueUri": "https://setpoint.example/fhir/Questionnaire/phq-9"}
    for parameters, status in (
        ([person], 400),
        ([{"name": "canonical", "valueUri": "http://example.org/none"}, person], 404),
        ([ours], 400),
        ([{"name": "questionnaire", "resource": {"resourceType": "Questionnaire"}}, person], 400),
        ([ours, {"name": "subject", "valueReference": {"reference": "Patient/no"}}], 422),
    ):
        answer = await client.post("Questionnaire/$populate", content=json.dumps({"resourceType": "Parameters", "parameter": parameters}))
        assert answer.status_code == status, answer.text
        assert issue(answer)
