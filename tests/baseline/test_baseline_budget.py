"""The alarm budget of a person over all measures, in simulation: people drawn from the model itself, weekly and daily, with few and many measures."""

import math
import os

import numpy as np
import pytest

from mappings.baseline import many
from mappings.baseline.detectors import share
from mappings.baseline.prior import Prior, build

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
THETA = {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.3, "rho": 0.3, "L_days": 20.0, "pi_out": 0.02}


def simulated(series: int, values: int, gap: float, seed: int) -> tuple[np.ndarray, ...]:
    """The model read from the paper, not from the engine: trait, Ornstein-Uhlenbeck state, noise with gross errors."""
    pick = np.random.default_rng(seed)
    sigma = np.exp(0.3 * pick.normal(size=series))
    phi, drift = math.exp(-gap / 20), math.sqrt(0.3) * sigma * pick.normal(size=series)
    trait, made = pick.normal(size=series), np.empty((series, values))
    for at in range(values):
        drift = phi * drift + math.sqrt(0.3 * (1 - phi * phi)) * sigma * pick.normal(size=series)
        wide = np.where(pick.random(series) < 0.02, 4.0, 1.0)
        made[:, at] = trait + drift + math.sqrt(0.7) * sigma * wide * pick.normal(size=series)
    day = np.tile(np.arange(values) * gap, series)
    return np.arange(series) * values, np.full(series, values), day, made.ravel()


def prior(direction: str) -> Prior:
    return build({"measure": "x", "transform": "identity", "theta": THETA, "direction": direction})


@pytest.mark.parametrize("direction", ["both", "higher-worse"])
@pytest.mark.parametrize(("gap", "values"), [(1.0, 730), (7.0, 105), (60.0, 24)])
@pytest.mark.parametrize("measures", [1, 3, 10])
def test_false_alarms_a_year_of_a_person_over_all_measures(measures: int, gap: float, values: int, direction: str) -> None:
    people = 60 * ROUNDS
    start, length, day, value = simulated(people * measures, values, gap, 11)
    found = many.judge(prior(direction), start, length, day, value, budget=share(measures))
    years = people * values * gap / 365.25
    allowed = 1.5 * years  # 1 to 2 a patient-year (baseline.md)
    assert found.alert.sum() <= allowed + 3 * math.sqrt(allowed)


def test_more_measures_than_share_equally_get_less_each() -> None:
    assert share(1) == share(2) == share(3) == 0.5
    assert 10 * share(10) == pytest.approx(1.5)


def test_the_budget_changes_alerts_and_nothing_else() -> None:
    """What the detectors carry does not depend on it: a new measure of a person never changes what was stored of another."""
    start, length, day, value = simulated(40, 200, 3.0, 5)
    few, much = (many.judge(prior("both"), start, length, day, value, budget=budget) for budget in (0.05, 5.0))
    assert few.alert.sum() < much.alert.sum()
    for name in ("z", "p", "upper95", "p_real_change", "p_gross_error", "set_point"):
        np.testing.assert_array_equal(getattr(few, name), getattr(much, name))
