"""Baselines under treatment through the API: whatever the order of arrival, the content left is that of one order; and what each thing does."""

import json
import random
from typing import Any

import httpx
import pytest

from tests.fhir.persons import issue, new_person
from tests.story.telling import LOINC, OURS, change, derived, every, phq9, send, total_of, weeks_ago

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"


def taken(person: str, name: str, since: float, mg: float | None = 50, until: float | None = None) -> Json:
    """A prescription from so many weeks ago; with its end where it has one."""
    bounds = {"start": weeks_ago(since)} | ({"end": weeks_ago(until)} if until is not None else {})
    dosage: Json = {"timing": {"repeat": {"boundsPeriod": bounds, "frequency": 1, "period": 1, "periodUnit": "d"}}}
    if mg is not None:
        dosage["doseAndRate"] = [{"doseQuantity": {"value": mg, "unit": "mg", "system": UCUM, "code": "mg"}}]
    return {"resourceType": "MedicationRequest", "status": "active" if until is None else "completed", "intent": "order", "subject": {"reference": person},
            "medicationCodeableConcept": {"text": name}, "authoredOn": weeks_ago(since), "dosageInstruction": [dosage]}  # fmt: skip


def measured(person: str, code: str, value: float, unit: str, weeks: float, **more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": person},
            "effectiveDateTime": weeks_ago(weeks), "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}} | more  # fmt: skip


def given(person: str, medicine: Json) -> Json:
    """A prescription as a statement that it is taken."""
    return {"resourceType": "MedicationStatement", "status": "active", "subject": {"reference": person}, "dosage": medicine["dosageInstruction"],
            "medicationCodeableConcept": medicine["medicationCodeableConcept"], "effectivePeriod": {"start": medicine["authoredOn"]}}  # fmt: skip


def stable(person: str, begin: float, end: float) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": OURS, "code": "stable-period"}]}, "subject": {"reference": person},
            "effectivePeriod": {"start": weeks_ago(begin), "end": weeks_ago(end)}}  # fmt: skip


async def deviations(client: httpx.AsyncClient, person: str) -> list[Json]:
    found = await every(client, f"Observation?patient={person.split('/')[1]}&code={OURS}|deviation&status=final&_sort=date&_count=200")
    return [{part["code"]["coding"][0]["code"]: next(iter(value for name, value in part.items() if name != "code")) for part in each["component"]}
            | {"note": each["note"][0]["text"]} for each in found]  # fmt: skip


async def trajectory(client: httpx.AsyncClient, person: str, measure: str) -> dict[str, Any]:
    answer = await client.get(f"{person}/$baseline?measure={measure}")
    assert answer.status_code == 200, answer.text
    return {part["name"]: next(value for name, value in part.items() if name != "name") for part in answer.json()["parameter"]}


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_answers_medicines_and_stable_periods(client: httpx.AsyncClient, seed: int) -> None:
    def events(person: str) -> list[Json]:
        scores = [18, 19, 17, 18, 15, 13, 10, 9, 12, 14]
        answers = [phq9(person, score, weeks_ago(20 - 2 * at)) for at, score in enumerate(scores)]
        levels = [measured(person, "14334-7", 0.5 + 0.02 * at, "mmol/L", 19 - 3 * at) for at in range(6)]
        medicines = [taken(person, "sertraline", 13), taken(person, "lithium", 20, 600, 9), taken(person, "lithium", 9, 900)]
        return [*answers, *levels, *medicines, stable(person, 20, 14)]

    ordered, shuffled = await new_person(client), await new_person(client)
    for each in events(ordered):
        await send(client, each)
    mixed = events(shuffled)
    random.Random(seed).shuffle(mixed)
    for each in mixed:
        await send(client, each)
    assert await derived(client, ordered) == await derived(client, shuffled)


