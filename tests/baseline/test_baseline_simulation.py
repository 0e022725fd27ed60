"""The simulation runs, says the truth about itself, and finds the engine's coverage where the model is the truth."""

import math

import numpy as np
import pytest

from bench.baseline import panels, people, simulation
from bench.baseline.judging import OURS, Judgements, judged, matrix
from bench.baseline.references import Foretold
from bench.baseline.report import page
from bench.baseline.scores import STAGES, alarms_a_year, changes_found, covered, matching
from mappings.baseline.engine import ALONE


@pytest.fixture(scope="module")
def stable() -> Judgements:
    return judged(people.stable(np.random.default_rng(5), 150))


def test_coverage_where_the_model_is_the_truth(stable: Judgements) -> None:
    """Within four binomial standard errors: predictions of one person one step ahead are independent where the model holds."""
    for low, high in STAGES:
        found = covered(stable, OURS, low, high)
        assert found.share == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / found.size))


def test_alarms_where_the_model_is_the_truth(stable: Judgements) -> None:
    """Not above the budget by more than chance (three standard errors of a Poisson count)."""
    assert alarms_a_year(stable, OURS) < ALONE + 3 * math.sqrt(ALONE / stable.years)


def test_a_large_step_is_found(stable: Judgements) -> None:
    changed = judged(people.changing(np.random.default_rng(6), 60, 4.0, 0.0))
    assert changes_found(changed, OURS).share > 0.8
    assert changes_found(stable, OURS, onset=np.full(150, 200.0)).share < 0.2


def test_limits_are_set_to_a_common_rate(stable: Judgements) -> None:
    factor = matching(stable, "RCV", 0.5)
    assert factor > 1
    assert alarms_a_year(stable, "RCV", factor) == pytest.approx(0.5, abs=0.05)


def test_alarms_in_a_row_count_once() -> None:
    cohort = people.stable(np.random.default_rng(7), 2)
    surprise = np.zeros((2, 52))
    surprise[0, [3, 4, 5, 9]] = (2, -2, 3, 1.5)
    found = Judgements(cohort, matrix(cohort.series, cohort.series.day), np.zeros((2, 52)), {OURS: Foretold(surprise, surprise, surprise)})
    assert np.argwhere(found.alarms(OURS)).tolist() == [[0, 3], [0, 9]]


def test_cohorts_say_their_truth() -> None:
    pick = np.random.default_rng(8)
    for cohort in [*people.unchanging(pick, 25), people.treated(pick, 25), people.changing(pick, 25, 2.0, 42.0), people.bounded(pick, 25, 5.0)]:
        series = cohort.series
        assert len(cohort.level) == len(series.value) == len(series.day) == series.length.sum()
        assert len(cohort.onset) == len(series.start)
        assert np.isfinite(series.value).all()
        assert (series.value >= cohort.low).all()
        assert (series.value <= cohort.high).all()
        assert (np.diff(matrix(series, series.day), axis=1)[~np.isnan(np.diff(matrix(series, series.day), axis=1))] > 0).all()


def test_wandering_has_its_spread_and_memory() -> None:
    """An Ornstein-Uhlenbeck process: standard deviation throughout, correlation exp(-gap / memory)."""
    day = np.tile([0.0, 10.0, 40.0], (20000, 1))
    path = people.wandering(np.random.default_rng(9), day, np.full(20000, 3.0), np.full(20000, 20.0))
    assert path.std(0) == pytest.approx(np.full(3, 3.0), rel=0.03)
    assert np.corrcoef(path[:, 0], path[:, 1])[0, 1] == pytest.approx(math.exp(-0.5), abs=0.03)
    assert np.corrcoef(path[:, 1], path[:, 2])[0, 1] == pytest.approx(math.exp(-1.5), abs=0.03)


def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its parts, with fewer of each than the real one has."""
    for name in ("BUDGETS", "WEEKLY", "POINTS"):
        monkeypatch.setattr(simulation, name, getattr(simulation, name)[:1])
    monkeypatch.setattr(simulation, "WRONG", {"true": people.STEADY})
    monkeypatch.setattr(panels, "RHYTHM", {"phq-9": 14.0, "tsh": 182.0})
    text = page(simulation.run(20, 3, "python -m bench.baseline --people 20 --seed 3"))
    assert text.startswith("# The baseline against people whose truth is known")
    for part in ("What it shows", "Coverage", "Interval score", "False alarms", "Changes found", "Under treatment", "Several measures", "With a wrong prior"):
        assert f"\n## {part}" in text
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(tables) > 120
    assert not any("nan" in line for line in tables)
