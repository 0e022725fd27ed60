"""Extraction by SDC (extraction.html): what becomes of foreign answers, on $extract and when they are stored."""

import json
import re
from typing import Any
from uuid import uuid4

import httpx

from tests.fhir.persons import found, issue, new_person, stored
from tests.questionnaires import forms
from tests.story.telling import OURS, phq9, weeks_ago

Json = dict[str, Any]
UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def url() -> str:
    return f"http://example.org/Questionnaire/{uuid4()}"


async def extracted(client: httpx.AsyncClient, body: Json) -> list[Json]:
    answer = await client.post("QuestionnaireResponse/$extract", content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    entries: list[Json] = bundle.get("entry", [])
    return entries


async def everything(client: httpx.AsyncClient, person: str) -> int:
    return int((await client.get(f"{person}/$everything?_summary=count")).json()["total"])


def of(entries: list[Json], kind: str) -> list[Json]:
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


async def test_extract_of_a_scale_is_what_storing_would_create_and_stores_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    before = await everything(client, person)
    response = phq9(person, (2, 2, 2, 2, 1, 1, 2, 0, 1), weeks_ago(0))
    entries = await extracted(client, response)
    assert await everything(client, person) == before
    totals = [each for each in of(entries, "Observation") if any(code["code"] == "phq-9" for code in each["code"]["coding"])]
    assert [each["valueQuantity"]["value"] for each in totals] == [13], "2 + 2 + 2 + 2 + 1 + 1 + 2 + 0 + 1"
    urls = {entry["fullUrl"] for entry in entries}
    assert all(reference["reference"] in urls for reference in totals[0]["derivedFrom"]), "the Bundle stands by itself"
    assert of(entries, "Flag"), "item 9 was answered above zero"
    unknown = [each for each in UUIDS.findall(json.dumps(entries)) if f"urn:uuid:{each}" not in urls and f"Patient/{each}" != person]
    assert not unknown, "nothing is named that is not in it, also in no narrative"
    assert all(entry["request"] == {"method": "POST", "url": entry["resource"]["resourceType"]} for entry in entries)
    await stored(client, response)
    kinds = sorted(each["resourceType"] for each in (entry["resource"] for entry in (await client.get(f"{person}/$everything")).json()["entry"]))
    assert sorted(["Patient", *(entry["resource"]["resourceType"] for entry in entries if entry["resource"]["resourceType"] != "Provenance")]) == [
        kind for kind in kinds if kind != "Provenance"
    ]


async def test_the_bundle_can_be_stored_elsewhere(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    sent = {"resourceType": "Parameters", "parameter": [{"name": "questionnaire-response", "resource": phq9(person, 8, weeks_ago(1))}]}
    entries = await extracted(client, sent)
    done = await client.post("", content=json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert done.status_code == 200, done.text


async def test_of_a_stored_response(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    made = await stored(client, phq9(person, 8, weeks_ago(1)))
    answer = await client.get(f"QuestionnaireResponse/{made['id']}/$extract")
    totals = [each for each in of(answer.json()["entry"], "Observation") if any(code["code"] == "phq-9" for code in each["code"]["coding"])]
    assert totals[0]["derivedFrom"][0] == {"reference": f"QuestionnaireResponse/{made['id']}"}
    assert not of(answer.json()["entry"], "QuestionnaireResponse")
    assert set(re.findall(r"QuestionnaireResponse/[0-9a-f-]{36}", answer.text)) == {f"QuestionnaireResponse/{made['id']}"}
    assert (await client.get("QuestionnaireResponse/nobody/$extract")).status_code == 404


async def test_nothing_follows_from_what_is_not_complete(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    assert await extracted(client, phq9(person, 8, weeks_ago(1)) | {"status": "in-progress"}) == []


async def test_bad_bodies(client: httpx.AsyncClient) -> None:
    for body, status in (({"resourceType": "Parameters"}, 400), ({"resourceType": "QuestionnaireResponse"}, 400), ({"resourceType": "Patient"}, 400)):
        answer = await client.post("QuestionnaireResponse/$extract", content=json.dumps(body))
        assert (answer.status_code, bool(issue(answer))) == (status, True)
    unknown = await client.post("QuestionnaireResponse/$extract", content=json.dumps(phq9("Patient/nobody", 8, weeks_ago(1))))
    assert unknown.status_code == 422


async def test_observation_based(client: httpx.AsyncClient) -> None:
    """Every coded item with an answer; a unit makes a quantity; `false` sets an item apart; a marked group has its members."""
    address, person = url(), await new_person(client)
    await stored(client, {"resourceType": "Practitioner", "id": "p1"} | {})
    await stored(client, forms.observed(address))
    made = of(await extracted(client, forms.observed_answers(address, person)), "Observation")
    by_code = {each["code"]["coding"][0]["code"]: each for each in made}
    assert set(by_code) == {"weight", "count", "body", "smoker", "fine"}
    assert by_code["weight"]["valueQuantity"] == {"value": 71.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    assert by_code["count"]["valueInteger"] == 3
    assert by_code["smoker"]["valueCodeableConcept"] == {"coding": [{"system": "http://example.org/a", "code": "yes", "display": "Yes"}], "text": "Yes"}
    assert by_code["fine"]["valueBoolean"] is False
    assert len(by_code["body"]["hasMember"]) == 2
    for each in made:
        assert (each["status"], each["subject"], each["effectiveDateTime"]) == ("final", {"reference": person}, "2026-11-01T10:00:00Z")
        assert each["performer"] == [{"reference": "Practitioner/p1"}]
        assert each["category"][0]["coding"][0]["code"] == "survey"


async def test_definition_based(client: httpx.AsyncClient) -> None:
    """Groups make resources, nested groups elements; what would be an order is not made."""
    person = await new_person(client)
    sent = {"resourceType": "Parameters", "parameter": [
        {"name": "questionnaire-response", "resource": forms.defined_answers("http://example.org/q", person)},
        {"name": "questionnaire", "resource": forms.defined("http://example.org/q")},
    ]}  # fmt: skip
    entries = await extracted(client, sent)
    first, second = of(entries, "Condition")
    assert first["code"] == {"coding": [{"system": "http://snomed.info/sct", "code": "73211009", "display": "Diabetes mellitus"}], "text": "Diabetes mellitus"}
    assert (first["onsetDateTime"], first["note"], second["code"]) == ("2020-03-01", [{"text": "diet"}], {"text": "hay fever"})
    assert all(each["clinicalStatus"]["coding"][0]["code"] == "active" and each["subject"] == {"reference": person} for each in (first, second))
    (family,) = of(entries, "FamilyMemberHistory")
    assert (family["status"], family["patient"], family["relationship"]["text"]) == ("completed", {"reference": person}, "mother")
    assert [(each["code"]["text"], each.get("onsetAge", {}).get("value")) for each in family["condition"]] == [("depression", 40), ("migraine", None)]
    assert not of(entries, "MedicationRequest")


async def test_storing_amending_and_deleting(client: httpx.AsyncClient) -> None:
    """What stands on a response is made with it, made again with it, and falls with it."""
    address, person = url(), await new_person(client)
    await stored(client, forms.defined(address))
    made = await stored(client, forms.defined_answers(address, person))
    conditions = await found(client, f"Condition?patient={person}")
    assert sorted(each["code"]["text"] for each in conditions) == ["Diabetes mellitus", "hay fever"]
    assert any(tag == {"system": OURS, "code": "derived"} for tag in conditions[0]["meta"]["tag"])
    assert (await client.delete(f"Condition/{conditions[0]['id']}")).status_code == 409, "it is changed by what it rests on"
    assert (await client.put(f"QuestionnaireResponse/{made['id']}", content=json.dumps(made | {"language": "de"}))).status_code == 200
    again = await found(client, f"Condition?patient={person}")
    assert [each["meta"]["versionId"] for each in again] == ["1", "1"], "the answers are the same: what stands on them is left alone"
    amended = made | {"status": "amended", "item": [made["item"][0]]}
    assert (await client.put(f"QuestionnaireResponse/{made['id']}", content=json.dumps(amended))).status_code == 200
    left = await found(client, f"Condition?patient={person}")
    states = {each["code"]["text"]: each.get("verificationStatus", {}).get("coding", [{}])[0].get("code") for each in left}
    assert states == {"Diabetes mellitus": None, "hay fever": "entered-in-error"}
    assert [each["status"] for each in await found(client, f"FamilyMemberHistory?patient={person}")] == ["entered-in-error"]
    assert (await client.delete(f"QuestionnaireResponse/{made['id']}")).status_code in (200, 204)
    assert {each["verificationStatus"]["coding"][0]["code"] for each in await found(client, f"Condition?patient={person}")} == {"entered-in-error"}


async def test_a_response_that_becomes_anothers_takes_its_content_along(client: httpx.AsyncClient) -> None:
    address, person, other = url(), await new_person(client), await new_person(client)
    await stored(client, forms.defined(address))
    made = await stored(client, forms.defined_answers(address, person))
    moved = made | {"subject": {"reference": other}}
    assert (await client.put(f"QuestionnaireResponse/{made['id']}", content=json.dumps(moved))).status_code == 200
    assert len([each for each in await found(client, f"Condition?patient={other}") if "verificationStatus" not in each]) == 2
    assert all(each["verificationStatus"]["coding"][0]["code"] == "entered-in-error" for each in await found(client, f"Condition?patient={person}"))


async def test_a_foreign_questionnaire_of_a_scale_is_scored_by_the_codes_of_its_items(client: httpx.AsyncClient) -> None:
    """GAD-7 in a hospital's own form: linkIds of its own, LOINC on the items; 3 + 2 + 1 + 0 + 0 + 1 + 2 = 9."""
    address, person = url(), await new_person(client)
    codes = ["69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"]
    items = [{"linkId": f"q{number}", "type": "integer", "code": [{"system": "http://loinc.org", "code": code}]} for number, code in enumerate(codes)]
    await stored(client, {"resourceType": "Questionnaire", "url": address, "status": "active", "item": items})
    given = [{"linkId": f"q{number}", "answer": [{"valueInteger": score}]} for number, score in enumerate((3, 2, 1, 0, 0, 1, 2))]
    response = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": address, "subject": {"reference": person},
                "authored": weeks_ago(3), "item": given}  # fmt: skip
    await stored(client, response)
    await stored(client, response | {"authored": weeks_ago(4)})
    assert [each["valueQuantity"]["value"] for each in await found(client, f"Observation?patient={person}&code=gad-7")] == [9, 9]
