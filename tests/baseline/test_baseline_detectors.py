"""Detectors by hand calculation, and the alarm budget in simulation."""

import math
import os
import random

import pytest

from mappings.baseline.detectors import Watch, anchored, share, slope
from mappings.baseline.engine import replay, start, step
from mappings.baseline.prior import Prior, build

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
THETA = {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.0, "rho": 0.0, "L_days": 30.0, "pi_out": 0.0}


def prior(**more: object) -> Prior:
    return build({"measure": "x", "transform": "identity", "theta": THETA} | more)


def test_ewma_and_cusum_by_hand() -> None:
    """EWMA: 0.6 old + 0.4 z; CUSUM: max(0, old +/- z - 0.5), both over the z that the judgements report."""
    judged, state = replay(prior(), [(0.0, 1.0), (1.0, -0.5), (2.0, 2.0), (3.0, 1.5)])
    ewma = up = down = 0.0
    for judgement in judged:
        ewma = 0.6 * ewma + 0.4 * judgement.z
        up, down = max(0.0, up + judgement.z - 0.5), max(0.0, down - judgement.z - 0.5)
    assert (state.watch.ewma, state.watch.up, state.watch.down) == pytest.approx((ewma, up, down), abs=1e-12)


def test_a_slow_ramp_is_found_by_the_accumulated_detectors() -> None:
    """A one-step interval follows a slow decline down; the accumulated statistics do not (baseline.md)."""
    theta = THETA | {"rho": 0.5, "L_days": 60.0, "tau_b2": 4.0}
    judged, _ = replay(prior(theta=theta), [(7.0 * at, 0.0 if at < 12 else 0.35 * (at - 11)) for at in range(30)])
    reasons = {reason for judgement in judged for reason in judgement.reasons}
    assert {"ewma", "cusum"} <= reasons
    assert any(judgement.alert for judgement in judged)


def test_the_anchor_lags_by_three_values_and_four_weeks() -> None:
    waiting = tuple((float(at + 1), 7.0 * at, float(at), 0.1, 0.0) for at in range(6))
    watch = Watch(pending=waiting)
    anchor, rest = anchored(watch, 6, 42.0)
    assert anchor == waiting[2]  # day 14 is 28 days back; four values since
    assert rest == waiting[3:]
    assert anchored(watch, 6, 27.0) == (None, waiting)
    one = Watch(pending=((1.0, 0.0, 5.0, 0.1, 0.0),))
    assert anchored(one, 2, 400.0)[0] is None  # the third value: only two since
    assert anchored(one, 3, 400.0)[0] == (1.0, 0.0, 5.0, 0.1, 0.0)


def test_sustained_means_three_weeks_beyond_the_smallest_change_that_matters() -> None:
    judged, _ = replay(prior(mcid=2.0), [(7.0 * at, 0.0 if at < 8 else 5.0) for at in range(14)])
    raised = [judgement.day for judgement in judged if "sustained" in judgement.reasons]
    assert raised[0] == 77.0  # the change begins on day 56; day 77 is the fourth value, 21 days later


def test_real_change_needs_more_than_one_value() -> None:
    """One outlier leaves the level in doubt; several leave none."""
    theta = THETA | {"rho": 0.5, "pi_out": 0.05, "tau_b2": 9.0, "s_logsigma": 0.4}
    judged, _ = replay(prior(theta=theta, mcid=2.0), [(7.0 * at, 0.0 if at < 10 else 6.0) for at in range(15)])
    assert judged[9].p_real_change < 0.05
    assert judged[10].p_real_change < judged[12].p_real_change
    assert max(judgement.p_real_change for judgement in judged) > 0.95
    assert judged[0].p_real_change == 0.0


