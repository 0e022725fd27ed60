"""Review points: weeks 2, 4 and 8 from the start of an antidepressant, week 1 with suicide risk or under 25 (NICE NG222, 2022)."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.fhir.persons import found, new_person, stored
from tests.story.telling import NOW, phq9, weeks_ago

Json = dict[str, Any]
TODAY = NOW.date()


def prescribed(person: str, weeks: float, name: str = "sertraline", **more: Any) -> Json:
    return {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": person},
        "medicationCodeableConcept": {"text": name}, "authoredOn": weeks_ago(weeks),
    } | more  # fmt: skip


async def tasks(client: httpx.AsyncClient, person: str) -> dict[str, Json]:
    """Review Tasks by the day on which they begin to be due."""
    reviews = await found(client, f"Task?patient={person}&code=treatment-review")
    return {each["restriction"]["period"]["start"]: each for each in reviews}


def day(weeks: float) -> str:
    return (NOW + timedelta(weeks=weeks)).date().isoformat()


@pytest.mark.parametrize(("born", "weeks"), [("1980-01-01", [2, 4, 8]), (f"{TODAY.year - 20}-01-01", [1, 2, 4, 8])])
async def test_from_the_start_of_a_treatment(client: httpx.AsyncClient, born: str, weeks: list[int]) -> None:
    person = await new_person(client, birthDate=born)
    made = await stored(client, prescribed(person, 0))
    asked = await tasks(client, person)
    assert sorted(asked) == [day(week) for week in weeks]
    for task in asked.values():
        assert (task["status"], task["intent"]) == ("requested", "proposal"), "asked for and never ordered"
        assert (task["for"], task["focus"]) == ({"reference": person}, {"reference": f"MedicationRequest/{made['id']}"})
        assert "NICE NG222" in task["description"]


async def test_no_other_medicine_and_nothing_long_past(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, prescribed(person, 0, "olanzapine"))
    assert await tasks(client, person) == {}
    await stored(client, prescribed(person, 5))
    assert sorted(await tasks(client, person)) == [day(-1), day(3)], "week 4 a week ago may still be made up for, week 2 not"


async def test_suicide_risk_brings_the_first_week(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, prescribed(person, 0.5))
    assert day(0.5) not in await tasks(client, person)
    await stored(client, phq9(person, (2, 2, 2, 2, 1, 1, 2, 0, 1), weeks_ago(0)))
    assert (await tasks(client, person))[day(0.5)]["priority"] == "urgent"


async def test_they_end_with_the_treatment_and_stay_what_a_person_made_of_them(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    made = await stored(client, prescribed(person, 0))
    first = (await tasks(client, person))[day(2)]
    done = await client.put(f"Task/{first['id']}", content=json.dumps(first | {"status": "completed"}))
    assert done.status_code == 200, done.text
    stopped = made | {"status": "stopped"}
    assert (await client.put(f"MedicationRequest/{made['id']}", content=json.dumps(stopped))).status_code == 200
    assert {start: each["status"] for start, each in (await tasks(client, person)).items()} == {day(2): "completed", day(4): "cancelled", day(8): "cancelled"}


async def test_a_new_treatment_begins_its_own(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, prescribed(person, 1))
    await stored(client, prescribed(person, 0, "venlafaxine"))
    states = {start: each["status"] for start, each in (await tasks(client, person)).items()}
    assert states == {day(1): "cancelled", day(3): "cancelled", day(7): "cancelled"} | {day(week): "requested" for week in (2, 4, 8)}
