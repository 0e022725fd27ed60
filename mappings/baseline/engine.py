"""The personal baseline: a Bayesian filter that starts at the population and earns its way to the person (baseline.md).

Per grid point a Kalman filter over (stable trait A, Ornstein-Uhlenbeck state U), heavy-tailed noise for gross errors; the
grid points carry weights. Updating costs the same for the first value and the thousandth. `step(state)` after `step` is `replay`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from typing import Final

from mappings.baseline.detectors import BUDGET, Posterior, Seen, Watch, anchored, look, meaningful, remember
from mappings.baseline.mixture import ROOT2, Component, moments, probit, quantile, tails
from mappings.baseline.prior import Prior
from mappings.baseline.state import State

__all__ = ["METHOD", "VERSION", "Judgement", "Prediction", "State", "predict", "replay", "start", "step"]

METHOD: Final = "personal-baseline"
VERSION: Final = "1"
_ROOT_PI: Final = sqrt(math.pi)
_WIDE: Final = 0.15 / ROOT2  # an interval of 0.15 sd, in units of 1 / (sd sqrt 2)
_FLOOR: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Prediction:
    """The next value as expected on `day`, before it is seen. Limits and `set_point` in the prior's unit, clipped to its ends;
    `mean` and `sd` on the transformed scale. `mixture`: the predictive distribution itself."""

    day: float
    n: int
    lower95: float
    upper95: float
    lower99: float
    upper99: float
    set_point: float
    mean: float
    sd: float
    prior_share: float
    span_days: float
    mixture: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One value judged by the earlier ones alone.

    `n` earlier values over `span_days`; limits in the prior's unit; `set_point` the expected value; `z` and `p` (two-sided) from the
    calibrated PIT; `p_real_change`: that the level now differs from the anchored baseline by more than the MCID (0 before there is
    an anchor); `prior_share`: how much of the trait's uncertainty is still the population's; `critical`: "low", "high" or None;
    `outside95`: beyond the 95 % limits, the good end of a scale apart; `reasons`: detectors raised; `log_score`: log predictive
    density on the transformed scale.
    """

    day: float
    value: float
    n: int
    lower95: float
    upper95: float
    lower99: float
    upper99: float
    z: float
    p: float
    set_point: float
    p_gross_error: float
    p_real_change: float
    alert: bool
    reasons: tuple[str, ...]
    outside95: bool
    prior_share: float
    span_days: float
    critical: str | None
    method: str
    version: str
    log_score: float


def start(prior: Prior) -> State:
    """The state before the first value: the population."""
    grid = prior.grid
    zero = (0.0,) * len(grid.centre)
    trait = (grid.trait,) * len(grid.centre)
    return State(0, 0.0, 0.0, grid.log_weight, grid.centre, zero, trait, zero, grid.drift, Watch())


def predict(prior: Prior, state: State, day: float) -> Prediction:
    """What the earlier values make likely on `day` (days since 1970-01-01 UTC, or any other origin used throughout).

    Errors: ValueError for a day before the last value's, or not a number.
    """
    return _predict(prior, _moved(prior, state, day), day)


def step(prior: Prior, state: State, day: float, value: float, budget: float = BUDGET) -> tuple[Judgement, State]:
    """Judge `value` by the state, then take it in. `budget`: false alarms a year that alerts of this measure may cost.

    Errors: ValueError for a day before the last value's, and for a value that the transform does not know (NaN, 0 under log).
    """
    if not prior.transform.accepts(value):
        raise ValueError(f"{prior.measure}: the value lies outside what this measure can take")
    moved = _moved(prior, state, day)
    expected = _predict(prior, moved, day)
    value = float(value)
    y = prior.transform.forward(value)
    below, above = prior.levels.calibrated(*tails(expected.mixture, y))
    z = probit(max(_FLOOR, below)) if below < above else -probit(max(_FLOOR, above))
    p = min(1.0, 2 * min(below, above))
    updated = _updated(prior, moved, expected.mixture, value, y)
    judge = _Verdict(prior, expected, value, y, z, p)
    return judge.settle(state, updated, budget)


