"""Conditional writes (R4 http.html#ccreate, #cond-update, 3.1.0.7.1 conditional delete): what each number of matches gives, and who wins a race."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import SYSTEM, found, issue, new_person, observation, patient, stored


def asked(value: str) -> str:
    return f"Patient?identifier={SYSTEM}|{value}"


def person(value: str, **more: Any) -> str:
    return json.dumps(patient(identifier=[{"system": SYSTEM, "value": value}]) | more)


async def test_update_nothing_matches(client: httpx.AsyncClient) -> None:
    """"No matches, no id provided: The server creates the resource. No matches, id provided: ... Update as Create"."""
    value, id_ = str(uuid4()), str(uuid4())
    created = await client.put(asked(value), content=person(value))
    assert created.status_code == 201
    assert created.json()["meta"]["versionId"] == "1"
    other = str(uuid4())
    named = await client.put(asked(other), content=person(other, id=id_))
    assert (named.status_code, named.json()["id"]) == (201, id_)


async def test_update_one_matches(client: httpx.AsyncClient) -> None:
    """"One Match, no resource id provided OR (resource id provided and it matches the found resource): ... update. One Match, resource id provided
    but does not match resource found: 400"."""
    value = str(uuid4())
    first = (await client.put(asked(value), content=person(value))).json()
    second = await client.put(asked(value), content=person(value, gender="male"))
    assert (second.status_code, second.json()["id"], second.headers["etag"]) == (200, first["id"], 'W/"2"')
    third = await client.put(asked(value), content=person(value, id=first["id"]), headers={"if-match": 'W/"2"'})
    assert (third.status_code, third.headers["etag"]) == (200, 'W/"3"')
    assert (await client.put(asked(value), content=person(value), headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await client.put(asked(value), content=person(value, id="another"))).status_code == 400


async def test_update_several_match_or_criteria_not_understood(client: httpx.AsyncClient) -> None:
    """"Multiple matches: The server returns a 412"; a condition that is not understood is refused, never widened."""
    value = str(uuid4())
    for _ in range(2):
        await stored(client, json.loads(person(value)))
    assert (await client.put(asked(value), content=person(value))).status_code == 412
    for query in ("Patient", "Patient?", "Patient?nonsense=1", f"{asked(value)}&_sort=family", "Patient?_format=json"):
        assert (await client.put(query, content=person(value))).status_code == 412, query
    assert len(await found(client, asked(value))) == 2


async def test_delete(client: httpx.AsyncClient) -> None:
    """"No matches or One Match: ... ordinary delete on the matching resource. Multiple matches: ... 412"."""
    value = str(uuid4())
    assert (await client.delete(asked(value))).status_code == 204
    ref = f"Patient/{(await stored(client, json.loads(person(value))))['id']}"
    assert (await client.delete(asked(value))).status_code == 204
    assert (await client.get(ref)).status_code == 410
    for _ in range(2):
        await stored(client, json.loads(person(value)))
    assert (await client.delete(asked(value))).status_code == 412
    assert len(await found(client, asked(value))) == 2
    assert (await client.delete("Patient")).status_code == 412


async def test_delete_several_where_the_setting_allows(client: httpx.AsyncClient, house: Any) -> None:
    who = await new_person(client)
    code = "d" + uuid4().hex[:12]
    for number in range(3):
        await stored(client, observation(who, code, number))
    kept, house.settings = house.settings, house.settings.model_copy(update={"conditional_delete": "multiple"})
    try:
        statement = (await client.get("metadata")).json()
        answer = await client.delete(f"Observation?code={code}", headers={"prefer": "return=OperationOutcome"})
    finally:
        house.settings = kept
    assert (answer.status_code, answer.json()["resourceType"]) == (200, "OperationOutcome")
    assert await found(client, f"Observation?code={code}") == []
    assert {each["conditionalDelete"] for each in statement["rest"][0]["resource"] if each["type"] == "Observation"} == {"multiple"}


async def test_put_that_only_creates(client: httpx.AsyncClient) -> None:
    """RFC 9110, 13.1.2: If-None-Match: * is false when a representation exists."""
    ref = f"Patient/{uuid4()}"
    body = json.dumps(patient(id=ref.split("/")[1]))
    assert (await client.put(ref, content=body, headers={"if-none-match": "*"})).status_code == 201
    assert (await client.put(ref, content=body, headers={"if-none-match": "*"})).status_code == 412


async def race(client: httpx.AsyncClient, method: str, url: str, body: str, **headers: str) -> Counter[int]:
    sent = (client.request(method, url, content=body, headers={name.replace("_", "-"): value for name, value in headers.items()}) for _ in range(50))
    return Counter(answer.status_code for answer in await asyncio.gather(*sent))


async def test_fifty_conditional_creates_give_one(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    assert await race(client, "POST", "Patient", person(value), if_none_exist=f"identifier={SYSTEM}|{value}") == {201: 1, 200: 49}
    assert len(await found(client, asked(value))) == 1


async def test_fifty_conditional_updates_give_one(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    assert await race(client, "PUT", asked(value), person(value)) == {201: 1, 200: 49}
    (one,) = await found(client, asked(value))
    assert one["meta"]["versionId"] == "50"


async def test_fifty_updates_of_one_version_give_one(client: httpx.AsyncClient) -> None:
    first = await stored(client, patient())
    assert await race(client, "PUT", f"Patient/{first['id']}", json.dumps(first), if_match='W/"1"') == {200: 1, 412: 49}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(("header", "holds"), [("*", True), ('W/"1", W/"2"', True), ('"7","2"', True), ('W/"1", W/"3"', False), ('W/"2" , "2"', True)])
async def test_if_match_of_any_and_of_several(client: httpx.AsyncClient, method: str, header: str, holds: bool) -> None:
    """RFC 9110, 13.1.1; the version that stands is the second."""
    first = await stored(client, patient())
    address, body = f"Patient/{first['id']}", json.dumps(first)
    assert (await client.put(address, content=body)).json()["meta"]["versionId"] == "2"
    content = json.dumps([{"op": "add", "path": "/active", "value": True}]) if method == "PATCH" else body
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    answer = await client.request(method, address, content=content, headers={"if-match": header, "content-type": kind})
    assert answer.status_code == ((204 if method == "DELETE" else 200) if holds else 412)


async def test_if_match_of_any_where_nothing_stands(client: httpx.AsyncClient) -> None:
    """Neither where nothing ever stood nor where it was deleted; nor by criteria that find nothing."""
    made = await stored(client, patient())
    assert (await client.delete(f"Patient/{made['id']}")).status_code == 204
    for id_ in (made["id"], str(uuid4())):
        answer = await client.put(f"Patient/{id_}", content=json.dumps(patient(id=id_)), headers={"if-match": "*"})
        assert (answer.status_code, issue(answer)["diagnostics"]) == (412, "Nothing stands at this address")
    for header in ("*", 'W/"1", W/"2"'):
        by_criteria = await client.put(asked(str(uuid4())), content=json.dumps(patient()), headers={"if-match": header})
        assert by_criteria.status_code == 412


@pytest.mark.parametrize("header", ["1", '"x"', "W/1", 'W/""', '*, W/"1"', 'W/"1",', "", ","])
async def test_malformed_if_match(client: httpx.AsyncClient, header: str) -> None:
    first = await stored(client, patient())
    assert (await client.put(f"Patient/{first['id']}", content=json.dumps(first), headers={"if-match": header})).status_code == 400


async def test_conditional_read(client: httpx.AsyncClient) -> None:
    """http.html#cread; RFC 9110, 13.1.3: If-Modified-Since is false when the last modification is earlier or equal."""
    first = await client.post("Patient", content=json.dumps(patient()))
    ref, etag, modified = f"Patient/{first.json()['id']}", first.headers["etag"], first.headers["last-modified"]
    cases = [({"if-none-match": etag}, 304), ({"if-none-match": '"1"'}, 304), ({"if-none-match": 'W/"9", W/"1"'}, 304), ({"if-none-match": 'W/"9"'}, 200),
             ({"if-modified-since": modified}, 304), ({"if-modified-since": "Fri, 31 Dec 2100 23:59:59 GMT"}, 304),
             ({"if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200), ({"if-modified-since": "yesterday"}, 200),
             ({"if-none-match": 'W/"9"', "if-modified-since": modified}, 200)]  # fmt: skip
    for headers, status in cases:
        answer = await client.get(ref, headers=headers)
        assert (answer.status_code, bool(answer.content)) == (status, status == 200), headers
        assert (await client.head(ref, headers=headers)).status_code == status
