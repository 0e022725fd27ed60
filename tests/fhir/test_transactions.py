"""batch and transaction (R4 http.html#transaction): order, references, all or nothing."""

import asyncio
import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import SYSTEM, found, issue, new_person, observation, patient

URN = "urn:uuid:11111111-1111-4111-8111-111111111111"
OTHER = "urn:uuid:22222222-2222-4222-8222-222222222222"


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> str:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def entry(method: str, url: str, resource: dict[str, Any] | None = None, full_url: str | None = None, **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url} | request}
    return made | ({"resource": resource} if resource else {}) | ({"fullUrl": full_url} if full_url else {})


async def test_urns_become_references_also_in_circles_and_extensions(client: httpx.AsyncClient) -> None:
    person = patient(link=[{"other": {"reference": OTHER}, "type": "seealso"}])
    other = patient(link=[{"other": {"reference": URN}, "type": "seealso"}], extension=[{"url": "urn:x", "valueReference": {"reference": URN}}])
    seen = observation(URN)
    answer = await client.post(
        "", content=bundle(entry("POST", "Patient", person, URN), entry("POST", "Patient", other, OTHER), entry("POST", "Observation", seen))
    )
    assert answer.status_code == 200, answer.text
    refs = ["/".join(each["response"]["location"].split("/")[-4:-2]) for each in answer.json()["entry"]]
    first, second, third = [(await client.get(ref)).json() for ref in refs]
    assert first["link"][0]["other"]["reference"] == refs[1]
    assert second["link"][0]["other"]["reference"] == refs[0]
    assert second["extension"][0]["valueReference"]["reference"] == refs[0]
    assert third["subject"]["reference"] == refs[0]


async def test_numbers_keep_their_text_through_rewriting(client: httpx.AsyncClient) -> None:
    text = bundle(entry("POST", "Patient", patient(), URN), entry("POST", "Observation", observation(URN))).replace('"value": 72', '"value": 1.50')
    answer = await client.post("", content=text)
    location = answer.json()["entry"][1]["response"]["location"]
    assert '"value": 1.50' in (await client.get(location)).text