async def test_getting_better_as_published_is_no_deviation_and_staying_ill_is_one(client: httpx.AsyncClient) -> None:
    """The published mean falls from 12.90 to 8.22 in four weeks."""
    treated, not_treated = await new_person(client), await new_person(client)
    for person in (treated, not_treated):
        for week in range(20, 8, -1):
            await send(client, phq9(person, 20, weeks_ago(week)))
    await send(client, taken(treated, "sertraline", 8))
    for person in (treated, not_treated):
        await send(client, phq9(person, 12, weeks_ago(4)))
    better, plain = (await deviations(client, treated))[-1], (await deviations(client, not_treated))[-1]
    assert better["set-point"]["value"] < 15 < plain["set-point"]["value"]
    assert abs(better["z"]["value"]) < 1.5 < abs(plain["z"]["value"])
    assert "Treatment changed or acted" in better["note"]
    drawn = (await client.get(f"{treated}/$baseline?measure=phq-9&_format=image/svg%2Bxml")).text
    assert 'class="foretold"' in drawn
    assert "expected under treatment" in drawn
    assert 'class="foretold"' not in (await client.get(f"{not_treated}/$baseline?measure=phq-9&_format=image/svg%2Bxml")).text


async def test_a_treatment_heard_of_late_judges_what_came_after_it_again_and_its_withdrawal_takes_that_back(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for week in (20, 18, 16, 14, 12, 10, 4):
        await send(client, phq9(person, 20 if week > 8 else 12, weeks_ago(week)))
    before = await derived(client, person)
    (*_, last) = await deviations(client, person)
    prescription = await send(client, taken(person, "sertraline", 8))
    (*_, moved) = await deviations(client, person)
    assert moved["set-point"]["value"] < last["set-point"]["value"] - 3
    await change(client, prescription | {"status": "entered-in-error"})
    assert await derived(client, person) == before


async def test_a_level_moves_with_its_dose(client: httpx.AsyncClient) -> None:
    """0.6 at 600 mg is 0.9 at 900 mg: linear kinetics."""
    person = await new_person(client)
    await send(client, taken(person, "lithium", 30, 600, 6))
    await send(client, taken(person, "lithium", 6, 900))
    for week in (29, 26, 23, 20, 17, 14, 11, 8):
        await send(client, measured(person, "14334-7", 0.6, "mmol/L", week))
    at_new_dose = await trajectory(client, person, "lithium")
    assert at_new_dose["expected"]["value"] == pytest.approx(0.9, abs=0.02)


async def test_a_new_start_with_another_dose_goes_on_from_the_old_one(client: httpx.AsyncClient) -> None:
    """600 mg for 24 weeks, then 900 mg by an update that names its start; a statement that it is taken adds nothing."""
    person = await new_person(client)
    prescription = await send(client, taken(person, "lithium", 30, 600))
    for week in (29, 26, 23, 20, 17, 14, 11, 8):
        await send(client, measured(person, "14334-7", 0.6, "mmol/L", week))
    await change(client, taken(person, "lithium", 6, 900) | {"id": prescription["id"]})
    assert (await trajectory(client, person, "lithium"))["expected"]["value"] == pytest.approx(0.9, abs=0.02)
    await send(client, given(person, taken(person, "lithium", 4, 900)))
    assert (await trajectory(client, person, "lithium"))["expected"]["value"] == pytest.approx(0.9, abs=0.02)


async def test_only_troughs_are_judged(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    early = measured(person, "14334-7", 1.2, "mmol/L", 1)
    early["component"] = [{"code": {"coding": [{"system": OURS, "code": "hours-since-dose"}]}, "valueQuantity": {"value": 3, "system": UCUM, "code": "h"}}]
    await send(client, early)
    assert (await trajectory(client, person, "lithium"))["n"] == 0
    refused = await client.post("Observation/$deviation", content=json.dumps(early))
    assert (refused.status_code, issue(refused)["expression"]) == (422, ["Observation.component"])
    assert "10 to 14 hours" in issue(refused)["diagnostics"]
    early["component"][0]["valueQuantity"]["value"] = 12
    await send(client, early)
    assert (await trajectory(client, person, "lithium"))["n"] == 1


async def test_another_method_is_another_stream(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    old, new = ({"method": {"coding": [{"system": "urn:lab", "code": code}]}} for code in ("assay-a", "assay-b"))
    for week in range(12, 4, -1):
        await send(client, measured(person, "3016-3", 2.0 + 0.01 * week, "m[IU]/L", week, **old))
    assert (await trajectory(client, person, "tsh"))["n"] == 8
    await send(client, measured(person, "3016-3", 3.4, "m[IU]/L", 3, **new))
    now = await trajectory(client, person, "tsh")
    assert (now["n"], now["newest"]["value"]) == (1, 3.4)
    judged = await client.post("Observation/$deviation", content=json.dumps(measured(person, "3016-3", 2.1, "m[IU]/L", 2, **old)))
    assert next(part["valueInteger"] for part in judged.json()["component"] if part["code"]["coding"][0]["code"] == "n") == 8
    await send(client, measured(person, "3016-3", 2.05, "m[IU]/L", 1, **old))
    assert (await trajectory(client, person, "tsh"))["n"] == 9


async def test_a_confirmed_stable_period_is_what_change_is_measured_from(client: httpx.AsyncClient) -> None:
    """Two points in eight weeks, again and again: no change against four weeks ago, a large one against when she was well."""
    person = await new_person(client)
    for at in range(30):
        await send(client, phq9(person, 4 if at < 10 else min(18, 4 + (at - 9)), weeks_ago(90 - 3 * at)))
    (*_, lagged) = await deviations(client, person)
    confirmed = await send(client, stable(person, 91, 62))
    (*_, against) = await deviations(client, person)
    assert against["p-real-change"]["value"] > max(0.95, lagged["p-real-change"]["value"])
    assert (await client.delete(f"Observation/{confirmed['id']}")).status_code == 204
    assert (await deviations(client, person))[-1] == lagged


async def test_a_stable_period_that_becomes_anothers_no_longer_counts_for_the_first(client: httpx.AsyncClient) -> None:
    person, other = await new_person(client), await new_person(client)
    for at in range(30):
        await send(client, phq9(person, 4 if at < 10 else min(18, 4 + (at - 9)), weeks_ago(90 - 3 * at)))
    before = await derived(client, person)
    confirmed = await send(client, stable(person, 91, 62))
    assert await derived(client, person) != before
    await change(client, confirmed | {"subject": {"reference": other}})
    assert await derived(client, person) == before


async def test_a_period_that_ends_on_a_date_includes_that_day(client: httpx.AsyncClient) -> None:
    """The value of the last day is part of it, as of an end later on that day; and an end that no calendar holds is none."""
    persons = [await new_person(client) for _ in range(2)]
    for person, end in zip(persons, ("2024-03-31", "2024-03-31T23:00:00Z"), strict=True):
        for month in range(1, 13):
            await send(client, phq9(person, 3 if month < 3 else 12, f"2024-{month:02d}-{31 if month == 3 else 1:02d}T10:00:00Z"))
        await send(client, stable(person, 0, 0) | {"effectivePeriod": {"start": "2024-01-01", "end": end}})
    assert await derived(client, persons[0]) == await derived(client, persons[1])
    await send(client, stable(persons[0], 0, 0) | {"effectivePeriod": {"start": "2024-01-01", "end": "9999-12-31"}})


async def test_a_baseline_learnt_while_ill_says_so(client: httpx.AsyncClient) -> None:
    """Kroenke 2001: 10 and more is at least moderate."""
    person = await new_person(client)
    for week in (9, 8, 7, 6):
        await send(client, phq9(person, 17, weeks_ago(week)))
    (*_, last) = await deviations(client, person)
    assert last["learnt-unwell"] is True
    assert "Learnt while ill: 3 of 3" in last["note"]
    assert total_of(await every(client, f"Observation?patient={person.split('/')[1]}&_count=200"))


async def test_weekdays_of_a_daily_series(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for day in range(35):
        await send(client, measured(person, "93832-4", 420 + 10 * (day % 7), "min", day / 7))
    answer = (await client.get(f"{person}/$baseline?measure=sleep-minutes")).json()
    found = [each for each in answer["parameter"] if each["name"] == "weekday"]
    assert len(found) == 7
    differences = sorted(part["valueQuantity"]["value"] for each in found for part in each["part"] if part["name"] == "difference")
    assert differences == [-30, -20, -10, 0, 10, 20, 30]
