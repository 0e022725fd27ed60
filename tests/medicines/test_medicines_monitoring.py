"""Monitoring: NICE CG185 for lithium, the UK product information for clozapine, ADA/APA 2004 and NICE CG178 for antipsychotics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fhir.persons import found, new_person, stored
from tests.medicines.test_medicines_check import prescription
from tests.story.telling import weeks_ago

Json = dict[str, Any]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def result(person: str, code: str, value: float, unit: str, at: str) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": person}, "effectiveDateTime": at,
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}}  # fmt: skip


async def tasks(client: httpx.AsyncClient, person: str, words: str) -> dict[str, str]:
    """Day it is due -> status, of the Tasks about this."""
    each = [task for task in await found(client, f"Task?patient={person}") if words in task["code"]["text"]]
    return {task["restriction"]["period"]["start"]: task["status"] for task in each}


@pytest.mark.parametrize(
    ("plan", "last_week", "due_week"),
    [
        ("clozapine-neutrophils", None, 0), ("clozapine-neutrophils", 0, 1), ("clozapine-neutrophils", 17, 18), ("clozapine-neutrophils", 18, 20),
        ("clozapine-neutrophils", 52, 56), ("lithium-level", 1, 2), ("lithium-level", 4, 13), ("lithium-level", 52, 78), ("lithium-level", 60, 78),
        ("antipsychotic-weight", -2, 4), ("antipsychotic-weight", 12, 25), ("antipsychotic-lipids", 12, 64),
    ],
)  # fmt: skip
def test_when_it_is_next_due(knowledge: Any, plan: str, last_week: int | None, due_week: int) -> None:
    rule = next(each for each in knowledge.monitoring.plans if each.id == plan)
    last = None if last_week is None else BEGAN + timedelta(weeks=last_week)
    assert rule.due(BEGAN, last) == BEGAN + timedelta(weeks=due_week)


async def test_tasks_come_with_the_medicine_and_go_with_results_and_its_end(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    made = await stored(client, prescription(person, "clozapine", authoredOn=weeks_ago(3)))
    start = weeks_ago(3)[:10]
    assert await tasks(client, person, "neutrophils") == {start: "requested"}
    await stored(client, result(person, "751-8", 4.2, "10*3/uL", weeks_ago(0)))
    states = await tasks(client, person, "neutrophils")
    assert states == {start: "completed", weeks_ago(-1)[:10]: "requested"}
    await client.put(f"MedicationRequest/{made['id']}", json=made | {"status": "stopped"})
    assert set((await tasks(client, person, "neutrophils")).values()) == {"completed", "cancelled"}


@pytest.mark.parametrize(("value", "severity"), [(1.2, "high"), (1.7, "moderate"), (2.5, None)])
async def test_limits_hold_under_the_medicine(client: httpx.AsyncClient, value: float, severity: str | None) -> None:
    """Red below 1.5, amber from 1.5 to 2.0 x 10^9/L; without clozapine neither."""
    person, other = await new_person(client), await new_person(client)
    await stored(client, prescription(person, "clozapine", authoredOn=weeks_ago(3)))
    for who in (person, other):
        await stored(client, result(who, "751-8", value, "10*3/uL", weeks_ago(0)))
    issues = [each for each in await found(client, f"DetectedIssue?patient={person}") if each["code"]["text"] == "Result at a limit for this medicine"]
    assert [each["severity"] for each in issues] == ([severity] if severity else [])
    assert await found(client, f"DetectedIssue?patient={other}") == []
    if severity:
        await stored(client, result(person, "751-8", 4.0, "10*3/uL", weeks_ago(-0.01)))
        again = [each for each in await found(client, f"DetectedIssue?patient={person}") if each["code"]["text"] == "Result at a limit for this medicine"]
        assert [each["status"] for each in again] == ["cancelled"]
