"""The methods of the simulation against figures from outside our code: published examples, and closed forms worked out another way."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.baseline import references
from bench.baseline.references import METHODS, Known
from bench.baseline.scores import winkler
from mappings.baseline import many
from mappings.baseline.prior import build

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
KNOWN = Known(mean=50.0, total=10.0, between=8.0, within=6.0, retest=0.7)


def people(seed: int = 1) -> Any:
    """Twenty people with 12 values each; the last has 7 only."""
    pick = np.random.default_rng(seed)
    y = 50 + 8 * pick.standard_normal((20, 1)) + 6 * pick.standard_normal((20, 12))
    y[-1, 7:] = np.nan
    return y


@pytest.mark.parametrize("case", GOLDEN["rcv"], ids=lambda case: case["name"])
def test_reference_change_value(case: dict[str, Any]) -> None:
    """Worked figures from outside this code (golden.json): symmetric and log-normal."""
    down, up = references.rcv_log_percent(case["cva"], case["cvi"])
    assert references.rcv_percent(case["cva"], case["cvi"]) == pytest.approx(case["rcv_sym"], abs=1e-9)
    assert (down, up) == pytest.approx((case["rcv_down_log"], case["rcv_up_log"]), abs=1e-9)


def test_reference_change_value_goes_around_the_previous_value() -> None:
    """On logs, with the log-normal SD of TSH: 2.0 may fall by 38.73 % and rise by 63.21 %."""
    case = GOLDEN["rcv"][0]
    sd = math.sqrt(math.log(1 + (math.hypot(case["cva"], case["cvi"]) / 100) ** 2))
    found = references.rcv(Known(0.0, 1.0, 1.0, sd, 0.5), np.log([[9.9, 2.0, 1.0]]))
    assert np.exp(found.lower[0, 2]) == pytest.approx(2.0 * (1 + case["rcv_down_log"] / 100))
    assert np.exp(found.upper[0, 2]) == pytest.approx(2.0 * (1 + case["rcv_up_log"] / 100))
    assert found.surprise[0, 2] < -1


def test_reliable_change_index() -> None:
    """The example of Jacobson & Truax 1991: 32.5 before, 47.5 after, SD 10, retest reliability 0.80: S_diff 6.32, RC 2.37."""
    assert references.standard_error_of_difference(10, 0.80) == pytest.approx(6.32, abs=0.005)
    assert (47.5 - 32.5) / references.standard_error_of_difference(10, 0.80) == pytest.approx(2.37, abs=0.005)
    found = references.rci(Known(40.0, 10.0, 9.0, 4.5, 0.80), np.array([[32.5, 47.5, 40.0]]))
    assert found.surprise[0, 1] == pytest.approx(2.37 / 1.96, abs=0.005)
    assert abs(found.surprise[0, 2]) < 1


def test_personal_reference_interval() -> None:
    """Both variants of Coskun et al. 2021 on the worked figures of golden.json."""
    case = GOLDEN["prri"]
    values = np.array([*case["values"], 82.0])
    mean = float(np.mean(case["values"]))
    within_subject = references.prri_within_subject(mean, 5, mean * math.hypot(case["cva"], case["cvi"]) / 100)
    assert within_subject == pytest.approx(case["within_subject"], abs=1e-6)  # which rounds z to six digits
    found = references.prri_person(KNOWN, values[None, :])
    assert (found.lower[0, 5], found.upper[0, 5]) == pytest.approx(case["within_person"], abs=1e-9)


def test_ewma_chart() -> None:
    """The example of the NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4: target 50, s 2.0539, weight 0.3, 3 sigma: 52.5884 and 47.4115."""
    limit = float(references.ewma_limit(2.0539, weight=0.3, width=3))
    assert (50 + limit, 50 - limit) == pytest.approx((52.5884, 47.4115), abs=2e-4)
    assert references.ewma_limit(1.0, 1, weight=0.3, width=3) == pytest.approx(0.9)


def test_ewma_interval_is_that_of_the_weights() -> None:
    """The EWMA as the sum it stands for, its variance that of its weights."""
    y, n = people()[:1], 9
    weights = np.array([0.8 ** (n - 1), *(0.2 * 0.8 ** (n - 1 - k) for k in range(1, n))])
    assert weights.sum() == pytest.approx(1)
    found = references.ewma_pooled(KNOWN, y)
    assert found.lower[0, n] + found.upper[0, n] == pytest.approx(2 * weights @ y[0, :n])
    assert found.upper[0, n] - found.lower[0, n] == pytest.approx(2 * references.QUANTILE * 6 * math.sqrt(1 + (weights**2).sum()), rel=1e-6)


def test_empirical_bayes_by_conditioning() -> None:
    """The joint normal distribution of n values and the next, conditioned by linear algebra."""
    y = people()
    found = references.empirical_bayes(KNOWN, y)
    for n in (0, 1, 5, 11):
        joint = np.full((n + 1, n + 1), KNOWN.between**2) + KNOWN.within**2 * np.eye(n + 1)
        gain = np.linalg.solve(joint[:n, :n], joint[:n, n])
        mean = KNOWN.mean + gain @ (y[3, :n] - KNOWN.mean)
        reach = references.QUANTILE * math.sqrt(joint[n, n] - gain @ joint[:n, n])
        assert (found.lower[3, n], found.upper[3, n]) == pytest.approx((mean - reach, mean + reach))


def test_the_engine_contains_empirical_bayes() -> None:
    """With no persistence, no gross errors and one variability for all, ours is that method (baseline.md)."""
    y = people()[:-1]
    theta = {"mu0": 50, "tau_b2": 64, "sigma0": 6, "s_logsigma": 0, "rho": 0, "L_days": 30, "pi_out": 0}
    prior = build({"measure": "score", "transform": "identity", "theta": theta})
    start, length = np.arange(19) * 12, np.full(19, 12)
    made = many.judge(prior, start, length, np.tile(np.arange(12.0), 19), y.ravel())
    found = references.empirical_bayes(KNOWN, y)
    assert made.lower95 == pytest.approx(found.lower.ravel(), abs=1e-6)
    assert made.upper95 == pytest.approx(found.upper.ravel(), abs=1e-6)


def test_rolling_mean_forgets() -> None:
    y = np.concatenate((np.full(10, 500.0), np.tile([49.0, 51.0], 14), [50.0]))[None, :]
    found = references.rolling(KNOWN, y)
    reach = 1.96 * math.sqrt(28 / 27)
    assert (found.lower[0, -1], found.upper[0, -1]) == pytest.approx((50 - reach, 50 + reach))
    assert references.own_two_sd(KNOWN, y).upper[0, -1] > 200


@pytest.mark.parametrize("name", METHODS)
def test_every_method_looks_at_earlier_values_only(name: str) -> None:
    y, changed = people(), people()
    changed[:, 8:] += 100.0
    one, other = METHODS[name](KNOWN, y), METHODS[name](KNOWN, changed)
    for each in ("lower", "upper"):
        a, b = getattr(one, each)[:, :9], getattr(other, each)[:, :9]
        assert ((a == b) | (np.isnan(a) & np.isnan(b))).all()
    assert one.lower[:, 0] == pytest.approx(np.full(20, 50 - 1.96 * KNOWN.total), rel=1e-4)
    assert (np.abs(other.surprise[:-1, 8]) > 1).all() or name.startswith("EWMA")
    assert not (np.abs(one.surprise[-1, 7:]) > 1).any()  # where there is no value there is no alarm


def test_interval_score() -> None:
    """Winkler: width alone inside, 2 / alpha for each unit outside."""
    found = references.Foretold(np.array([0.0, 0.0, 0.0]), np.array([10.0, 10.0, 10.0]), np.zeros(3))
    assert winkler(np.array([5.0, 11.0, -2.0]), found).tolist() == [10.0, 50.0, 90.0]
