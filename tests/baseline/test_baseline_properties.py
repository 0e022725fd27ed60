"""What must hold for any prior and any series."""

import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.baseline.engine import State, predict, replay, start, step
from mappings.baseline.prior import Prior, build

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
EXAMPLES = settings(max_examples=40 * ROUNDS, deadline=None)


@st.composite
def priors(draw: st.DrawFn) -> Prior:
    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    shape = draw(st.sampled_from(["identity", "log", "sqrt", "logit:0:27"]))
    theta = {
        "mu0": number(-0.5, 2.0), "tau_b2": number(0.0, 2.0), "sigma0": number(0.05, 2.0), "s_logsigma": number(0.0, 0.8), "rho": number(0.01, 0.95),
        "L_days": number(1.0, 900.0), "pi_out": number(0.0, 0.2), "kappa": number(1.5, 6.0), "c": number(-0.9, 0.9), "shift": number(-1.0, 1.0),
        "T_days": number(5.0, 500.0), "f": number(0.5, 1.0), "s_rho": draw(st.sampled_from([0.0, 0.8])),
    }  # fmt: skip
    data: dict[str, Any] = {"measure": "any", "transform": shape, "theta": theta, "resolution": draw(st.sampled_from([0.0, 0.1, 1.0]))}
    return build(data)


@st.composite
def series(draw: st.DrawFn) -> list[tuple[float, float]]:
    gaps = draw(st.lists(st.floats(0, 15_000) | st.sampled_from([0.0, 1.0, 7.0]), min_size=1, max_size=8))
    values = draw(st.lists(st.integers(1, 27).map(float), min_size=len(gaps), max_size=len(gaps)))
    day, found = draw(st.floats(-8000, 40_000)), []
    for gap, value in zip(gaps, values, strict=True):
        day += gap
        found.append((day, value))
    return found


@EXAMPLES
@given(priors(), series())
def test_replay_is_the_steps_and_the_state_survives_storage(prior: Prior, values: list[tuple[float, float]]) -> None:
    state, alone = start(prior), []
    for day, value in values:
        judgement, state = step(prior, State.from_bytes(state.to_bytes()), day, value)
        alone.append(judgement)
    judged, last = replay(prior, values)
    assert judged == alone
    assert last == state
    assert State.from_bytes(last.to_bytes()) == last


@EXAMPLES
@given(priors(), series())
def test_limits_are_ordered_and_probabilities_are_probabilities(prior: Prior, values: list[tuple[float, float]]) -> None:
    judged, _ = replay(prior, values)
    for judgement in judged:
        assert judgement.lower99 <= judgement.lower95 <= judgement.upper95 <= judgement.upper99
        for p in (judgement.p, judgement.p_gross_error, judgement.p_real_change, judgement.p_changepoint, judgement.prior_share):
            assert 0 <= p <= 1
        assert judgement.reasons or not judgement.alert
        assert math.isfinite(judgement.z)
        assert math.isfinite(judgement.log_score)


@EXAMPLES
@given(priors(), series())
def test_no_judgement_depends_on_later_values(prior: Prior, values: list[tuple[float, float]]) -> None:
    judged, _ = replay(prior, values)
    for count in range(1, len(values)):
        assert replay(prior, values[:count])[0] == judged[:count]


@EXAMPLES
@given(priors(), series())
def test_the_limits_are_quantiles_of_the_mixture(prior: Prior, values: list[tuple[float, float]]) -> None:
    from mappings.baseline.mixture import limits, probit, quantile, tails

    _, state = replay(prior, values)
    expected = predict(prior, state, values[-1][0] + 3)
    assert limits(expected.mixture, prior.levels.scores, expected.mean, expected.sd) == pytest.approx(
        [quantile(expected.mixture, score, expected.mean) for score in prior.levels.scores], rel=1e-9, abs=1e-9
    )
    for level in (0.0005, 0.025, 0.5, 0.975, 0.9995):
        y = quantile(expected.mixture, probit(level), expected.mean)
        below, above = tails(expected.mixture, y)
        assert min(below, above) == pytest.approx(min(level, 1 - level), rel=1e-8)


def _plain() -> Prior:
    theta = {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.4, "rho": 0.3, "L_days": 30.0, "pi_out": 0.02}
    return build({"measure": "x", "transform": "log", "theta": theta})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_a_value_the_measure_cannot_take_is_an_error_without_the_value(value: float) -> None:
    with pytest.raises(ValueError, match="outside what this measure can take") as caught:
        step(_plain(), start(_plain()), 0.0, value)
    assert str(value) not in str(caught.value)


def test_time_does_not_run_backwards() -> None:
    _, state = replay(_plain(), [(10.0, 1.0)])
    for day in (9.99, math.nan, math.inf):
        with pytest.raises(ValueError, match="order of time"):
            step(_plain(), state, day, 1.0)


def test_ten_thousand_results_on_one_day_keep_the_state_small() -> None:
    prior, state = _plain(), start(_plain())
    size = 0
    for at in range(1500 * ROUNDS):
        _, state = step(prior, state, 100.0 + at / 2000 / ROUNDS, 1.0 + 0.01 * (at % 7))
        size = max(size, len(state.to_bytes()))
    assert size < 3000


def test_forty_years_apart_the_state_is_forgotten_but_the_trait_is_not() -> None:
    prior = _plain()
    _, state = replay(prior, [(0.0, 8.0), (1.0, 8.5), (2.0, 7.9)])
    near, far = predict(prior, state, 3.0), predict(prior, state, 3.0 + 40 * 365.25)
    assert far.sd > near.sd
    assert 1.0 < far.set_point < near.set_point


@pytest.mark.parametrize("raw", [b"", b"SPB1", b"\x00" * 200, b"SPB0" + b"\x00" * 500])
def test_bytes_that_are_no_state_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="baseline state"):
        State.from_bytes(raw)


def test_repeated_equal_rounded_values_do_not_collapse_the_interval() -> None:
    theta = {"mu0": 5.0, "tau_b2": 4.0, "sigma0": 1.0, "s_logsigma": 0.5, "rho": 0.3, "L_days": 30.0, "pi_out": 0.02, "f": 0.9}
    prior = build({"measure": "x", "transform": "identity", "theta": theta, "resolution": 1})
    judged, _ = replay(prior, [(7.0 * at, 5.0) for at in range(60)])
    assert judged[-1].upper95 - judged[-1].lower95 > 0.9


def test_quantiles_where_there_is_no_density_between_two_people_and_from_a_far_guess() -> None:
    """Two equal halves 1000 sd apart: each half's own median is the quartile of the whole."""
    from mappings.baseline.mixture import probit, quantile

    s = 1 / math.sqrt(2)
    mixture = [(centre, 0.5, s, 0.5 * s, 0.0, s / 4, 0.0) for centre in (0.0, 1000.0)]
    for guess in (-1e6, 0.0, 500.0, 1000.0, 1e6):
        assert quantile(mixture, probit(0.25), guess) == pytest.approx(0.0, abs=1e-8)
        assert quantile(mixture, probit(0.75), guess) == pytest.approx(1000.0, abs=1e-8)
