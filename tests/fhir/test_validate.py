"""$validate (R4 resource-operation-validate.html): what it finds, what it says of a write, and that it stores nothing."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import found, issue, new_person, observation, patient, stored

PHQ = "https://setpoint.example/fhir/Questionnaire/phq-9"
PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"


async def asked(client: httpx.AsyncClient, path: str, body: Any = None) -> list[dict[str, Any]]:
    """The issues; the answer must be 200 with an OperationOutcome."""
    answer = await (client.get(path) if body is None else client.post(path, content=json.dumps(body)))
    assert answer.status_code == 200, answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    issues: list[dict[str, Any]] = outcome["issue"]
    return issues


def parameters(resource: Any = None, **values: dict[str, Any]) -> dict[str, Any]:
    listed = [{"name": name} | value for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": listed + ([{"name": "resource", "resource": resource}] if resource else [])}


def errors(issues: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["code"], each["expression"][0]) for each in issues if each["severity"] == "error"]


ALL_OK = [{"severity": "information", "code": "informational", "diagnostics": "All OK"}]


async def test_a_valid_resource_is_all_ok_and_not_stored(client: httpx.AsyncClient) -> None:
    tag = str(uuid4())
    body = patient(identifier=[{"system": "urn:test:mrn", "value": tag}])
    assert await asked(client, "Patient/$validate", body) == ALL_OK
    assert await asked(client, "Patient/$validate?mode=create", body) == ALL_OK
    assert await asked(client, "Patient/$validate", parameters(body, mode={"valueCode": "create"})) == ALL_OK
    assert await found(client, f"Patient?identifier={tag}") == []


async def test_every_finding_has_severity_code_expression_and_text(client: httpx.AsyncClient) -> None:
    secret = "Zaphod-Beeblebrox"
    issues = await asked(client, "Patient/$validate", patient(birthDate=secret, gender=secret, active=secret, name=[{"family": ""}]))
    wanted = {("structure", "Patient.name[0].family"), ("value", "Patient.active"), ("value", "Patient.birthDate"), ("code-invalid", "Patient.gender")}
    assert set(errors(issues)) == wanted
    assert all(each["diagnostics"] and secret not in json.dumps(each) for each in issues)


async def test_another_type_than_the_address(client: httpx.AsyncClient) -> None:
    assert errors(await asked(client, "Observation/$validate", patient())) == [("invalid", "resourceType")]


@pytest.mark.parametrize("reference", ["Patient/nobody-here", "Location/nobody-here"])
async def test_a_subject_that_leads_nowhere_is_what_create_would_refuse(client: httpx.AsyncClient, reference: str) -> None:
    body = observation(reference)
    assert (await client.post("Observation", content=json.dumps(body))).status_code == 422
    assert errors(await asked(client, "Observation/$validate?mode=create", body)) == [("not-found", "Observation.subject.reference")]
    assert (await client.post("Observation", content=json.dumps(body))).status_code == 422


async def test_create_ignores_an_id(client: httpx.AsyncClient) -> None:
    (only,) = await asked(client, "Patient/$validate?mode=create", patient(id="abc"))
    assert (only["severity"], only["expression"]) == ("information", ["Patient.id"])


async def test_update_needs_the_id_of_the_address(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    id_ = person.split("/")[1]
    assert errors(await asked(client, f"{person}/$validate?mode=update", patient())) == [("required", "Patient.id")]
    assert errors(await asked(client, f"{person}/$validate?mode=update", patient(id="another"))) == [("value", "Patient.id")]
    assert await asked(client, f"{person}/$validate?mode=update", patient(id=id_)) == ALL_OK
    assert await asked(client, f"{person}/$validate", patient(id=id_)) == ALL_OK
    assert errors(await asked(client, "Patient/$validate?mode=update", patient())) == [("required", "Patient.id")]
    assert (await client.get(person)).headers["etag"] == 'W/"1"'


async def test_delete_needs_no_resource(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    answer = await client.post(f"{person}/$validate?mode=delete")
    assert (answer.status_code, answer.json()["issue"]) == (200, ALL_OK)
    assert await asked(client, f"{person}/$validate", parameters(mode={"valueCode": "delete"})) == ALL_OK
    assert (await client.get(person)).status_code == 200
    (nothing,) = await asked(client, "Patient/nobody-here/$validate", parameters(mode={"valueCode": "delete"}))
    assert nothing["severity"] == "information"


async def test_what_may_not_be_changed(client: httpx.AsyncClient) -> None:
    delete = parameters(mode={"valueCode": "delete"})
    assert errors(await asked(client, "Questionnaire/phq-9/$validate", delete)) == [("not-supported", "Questionnaire")]
    assert errors(await asked(client, "Provenance/x/$validate", delete)) == [("not-supported", "Provenance")]


async def test_derived_content_may_not_be_changed(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await stored(client, response(person))
    total = (await found(client, f"Observation?patient={person}&code=44261-6"))[0]
    issues = await asked(client, f"Observation/{total['id']}/$validate?mode=update", total)
    assert errors(issues) == [("business-rule", "Observation")]


async def test_what_is_stored(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    assert await asked(client, f"{person}/$validate") == ALL_OK
    assert (await client.get("Patient/nobody-here/$validate")).status_code == 404
    await client.delete(person)
    assert (await client.get(f"{person}/$validate")).status_code == 410


async def test_profiles_are_not_known(client: httpx.AsyncClient) -> None:
    (warned,) = await asked(client, "Patient/$validate", parameters(patient(), profile={"valueUri": PROFILE}))
    assert (warned["severity"], warned["code"], warned["expression"]) == ("warning", "not-supported", ["Patient"])
    asked_for = parameters(patient(), profile={"valueUri": PROFILE}, mode={"valueCode": "profile"})
    assert errors(await asked(client, "Patient/$validate", asked_for)) == [("not-supported", "Patient")]
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    assert await asked(client, f"Patient/$validate?profile={base}", patient()) == ALL_OK


WRONG: list[tuple[str, Any, int, str]] = [
    ("Patient/$validate", [], 400, "structure"),
    ("Patient/$validate?mode=guess", {"resourceType": "Patient"}, 400, "code-invalid"),
    ("Patient/$validate?colour=red", {"resourceType": "Patient"}, 400, "not-supported"),
    ("Patient/$validate", {"resourceType": "Parameters"}, 400, "required"),
    ("Patient/$validate", parameters({"resourceType": "Patient"}, colour={"valueCode": "red"}), 400, "not-supported"),
    ("Patient/$validate", parameters({"resourceType": "Patient"}, mode={"valueInteger": 1}), 400, "value"),
    ("Patient/$validate?mode=update", parameters({"resourceType": "Patient"}, mode={"valueCode": "create"}), 400, "value"),
    ("Patient/$validate", parameters({"resourceType": "Patient"}, mode={"valueCode": "profile"}), 400, "required"),
    ("Patient/$validate", parameters(mode={"valueCode": "delete"}), 400, "not-supported"),
    ("Patient/x/$validate?mode=create", {"resourceType": "Patient"}, 400, "not-supported"),
    ("Substance/$validate", {"resourceType": "Substance"}, 404, "not-supported"),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), WRONG)
async def test_a_request_that_is_wrong_itself(client: httpx.AsyncClient, path: str, body: Any, status: int, code: str) -> None:
    answer = await client.post(path, content=json.dumps(body))
    assert (answer.status_code, issue(answer)["code"]) == (status, code)


def response(person: str, **more: Any) -> dict[str, Any]:
    """PHQ-9, answered in full."""
    links = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"]
    several = {"system": "http://loinc.org", "code": "LA6569-3"}
    return {
        "resourceType": "QuestionnaireResponse", "questionnaire": PHQ, "status": "completed", "authored": "2026-01-05T08:00:00Z",
        "subject": {"reference": person}, "item": [{"linkId": f"/{link}", "answer": [{"valueCoding": several}]} for link in links],
    } | more  # fmt: skip


async def test_a_response_is_held_against_its_questionnaire(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    form = (await client.get("Questionnaire/phq-9")).json()
    links = [item["linkId"] for item in form["item"] if item.get("readOnly") is not True]
    body = response(person)
    body["item"] = [item | {"linkId": link} for item, link in zip(body["item"], links, strict=False)]
    assert await asked(client, "QuestionnaireResponse/$validate", body) == ALL_OK
    body["item"][0]["linkId"] = "no-such-item"
    body["item"][1]["answer"] = [{"valueString": "often"}]
    body["item"][2]["answer"] = [{"valueCoding": {"system": "http://loinc.org", "code": "LA1-1"}}]
    item = "QuestionnaireResponse.item"
    wanted = [("not-found", f"{item}[0].linkId"), ("value", f"{item}[1].answer[0].value"), ("code-invalid", f"{item}[2].answer[0].value")]
    assert errors(await asked(client, "QuestionnaireResponse/$validate", body)) == wanted
    assert (await client.post("QuestionnaireResponse", content=json.dumps(body))).status_code == 201
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": body}]}
    in_bundle = [(code, path.replace("QuestionnaireResponse", "Bundle.entry[0].resource")) for code, path in wanted]
    assert errors(await asked(client, "Bundle/$validate", bundle)) == in_bundle


async def test_a_questionnaire_that_somebody_stored(client: httpx.AsyncClient) -> None:
    person, url = await new_person(client), f"https://clinic.example/forms/a,b|{uuid4()}".replace("|", "/")
    form = {"resourceType": "Questionnaire", "url": url, "version": "2", "status": "active", "item": [{"linkId": "1", "type": "boolean", "required": True}]}
    await stored(client, form)
    body = response(person, questionnaire=url, item=[{"linkId": "1", "answer": [{"valueBoolean": True}]}])
    assert await asked(client, "QuestionnaireResponse/$validate", body) == ALL_OK
    assert await asked(client, "QuestionnaireResponse/$validate", body | {"questionnaire": f"{url}|2"}) == ALL_OK
    missing = body | {"item": [{"linkId": "1"}]}
    assert errors(await asked(client, "QuestionnaireResponse/$validate", missing)) == [("required", "QuestionnaireResponse.item[0]")]
    for address in (f"{url}|3", "https://clinic.example/unknown"):
        (only,) = await asked(client, "QuestionnaireResponse/$validate", body | {"questionnaire": address})
        assert (only["severity"], only["code"], only["expression"]) == ("warning", "not-found", ["QuestionnaireResponse.questionnaire"])