def replay(prior: Prior, series: Iterable[tuple[float, float]]) -> tuple[list[Judgement], State]:
    """Judge a whole series of (day, value) in the order of time, each value by the earlier ones only."""
    state, found = start(prior), []
    for day, value in series:
        judgement, state = step(prior, state, day, value)
        found.append(judgement)
    return found, state


@dataclass(slots=True)
class _Moved:
    """The filter carried to the day of the next value. `spread`: variance of the level A + U."""

    n: int
    first: float
    last: float
    log_weight: tuple[float, ...]
    weight: list[float]
    a: list[float]
    u: list[float]
    paa: tuple[float, ...]
    pau: list[float]
    puu: list[float]
    level: list[float]
    spread: list[float]


def _moved(prior: Prior, state: State, day: float) -> _Moved:
    if not math.isfinite(day) or (state.n and day < state.last):
        raise ValueError("values are judged in the order of time")
    grid, theta = prior.grid, prior.theta
    if state.n == 0:
        a, u, pau, puu, log_weight = list(state.a), list(state.u), list(state.pau), list(state.puu), state.log_weight
        first = day
    else:
        first, gap = state.first, day - state.last
        phi = exp(-gap / theta.L_days)
        keep = phi * phi
        course = theta.shift * (exp(-(state.last - first) / theta.T_days) - exp(-(day - first) / theta.T_days)) if theta.shift else 0.0
        a = [each + course for each in state.a]
        u = [phi * each for each in state.u]
        pau = [phi * each for each in state.pau]
        puu = [keep * each + fresh * (1 - keep) for each, fresh in zip(state.puu, grid.drift, strict=True)]
        log_weight = _forgotten(state.log_weight, grid.log_weight, theta.f)
    level = [each + other for each, other in zip(a, u, strict=True)]
    spread = [x + 2 * y + z for x, y, z in zip(state.paa, pau, puu, strict=True)]
    weight = [exp(each) for each in log_weight]
    return _Moved(state.n, first, state.last, log_weight, weight, a, u, state.paa, pau, puu, level, spread)


def _forgotten(log_weight: tuple[float, ...], original: tuple[float, ...], f: float) -> tuple[float, ...]:
    """Addition 3: what is known of the person's variability fades towards the population's."""
    if f == 1.0:
        return log_weight
    return _normalised([f * now + (1 - f) * then for now, then in zip(log_weight, original, strict=True)])


def _normalised(log_weight: list[float]) -> tuple[float, ...]:
    top = max(log_weight)
    total = top + log(sum([exp(each - top) for each in log_weight]))
    return tuple([each - total for each in log_weight])


def _mixture(prior: Prior, moved: _Moved) -> tuple[Component, ...]:
    """The predictive distribution: around each grid point's level an ordinary value, or one with a gross error."""
    pi, wider = prior.theta.pi_out, prior.theta.kappa**2
    made = []
    for w, level, spread, noise in zip(moved.weight, moved.level, moved.spread, prior.grid.noise, strict=True):
        w1, w2 = (1 - pi) * w, pi * w
        s1, s2 = 1 / sqrt(2 * (spread + noise)), 1 / sqrt(2 * (spread + wider * noise))
        made.append((level, w1, s1, w1 * s1, w2, s2, w2 * s2))
    return tuple(made)


