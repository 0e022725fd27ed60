"""Observation/$lastn (R4 operation-observation-lastn.html) and $meta, $meta-add, $meta-delete (resource-operation-meta*.html)."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import found, issue, new_person, observation, stored


async def measured(client: httpx.AsyncClient, who: str) -> None:
    """Pulse three times, once under two codes; weight twice, the newer one in error; a text alone."""
    def coded(*codes: str) -> dict[str, Any]:
        return {"coding": [{"system": "urn:test:codes", "code": code} for code in codes]}

    for at, codes, value in (("2026-01-01", ("p",), 1), ("2026-01-03", ("p", "q"), 3), ("2026-01-02", ("q",), 2), ("2026-01-04", ("w",), 4)):
        await stored(client, observation(who, at=at, value=value) | {"code": coded(*codes)})
    await stored(client, observation(who, at="2026-01-05", value=5) | {"code": coded("w"), "status": "entered-in-error"})
    await stored(client, observation(who, at="2025-01-05", value=6) | {"code": {"text": "only text"}, "category": [{"coding": [{"code": "survey"}]}]})


@pytest.mark.parametrize(("query", "values"), [
    ("", [4, 3, 6]), ("&max=2", [4, 3, 2, 6]), ("&max=9", [4, 3, 2, 1, 6]), ("&code=p", [3]), ("&code=p&max=2", [3, 1]), ("&category=survey", [6]),
    ("&date=lt2026-01-03", [2, 1, 6]),
])  # fmt: skip
async def test_lastn(client: httpx.AsyncClient, query: str, values: list[int]) -> None:
    who = await new_person(client)
    await measured(client, who)
    for parameter in ("patient", "subject"):
        answer = await client.get(f"Observation/$lastn?{parameter}={who}{query}")
        assert [each["resource"]["valueQuantity"]["value"] for each in answer.json()["entry"]] == values
    asked = [{"name": name, "valueString": value} for name, value in (pair.split("=") for pair in f"patient={who}{query}".split("&"))]
    posted = await client.post("Observation/$lastn", content=json.dumps({"resourceType": "Parameters", "parameter": asked}))
    assert posted.json()["total"] == len(values)


@pytest.mark.parametrize(("query", "name"), [("code=p", "patient"), ("patient=Patient/1&max=0", "max"), ("patient=Patient/1&max=x", "max"),
                                             ("patient=Patient/1&_sort=date", "_sort"), ("patient=Patient/1&colour=red", "colour")])  # fmt: skip
async def test_lastn_refuses(client: httpx.AsyncClient, query: str, name: str) -> None:
    answer = await client.get(f"Observation/$lastn?{query}")
    assert (answer.status_code, issue(answer)["expression"]) == (400, [name])


def given(**meta: Any) -> str:
    return json.dumps({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]})


async def test_meta(client: httpx.AsyncClient) -> None:
    code = "m" + uuid4().hex[:12]
    tag, label = {"system": "urn:test:tags", "code": code}, {"system": "urn:test:labels", "code": code}
    made = await client.post("Observation", content=json.dumps(observation(await new_person(client), meta={"tag": [tag]})).replace(": 72", ": 7.20e1"))
    ref = f"Observation/{made.json()['id']}"

    def told(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        (parameter,) = answer.json()["parameter"]
        assert parameter["name"] == "return"
        meta: dict[str, Any] = parameter["valueMeta"]
        return meta

    assert told(await client.get(f"{ref}/$meta"))["tag"] == [tag]
    added = told(await client.post(f"{ref}/$meta-add", content=given(tag=[tag], security=[label], profile=["urn:test:profile"])))
    assert (added["versionId"], added["tag"], added["security"], added["profile"]) == ("2", [tag], [label], ["urn:test:profile"])
    assert b"7.20e1" in (await client.get(ref)).content
    assert told(await client.post(f"{ref}/$meta-add", content=given(tag=[tag])))["versionId"] == "2"
    assert len(await found(client, f"Observation?_security=urn:test:labels|{code}")) == 1
    for path in ("Observation/$meta", "$meta"):
        everything = told(await client.get(path))
        assert tag in everything["tag"]
        assert label in everything["security"]
        assert "urn:test:profile" in everything["profile"]
    gone = told(await client.post(f"{ref}/$meta-delete", content=given(tag=[tag], profile=["urn:test:profile"])))
    assert ("tag" in gone, "profile" in gone, gone["security"]) == (False, False, [label])
    assert await found(client, f"Observation?_tag={code}") == []


async def test_meta_refuses(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"Patient/{uuid4()}/$meta")).status_code == 404
    who = await new_person(client)
    assert (await client.post(f"{who}/$meta-add", content="{}")).status_code == 400
    assert (await client.post(f"{who}/$meta-add", content=given(tag=[{"code": 3}]))).status_code == 400
    await client.delete(who)
    assert (await client.get(f"{who}/$meta")).status_code == 410
