"""Change verdicts against published formulas and the worked example of facts/baseline-priors.json."""

from typing import Any

import pytest

from mappings.scales.change import Pair, Sample, changes, cutoff, edwards_nunnally, jacobson_truax
from tests.scales import scale_files as files


def pair(name: str, before: Any, after: Any) -> Pair:
    return Pair(files.library()[name], before, after)


EXAMPLE = Sample(reliability=0.801, sd=8.1586, mean=35.475)
"""rci_worked_example: n 40, SEM 3.6395, S_diff 5.1471, cut-off a 19.16."""


def test_worked_example() -> None:
    assert EXAMPLE.sem == pytest.approx(3.6395, abs=5e-5)
    assert EXAMPLE.s_diff == pytest.approx(5.1471, abs=1e-4), "printed from a reliability with more digits"
    assert cutoff(EXAMPLE, higher_is_better=False) == pytest.approx(19.16, abs=5e-3)


def test_cutoff_c_of_gad_7() -> None:
    sample = Sample(0.87, 5.59, mean=10.57, functional_mean=2.95, functional_sd=3.4)
    assert cutoff(sample, higher_is_better=False) == pytest.approx(5.83, abs=5e-3)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(15, 5, "recovered"), (15, 6, "improved"), (15, 9.5, "unchanged"), (9, 15, "deteriorated"), (5, 11, "harmed"), (15, 15, "unchanged")],
)
def test_jacobson_truax_on_gad_7(before: float, after: float, verdict: str) -> None:
    """S_diff = 5.59 * sqrt(2 * 0.13) = 2.850, so 5.59 points are reliable; cut-off c is 5.83."""
    sample = Sample(0.87, 5.59, mean=10.57, functional_mean=2.95, functional_sd=3.4)
    assert jacobson_truax(pair("gad-7", before, after), sample).verdict == verdict


def test_higher_is_better_turns_the_sign() -> None:
    sample = Sample(0.8, 20)
    assert jacobson_truax(pair("who-5", 20, 60), sample).verdict == "improved"
    assert jacobson_truax(pair("who-5", 60, 20), sample).verdict == "deteriorated"


def test_edwards_nunnally() -> None:
    """r 0.8, M 10, SD 5: true first score of 18 is 16.4; 1.96 * 5 * sqrt(0.2) = 4.383; band 12.02 to 20.78."""
    sample = Sample(0.8, 5, mean=10)
    assert [edwards_nunnally(pair("phq-9", 18, after), sample).verdict for after in (12, 13, 20, 21)] == ["improved", "unchanged", "unchanged", "deteriorated"]


def verdicts(found: list[Any], method: str) -> list[str]:
    return [each.verdict for each in found if each.method == method]


def test_published_indexes_of_phq_9() -> None:
    found = changes(pair("phq-9", 18, 8))
    assert verdicts(found, "reliable-change") == ["improved"]
    assert verdicts(found, "mcid") == ["met", "met"]
    assert [(each.verdict, round(each.statistic, 1)) for each in found if each.method == "response"] == [("met", 55.6)]
    assert verdicts(found, "remission") == ["not met"]
    assert verdicts(found, "nhs-tt-recovery") == ["not applicable"]
    assert all(each.reference for each in found)
    assert verdicts(found, "jacobson-truax") == []


@pytest.mark.parametrize(
    ("phq", "gad", "expected"),
    [
        ((15, 9), (12, 7), ["met", "met", "met", "not met"]),
        ((15, 9), (12, 8), ["not met", "met", "not met", "not met"]),
        ((15, 9), (4, 8), ["not met", "not met", "not met", "not met"]),
        ((9, 15), (7, 7), ["not applicable", "not met", "not applicable", "met"]),
        ((10, 9), (7, 7), ["met", "not met", "not met", "not met"]),
    ],
)
def test_nhs_talking_therapies(phq: tuple[int, int], gad: tuple[int, int], expected: list[str]) -> None:
    found = changes(pair("phq-9", *phq), other=pair("gad-7", *gad))
    assert [each.verdict for each in found if each.method.startswith("nhs-tt")] == expected


def test_percent_change_of_panss_takes_the_floor_off() -> None:
    """90 to 60: 30 of 60 points above the floor are 50 percent, not 33."""
    assert [(each.statistic, each.verdict) for each in changes(pair("panss", 90, 60)) if each.method == "response"] == [(50, "met"), (50, "met")]


def test_a_score_outside_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        changes(pair("phq-9", 28, 3))