def _predict(prior: Prior, moved: _Moved, day: float) -> Prediction:
    mixture = _mixture(prior, moved)
    mean, sd = moments(mixture)
    low99, low95, high95, high99 = prior.levels.model
    lower95, slope, bend = quantile(mixture, low95, mean + probit(low95) * sd)
    step_out = probit(low99) - probit(low95)
    lower99, _, _ = quantile(mixture, low99, lower95 + step_out * slope + step_out * step_out / 2 * bend)
    upper95, slope, bend = quantile(mixture, high95, 2 * mean - lower95)
    step_out = probit(high99) - probit(high95)
    upper99, _, _ = quantile(mixture, high99, upper95 + step_out * slope + step_out * step_out / 2 * bend)
    back, trait = prior.transform.back, prior.grid.trait
    share = sum(w * each for w, each in zip(moved.weight, moved.paa, strict=True)) / trait if trait else 0.0
    limits = [_clipped(prior, back(limit)) for limit in (lower95, upper95, lower99, upper99)]
    span = moved.last - moved.first if moved.n else 0.0
    return Prediction(
        day, moved.n, limits[0], limits[1], limits[2], limits[3], _clipped(prior, back(mean)), mean, sd, min(1.0, share), span, mixture
    )  # fmt: skip


def _clipped(prior: Prior, value: float) -> float:
    if prior.minimum is not None and value < prior.minimum:
        return prior.minimum
    return prior.maximum if prior.maximum is not None and value > prior.maximum else value


@dataclass(slots=True)
class _Updated:
    """The filter after the value: per grid point, and the level's posterior over all of them."""

    log_weight: tuple[float, ...]
    weight: list[float]
    a: tuple[float, ...]
    u: tuple[float, ...]
    paa: tuple[float, ...]
    pau: tuple[float, ...]
    puu: tuple[float, ...]
    variance: tuple[float, ...]
    gross: float
    log_score: float


def _updated(prior: Prior, moved: _Moved, mixture: tuple[Component, ...], value: float, y: float) -> _Updated:
    pi, wider = prior.theta.pi_out, prior.theta.kappa**2
    likelihoods = _likelihoods(prior, mixture, value, y)
    logs, shares, rows = [], [], []
    for log_weight, a, u, paa, pau, puu, spread, noise, (common, error) in zip(
        moved.log_weight, moved.a, moved.u, moved.paa, moved.pau, moved.puu, moved.spread, prior.grid.noise, likelihoods, strict=True
    ):
        density = (1 - pi) * common + pi * error
        r = pi * error / density if density > _FLOOR else float(pi > 0)
        logs.append(log_weight + log(density if density > _FLOOR else _FLOOR))
        shares.append(r)
        off = y - a - u
        effective = noise / (1 - r + r / wider)
        total = spread + effective
        # The covariance update in a form that loses no digits when the prior is vague: paa puu - pau^2 cancels exactly.
        left = paa * puu - pau * pau
        rows.append(
            (
                a + (paa + pau) / total * off,
                u + (pau + puu) / total * off,
                (paa * effective + left) / total,
                (pau * effective - left) / total,
                (puu * effective + left) / total,
                effective * spread / total,
            )
        )
    log_weights = _normalised(logs)
    weight = [exp(each) for each in log_weights]
    new_a, new_u, new_paa, new_pau, new_puu, variance = zip(*rows, strict=True)
    gross = min(1.0, sum([w * r for w, r in zip(weight, shares, strict=True)]))
    return _Updated(log_weights, weight, new_a, new_u, new_paa, new_pau, new_puu, variance, gross, logs[0] - log_weights[0])


def _likelihoods(prior: Prior, mixture: tuple[Component, ...], value: float, y: float) -> list[tuple[float, float]]:
    """Per grid point the likelihood as an ordinary value and as a gross error: of the interval that the value was rounded from
    where that is wide against the standard deviation, else the density."""
    if not prior.resolution:
        return [(_density(y - level, s1), _density(y - level, s2)) for level, _, s1, _, _, s2, _ in mixture]
    low, high = prior.transform.edges(value, prior.resolution, prior.minimum, prior.maximum)
    enough = _WIDE / (high - low)
    return [
        (
            _within(low - level, high - level, s1) if s1 >= enough else _density(y - level, s1),
            _within(low - level, high - level, s2) if s2 >= enough else _density(y - level, s2),
        )
        for level, _, s1, _, _, s2, _ in mixture
    ]


