"""$validate (R4 resource-operation-validate.html) and `setpoint validate`: what a write would say, without writing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import found, new_person, observation, patient, stored
from tests.story.telling import phq9, weeks_ago

BROKEN = [
    (patient(gender="nobody"), "code-invalid", "Patient.gender"),
    (patient(birthDate="1990-02-30"), "value", "Patient.birthDate"),
    (patient(contact=[{"gender": "male"}]), "invariant", "Patient.contact[0]"),
    ({"resourceType": "Patient", "colour": "red"}, "structure", "Patient"),
]


def parameters(resource: dict[str, Any] | None = None, **codes: str) -> str:
    listed: list[dict[str, Any]] = [{"name": "resource", "resource": resource}] if resource else []
    listed += [{"name": name, "valueUri" if name == "profile" else "valueCode": value} for name, value in codes.items()]
    return json.dumps({"resourceType": "Parameters", "parameter": listed})


async def issues(client: httpx.AsyncClient, url: str, body: str) -> list[tuple[str, str, str | None]]:
    answer = await client.post(url, content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    return [(each["severity"], each["code"], each.get("expression", [None])[0]) for each in answer.json()["issue"]]


CLEAN = [("information", "informational", None)]


async def test_a_clean_resource_is_not_stored(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    person = patient(identifier=[{"value": value}])
    assert await issues(client, "Patient/$validate", json.dumps(person)) == CLEAN
    assert await issues(client, "Patient/$validate", parameters(person, mode="create")) == CLEAN
    assert await issues(client, "Patient/$validate?mode=create", json.dumps(person)) == CLEAN
    assert await found(client, f"Patient?identifier={value}") == []


@pytest.mark.parametrize(("resource", "code", "expression"), BROKEN)
async def test_broken_ones(client: httpx.AsyncClient, resource: dict[str, Any], code: str, expression: str) -> None:
    for body in (json.dumps(resource), parameters(resource)):
        assert ("error", code, expression) in await issues(client, "Patient/$validate", body)


async def test_modes(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    url = f"Patient/{made['id']}/$validate"
    assert await issues(client, url, json.dumps(made)) == CLEAN
    assert await issues(client, url, json.dumps(made | {"id": "other"})) == [("error", "value", "Patient.id")]
    assert await issues(client, url, parameters(mode="delete")) == CLEAN
    assert (await client.get(url)).json()["issue"][0]["severity"] == "information"
    assert (await issues(client, f"Patient/{uuid4()}/$validate", parameters(mode="delete")))[0][:2] == ("warning", "not-found")
    assert (await issues(client, "Questionnaire/phq-9/$validate", parameters(mode="delete")))[0][:2] == ("error", "not-supported")
    assert (await client.get(f"Patient/{uuid4()}/$validate")).status_code == 404


async def test_updates_of_what_is_not_a_persons_to_change(client: httpx.AsyncClient) -> None:
    """As the update itself would be refused: what comes from a knowledge file, what is derived, what is append-only. A Flag is a person's to settle."""
    scale = (await client.get("Questionnaire/phq-9")).json()
    assert await issues(client, "Questionnaire/phq-9/$validate", json.dumps(scale)) == [("error", "not-supported", "Questionnaire")]
    assert await issues(client, "Questionnaire/$validate", parameters(scale, mode="update")) == [("error", "not-supported", "Questionnaire")]
    assert ("error", "not-supported", "Questionnaire") not in await issues(client, "Questionnaire/$validate", parameters(scale, mode="create"))
    person = await new_person(client)
    await stored(client, phq9(person, (2, 2, 2, 2, 1, 1, 2, 0, 1), weeks_ago(0)))
    (score,) = await found(client, f"Observation?patient={person}&code=phq-9")
    assert await issues(client, f"Observation/{score['id']}/$validate", json.dumps(score)) == [("error", "business-rule", None)]
    assert await issues(client, f"Observation/{score['id']}/$validate", parameters(mode="delete")) == [("error", "business-rule", None)]
    (flag,) = await found(client, f"Flag?patient={person}")
    assert await issues(client, f"Flag/{flag['id']}/$validate", json.dumps(flag | {"status": "inactive"})) == CLEAN
    assert await issues(client, f"Flag/{flag['id']}/$validate", parameters(mode="delete")) == CLEAN


async def test_findings_are_bounded_errors_first(client: httpx.AsyncClient) -> None:
    body = patient(meta={"profile": ["http://example.org/profile"]}, address=[{"use": "nowhere"} for _ in range(80)])
    seen = await issues(client, "Patient/$validate", json.dumps(body))
    assert [each[0] for each in seen] == ["error"] * 50 + ["information"]


