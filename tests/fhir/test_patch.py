"""patch (R4 http.html#patch): JSON Patch by RFC 6902, FHIRPath Patch by R4 fhirpatch.html. Expectations are the sentences of these pages."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from mappings.r4 import exact_json
from tests.fhir.persons import SYSTEM, issue, new_person, observation, patient, stored

JSON_PATCH = {"content-type": "application/json-patch+json"}
FHIR = {"content-type": "application/fhir+json"}


def fhirpath(*operations: dict[str, Any]) -> str:
    """Parameters of operations; `value` is a part by itself: {"valueString": ...} or {"part": [...]}."""
    listed = []
    for operation in operations:
        parts = [{"name": "type", "valueCode": operation["type"]}, {"name": "path", "valueString": operation["path"]}]
        parts += [{"name": "name", "valueString": operation["name"]}] if "name" in operation else []
        parts += [{"name": "value"} | operation["value"]] if "value" in operation else []
        parts += [{"name": name, "valueInteger": operation[name]} for name in ("index", "source", "destination") if name in operation]
        listed.append({"name": "operation", "part": parts})
    return json.dumps({"resourceType": "Parameters", "parameter": listed})


PERSON = {"active": True, "name": [{"family": "One", "given": ["A", "B"]}, {"family": "Two", "use": "old"}], "birthDate": "1990-06-15",
          "contact": [{"name": {"text": "a name"}, "gender": "male"}]}  # fmt: skip

JSON_CASES = [
    ([{"op": "replace", "path": "/birthDate", "value": "1991-01-01"}], {"birthDate": "1991-01-01"}),
    ([{"op": "add", "path": "/name/0/given/-", "value": "C"}], {"name": [{"family": "One", "given": ["A", "B", "C"]}, PERSON["name"][1]]}),
    ([{"op": "remove", "path": "/name/1"}], {"name": [PERSON["name"][0]]}),
    ([{"op": "test", "path": "/active", "value": True}, {"op": "move", "from": "/name/1", "path": "/name/0"}], {"name": PERSON["name"][::-1]}),
    ([{"op": "copy", "from": "/name/0/family", "path": "/name/1/family"}], {"name": [PERSON["name"][0], {"family": "One", "use": "old"}]}),
]
PATH_CASES = [
    ({"type": "add", "path": "Patient", "name": "deceased", "value": {"valueBoolean": True}}, {"deceasedBoolean": True}),
    ({"type": "add", "path": "Patient", "name": "contact", "value": {"part": [
        {"name": "name", "part": [{"name": "text", "valueString": "another"}]}, {"name": "gender", "valueCode": "female"}]}},
     {"contact": [*PERSON["contact"], {"name": {"text": "another"}, "gender": "female"}]}),
    ({"type": "add", "path": "Patient.name[0]", "name": "given", "value": {"valueString": "C"}},
     {"name": [{"family": "One", "given": ["A", "B", "C"]}, PERSON["name"][1]]}),
    ({"type": "insert", "path": "Patient.name[0].given", "index": 1, "value": {"valueString": "X"}},
     {"name": [{"family": "One", "given": ["A", "X", "B"]}, PERSON["name"][1]]}),
    ({"type": "insert", "path": "Patient.telecom", "index": 0, "value": {"valueContactPoint": {"system": "phone", "value": "1"}}},
     {"telecom": [{"system": "phone", "value": "1"}]}),
    ({"type": "delete", "path": "Patient.name.where(use = 'old')"}, {"name": [PERSON["name"][0]]}),
    ({"type": "delete", "path": "Patient.contact[0]"}, {"contact": None}),
    ({"type": "delete", "path": "Patient.maritalStatus"}, {}),  # "no error is raised" for an element that is not there
    ({"type": "replace", "path": "Patient.birthDate", "value": {"valueDate": "1991-01-01"}}, {"birthDate": "1991-01-01"}),
    ({"type": "replace", "path": "Patient.contact[0].gender", "value": {"valueCode": "other"}}, {"contact": [{"name": {"text": "a name"}, "gender": "other"}]}),
    ({"type": "move", "path": "Patient.name", "source": 1, "destination": 0}, {"name": PERSON["name"][::-1]}),
]  # fmt: skip
REFUSED = [
    (JSON_PATCH, "{}", 400),
    (JSON_PATCH, "no json", 400),
    (JSON_PATCH, '[{"op": "grow", "path": "/active"}]', 400),
    (JSON_PATCH, '[{"op": "replace", "path": "/nothing/here", "value": 1}]', 422),
    (JSON_PATCH, '[{"op": "test", "path": "/active", "value": false}]', 422),
    (JSON_PATCH, '[{"op": "replace", "path": "/gender", "value": "nonsense"}]', 422),
    (JSON_PATCH, '[{"op": "replace", "path": "/id", "value": "other"}]', 422),
    (JSON_PATCH, '[{"op": "replace", "path": "/resourceType", "value": "Group"}]', 422),
    (JSON_PATCH, '[{"op": "remove", "path": ""}]', 422),
    (FHIR, json.dumps({"resourceType": "Patient"}), 400),
    (FHIR, fhirpath({"type": "add", "path": "Patient", "name": "birthDate", "value": {"valueDate": "1991-01-01"}}), 422),
    (FHIR, fhirpath({"type": "replace", "path": "Patient.name", "value": {"valueHumanName": {"family": "X"}}}), 422),
    (FHIR, fhirpath({"type": "replace", "path": "Patient.photo", "value": {"valueAttachment": {"title": "X"}}}), 422),
    (FHIR, fhirpath({"type": "delete", "path": "Patient.name"}), 422),
    (FHIR, fhirpath({"type": "move", "path": "Patient.name", "source": 5, "destination": 0}), 422),
    (FHIR, fhirpath({"type": "replace", "path": "Patient.name +", "value": {"valueString": "X"}}), 400),
    (FHIR, fhirpath({"type": "grow", "path": "Patient"}), 400),
    (JSON_PATCH, '[{"op": "add", "path": "/language", "value": "\\ud800"}]', 400),
    (FHIR, json.dumps({"resourceType": "Parameters", "parameter": 5}), 400),
    (FHIR, json.dumps({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [{"name": ["type"]}]}]}), 400),
    ({"content-type": "application/xml"}, "<a/>", 415),
]


async def one(client: httpx.AsyncClient) -> dict[str, Any]:
    return await stored(client, patient(**PERSON))


def content(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "meta"}


@pytest.mark.parametrize(("operations", "changed"), JSON_CASES)
async def test_json_patch(client: httpx.AsyncClient, operations: list[dict[str, Any]], changed: dict[str, Any]) -> None:
    before = await one(client)
    answer = await client.patch(f"Patient/{before['id']}", content=json.dumps(operations), headers=JSON_PATCH)
    assert answer.status_code == 200, answer.text
    assert content(answer.json()) == content(before) | changed
    assert answer.headers["etag"] == 'W/"2"'
    assert (await client.get(f"Patient/{before['id']}")).content == answer.content


@pytest.mark.parametrize(("operation", "changed"), PATH_CASES)
async def test_fhirpath_patch(client: httpx.AsyncClient, operation: dict[str, Any], changed: dict[str, Any]) -> None:
    before = await one(client)
    answer = await client.patch(f"Patient/{before['id']}", content=fhirpath(operation))
    assert answer.status_code == 200, answer.text
    assert content(answer.json()) == {name: value for name, value in (content(before) | changed).items() if value is not None}


@pytest.mark.parametrize(("headers", "body", "status"), REFUSED)
async def test_refused(client: httpx.AsyncClient, headers: dict[str, str], body: str, status: int) -> None:
    before = await one(client)
    answer = await client.patch(f"Patient/{before['id']}", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert issue(answer)["severity"] in ("error", "fatal")
    assert (await client.get(f"Patient/{before['id']}")).json() == before
    if status == 415:
        assert "application/json-patch+json" in answer.headers["accept-patch"]


async def test_numbers_keep_their_text(client: httpx.AsyncClient) -> None:
    body = json.dumps(observation(await new_person(client))).replace('"value": 72', '"value": 1.50').replace('"final"', '"preliminary"')
    first = await client.post("Observation", content=body)
    patch = '[{"op": "replace", "path": "/status", "value": "final"}, {"op": "add", "path": "/referenceRange", "value": [{"low": {"value": 1.0e2}}]}]'
    answer = await client.patch(f"Observation/{first.json()['id']}", content=patch, headers=JSON_PATCH)
    assert b'"value":1.50' in answer.content
    assert b'"low":{"value":1.0e2}' in answer.content


def test_exact_json_writes_what_it_read() -> None:
    text = b'{"a":1.50,"b":[1.0e2,-0,-0.0,12345678901234567890123,1e400],"c":"\xc3\xbc","d":null,"e":7}'
    assert exact_json.dumps(exact_json.loads(text)) == text


async def test_versions_and_what_is_gone(client: httpx.AsyncClient) -> None:
    before = await one(client)
    ref, body = f"Patient/{before['id']}", '[{"op": "add", "path": "/gender", "value": "male"}]'
    assert (await client.patch(ref, content=body, headers=JSON_PATCH | {"if-match": 'W/"7"'})).status_code == 412
    assert (await client.patch(ref, content=body, headers=JSON_PATCH | {"if-match": 'W/"1"', "prefer": "return=minimal"})).content == b""
    assert (await client.patch(f"Patient/{uuid4()}", content=body, headers=JSON_PATCH)).status_code == 404
    await client.delete(ref)
    assert (await client.patch(ref, content=body, headers=JSON_PATCH)).status_code == 410


async def test_parallel_patches_all_stand(client: httpx.AsyncClient) -> None:
    before = await one(client)
    ref = f"Patient/{before['id']}"
    body = [fhirpath({"type": "add", "path": "Patient.name[0]", "name": "given", "value": {"valueString": f"g{number}"}}) for number in range(8)]
    answers = await asyncio.gather(*(client.patch(ref, content=each) for each in body))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted((await client.get(ref)).json()["name"][0]["given"]) == ["A", "B", *(f"g{number}" for number in range(8))]


async def test_conditional_patch(client: httpx.AsyncClient) -> None:
    before = await one(client)
    value, body = before["identifier"][0]["value"], '[{"op": "replace", "path": "/gender", "value": "other"}]'
    answer = await client.patch(f"Patient?identifier={SYSTEM}|{value}", content=body, headers=JSON_PATCH)
    assert (answer.status_code, answer.json()["gender"], answer.json()["id"]) == (200, "other", before["id"])
    assert (await client.patch(f"Patient?identifier={SYSTEM}|none", content=body, headers=JSON_PATCH)).status_code == 404
    assert (await client.patch(f"Patient?identifier={SYSTEM}|", content=body, headers=JSON_PATCH)).status_code == 412
    assert (await client.patch("Patient", content=body, headers=JSON_PATCH)).status_code == 412
    assert (await client.patch("Patient?nonsense=1", content=body, headers=JSON_PATCH)).status_code == 412


async def test_a_patched_value_is_judged_again_and_a_derived_one_refused(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    weights = [await stored(client, _weight(person, 70 + number % 2, number)) for number in range(8)]
    patch = '[{"op": "replace", "path": "/valueQuantity/value", "value": 160}]'
    away = await client.patch(f"Observation/{weights[-1]['id']}", content=patch, headers=JSON_PATCH)
    assert away.status_code == 200, away.text
    derived = (await client.get(f"Observation?derived-from=Observation/{weights[-1]['id']}")).json()
    assert derived["total"] == 1
    ref = f"Observation/{derived['entry'][0]['resource']['id']}"
    assert (await client.patch(ref, content='[{"op": "remove", "path": "/note"}]', headers=JSON_PATCH)).status_code in (409, 422)


def _weight(person: str, value: float, month: int) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    return observation(person, value=value, unit="kg", at=f"2025-{month + 1:02d}-05T08:00:00Z", code="x") | {"code": code}