def _density(off: float, scale: float) -> float:
    scaled = off * scale
    return exp(-scaled * scaled) * scale / _ROOT_PI


def _within(low: float, high: float, scale: float) -> float:
    """Mean density between two offsets; the plain probability where one of them is infinite."""
    inside = erfc(low * scale) - erfc(high * scale) if low > 0 else erfc(-high * scale) - erfc(-low * scale)
    return inside / 2 / (high - low) if high - low < math.inf else inside / 2


@dataclass(slots=True)
class _Verdict:
    """A value against what was expected: puts filter and detectors together."""

    prior: Prior
    expected: Prediction
    value: float
    y: float
    z: float
    p: float

    def settle(self, state: State, updated: _Updated, budget: float) -> tuple[Judgement, State]:
        prior, expected = self.prior, self.expected
        first = state.first if state.n else expected.day
        seen = Seen(state.n, first, expected.day, self.y, self.z, self.p, self._tame())
        anchor, pending = anchored(state.watch, state.n, expected.day)
        limits = meaningful(prior, anchor) if anchor else None
        level, variance = _level(updated)
        sure = _real_change(updated, limits, anchor) if anchor and limits else 0.0
        reasons, alert, watch = look(prior, state.watch, seen, limits, sure, budget)
        posterior = (float(state.n + 1), expected.day, level, variance)
        watch = remember(watch, posterior, anchor, pending, self.y)
        after = State(
            state.n + 1, first, expected.day, updated.log_weight, updated.a, updated.u, updated.paa, updated.pau, updated.puu, watch
        )  # fmt: skip
        return self._judgement(updated, reasons, alert, sure), after

    def _tame(self) -> bool:
        """The good end of a bounded scale is never news: no "low" at the floor where higher is worse, and its mirror."""
        prior = self.prior
        bounded = prior.minimum is not None and prior.maximum is not None
        if not bounded:
            return False
        if self.value <= prior.minimum:  # type: ignore[operator]
            return prior.direction != "lower-worse"
        return prior.direction == "lower-worse" and self.value >= prior.maximum  # type: ignore[operator]

    def _judgement(self, updated: _Updated, reasons: tuple[str, ...], alert: bool, sure: float) -> Judgement:
        expected, value = self.expected, self.value
        critical = self.prior.critical.side(value) if self.prior.critical else None
        return Judgement(
            day=expected.day, value=value, n=expected.n,
            lower95=expected.lower95, upper95=expected.upper95, lower99=expected.lower99, upper99=expected.upper99,
            z=self.z, p=self.p, set_point=expected.set_point, p_gross_error=updated.gross, p_real_change=sure,
            alert=alert or critical is not None, reasons=("critical", *reasons) if critical else reasons,
            outside95=(value < expected.lower95 or value > expected.upper95) and not self._tame(),
            prior_share=expected.prior_share, span_days=expected.span_days, critical=critical,
            method=METHOD, version=VERSION, log_score=updated.log_score,
        )  # fmt: skip


def _level(updated: _Updated) -> tuple[float, float]:
    levels = [a + u for a, u in zip(updated.a, updated.u, strict=True)]
    mean = sum([w * level for w, level in zip(updated.weight, levels, strict=True)])
    return mean, sum([w * (v + (level - mean) ** 2) for w, v, level in zip(updated.weight, updated.variance, levels, strict=True)])


def _real_change(updated: _Updated, limits: tuple[float, float], anchor: Posterior) -> float:
    """P(the level lies beyond `limits`); the anchor's own uncertainty is added, as if it were independent, which is cautious."""
    outside = 0.0
    for weight, a, u, variance in zip(updated.weight, updated.a, updated.u, updated.variance, strict=True):
        scale = 1 / sqrt(2 * (variance + anchor[3]))
        outside += weight * (erfc((a + u - limits[0]) * scale) + erfc((limits[1] - a - u) * scale))
    return min(1.0, outside / 2)