async def test_a_subject_that_leads_nowhere_and_profiles(client: httpx.AsyncClient) -> None:
    lost = observation(f"Patient/{uuid4()}")
    assert await issues(client, "Observation/$validate", json.dumps(lost)) == [("error", "not-found", "Observation.subject.reference")]
    person = patient(meta={"profile": ["http://example.org/profile"]})
    assert await issues(client, "Patient/$validate", json.dumps(person)) == [("information", "not-supported", "Patient.meta.profile")]
    assert await issues(client, "Patient/$validate", parameters(patient(), profile="http://example.org/profile")) == [("error", "not-supported", "profile")]


async def test_append_only_types_are_not_deleted(client: httpx.AsyncClient) -> None:
    assert await issues(client, "Provenance/x/$validate", parameters(mode="delete")) == [("error", "not-supported", "Provenance")]


@pytest.mark.parametrize(("url", "body", "status"), [
    ("Patient/$validate", '{"resourceType": "Parameters", "parameter": [{"name": ["mode"]}, {"name": {}}]}', 400),
    ("Patient/$validate", "{", 400), ("Patient/$validate", parameters(mode="grow"), 400), ("Patient/$validate", parameters(), 400),
    ("Patient/$validate", parameters(mode="delete"), 400), ("Medicine/$validate", "{}", 404),
])  # fmt: skip
async def test_requests_that_are_wrong(client: httpx.AsyncClient, url: str, body: str, status: int) -> None:
    assert (await client.post(url, content=body)).status_code == status


async def test_answers_against_our_questionnaire(client: httpx.AsyncClient) -> None:
    scale = (await client.get("Questionnaire/phq-9")).json()
    first = next(each for each in scale["item"] if each["type"] == "choice")
    response = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": scale["url"]}
    response |= {"subject": {"reference": await new_person(client)}}
    good = [{"linkId": first["linkId"], "answer": [{"valueCoding": first["answerOption"][0]["valueCoding"]}]}]
    bad = [{"linkId": first["linkId"], "answer": [{"valueCoding": {"system": "urn:x", "code": "x"}}]}, {"linkId": "none"}]
    assert await issues(client, "QuestionnaireResponse/$validate", json.dumps(response | {"item": good})) == CLEAN
    for canonical in (scale["url"], f"{scale['url']}|{scale['version']}", "Questionnaire/phq-9"):
        seen = await issues(client, "QuestionnaireResponse/$validate", json.dumps(response | {"questionnaire": canonical, "item": bad}))
        assert [each[1] for each in seen] == ["code-invalid", "not-found"]
    unknown = await issues(client, "QuestionnaireResponse/$validate", json.dumps(response | {"questionnaire": "urn:unknown", "item": bad}))
    assert unknown == [("information", "not-found", "QuestionnaireResponse.questionnaire")]
    answer = await client.post("QuestionnaireResponse", content=json.dumps(response | {"item": bad}))
    assert answer.status_code == 201, "a person's answer is refused only where it breaks base R4"
    totals = await found(client, f"Observation?derived-from=QuestionnaireResponse/{answer.json()['id']}")
    notes = [note["text"] for each in totals for note in each.get("note", [])]
    assert notes, "what the scorer had to decide stands on the total"


def command(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "service.cli", "validate", *arguments], input=given, capture_output=True, timeout=60, check=False)


def test_the_command(tmp_path: Path) -> None:
    good, bad, lines = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "lines.ndjson"
    good.write_text(json.dumps(patient(), indent=1))
    bad.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(gender="SECRET")}]}))
    lines.write_text(f"{json.dumps(patient())}\n\nnot json\n{json.dumps(patient(birthDate='x'))}\n")
    clean = command(str(good))
    assert (clean.returncode, clean.stdout) == (0, b"")
    seen = command(str(good), str(bad), str(lines))
    assert seen.returncode == 1
    shown = seen.stdout.decode()
    assert f"{bad}:1: error code-invalid Bundle.entry[0].resource.gender: " in shown
    assert f"{lines}:3: fatal structure -: " in shown
    assert f"{lines}:4: error value Patient.birthDate: " in shown
    assert "SECRET" not in shown
    assert b"5 resources checked, 3 errors" in seen.stderr
    listed = json.loads(command("--json", str(lines)).stdout)
    assert [(each["entry"], each["severity"]) for each in listed] == [(3, "fatal"), (4, "error")]
    assert command("-", given=json.dumps(patient()).encode()).returncode == 0
    assert command(str(tmp_path / "none.json")).returncode == 2


def test_the_command_checks_answers(tmp_path: Path) -> None:
    form = {"resourceType": "Questionnaire", "url": "urn:form", "status": "active", "item": [{"linkId": "1", "text": "x", "type": "integer"}]}
    items = [{"linkId": "1", "answer": [{"valueString": "x"}]}]
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:form", "item": items}
    both = tmp_path / "both.ndjson"
    both.write_text(f"{json.dumps(answers)}\n{json.dumps(form)}\n")
    seen = command(str(both))
    assert (seen.returncode, b"QuestionnaireResponse.item[0].answer[0].valueString" in seen.stdout) == (1, True)
