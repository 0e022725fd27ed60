"""Judgements as FHIR: valid R4, both ranges, words for both readers, critical limits first."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mappings.baseline
import mappings.r4
from mappings.baseline.engine import Judgement, replay
from mappings.baseline.fhir import deviation, explanation, interpretation, judged, ranges
from mappings.baseline.prior import Prior, build
from mappings.vocabulary import INTERPRETATION, OURS

FOLDER = Path(mappings.baseline.__file__).parent / "priors"
WEEKLY = [5, 6, 5, 7, 6, 5, 6, 7, 5, 6, 13]


def prior(measure: str) -> Prior:
    return build(json.loads((FOLDER / f"{measure}.json").read_text(encoding="utf-8")))


def last(measure: str, values: list[float], gap: float = 7.0) -> tuple[Prior, Judgement]:
    found = prior(measure)
    return found, replay(found, [(20_000 + gap * at, value) for at, value in enumerate(values)])[0][-1]


@cache
def validator() -> Any:
    from mappings.r4.structures import build as structures
    from mappings.r4.validate import Validator

    folder = Path(mappings.r4.__file__).parent / "definitions"
    read = [json.loads((folder / name).read_text(encoding="utf-8")) for name in ("structures.json", "value_sets.json")]
    return Validator(structures(*read), ["Observation"])


def check(resource: dict[str, Any]) -> None:
    assert validator().validate(resource) == []


def test_thirteen_after_fives_is_unusual_for_the_person_and_not_for_people_in_care() -> None:
    found, judgement = last("phq-9", [float(value) for value in WEEKLY])
    assert judgement.outside95
    assert judgement.n == 10
    population, personal = ranges(found, judgement)
    assert population["low"]["value"] <= 13 <= population["high"]["value"]
    assert population["type"]["coding"][0]["code"] == "normal"
    assert "not a norm of healthy people" in population["text"]
    assert personal["high"]["value"] < 13
    assert "from 10 earlier values over 63 days" in personal["text"]
    standard, ours = interpretation(found, judgement)
    assert standard["coding"][0] == {"system": INTERPRETATION, "code": "N", "display": "Normal"}
    assert ours["coding"][0]["code"] == "above-personal-range"


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        ("phq-9", WEEKLY),
        ("phq-9", [27]),
        ("gad-7", [0, 0, 21]),
        ("who-5", [60, 56, 20]),
        ("sleep-minutes", [420, 400, 120]),
        ("tsh", [1.8, 2.1, 9.7]),
        ("lithium", [0.6, 1.6]),
    ],
)
def test_what_we_emit_is_valid_r4(measure: str, values: list[float]) -> None:
    found, judgement = last(measure, [float(value) for value in values])
    made = deviation(found, judgement, "Observation/abc", "Patient/p1", "2026-01-05T08:00:00Z", "2026-01-05T08:01:00Z")
    check(made)
    ours = judged(found, judgement)
    check(
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "referenceRange": ours.reference_range, "note": ours.note}
        | ({"interpretation": ours.interpretation} if ours.interpretation else {})
    )  # fmt: skip


def test_the_deviation_carries_what_it_rests_on() -> None:
    found, judgement = last("phq-9", [float(value) for value in WEEKLY])
    made = deviation(found, judgement, "Observation/abc", "Patient/p1", "2026-01-05T08:00:00Z", "2026-01-05T08:01:00Z")
    assert made["code"]["coding"][0]["system"] == OURS
    assert made["code"]["coding"][0]["code"] == "deviation"
    assert made["derivedFrom"] == [{"reference": "Observation/abc"}]
    assert made["category"][0]["coding"][0]["code"] == "survey"
    parts = {part["code"]["coding"][0]["code"]: part for part in made["component"]}
    assert {"z", "p", "set-point", "lower", "upper", "n", "method", "version"} <= parts.keys()
    assert parts["n"]["valueInteger"] == 10
    assert parts["z"]["valueQuantity"]["code"] == "1"
    assert parts["lower"]["valueQuantity"]["code"] == "{score}"
    clinician, patient = (note["text"] for note in made["note"])
    assert clinician.startswith("For the clinician: ")
    assert "z " in clinician
    assert "not what is healthy" in clinician
    assert patient.startswith("For the patient: ")
    assert "higher than usual for you" in patient
    assert " z " not in patient


def test_the_same_value_keeps_its_identity_and_another_time_has_its_own() -> None:
    found, judgement = last("tsh", [1.8, 2.1])
    one, two, other = (deviation(found, judgement, "Observation/a", "Patient/p", at, at) for at in ("2026-01-05", "2026-01-05", "2026-01-06"))
    assert one["id"] == two["id"] != other["id"]
    assert deviation(found, judgement, "Observation/b", "Patient/p", "2026-01-05", "2026-01-05")["id"] != one["id"]
    assert one["category"][0]["coding"][0]["code"] == "exam"


def test_it_says_when_the_range_is_mostly_the_population_s() -> None:
    found, judgement = last("tsh", [1.8, 2.1])
    assert judgement.prior_share < 0.5
    assert "Most of this range" not in explanation(found, judgement)
    found, judgement = last("sleep-minutes", [420.0, 430.0], 1.0)
    assert judgement.prior_share > 0.5
    assert "Most of this range is not yet the person's own" in explanation(found, judgement)
    assert "usual for other people" in deviation(found, judgement, "Observation/a", "Patient/p", "2026", "2026-01-05")["note"][1]["text"]


def test_a_critical_value_is_named_first_and_the_person_told_to_call() -> None:
    found, judgement = last("lithium", [1.5] * 12, 30.0)
    assert not judgement.outside95
    assert interpretation(found, judgement)[0]["coding"][0]["code"] == "HH"
    assert explanation(found, judgement).startswith("CRITICAL")
    made = deviation(found, judgement, "Observation/a", "Patient/p", "2026-01-05", "2026-01-05")
    assert "contact your care team today" in made["note"][1]["text"]


def test_the_first_value_is_compared_with_nobody_s_past() -> None:
    found, judgement = last("phq-9", [9.0])
    assert [each["coding"][0]["system"] for each in interpretation(found, judgement)] == [INTERPRETATION]
    assert "cannot yet say" in deviation(found, judgement, "Observation/a", "Patient/p", "2026", "2026-01-05")["note"][1]["text"]
    assert "population's expectation" in ranges(found, judgement)[1]["text"]


def test_shown_limits_are_scores_the_scale_has() -> None:
    found, judgement = last("who-5", [60.0, 64.0, 56.0, 60.0])
    personal = ranges(found, judgement)[1]
    for end in ("low", "high"):
        assert personal[end]["value"] % 4 == 0
    assert personal["low"]["value"] >= judgement.lower95
    assert personal["high"]["value"] <= judgement.upper95
