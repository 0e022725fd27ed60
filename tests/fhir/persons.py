"""Small synthetic resources that the tests of the API share."""

import json
from typing import Any
from uuid import uuid4

import httpx

SYSTEM = "urn:test:mrn"


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": str(uuid4())}], "birthDate": "1990-06-15", "gender": "female"} | more


def observation(person: str, code: str = "no-measure", value: float = 72, unit: str = "/min", at: str = "2026-01-05T08:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:test:codes", "code": code}]},
        "subject": {"reference": person}, "effectiveDateTime": at,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    } | more  # fmt: skip


async def stored(client: httpx.AsyncClient, resource: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Create it; the answer must be 201."""
    answer = await client.post(resource["resourceType"], content=json.dumps(resource), headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def new_person(client: httpx.AsyncClient, **more: Any) -> str:
    """The ref of a new Patient."""
    return "Patient/" + str((await stored(client, patient(**more)))["id"])


async def found(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    """The matches of a search, all pages."""
    matches: list[dict[str, Any]] = []
    url: str | None = query
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        matches += [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return matches


def issue(answer: httpx.Response) -> dict[str, Any]:
    """The first issue of an OperationOutcome."""
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    first: dict[str, Any] = body["issue"][0]
    return first