async def test_all_or_nothing(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    bad = observation("Patient/nobody")
    answer = await client.post(
        "", content=bundle(entry("POST", "Patient", patient(identifier=[{"system": SYSTEM, "value": value}])), entry("POST", "Observation", bad))
    )
    assert answer.status_code == 422
    assert not await found(client, f"Patient?identifier={SYSTEM}|{value}")


async def test_an_invalid_entry_is_named(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    answer = await client.post(
        "", content=bundle(entry("POST", "Observation", observation(person)), entry("POST", "Observation", observation(person, status="odd")))
    )
    assert answer.status_code == 400
    assert issue(answer)["expression"] == ["Bundle.entry[1].resource.status"]


async def test_if_none_exist_means_what_is_there(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    person = await new_person(client, identifier=[{"system": SYSTEM, "value": value}])
    again = entry("POST", "Patient", patient(), URN, ifNoneExist=f"identifier={SYSTEM}|{value}")
    answer = await client.post("", content=bundle(again, entry("POST", "Observation", observation(URN))))
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["200", "201"]
    assert len(await found(client, f"Observation?subject={person}")) == 1


async def test_conditional_references(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    person = await new_person(client, identifier=[{"system": SYSTEM, "value": value}])
    answer = await client.post("", content=bundle(entry("POST", "Observation", observation(f"Patient?identifier={SYSTEM}|{value}"))))
    assert answer.status_code == 200, answer.text
    assert len(await found(client, f"Observation?subject={person}")) == 1
    none = await client.post("", content=bundle(entry("POST", "Observation", observation("Patient?identifier=nobody"))))
    assert none.status_code == 412


async def test_order_is_delete_post_put_get(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    id_ = person.split("/")[1]
    answer = await client.post("", content=bundle(entry("GET", f"Patient/{id_}"), entry("PUT", person, patient(id=id_, gender="other"), ifMatch='W/"1"')))
    statuses = [each["response"]["status"][:3] for each in answer.json()["entry"]]
    assert statuses == ["200", "200"]
    assert answer.json()["entry"][0]["resource"]["gender"] == "other"


async def test_two_entries_on_one_identity_fail(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    body = patient(id=person.split("/")[1])
    answer = await client.post("", content=bundle(entry("PUT", person, body), entry("DELETE", person)))
    assert (answer.status_code, issue(answer)["code"]) == (400, "duplicate")
    stale = await client.post("", content=bundle(entry("PUT", person, body, ifMatch='W/"7"')))
    assert stale.status_code == 412


async def test_a_batch_answers_each_for_itself(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    entries = [
        entry("GET", person),
        entry("POST", "Observation", observation("Patient/nobody")),
        entry("POST", "Observation", observation(person)),
        entry("GET", "Patient/nobody"),
    ]
    answer = await client.post("", content=bundle(*entries, kind="batch"))
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["200", "422", "201", "404"]
    assert answer.json()["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "body",
    [
        bundle(kind="searchset"),
        '{"resourceType":"Patient"}',
        bundle(entry("BREW", "Patient")),
        bundle({"resource": patient()}),
        bundle(entry("POST", "Nope", {"resourceType": "Nope"})),
        bundle(entry("POST", "Patient")),
        bundle(entry("PUT", "Patient", patient())),
    ],
)
async def test_what_is_no_transaction_is_refused(client: httpx.AsyncClient, body: str) -> None:
    answer = await client.post("", content=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_conditional_entries(client: httpx.AsyncClient) -> None:
    """http.html, 3.1.0.11: PUT, DELETE and PATCH may go by criteria; a second entry that comes to the same resource is refused."""
    first, second, third = (str(uuid4()) for _ in range(3))
    for value in (first, second):
        await client.post("Patient", content=json.dumps(patient(identifier=[{"system": SYSTEM, "value": value}])))
    by = "Patient?identifier={}|{}".format
    data = _base64('[{"op": "replace", "path": "/gender", "value": "other"}]')
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    person = patient(identifier=[{"system": SYSTEM, "value": third}])
    answer = await client.post("", content=bundle(
        entry("PATCH", by(SYSTEM, first), patch), entry("PUT", by(SYSTEM, third), person, URN), entry("DELETE", by(SYSTEM, second)),
        entry("POST", "Observation", observation(URN)), entry("GET", by(SYSTEM, second)),
    ))  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert [each["response"]["status"] for each in answer.json()["entry"]] == ["200", "201", "204", "201", "200"]
    assert answer.json()["entry"][4]["resource"]["total"] == 0
    assert [each["gender"] for each in await found(client, by(SYSTEM, first))] == ["other"]
    (made,) = await found(client, by(SYSTEM, third))
    assert len(await found(client, f"Observation?subject=Patient/{made['id']}")) == 1
    twice = bundle(entry("PUT", by(SYSTEM, third), person), entry("DELETE", f"Patient/{made['id']}"))
    refused = await client.post("", content=twice)
    assert (refused.status_code, issue(refused)["code"]) == (400, "duplicate")
    assert (await client.get(f"Patient/{made['id']}")).status_code == 200


async def test_fhirpath_patch_entry_and_its_version(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    value = {"name": "value", "valueCode": "male"}
    part = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.gender"}, value]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    assert (await client.post("", content=bundle(entry("PATCH", person, patch, ifMatch='W/"2"')))).status_code == 412
    answer = await client.post("", content=bundle(entry("PATCH", person, patch, ifMatch='W/"1"')))
    assert (answer.status_code, answer.json()["entry"][0]["response"]["etag"]) == (200, 'W/"2"')
    assert (await client.get(person)).json()["gender"] == "male"


async def test_addresses_as_full_urls(client: httpx.AsyncClient) -> None:
    """bundle.html#references: an absolute reference that equals a fullUrl means that entry; so does a relative one where both have one root."""
    root = "http://elsewhere.example/fhir"
    other = await new_person(client)
    answer = await client.post("", content=bundle(
        entry("POST", "Patient", patient(), f"{root}/Patient/7"), entry("POST", "Observation", observation(f"{root}/Patient/7"), f"{root}/Observation/1"),
        entry("POST", "Observation", observation("Patient/7"), f"{root}/Observation/2"), entry("POST", "Observation", observation(other)),
    ))  # fmt: skip
    assert answer.status_code == 200, answer.text
    refs = ["/".join(each["response"]["location"].split("/")[-4:-2]) for each in answer.json()["entry"]]
    assert [(await client.get(ref)).json()["subject"]["reference"] for ref in refs[1:]] == [refs[0], refs[0], other]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_reads_of_a_bundle_are_conditional(client: httpx.AsyncClient, kind: str) -> None:
    person = await new_person(client)
    answer = await client.post("", content=bundle(entry("GET", person, ifNoneMatch='W/"1"'), entry("HEAD", person), kind=kind))
    assert [each["response"]["status"] for each in answer.json()["entry"]] == ["304", "200"]
    assert all("resource" not in each for each in answer.json()["entry"])


async def test_a_failing_patch_stores_nothing(client: httpx.AsyncClient) -> None:
    person, value = await new_person(client), str(uuid4())
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": _base64('[{"op": "remove", "path": "/nothing"}]')}
    answer = await client.post("", content=bundle(entry("POST", "Patient", patient(identifier=[{"value": value}])), entry("PATCH", person, patch)))
    assert answer.status_code == 422
    assert issue(answer)["expression"][0].startswith("Bundle.entry[1]")
    assert await found(client, f"Patient?identifier={value}") == []


async def test_entries_that_would_be_one_resource_or_are_none(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    person = patient(identifier=[{"system": SYSTEM, "value": value}])
    twice = [entry("POST", "Patient", person, ifNoneExist=f"identifier={SYSTEM}|{value}") for _ in range(2)]
    refused = await client.post("", content=bundle(*twice))
    assert (refused.status_code, issue(refused)["code"]) == (400, "duplicate")
    assert await found(client, f"Patient?identifier={SYSTEM}|{value}") == []
    broken = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": "x", "request": {"method": "POST", "url": "Patient"}}]})
    assert (await client.post("", content=broken)).status_code == 400


@pytest.mark.parametrize("by_identifier", [False, True])
async def test_nothing_is_stored_about_a_patient_who_is_deleted_with_it(client: httpx.AsyncClient, by_identifier: bool) -> None:
    value = str(uuid4())
    person = await new_person(client, identifier=[{"system": SYSTEM, "value": value}])
    about = {"subject": {"identifier": {"system": SYSTEM, "value": value}}} if by_identifier else {}
    answer = await client.post("", content=bundle(entry("DELETE", person), entry("POST", "Observation", observation(person, **about))))
    assert (answer.status_code, issue(answer)["code"], issue(answer)["expression"]) == (422, "business-rule", ["Observation.subject"])
    assert (await client.get(person)).status_code == 200
    gone = await client.post("", content=bundle(entry("DELETE", person), entry("POST", "Patient", patient())))
    assert gone.status_code == 200, "another's record may begin"


@pytest.mark.parametrize(("tags", "status"), [("*", 200), ('W/"1", W/"4"', 200), ('W/"3", W/"4"', 412)])
async def test_if_match_of_an_entry(client: httpx.AsyncClient, tags: str, status: int) -> None:
    person = await new_person(client)
    body = patient(id=person.split("/")[1])
    answer = await client.post("", content=bundle(entry("PUT", person, body, ifMatch=tags)))
    assert answer.status_code == status, answer.text


async def accesses(client: httpx.AsyncClient, ref: str) -> list[str]:
    """The audited interactions with a resource, oldest first."""
    await asyncio.sleep(0.2)  # the trail is written in groups
    return [each["subtype"][0]["code"] for each in await found(client, f"AuditEvent?entity={ref}&_sort=date")]


async def test_what_if_none_exist_finds_is_audited_as_read(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    body, criteria = patient(identifier=[{"system": SYSTEM, "value": value}]), f"identifier={SYSTEM}|{value}"
    made = (await client.post("Patient", content=json.dumps(body))).json()
    again = await client.post("Patient", content=json.dumps(body), headers={"if-none-exist": criteria})
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    assert await accesses(client, f"Patient/{made['id']}") == ["create", "read"]
    answer = await client.post("", content=bundle(entry("POST", "Patient", body, ifNoneExist=criteria)))
    assert answer.json()["entry"][0]["response"]["status"] == "200"
    assert await accesses(client, f"Patient/{made['id']}") == ["create", "read", "read"]
    refused = await client.post("", content=bundle(entry("POST", "Patient", body, ifNoneExist=criteria), entry("GET", "Patient/nobody")))
    assert refused.status_code == 400
    assert await accesses(client, f"Patient/{made['id']}") == ["create", "read", "read"], "nothing was answered"


@pytest.mark.parametrize("writes", [False, True])
async def test_a_read_in_a_transaction_is_audited_once(client: httpx.AsyncClient, writes: bool) -> None:
    person = await new_person(client)
    more = [entry("POST", "Patient", patient())] if writes else []
    answer = await client.post("", content=bundle(entry("GET", person), *more))
    assert answer.json()["entry"][0]["resource"]["id"] == person.split("/")[1]
    assert await accesses(client, person) == ["create", "read"]


async def test_prefer_operation_outcome_counts_for_entries(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    answer = await client.post("", content=bundle(entry("POST", "Patient", patient()), entry("DELETE", person)), headers={"prefer": "return=OperationOutcome"})
    done = answer.json()["entry"]
    assert [each["response"]["status"] for each in done] == ["201", "200"]
    assert [each["response"]["outcome"]["resourceType"] for each in done] == ["OperationOutcome"] * 2
    assert done[0]["response"]["location"]
    assert not any("resource" in each for each in done)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
