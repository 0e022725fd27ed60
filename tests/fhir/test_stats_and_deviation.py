"""Observation/$stats (R4 observation-operation-stats.html) by hand, and $deviation against the golden first value of a population."""

import json
from typing import Any

import httpx
import pytest

from tests.fhir.persons import found, issue, new_person, observation, stored
from tests.story.telling import phq9, weeks_ago

LOINC = "http://loinc.org"


async def measured(client: httpx.AsyncClient, who: str) -> None:
    """2, 4, 4, 4, 5, 5, 7, 9 on the first eight days of a month: mean 5, population sd 2; one in error, one with a comparator."""
    for day, value in enumerate((2, 4, 4, 4, 5, 5, 7, 9), 1):
        await stored(client, observation(who, "s", value, "kg", f"2026-01-0{day}T00:00:00Z"))
    await stored(client, observation(who, "s", 99, "kg", "2026-01-09T00:00:00Z", status="entered-in-error"))
    above = observation(who, "s", 50, "kg", "2026-01-09T01:00:00Z")
    above["valueQuantity"]["comparator"] = ">"
    await stored(client, above)


async def told(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer = await client.get(f"Observation/$stats?{query}")
    assert answer.status_code == 200, answer.text
    (each, *_) = answer.json()["parameter"]
    return {part["code"]["coding"][0]["code"]: part.get("valueQuantity", {}).get("value") for part in each["resource"]["component"]}


async def test_statistics(client: httpx.AsyncClient) -> None:
    who = await new_person(client)
    await measured(client, who)
    names = ["average", "maximum", "minimum", "count", "total-count", "median", "std-dev", "sum", "variance", "20-percent", "4-lower", "4-upper", "skew",
             "regression"]  # fmt: skip
    values = await told(client, f"subject={who}&code=s&system=urn:test:codes&statistic={','.join(names)}")
    assert list(values) == names
    expected = {"average": 5, "maximum": 9, "minimum": 2, "count": 8, "total-count": 9, "median": 4.5, "std-dev": (32 / 7) ** 0.5, "sum": 40,
                "variance": 32 / 7, "20-percent": 4, "4-lower": 4, "4-upper": 5.5, "skew": 0.65625, "regression": 34 / 42}  # fmt: skip
    assert values == {name: pytest.approx(value, abs=1e-9) for name, value in expected.items()}


async def test_bounds_units_and_nothing(client: httpx.AsyncClient) -> None:
    who = await new_person(client)
    await measured(client, who)
    assert await told(client, f"subject={who}&code=s&statistic=count,sum&start=2026-01-02&end=2026-01-04") == {"count": 3, "sum": 12}
    assert await told(client, f"subject={who}&code=s&statistic=count,average&duration=1") == {"count": 0, "average": None}
    asked = [{"name": "subject", "valueUri": who}, {"name": "code", "valueString": "s"}, {"name": "statistic", "valueCode": "average"},
             {"name": "include", "valueBoolean": True}, {"name": "limit", "valuePositiveInt": 2}]  # fmt: skip
    posted = await client.post("Observation/$stats", content=json.dumps({"resourceType": "Parameters", "parameter": asked}))
    assert [each["name"] for each in posted.json()["parameter"]] == ["statistics", "source", "source"]
    period = [*asked[:2], {"name": "statistic", "valueCode": "count"}, {"name": "period", "valuePeriod": {"start": "2026-01-03", "end": "2026-01-04"}}]
    within = await client.post("Observation/$stats", content=json.dumps({"resourceType": "Parameters", "parameter": period}))
    assert within.json()["parameter"][0]["resource"]["component"][0]["valueQuantity"]["value"] == 2
    await stored(client, observation(who, "s", 5000, "g", "2026-01-10T00:00:00Z"))
    refused = await client.get(f"Observation/$stats?subject={who}&code=s&statistic=average")
    assert (refused.status_code, "several units" in issue(refused)["diagnostics"]) == (422, True)


async def test_one_without_a_date_counts_and_one_with_two_codings_counts_once(client: httpx.AsyncClient) -> None:
    who = await new_person(client)
    await measured(client, who)
    undated = observation(who, "s", 14, "kg")
    del undated["effectiveDateTime"]
    undated["code"]["coding"].append({"system": "urn:test:others", "code": "s"})
    await stored(client, undated)
    assert await told(client, f"subject={who}&code=s&statistic=count,average") == {"count": 9, "average": 6}
    assert await told(client, f"subject={who}&code=s&statistic=count&start=2026-01-01") == {"count": 8}


@pytest.mark.parametrize("period", [{"valueString": "2026"}, {"valuePeriod": "2026"}, {"valuePeriod": {"start": 2026}}, {"valuePeriod": {"end": "soon"}}])
async def test_a_period_that_is_none(client: httpx.AsyncClient, period: dict[str, Any]) -> None:
    asked = [{"name": "subject", "valueUri": "Patient/1"}, {"name": "code", "valueString": "s"}, {"name": "statistic", "valueCode": "count"}]
    body = {"resourceType": "Parameters", "parameter": [*asked, {"name": "period"} | period]}
    assert (await client.post("Observation/$stats", content=json.dumps(body))).status_code == 400


@pytest.mark.parametrize("query", ["code=s&statistic=average", "subject=Patient/1&statistic=average", "subject=Patient/1&code=s",
                                   "subject=Patient/1&code=s&statistic=luck", "subject=Patient/1&code=s&statistic=count&duration=long",
                                   "subject=Patient/1&code=s&statistic=count&period=2026"])  # fmt: skip
async def test_bad_questions(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"Observation/$stats?{query}")).status_code == 400


def score(person: str, value: int, at: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": "44261-6"}]},
            "subject": {"reference": person}, "effectiveDateTime": at, "valueInteger": value}  # fmt: skip


async def test_deviation_is_what_storing_would_say_and_stores_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for week, value in ((9, 4), (8, 5), (7, 4), (6, 5), (5, 4)):
        await stored(client, phq9(person, value, weeks_ago(week)))
    before = len(await found(client, f"Observation?patient={person}"))
    answer = await client.post("Observation/$deviation", content=json.dumps(score(person, 20, weeks_ago(1))))
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "above-personal-range"
    assert made["contained"][0]["valueInteger"] == 20
    assert len(await found(client, f"Observation?patient={person}")) == before
    parts = {part["code"]["coding"][0]["code"]: part for part in made["component"]}
    assert parts["n"]["valueInteger"] == 5
    await stored(client, score(person, 20, weeks_ago(1)))
    deviations = await found(client, f"Observation?patient={person}&code=deviation&_sort=-date&_count=1")
    assert next(part for part in deviations[0]["component"] if part["code"]["coding"][0]["code"] == "z") == parts["z"]
    earlier = await client.post("Observation/$deviation", content=json.dumps(score(person, 20, weeks_ago(8.5))))
    assert next(part for part in earlier.json()["component"] if part["code"]["coding"][0]["code"] == "n")["valueInteger"] == 1, "no later value counts"


async def test_what_has_no_baseline(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for body in (observation(person, "unknown"), score("Patient/nobody", 3, weeks_ago(1)), score(person, 99, weeks_ago(1))):
        answer = await client.post("Observation/$deviation", content=json.dumps(body))
        assert (answer.status_code, bool(issue(answer))) == (422, True)
    assert (await client.post("Observation/$deviation", content=json.dumps({"resourceType": "Parameters"}))).status_code == 400
