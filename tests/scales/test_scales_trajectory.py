"""Expected courses: the published models by hand, and the band formula by hand and by simulation of the mixed model it states."""

import json
import random
from math import sqrt
from pathlib import Path
from statistics import NormalDist, fmean, stdev

import pytest

from mappings.knowledge import KnowledgeError
from mappings.scales.trajectory import Curve, build, expected

CURVES = Path(__file__).resolve().parents[2] / "mappings/scales/curves"


def curve(name: str) -> Curve:
    return build(json.loads((CURVES / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "week", "mean"),
    [("phq-9", 0, 12.90), ("phq-9", 2, 10.28), ("phq-9", 4, 8.22), ("phq-9", 10, 5.40), ("gad-7", 4, 7.54), ("gad-7", 10, 5.20), ("qids-a17", 4, 13.50)],
)
def test_means_of_the_published_models(name: str, week: float, mean: float) -> None:
    """12.90 - 1.45 w + 0.07 w^2, 11.50 - 1.23 w + 0.06 w^2 (ESPEL24), 15.62 - 0.73 w + 0.05 w^2 (QIDSA), worked out by hand."""
    assert expected(curve(name), [week])[0].mean == pytest.approx(mean, abs=1e-9)


def test_nothing_past_the_last_week_and_no_spread_that_no_source_gives() -> None:
    inside, past = expected(curve("phq-9"), [10, 10.5], baseline=20)
    assert (inside.mean, inside.sd, inside.low, inside.high) == (pytest.approx(5.40), None, None, None)
    assert (past.mean, past.sd, past.low, past.high) == (None, None, None, None)


def test_band_before_a_first_score_is_known() -> None:
    """V_4 = 7.61 - 2 * 0.05 * sqrt(7.61 * 0.13) * 4 + 0.13 * 16 + 6.1 = 15.3921; 80 % lies within 1.2816 sd."""
    found = expected(curve("qids-a17"), [4])[0]
    assert found.sd == pytest.approx(sqrt(15.3921), abs=1e-4)
    assert (found.low, found.high) == (pytest.approx(13.5 - 1.2816 * 3.9233, abs=1e-3), pytest.approx(13.5 + 1.2816 * 3.9233, abs=1e-3))


def test_band_of_a_person_with_a_first_score() -> None:
    """C_4 = 7.61 - 0.05 * sqrt(0.9893) * 4 = 7.41107; V_0 = 13.71; mean 13.5 + 0.54056 * (18 - 15.62); variance 15.3921 - 7.41107^2 / 13.71."""
    found = expected(curve("qids-a17"), [4], baseline=18, level=0.95)[0]
    assert (found.mean, found.sd) == (pytest.approx(14.78653, abs=1e-4), pytest.approx(3.37432, abs=1e-4))
    assert found.high - found.mean == pytest.approx(1.95996 * 3.37432, abs=1e-3)


def test_band_against_simulated_people() -> None:
    """People drawn from the stated model whose first score happened to be near 18: their week 6 has the mean and spread that are given."""
    pick, later = random.Random(11), list[float]()
    for _ in range(200_000):
        slope = pick.gauss(0, 1)
        start = 15.62 + sqrt(7.61) * pick.gauss(0, 1)
        rate = -0.73 + sqrt(0.13) * (-0.05 * (start - 15.62) / sqrt(7.61) + sqrt(1 - 0.05**2) * slope)
        if abs(start + sqrt(6.1) * pick.gauss(0, 1) - 18) < 0.25:
            later.append(start + rate * 6 + 0.05 * 36 + sqrt(6.1) * pick.gauss(0, 1))
    found = expected(curve("qids-a17"), [6], baseline=18)[0]
    assert found.mean == pytest.approx(fmean(later), abs=0.1)
    assert found.sd == pytest.approx(stdev(later), abs=0.1)
    assert found.high is not None
    assert sum(found.low < each < found.high for each in later) / len(later) == pytest.approx(0.8, abs=0.01)
    assert NormalDist(found.mean, found.sd).cdf(found.high) == pytest.approx(0.9)


@pytest.mark.parametrize(("week", "level"), [(-1, 0.8), (float("nan"), 0.8), (2, 0), (2, 1)])
def test_bad_questions_are_refused(week: float, level: float) -> None:
    with pytest.raises(ValueError):
        expected(curve("phq-9"), [week], level=level)


def test_a_curve_past_its_turn_is_refused() -> None:
    data = json.loads((CURVES / "phq-9.json").read_text(encoding="utf-8")) | {"last_week": 12}
    with pytest.raises(KnowledgeError, match="turns"):
        build(data)
