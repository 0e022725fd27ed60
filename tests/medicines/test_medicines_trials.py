"""Trials: six weeks or more, response as a fall by half. Hand-made courses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mappings.medicines.prescription import Medicine
from mappings.medicines.trials import facts, trials
from tests.fhir.persons import found, new_person, stored
from tests.medicines.test_medicines_check import prescription
from tests.story.telling import phq9, weeks_ago

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def day(weeks: float) -> str:
    return (NOW - timedelta(weeks=weeks)).isoformat()


def medicine(drug: str, start: float, end: float | None = None) -> Medicine:
    over = end is not None
    return Medicine(f"MedicationStatement/{drug}", drug, "text", not over, day(start), drug, "certain", (drug,), over, day(end or 0) if over else None)


@pytest.mark.parametrize(
    ("scores", "worked", "failed"),
    [
        ([(31, 20), (20, 9)], "sertraline", None), ([(31, 20), (20, 11)], None, "sertraline"), ([(31, 20), (29, 9)], None, None),
        ([(20, 9)], None, None), ([(40, 20), (20, 9)], None, None), ([(31, 20), (17.5, 9)], "sertraline", None), ([(31, 20), (10, 9)], None, None),
    ],
)  # fmt: skip
def test_response_by_scores(scores: list[tuple[float, float]], worked: str | None, failed: str | None) -> None:
    """Sertraline from 30 to 18 weeks ago: a score before it, and the last one after six weeks and up to two weeks past its end."""
    found_ = trials([medicine("sertraline", 30, 18)], frozenset({"sertraline"}), [(day(week), score) for week, score in scores], NOW.isoformat())
    told = {name: fact.value for name, fact in facts(found_).items()}
    assert (told.get("treatment.scored-worked"), told.get("treatment.scored-no-response")) == (worked, failed)
    assert told.get("treatment.failed-trials") == (None if worked is None and failed is None else int(failed is not None))


def test_short_trials_and_other_medicines_do_not_count() -> None:
    scores = [(day(31), 20.0), (day(24.5), 20.0)]
    short = trials([medicine("sertraline", 30, 25)], frozenset({"sertraline"}), scores, NOW.isoformat())
    assert [(each.adequate, each.over) for each in short] == [(False, True)]
    assert facts(short) == {}
    assert trials([medicine("olanzapine", 30)], frozenset({"sertraline"}), scores, NOW.isoformat()) == []


async def test_suggestions_show_what_failed_before(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, phq9(person, 18, weeks_ago(31)))
    bounds = {"timing": {"repeat": {"boundsPeriod": {"start": weeks_ago(30), "end": weeks_ago(18)}}}}
    await stored(client, prescription(person, "sertraline", status="stopped", authoredOn=weeks_ago(30), dosageInstruction=[bounds]))
    await stored(client, phq9(person, 17, weeks_ago(20)))
    await stored(client, phq9(person, 18, weeks_ago(4.1)))
    await stored(client, prescription(person, "escitalopram", authoredOn=weeks_ago(4)))
    await stored(client, phq9(person, 18, weeks_ago(0)))
    plans: list[Any] = [each for each in await found(client, f"CarePlan?patient={person}") if "not-on-track" in str(each)]
    assert "sertraline" in plans[0]["text"]["div"]
    assert "did not fall by half" in plans[0]["text"]["div"]
