"""history of an instance, a type, the system (R4 http.html#history): newest first, `_since`, `_at`, `_count`, pages that stay whole while others write."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import new_person, observation, patient, stored


async def versions(client: httpx.AsyncClient, url: str, most: int = 100) -> list[tuple[str, str | None, str]]:
    """(ref, versionId, method) of every entry, over all pages."""
    found: list[tuple[str, str | None, str]] = []
    following: str | None = url
    while following and len(found) < most:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert bundle["type"] == "history"
        found += [_seen(entry) for entry in bundle.get("entry", [])]
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found


def _seen(entry: dict[str, Any]) -> tuple[str, str | None, str]:
    return "/".join(entry["fullUrl"].split("/")[-2:]), entry.get("resource", {}).get("meta", {}).get("versionId"), entry["request"]["method"]


async def three(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """A ref with a created, an updated and a deleted version, and the instants of the first two."""
    first = await stored(client, patient())
    await asyncio.sleep(0.01)
    second = (await client.put(f"Patient/{first['id']}", content=json.dumps(first | {"gender": "other"}))).json()
    await asyncio.sleep(0.01)
    await client.delete(f"Patient/{first['id']}")
    return f"Patient/{first['id']}", [each["meta"]["lastUpdated"] for each in (first, second)]


async def test_of_an_instance(client: httpx.AsyncClient) -> None:
    ref, (first, second) = await three(client)
    whole = [(ref, None, "DELETE"), (ref, "2", "PUT"), (ref, "1", "POST")]
    assert await versions(client, f"{ref}/_history") == whole
    assert await versions(client, f"{ref}/_history?_count=1") == whole
    assert await versions(client, f"{ref}/_history?_since={second}") == whole[:2]
    assert await versions(client, f"{ref}/_history?_at={first}") == whole[2:]
    assert await versions(client, f"{ref}/_history?_at={second}") == whole[1:2]
    assert await versions(client, f"{ref}/_history?_at={second[:10]}") == whole
    assert await versions(client, f"{ref}/_history?_at=1990") == []
    assert (await client.head(f"{ref}/_history")).status_code == 200
    assert (await client.get(f"{ref}/_history")).json()["total"] == 3
    assert (await client.get(f"{ref}/_history/1")).status_code == 200
    assert (await client.get(f"{ref}/_history/3")).status_code == 410


@pytest.mark.parametrize("path", ["Flag/_history", "_history"])
async def test_of_a_type_and_of_the_system(client: httpx.AsyncClient, path: str) -> None:
    who = await new_person(client)
    flag = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": who}}
    made = [await stored(client, flag) for _ in range(3)]
    refs = [f"Flag/{each['id']}" for each in made]
    await client.put(refs[1], content=json.dumps(made[1] | {"status": "inactive"}))
    await client.delete(refs[0])
    wanted = [(refs[0], None, "DELETE"), (refs[1], "2", "PUT"), (refs[2], "1", "POST"), (refs[1], "1", "POST"), (refs[0], "1", "POST")]
    for count in (50, 2):
        seen = [each for each in await versions(client, f"{path}?_count={count}&_since={made[0]['meta']['lastUpdated']}") if each[0] in refs]
        assert seen == wanted


async def test_pages_stay_whole_while_others_write(client: httpx.AsyncClient) -> None:
    who = await new_person(client)
    refs = [f"Observation/{(await stored(client, observation(who, 'h')))['id']}" for _ in range(6)]
    answer = (await client.get("Observation/_history?_count=2")).json()
    seen = [_seen(entry)[0] for entry in answer["entry"]]
    while len(seen) < 6:
        await stored(client, observation(who, "between"))
        await client.delete(seen[0])
        answer = (await client.get(next(link["url"] for link in answer["link"] if link["relation"] == "next"))).json()
        seen += [_seen(entry)[0] for entry in answer["entry"]]
    assert seen[:6] == refs[::-1]


BAD = [("_count=0", "_count"), ("_count=x", "_count"), ("_since=soon", "_since"), ("_at=2024-13", "_at"), ("page=1", "page"), ("code=x", "code")]


@pytest.mark.parametrize(("query", "name"), BAD)
@pytest.mark.parametrize("path", ["Patient/_history", "_history"])
async def test_bad_parameters_are_named(client: httpx.AsyncClient, path: str, query: str, name: str) -> None:
    answer = await client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == [name]


async def test_what_has_none(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"Patient/{uuid4()}/_history")).status_code == 404
    assert (await client.get("AuditEvent/_history")).status_code == 405
    assert (await client.get("Medicine/_history")).status_code == 404