def test_an_isolated_outlier_is_called_a_gross_error_and_moves_the_set_point_little() -> None:
    theta = THETA | {"pi_out": 0.05, "s_logsigma": 0.3, "rho": 0.3}
    judged, _ = replay(prior(theta=theta), [(float(at), 9.0 if at == 20 else 0.1 * (-1) ** at) for at in range(23)])
    assert judged[20].p_gross_error > 0.9
    assert abs(judged[21].set_point) < 0.5


def test_alerts_look_the_way_that_is_worse_and_the_bare_95_percent_never_alerts() -> None:
    quiet = [(7.0 * at, 0.2 * (-1) ** at) for at in range(12)]
    cases = (("higher-worse", 6.0, True), ("higher-worse", -6.0, False), ("lower-worse", -6.0, True), ("both", -6.0, True), ("both", 2.4, False))
    for direction, value, alert in cases:
        judged, _ = replay(prior(direction=direction), [*quiet, (84.0, value)])
        assert judged[-1].outside95
        assert judged[-1].alert is alert


def test_critical_limits_win_over_any_personal_range() -> None:
    limits = {"low": -5, "high": 5, "text": "t", "source": ["s"]}
    theta = THETA | {"mu0": 6.0, "tau_b2": 25.0}
    judged, _ = replay(prior(theta=theta, critical=limits, direction="lower-worse"), [(float(at), 6.0) for at in range(20)])
    assert not judged[-1].outside95
    assert all(judgement.alert and judgement.critical == "high" and judgement.reasons[0] == "critical" for judgement in judged)
    low, _ = step(prior(critical=limits), start(prior(critical=limits)), 0.0, -5.0)
    assert low.critical == "low"


def test_never_low_at_the_floor_nor_high_at_a_good_ceiling() -> None:
    theta = {"mu0": 0.5, "tau_b2": 0.01, "sigma0": 0.2, "s_logsigma": 0.0, "rho": 0.0, "L_days": 30.0, "pi_out": 0.0}
    cases = (("higher-worse", 0, False), ("higher-worse", 27, True), ("lower-worse", 0, True), ("lower-worse", 27, False), ("both", 0, False))
    for direction, value, outside in cases:
        scale = build({"measure": "x", "transform": "logit:0:27", "theta": theta, "resolution": 1, "direction": direction})
        judged, _ = replay(scale, [(0.0, 17.0), (1.0, float(value))])
        assert judged[-1].outside95 is outside


def test_theil_sen_slope() -> None:
    """Median of the pairwise slopes 1, 1, 1, 1, 1, 49, 33, 24.5 ... of a line with one outlier is 1."""
    _, state = replay(prior(), [(float(at), float(at)) for at in range(7)] + [(7.0, 55.0)])
    assert slope(state.watch) == pytest.approx(1.0)
    assert slope(start(prior()).watch) is None


@pytest.mark.parametrize(("gap", "years"), [(1.0, 16), (7.0, 120)])
def test_the_alarm_budget_holds_when_the_model_is_true(gap: float, years: int) -> None:
    """People simulated from the model itself: alerts a year stay within the budget of one measure, daily and weekly."""
    theta = {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.3, "rho": 0.3, "L_days": 20.0, "pi_out": 0.02}
    measure, rng = prior(theta=theta), random.Random(4)
    alerts = 0
    for _ in range(years * ROUNDS):
        sigma, state, level = math.exp(0.3 * rng.gauss(0, 1)), start(measure), rng.gauss(0, 1)
        drift = math.sqrt(0.3) * sigma * rng.gauss(0, 1)
        phi = math.exp(-gap / 20)
        for at in range(round(365 / gap)):
            drift = phi * drift + math.sqrt(0.3 * (1 - phi * phi)) * sigma * rng.gauss(0, 1)
            noise = math.sqrt(0.7) * sigma * rng.gauss(0, 1) * (4 if rng.random() < 0.02 else 1)
            judgement, state = step(measure, state, gap * at, level + drift + noise)
            alerts += judgement.alert
    expected = share(1) * years * ROUNDS
    assert alerts <= expected + 3 * math.sqrt(expected)
