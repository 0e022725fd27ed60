"""The personal baseline: a Bayesian filter that starts at the population and earns its way to the person (baseline.md).

The filter is in filter.py, the detectors in detectors.py. Updating costs the same for the first value and the thousandth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import erfc, exp, sqrt
from operator import mul
from typing import Final

from mappings.baseline import changepoint
from mappings.baseline.detectors import Posterior, Seen, Watch, anchored, confirm, departed, look, meaningful, remember, share, shifted
from mappings.baseline.filter import STILL, Drive, Moved, Updated, mixture_of, moments, moved, updated
from mappings.baseline.mixture import Component, limits, probit, tails
from mappings.baseline.prior import Prior
from mappings.baseline.state import State

__all__ = ["METHOD", "STILL", "VERSION", "Drive", "Judgement", "Prediction", "State", "confirmed", "predict", "replay", "start", "step"]

METHOD: Final = "personal-baseline"
VERSION: Final = "2"
OUTSIDE: Final = 0.05
"""A value beyond its 95 % limits is one whose calibrated two-sided p is below this."""
ALONE: Final = share(1)
"""The budget of a measure that is the only one taken, or one of a few."""
_FLOOR: Final = 1e-300


class Prediction:
    """The next value as expected on `day`, before it is seen; `n` earlier values over `span_days`.

    Limits and `set_point` in the prior's unit, clipped to its ends; `mean` and `sd` on the transformed scale; `unwell`: how many of
    the values are such as people have who are ill; `prior_share`: how much of
    the trait's uncertainty is still the population's; `mixture`: the predictive distribution itself. The limits are worked out when first
    asked for: a replay judges many values of which nobody looks at the limits.
    """

    def __init__(self, prior: Prior, at: Moved, day: float, unwell: int = 0) -> None:
        self._prior, self._at, self.day, self.unwell = prior, at, day, unwell
        self.mixture: tuple[Component, ...] = mixture_of(prior, at)
        self.n = at.n
        self.span_days = at.last - at.first if at.n else 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prediction) and (self._at, self.day, self.mixture) == (other._at, other.day, other.mixture)

    def __hash__(self) -> int:
        return hash((self.day, self.n, self.mixture))

    @cached_property
    def _moments(self) -> tuple[float, float]:
        return moments(self._prior, self._at)

    @cached_property
    def _limits(self) -> tuple[float, ...]:
        """99 and 95 % below, 95 and 99 % above."""
        back = self._prior.transform.back
        return tuple([_clipped(self._prior, back(limit)) for limit in limits(self.mixture, self._prior.levels.scores, *self._moments)])

    @property
    def lower99(self) -> float:
        return self._limits[0]

    @property
    def lower95(self) -> float:
        return self._limits[1]

    @property
    def upper95(self) -> float:
        return self._limits[2]

    @property
    def upper99(self) -> float:
        return self._limits[3]

    @property
    def mean(self) -> float:
        return self._moments[0]

    @property
    def sd(self) -> float:
        return self._moments[1]

    @property
    def set_point(self) -> float:
        return _clipped(self._prior, self._prior.transform.back(self.mean))

    @property
    def prior_share(self) -> float:
        trait, at = self._prior.grid.trait, self._at
        return min(1.0, sum(map(mul, at.weight, at.paa)) / trait) if trait else 0.0


@dataclass(slots=True)  # not frozen: one is made for every value, and a frozen one takes six times as long
class Judgement:
    """One value judged by the earlier ones alone; `expected` is what they made likely.

    `z` and `p` (two-sided) from the calibrated PIT; `p_real_change`: that the level now differs from the anchored baseline by more than
    the MCID (0 before there is an anchor); `confirmed`: that baseline is of a period that a clinician confirmed as stable;
    `p_changepoint`: that the level jumped before one of the last values; `drive`: what was known to act since the value before;
    `critical`: "low", "high" or None; `outside95`: beyond the 95 % limits, the good end of a scale apart; `reasons`: detectors raised;
    `log_score`: log predictive density on the transformed scale.
    """

    expected: Prediction
    value: float
    z: float
    p: float
    p_gross_error: float
    p_real_change: float
    p_changepoint: float
    alert: bool
    reasons: tuple[str, ...]
    outside95: bool
    critical: str | None
    log_score: float
    drive: Drive = STILL
    confirmed: bool = False
    method: str = METHOD
    version: str = VERSION

    @property
    def driven(self) -> bool:
        """Whether a treatment was known to act since the value before."""
        return bool(self.drive.shift or self.drive.inflation)

    @property
    def day(self) -> float:
        return self.expected.day

    @property
    def n(self) -> int:
        """How many earlier values it rests on."""
        return self.expected.n

    @property
    def lower95(self) -> float:
        return self.expected.lower95

    @property
    def upper95(self) -> float:
        return self.expected.upper95

    @property
    def lower99(self) -> float:
        return self.expected.lower99

    @property
    def upper99(self) -> float:
        return self.expected.upper99

    @property
    def set_point(self) -> float:
        """The expected value."""
        return self.expected.set_point

    @property
    def prior_share(self) -> float:
        return self.expected.prior_share

    @property
    def span_days(self) -> float:
        return self.expected.span_days

    @property
    def learnt_unwell(self) -> bool:
        """Whether most of the earlier values are such as people have who are ill: usual then means usual while ill."""
        return 2 * self.expected.unwell > self.n


def start(prior: Prior) -> State:
    """The state before the first value: the population."""
    grid = prior.grid
    zero = (0.0,) * len(grid.centre)
    trait = (grid.trait,) * len(grid.centre)
    return State(0, 0.0, 0.0, 0, grid.log_weight, grid.centre, zero, trait, zero, grid.drift, Watch())


def predict(prior: Prior, state: State, day: float, drive: Drive = STILL) -> Prediction:
    """What the earlier values make likely on `day` (days since 1970-01-01 UTC, or any other origin used throughout); `drive`: what is known to
    have acted since the last of them.

    Errors: ValueError for a day before the last value's, or not a number.
    """
    return Prediction(prior, moved(prior, state, day, drive), day, state.unwell)


def step(prior: Prior, state: State, day: float, value: float, budget: float = ALONE, drive: Drive = STILL) -> tuple[Judgement, State]:
    """Judge `value` by the state, then take it in. `budget`: false alarms a year that alerts of this measure may cost (detectors.share);
    `drive`: what is known to have acted since the last value.

    Errors: ValueError for a day before the last value's, and for a value that the transform does not know (NaN, 0 under log).
    """
    if not prior.transform.accepts(value):
        raise ValueError(f"{prior.measure}: the value lies outside what this measure can take")
    at = moved(prior, state, day, drive)
    expected = Prediction(prior, at, day, state.unwell)
    value = float(value)
    y = prior.transform.forward(value)
    below, above = prior.levels.calibrated(*tails(expected.mixture, y))
    z = probit(max(_FLOOR, below)) if below < above else -probit(max(_FLOOR, above))
    p = min(1.0, 2 * min(below, above))
    after = updated(prior, at, expected.mixture, value, y)
    judge = _Verdict(prior, expected, value, y, z, p, drive)
    return judge.settle(replace(state, watch=shifted(state.watch, drive.shift)) if drive.shift else state, after, budget)


def confirmed(state: State) -> State:
    """The state at the end of a period that a clinician confirmed as stable: what is known of the level now is the anchor from here on."""
    if not state.n:
        return state
    level, variance = _level(list(map(exp, state.log_weight)), *_levels(state))
    return replace(state, watch=confirm(state.watch, (float(state.n), state.last, level, variance, 0.0)))


def _levels(state: State) -> tuple[list[float], list[float]]:
    """(mean, variance) of the level at each grid point."""
    return [a + u for a, u in zip(state.a, state.u, strict=True)], [x + 2 * y + z for x, y, z in zip(state.paa, state.pau, state.puu, strict=True)]


def replay(prior: Prior, series: Iterable[tuple[float, float]]) -> tuple[list[Judgement], State]:
    """Judge a whole series of (day, value) in the order of time, each value by the earlier ones only."""
    state, found = start(prior), []
    for day, value in series:
        judgement, state = step(prior, state, day, value)
        found.append(judgement)
    return found, state


def _clipped(prior: Prior, value: float) -> float:
    if prior.minimum is not None and value < prior.minimum:
        return prior.minimum
    return prior.maximum if prior.maximum is not None and value > prior.maximum else value


@dataclass(slots=True)
class _Verdict:
    """A value against what was expected: puts filter and detectors together."""

    prior: Prior
    expected: Prediction
    value: float
    y: float
    z: float
    p: float
    drive: Drive

    def settle(self, state: State, new: Updated, budget: float) -> tuple[Judgement, State]:
        prior, expected, n = self.prior, self.expected, state.n
        first, last = (state.first, state.last) if n else (expected.day, expected.day)
        anchor, pending = anchored(state.watch, n, expected.day)
        limits = meaningful(prior, anchor) if anchor else None
        level, variance = _level(new.weight, new.level, new.variance)
        sure = _real_change(new, limits, anchor) if anchor and limits else 0.0
        gap = expected.day - last if n else -1.0
        jumped, jumps = changepoint.seen(prior, state.watch.jumps, gap, self.z, expected.sd, new.gain, new.gross)
        away = departed(prior, anchor, expected.day, level, variance, sum(map(mul, new.weight, prior.grid.drift))) if anchor else 0.0
        seen = Seen(n, first, last, expected.day, self.y, self.z, self.p, self._tame(), sure, jumped, limits, away)
        reasons, alert, watch = look(prior, state.watch, seen, budget)
        watch = remember(watch, (float(n + 1), expected.day, level, variance, 0.0), anchor, pending, self.y, jumps)
        unwell = state.unwell + (prior.unwell is not None and prior.unwell.covers(self.value))
        after = State(n + 1, first, expected.day, unwell, new.log_weight, new.a, new.u, new.paa, new.pau, new.puu, watch, self.drive.set_out or state.set_out)
        return self._judgement(new, reasons, alert, seen, watch.confirmed), after

    def _tame(self) -> bool:
        """The good end of a bounded scale is never news: no "low" at the floor where higher is worse, and its mirror."""
        prior = self.prior
        bounded = prior.minimum is not None and prior.maximum is not None
        if not bounded:
            return False
        if self.value <= prior.minimum:  # type: ignore[operator]
            return prior.direction != "lower-worse"
        return prior.direction == "lower-worse" and self.value >= prior.maximum  # type: ignore[operator]

    def _judgement(self, new: Updated, reasons: tuple[str, ...], alert: bool, seen: Seen, confirmed: bool) -> Judgement:
        expected, value = self.expected, self.value
        critical = self.prior.critical.side(value) if self.prior.critical else None
        return Judgement(
            expected, value, self.z, self.p, new.gross, seen.sure, seen.moved, alert or critical is not None,
            ("critical", *reasons) if critical else reasons, self.p < OUTSIDE and not seen.tame, critical, new.log_score, self.drive, confirmed,
        )  # fmt: skip


def _level(weight: Sequence[float], levels: Sequence[float], variances: Sequence[float]) -> tuple[float, float]:
    """(mean, variance) of the level over all grid points."""
    mean = sum(map(mul, weight, levels))
    return mean, sum([w * (v + (level - mean) * (level - mean)) for w, v, level in zip(weight, variances, levels, strict=True)])


def _real_change(new: Updated, limits: tuple[float, float], anchor: Posterior) -> float:
    """P(the level lies beyond `limits`); the anchor's own uncertainty is added, as if it were independent, which is cautious."""
    (low, high), doubt, outside = limits, anchor[3], 0.0
    for weight, level, variance in zip(new.weight, new.level, new.variance, strict=True):
        scale = 1 / sqrt(2 * (variance + doubt))
        outside += weight * (erfc((level - low) * scale) + erfc((high - level) * scale))
    return min(1.0, outside / 2)
