"""Answers and what the tests compare: derived content without ids, meta, Provenance and times of issue."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

LOINC = "http://loinc.org"
OURS = "https://setpoint.example/fhir/CodeSystem/setpoint"
PHQ9 = ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8")
GAD7 = ("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7")
ANSWERS = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")
NOW = datetime.now(UTC).replace(microsecond=0)
Json = dict[str, Any]


def weeks_ago(weeks: float) -> str:
    return (NOW - timedelta(weeks=weeks)).isoformat().replace("+00:00", "Z")


def phq9(person: str, scores: tuple[int, ...] | int, at: str, **more: Any) -> Json:
    """A completed PHQ-9; a number is spread over the first eight items, so that item 9 stays 0."""
    spread = scores if isinstance(scores, tuple) else (*tuple(min(3, max(0, scores - 3 * number)) for number in range(8)), 0)
    item = [{"linkId": code, "answer": [{"valueCoding": {"system": LOINC, "code": ANSWERS[score]}}]} for code, score in zip(PHQ9, spread, strict=True)]
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "https://setpoint.example/fhir/Questionnaire/phq-9",
            "subject": {"reference": person}, "authored": at, "item": item} | more  # fmt: skip


async def send(client: httpx.AsyncClient, resource: Json) -> Json:
    answer = await client.post(resource["resourceType"], content=json.dumps(resource))
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def change(client: httpx.AsyncClient, resource: Json) -> Json:
    answer = await client.put(f"{resource['resourceType']}/{resource['id']}", content=json.dumps(resource))
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def every(client: httpx.AsyncClient, query: str) -> list[Json]:
    """All matches of a search."""
    found: list[Json] = []
    url: str | None = query
    while url:
        bundle = (await client.get(url)).json()
        assert bundle["resourceType"] == "Bundle", bundle
        found += [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found


async def derived(client: httpx.AsyncClient, person: str) -> list[str]:
    """Everything derived that still stands, in a form that two histories can be compared in."""
    found = []
    for kind in ("Observation", "Flag", "DetectedIssue"):
        for resource in await every(client, f"{kind}?patient={person.split('/')[1]}&_tag={OURS}|derived&_count=200"):
            if resource.get("status") != "entered-in-error":
                found.append(bare(resource, person))
    return sorted(found)


def bare(resource: Json, person: str) -> str:
    """The content without ids, meta, times of issue, and references (they hold ids)."""

    def strip(value: Any) -> Any:
        if isinstance(value, list):
            return [strip(item) for item in value]
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items() if key not in ("id", "meta", "issued", "reference", "identifier", "identifiedDateTime")}
        return value.replace(person, "PERSON") if isinstance(value, str) else value

    return json.dumps(strip(resource), sort_keys=True)


def total_of(observations: list[Json], code: str = "phq-9") -> list[Json]:
    """The Observations that carry a code of ours, oldest first."""
    found = [each for each in observations if any(coding.get("system") == OURS and coding["code"] == code for coding in each["code"].get("coding", []))]
    return sorted(found, key=lambda each: each["effectiveDateTime"])
