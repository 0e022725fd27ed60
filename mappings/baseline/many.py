"""The baseline of many people at once: the same filter, limits and detectors as engine.py, with people as lanes of numpy arrays.

The k-th value of every person is judged together, with all grid points in one array (grid, lanes). Results equal the online engine's to
rounding: every formula here is one of filter.py, mixture.py or detectors.py, and a quantile is the same root found to the same depth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, ndtri

from mappings.baseline import engine
from mappings.baseline.detectors import (
    _CUSUM_BIT,
    _EWMA_BIT,
    _PENDING,
    _SHARES,
    _SUSTAINED_BIT,
    ANCHOR_DAYS,
    ANCHOR_VALUES,
    BUDGET,
    CUSUM_LIMIT,
    CUSUM_SLACK,
    EWMA,
    SUSTAINED_DAYS,
)
from mappings.baseline.filter import _FLOOR, _LOG_FLOOR, _WIDE
from mappings.baseline.levels import NOMINAL
from mappings.baseline.mixture import quantile
from mappings.baseline.prior import Prior
from mappings.baseline.transform import Transform

Floats = NDArray[np.float64]
ROOT2: Final = math.sqrt(2.0)
_ROOT_PI: Final = math.sqrt(math.pi)
LANES: Final = 1024
"""People judged together: their arrays stay in the processor's cache."""
FEW: Final = 6
"""Fewer lanes than this are judged faster one by one."""
_CLOSE: Final = 3e-5
_TINY: Final = 1e-300


@dataclass(slots=True)
class Judged:
    """One entry for each value, in the order given. What could not be judged has NaN in `z` and after, and limits from the earlier values."""

    n: NDArray[np.int64]
    lower95: Floats
    upper95: Floats
    lower99: Floats
    upper99: Floats
    z: Floats
    p: Floats
    set_point: Floats
    p_gross_error: Floats
    p_real_change: Floats
    alert: NDArray[np.bool_]
    log_score: Floats
    pit: Floats

    @staticmethod
    def empty(size: int) -> "Judged":
        made: dict[str, Any] = {each.name: np.full(size, np.nan) for each in fields(Judged)}
        return Judged(**made | {"n": np.zeros(size, np.int64), "alert": np.zeros(size, np.bool_)})


def judge(prior: Prior, start: NDArray[np.int64], length: NDArray[np.int64], day: Floats, value: Floats, limits: bool = True, budget: float = BUDGET,
          scores_only: bool = False) -> Judged:  # fmt: skip
    """Judge many series. Person i has the values start[i] .. start[i] + length[i] of `day` (rising, days) and `value` (in the prior's unit;
    NaN, or outside what the measure can take: not judged and not taken in). `limits` False leaves them and the detectors' outputs
    out; `scores_only` everything but `log_score` (fitting)."""
    made = Judged.empty(len(day))
    order = np.argsort(-length, kind="stable")
    for at in range(0, len(order), LANES):
        lanes = order[at : at + LANES]
        if len(lanes) < FEW and limits and not scores_only:
            for lane in lanes:
                _one(prior, slice(int(start[lane]), int(start[lane] + length[lane])), day, value, made, budget)
        else:
            _Lanes(prior, start[lanes], length[lanes], day, value, made, limits and not scores_only, budget, scores_only).run()
    return made


def takes(prior: Prior, value: Floats) -> NDArray[np.bool_]:
    """Which values the measure can take: finite, within its ends, known to its transform."""
    fine = np.isfinite(value)
    if prior.minimum is not None:
        fine &= ~(value < prior.minimum)
    if prior.maximum is not None:
        fine &= ~(value > prior.maximum)
    kind = prior.transform.kind
    if kind == "log":
        fine &= value > 0
    elif kind == "sqrt":
        fine &= value >= 0
    elif kind == "logit":
        fine &= (value >= prior.transform.low) & (value <= prior.transform.high)
    return fine


def forward(transform: Transform, x: Floats) -> Floats:
    """g(x), infinite beyond the ends of its domain."""
    if transform.kind == "identity":
        return x
    with np.errstate(divide="ignore", invalid="ignore"):
        if transform.kind == "log":
            return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf)
        if transform.kind == "sqrt":
            return np.where(x >= 0, np.sqrt(np.abs(x)), -np.inf)
        below, above = x - transform.low + 0.5, transform.high - x + 0.5
        inside = np.log(np.abs(below / np.where(above == 0, 1.0, above)))
        return np.where(below <= 0, -np.inf, np.where(above <= 0, np.inf, inside))


def back(transform: Transform, y: Floats) -> Floats:
    """The x with g(x) = y, clipped to the ends of a bounded scale."""
    if transform.kind == "identity":
        return y
    with np.errstate(over="ignore"):
        if transform.kind == "log":
            return np.exp(y)
        if transform.kind == "sqrt":
            return np.where(y > 0, y * y, 0.0)
        width = transform.high - transform.low + 1
        share = 1 / (1 + np.exp(-y))
    return np.minimum(transform.high, np.maximum(transform.low, transform.low - 0.5 + width * share))


def edges(prior: Prior, x: Floats) -> tuple[Floats, Floats]:
    """What values reported in steps stand for, on the transformed scale (transform.edges)."""
    transform, half = prior.transform, prior.resolution / 2
    lower = np.maximum(x - half, x / 2) if transform.kind == "log" else np.maximum(x - half, 0.0) if transform.kind == "sqrt" else x - half
    low = transform.low if transform.kind == "logit" else prior.minimum
    high = transform.high if transform.kind == "logit" else prior.maximum
    a, b = forward(transform, lower), forward(transform, x + half)
    if low is not None and transform.kind != "log":
        a = np.where(x <= low, -np.inf, a)
    return a, b if high is None else np.where(x >= high, np.inf, b)


def _one(prior: Prior, rows: slice, day: Floats, value: Floats, made: Judged, budget: float) -> None:
    """One series by the online engine."""
    state, fine = engine.start(prior), takes(prior, value[rows])
    for at, judged in zip(range(rows.start, rows.stop), fine, strict=True):
        if judged:
            found, state = engine.step(prior, state, float(day[at]), float(value[at]), budget)
            expected = found.expected
            made.z[at], made.p[at], made.p_gross_error[at], made.p_real_change[at] = found.z, found.p, found.p_gross_error, found.p_real_change
            made.alert[at], made.log_score[at] = found.alert, found.log_score
        else:
            expected = engine.predict(prior, state, float(day[at]))
        made.n[at] = expected.n
        made.lower99[at], made.lower95[at], made.upper95[at], made.upper99[at] = expected.lower99, expected.lower95, expected.upper95, expected.upper99
        made.set_point[at] = expected.set_point


class _Lanes:
    """Some people, the one with the most values first: those who still have one at step k are the first of the arrays."""

    def __init__(self, prior: Prior, start: NDArray[np.int64], length: NDArray[np.int64], day: Floats, value: Floats, made: Judged, limits: bool,
                 budget: float, scores_only: bool) -> None:  # fmt: skip
        self.prior, self.start, self.length, self.made, self.with_limits, self.scores_only = prior, start, length, made, limits, scores_only
        self.all_days, self.all_values = day, value
        grid, size = prior.grid, len(start)
        self.points = len(grid.centre)
        self.noise = np.array(grid.noise)[:, None]
        self.drift = np.array(grid.drift)[:, None]
        self.original = np.array(grid.log_weight)[:, None]
        self.budget = budget if prior.direction == "both" else 2 * budget
        self.n = np.zeros(size, np.int64)
        self.first, self.last = np.zeros(size), np.zeros(size)
        self.log_weight = np.repeat(self.original, size, 1)
        self.a = np.repeat(np.array(grid.centre)[:, None], size, 1)
        self.u, self.pau = np.zeros((self.points, size)), np.zeros((self.points, size))
        self.paa = np.full((self.points, size), grid.trait)
        self.puu = np.repeat(self.drift, size, 1)
        self.watch = _Watches(prior, size, self.budget)

    def run(self) -> None:
        """Step by step until the longest series ends."""
        longest = int(self.length[0]) if len(self.length) else 0
        alive = np.searchsorted(-self.length, -np.arange(longest), side="left")
        for k in range(longest):
            self._step(k, int(alive[k]))

    def _step(self, k: int, m: int) -> None:
        rows = self.start[:m] + k
        day, value = self.all_days[rows], self.all_values[rows]
        fine = takes(self.prior, value)
        moved = self._moved(day, m)
        self.made.n[rows] = self.n[:m]
        if not self.scores_only:
            mean, sd = moved.moments()
            self.made.set_point[rows] = self._shown(mean)
        if self.with_limits:
            for name, found in zip(("lower99", "lower95", "upper95", "upper99"), moved.limits(self.prior.levels.scores, mean, sd), strict=True):
                getattr(self.made, name)[rows] = self._shown(found)
        if fine.all():
            self._take(moved, rows, day, value, m)
        elif fine.any():
            self._take_some(moved, rows, day, value, m, fine)

    def _shown(self, y: Floats) -> Floats:
        x = back(self.prior.transform, y)
        if self.prior.minimum is not None:
            x = np.maximum(x, self.prior.minimum)
        return x if self.prior.maximum is None else np.minimum(x, self.prior.maximum)

    def _moved(self, day: Floats, m: int) -> "_Moved":
        theta = self.prior.theta
        later = self.n[:m] > 0
        gap = np.where(later, day - self.last[:m], 0.0)
        phi = np.exp(-gap / theta.L_days)
        keep = phi * phi
        a, log_weight = self.a[:, :m], self.log_weight[:, :m]
        if theta.shift:
            since = np.where(later, self.first[:m], day)
            before = np.where(later, self.last[:m], day)
            a = a + theta.shift * (np.exp(-(before - since) / theta.T_days) - np.exp(-(day - since) / theta.T_days))
        if theta.f != 1.0:
            log_weight = np.where(later, _normalised(theta.f * log_weight + (1 - theta.f) * self.original), log_weight)
        u, pau = phi * self.u[:, :m], phi * self.pau[:, :m]
        puu = keep * self.puu[:, :m] + self.drift * (1 - keep)
        return _Moved(self, np.exp(log_weight), log_weight, a, u, self.paa[:, :m], pau, puu)

    def _take_some(self, moved: "_Moved", rows: NDArray[np.int64], day: Floats, value: Floats, m: int, fine: NDArray[np.bool_]) -> None:
        """Some lanes have nothing to take in: they stay as they were."""
        before = self._kept(m)
        watch = self.watch.kept(m)
        stand_in = np.where(fine, value, self._shown(moved.moments()[0]))
        made = self.made
        self._take(moved, rows, day, stand_in, m)
        skipped = ~fine
        for name in ("z", "p", "p_gross_error", "p_real_change", "log_score", "pit"):
            getattr(made, name)[rows[skipped]] = np.nan
        made.alert[rows[skipped]] = False
        for name, old in before.items():
            now = getattr(self, name)
            now[..., :m][..., skipped] = old[..., skipped]
        self.watch.restore(watch, m, skipped)

    def _kept(self, m: int) -> dict[str, Any]:
        return {name: getattr(self, name)[..., :m].copy() for name in ("n", "first", "last", "log_weight", "a", "u", "paa", "pau", "puu")}

    def _take(self, moved: "_Moved", rows: NDArray[np.int64], day: Floats, value: Floats, m: int) -> None:
        prior, made = self.prior, self.made
        y = forward(prior.transform, value)
        new = moved.updated(value, y)
        made.log_score[rows] = new.log_score
        if not self.scores_only:
            below, above = moved.tails(y)
            made.pit[rows] = below
            below, above = _calibrated(prior, below, above)
            z = np.where(below < above, ndtri(np.maximum(_TINY, below)), -ndtri(np.maximum(_TINY, above)))
            p = np.minimum(1.0, 2 * np.minimum(below, above))
            made.z[rows], made.p[rows], made.p_gross_error[rows] = z, p, new.gross
            if self.with_limits:
                made.p_real_change[rows], made.alert[rows] = self.watch.look(self.n, self.first, day, value, y, z, p, new, m)
        critical = prior.critical
        if critical is not None:
            low, high = critical.low, critical.high
            made.alert[rows] |= (value <= low if low is not None else np.zeros(m, np.bool_)) | (value >= high if high is not None else np.zeros(m, np.bool_))
        self.first[:m] = np.where(self.n[:m] > 0, self.first[:m], day)
        self.last[:m] = day
        self.n[:m] += 1
        self.log_weight[:, :m], self.a[:, :m], self.u[:, :m] = new.log_weight, new.a, new.u
        self.paa[:, :m], self.pau[:, :m], self.puu[:, :m] = new.paa, new.pau, new.puu


def _normalised(log_weight: Floats) -> Floats:
    top = log_weight.max(0)
    found: Floats = log_weight - (top + np.log(np.exp(log_weight - top).sum(0)))
    return found


def _calibrated(prior: Prior, below: Floats, above: Floats) -> tuple[Floats, Floats]:
    """Tail calibration (levels.calibrated)."""
    model = prior.levels.model
    if model == NOMINAL:
        return below, above
    knots, nominal = np.array((0.0, *model, 1.0)), np.array((0.0, *NOMINAL, 1.0))
    mirrored = np.array((0.0, *(1 - each for each in reversed(model)), 1.0))
    lower = below <= 0.5
    mapped = np.where(lower, np.interp(below, knots, nominal), np.interp(above, mirrored, nominal))
    return np.where(lower, mapped, 1 - mapped), np.where(lower, 1 - mapped, mapped)


@dataclass(slots=True)
class _New:
    """The filter after the values; arrays (grid, lanes), `gross` and `log_score` by lane."""

    log_weight: Floats
    weight: Floats
    a: Floats
    u: Floats
    paa: Floats
    pau: Floats
    puu: Floats
    level: Floats
    variance: Floats
    gross: Floats
    log_score: Floats


class _Moved:
    """The filter carried to the day of the next values, and the mixture it predicts."""

    def __init__(self, lanes: _Lanes, weight: Floats, log_weight: Floats, a: Floats, u: Floats, paa: Floats, pau: Floats, puu: Floats) -> None:
        self.lanes, self.weight, self.log_weight = lanes, weight, log_weight
        self.a, self.u, self.paa, self.pau, self.puu = a, u, paa, pau, puu
        self.level, self.spread = a + u, paa + 2 * pau + puu
        theta = lanes.prior.theta
        self.w1, self.w2 = (1 - theta.pi_out) * weight, theta.pi_out * weight
        self.s1 = 1 / np.sqrt(2 * (self.spread + lanes.noise))
        self.s2 = 1 / np.sqrt(2 * (self.spread + theta.kappa**2 * lanes.noise))
        self.gross = theta.pi_out > 0

    def moments(self) -> tuple[Floats, Floats]:
        """(mean, sd) of what is predicted."""
        theta = self.lanes.prior.theta
        mean = (self.weight * self.level).sum(0)
        fat = 1 + theta.pi_out * (theta.kappa**2 - 1)
        return mean, np.sqrt((self.weight * (self.spread + fat * self.lanes.noise + (self.level - mean) ** 2)).sum(0))

    def tails(self, y: Floats) -> tuple[Floats, Floats]:
        """(P(Y <= y), P(Y > y)), the smaller one accurate in its own tail."""
        side = np.where(y > self.level[self.lanes.points // 2], 1.0, -1.0)
        tail = self._tail(y, side)
        wrong = tail > 0.5
        if wrong.any():
            side = np.where(wrong, -side, side)
            tail = np.where(wrong, self._tail(y, side), tail)
        return np.where(side > 0, 1 - tail, tail), np.where(side > 0, tail, 1 - tail)

    def _tail(self, y: Floats, side: Floats) -> Floats:
        off = side * (y - self.level)
        tail: Floats = self.w1 * erfc(off * self.s1)
        if self.gross:
            tail += self.w2 * erfc(off * self.s2)
        found: Floats = tail.sum(0) / 2
        return found

    def limits(self, targets: Sequence[float], mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The quantiles whose normal scores are `targets`: 99 and 95 % below, 95 and 99 % above."""
        low99, low95, high95, high99 = targets
        lower95, place = self._found(low95, mean + low95 * sd)
        lower99, _ = self._found(low99, _along(place, low99))
        upper95, _ = self._found(high95, 2 * mean - lower95)
        upper99, _ = self._found(high99, upper95 + lower95 - lower99)
        return lower99, lower95, upper95, upper99

    def _found(self, target: float, guess: Floats) -> tuple[Floats, tuple[Floats, ...]]:
        """(the quantiles, the places they were found from): one look with two derivatives, one Newton step with what they say of the
        slope's change, one more to polish; lanes that wander are found one by one."""
        place = self._place(guess, target)
        y = _along(place, target)
        score, slope = self._slope(y, target)
        off = target - score
        bent = slope + off / 2 * (place[3] + place[4] * (score - place[1]))
        with np.errstate(invalid="ignore", over="ignore"):
            close = (np.abs(off) < _CLOSE) & (np.abs(target - place[1]) < 3) & np.isfinite(slope)
            y = y + off * np.where(close, bent, slope)
            score, slope = self._slope(y, target)
            off = target - score
            y = np.where(np.isfinite(slope), y + off * slope, y)
        for lane in np.flatnonzero(~close | ~(np.abs(off) < 1e-9)):
            y[lane] = quantile(self._components(int(lane)), target, float(guess[lane]))
        return y, place

    def _components(self, lane: int) -> list[Any]:
        columns = (self.level, self.w1, self.s1, self.w1 * self.s1, self.w2, self.s2, self.w2 * self.s2)
        return [tuple(float(column[point, lane]) for column in columns) for point in range(self.lanes.points)]

    def _slope(self, y: Floats, target: float) -> tuple[Floats, Floats]:
        side = 1.0 if target > 0 else -1.0
        off = side * (y - self.level)
        u = off * self.s1
        tail, density = self.w1 * erfc(u), self.w1 * self.s1 * np.exp(-u * u)
        if self.gross:
            v = off * self.s2
            tail += self.w2 * erfc(v)
            density += self.w2 * self.s2 * np.exp(-v * v)
        score: Floats = -side * ndtri(np.minimum(1 - 1e-16, np.maximum(_TINY, tail.sum(0) / 2)))
        with np.errstate(divide="ignore", over="ignore"):
            total = density.sum(0)
            slope: Floats = np.where(total > _TINY, np.exp(-score * score / 2) / (total * ROOT2), np.inf)
        return score, slope

    def _place(self, y: Floats, target: float) -> tuple[Floats, ...]:
        """(y, normal score z of P(Y <= y), dy/dz, d2y/dz2, d3y/dz3)."""
        side = 1.0 if target > 0 else -1.0
        off = side * (y - self.level)
        u = off * self.s1
        e1 = self.w1 * self.s1 * np.exp(-u * u)
        tail, density = self.w1 * erfc(u), e1
        u = u * self.s1
        change, curve = e1 * u, e1 * (2 * u * u - self.s1 * self.s1)
        if self.gross:
            v = off * self.s2
            e2 = self.w2 * self.s2 * np.exp(-v * v)
            tail = tail + self.w2 * erfc(v)
            density = density + e2
            v = v * self.s2
            change, curve = change + e2 * v, curve + e2 * (2 * v * v - self.s2 * self.s2)
        tail, density, change, curve = tail.sum(0), density.sum(0), change.sum(0), curve.sum(0)
        score = -side * ndtri(np.minimum(1 - 1e-16, np.maximum(_TINY, tail / 2)))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            slope = np.exp(-score * score / 2) / (density * ROOT2)
            first = -2 * side * change / density
            bend = -(score + first * slope) * slope
            third = -slope - score * bend - ((2 * curve / density - first * first) * slope * slope + 2 * first * bend) * slope
        none = density < _TINY
        return y, score, np.where(none, np.inf, slope), np.where(none, 0.0, bend), np.where(none, 0.0, third)

    def updated(self, value: Floats, y: Floats) -> _New:
        """The filter after the values."""
        theta, noise = self.lanes.prior.theta, self.lanes.noise
        pi, easing = theta.pi_out, 1 - theta.kappa**-2
        common, error = self._likelihoods(value, y)
        error = error * pi
        density = common - pi * common + error
        enough = density > _FLOOR
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(enough, error / density, float(pi > 0))
            logs = self.log_weight + np.where(enough, np.log(density), _LOG_FLOOR)
        effective = noise / (1 - share * easing)
        total = self.spread + effective
        gain = (y - self.level) / total
        left = self.paa * self.puu - self.pau * self.pau
        log_weight = _normalised(logs)
        weight = np.exp(log_weight)
        return _New(
            log_weight, weight, self.a + (self.paa + self.pau) * gain, self.u + (self.pau + self.puu) * gain, (self.paa * effective + left) / total,
            (self.pau * effective - left) / total, (self.puu * effective + left) / total, self.level + self.spread * gain,
            effective * self.spread / total, np.minimum(1.0, (weight * share).sum(0)), logs[0] - log_weight[0],
        )  # fmt: skip

    def _likelihoods(self, value: Floats, y: Floats) -> tuple[Floats, Floats]:
        prior, off = self.lanes.prior, y - self.level
        plain = [np.exp(-((off * s) ** 2)) * s / _ROOT_PI for s in (self.s1, self.s2)]
        if not prior.resolution:
            return plain[0], plain[1]
        low, high = edges(prior, value)
        enough = _WIDE / (high - low)
        found = [np.where(s >= enough, _within(low - self.level, high - self.level, s), other) if (s >= enough).any() else other
                 for s, other in zip((self.s1, self.s2), plain, strict=True)]  # fmt: skip
        return found[0], found[1]


def _within(low: Floats, high: Floats, scale: Floats) -> Floats:
    """Mean density between two offsets; the plain probability where one of them is infinite."""
    positive = low > 0
    one, two = np.where(positive, low, -high), np.where(positive, high, -low)
    with np.errstate(invalid="ignore"):
        inside = (erfc(one * scale) - erfc(two * scale)) / 2
        width = high - low
        found: Floats = np.where(np.isfinite(width), inside / width, inside)
        return found


def _along(place: Sequence[Floats], target: float) -> Floats:
    y, score, slope, bend, third = place
    off = target - score
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(np.abs(off) < 1, y + off * (slope + off * (bend / 2 + off * third / 6)), y + off * slope)


class _Watches:
    """The detectors of all lanes (detectors.py): `pending` is a ring of posteriors (how many values, day, mean, variance)."""

    ROOM: Final = _PENDING + 1

    def __init__(self, prior: Prior, size: int, budget: float) -> None:
        self.prior, self.budget = prior, budget
        self.ewma, self.up, self.down = np.zeros(size), np.zeros(size), np.zeros(size)
        self.raised = np.zeros(size, np.int64)
        self.side, self.since, self.count = np.zeros(size), np.zeros(size), np.zeros(size)
        self.anchor, self.anchored = np.zeros((4, size)), np.zeros(size, np.bool_)
        self.ring = np.zeros((4, self.ROOM, size))
        self.head, self.held = np.zeros(size, np.int64), np.zeros(size, np.int64)

    _NAMES: Final = ("ewma", "up", "down", "raised", "side", "since", "count", "anchor", "anchored", "ring", "head", "held")

    def kept(self, m: int) -> dict[str, Any]:
        """A copy of the first m lanes."""
        return {name: getattr(self, name)[..., :m].copy() for name in self._NAMES}

    def restore(self, old: dict[str, Any], m: int, lanes: NDArray[np.bool_]) -> None:
        """Put these lanes back."""
        for name in self._NAMES:
            getattr(self, name)[..., :m][..., lanes] = old[name][..., lanes]

    def look(self, n: NDArray[np.int64], first: Floats, day: Floats, value: Floats, y: Floats, z: Floats, p: Floats, new: _New, m: int
             ) -> tuple[Floats, NDArray[np.bool_]]:  # fmt: skip
        """(P(real change), whether to alert) of each lane, and the watch after the values."""
        prior, count = self.prior, n[:m] + 1
        first = np.where(n[:m] > 0, first[:m], day)
        self._age(count, day, m)
        low, high, sure = self._real_change(new, m)
        ewma = (1 - EWMA) * self.ewma[:m] + EWMA * z
        score = ewma / np.sqrt(EWMA / (2 - EWMA) * (1 - (1 - EWMA) ** (2.0 * count)))
        up = np.maximum(0.0, self.up[:m] + z - CUSUM_SLACK)
        down = np.maximum(0.0, self.down[:m] - z - CUSUM_SLACK)
        side, since, length = self._run(y, day, low, high, m)
        lasting = (side != 0) & (length >= 3) & (day - since >= SUSTAINED_DAYS)
        step, wide, limit = self._limits(n[:m], first, day)
        crossed = _EWMA_BIT * (np.abs(score) > wide) | _CUSUM_BIT * (np.maximum(up, down) > limit) | _SUSTAINED_BIT * lasting
        fresh = crossed & ~self.raised[:m]
        alert = (p < step) & ~_tame(prior, value) & self._worse(z)
        for bit, which in ((_EWMA_BIT, score), (_CUSUM_BIT, up - down), (_SUSTAINED_BIT, side)):
            alert |= ((fresh & bit) != 0) & self._worse(which)
        reset = (fresh & _CUSUM_BIT) != 0
        self.ewma[:m], self.up[:m], self.down[:m] = ewma, np.where(reset, 0.0, up), np.where(reset, 0.0, down)
        self.raised[:m] = crossed & ~_CUSUM_BIT
        self.side[:m], self.since[:m], self.count[:m] = side, since, length
        self._remember(count, day, new, m)
        return sure, alert

    def _age(self, count: NDArray[np.int64], day: Floats, m: int) -> None:
        """The newest posterior at least 3 values and 28 days back becomes the anchor."""
        lanes = np.arange(m)
        while True:
            oldest = self.ring[:, self.head[:m], lanes]
            ripe = (self.held[:m] > 0) & (count - oldest[0] >= ANCHOR_VALUES) & (day - oldest[1] >= ANCHOR_DAYS)
            if not ripe.any():
                return
            self.anchor[:, :m] = np.where(ripe, oldest, self.anchor[:, :m])
            self.anchored[:m] |= ripe
            self.head[:m] = np.where(ripe, (self.head[:m] + 1) % self.ROOM, self.head[:m])
            self.held[:m] -= ripe

    def _real_change(self, new: _New, m: int) -> tuple[Floats, Floats, Floats]:
        """(limits of a meaningful change around the anchor, P(the level lies beyond them)); without an anchor none, and 0."""
        prior, mean, has = self.prior, self.anchor[2, :m], self.anchored[:m]
        if prior.mcid is None:
            reach = 1.96 * math.sqrt(2 * (1 - prior.theta.rho)) * prior.theta.sigma0
            low, high = mean - reach, mean + reach
        else:
            centre = back(prior.transform, mean)
            low, high = forward(prior.transform, centre - prior.mcid), forward(prior.transform, centre + prior.mcid)
        scale = 1 / np.sqrt(2 * (new.variance + self.anchor[3, :m]))
        outside = (new.weight * (erfc((new.level - low) * scale) + erfc((high - new.level) * scale))).sum(0)
        return np.where(has, low, -np.inf), np.where(has, high, np.inf), np.where(has, np.minimum(1.0, outside / 2), 0.0)

    def _run(self, y: Floats, day: Floats, low: Floats, high: Floats, m: int) -> tuple[Floats, Floats, Floats]:
        inside = (low < y) & (y < high) | ~self.anchored[:m]
        side = np.where(y >= high, 1.0, -1.0)
        goes_on = self.side[:m] == side
        return (np.where(inside, 0.0, side), np.where(inside, 0.0, np.where(goes_on, self.since[:m], day)),
                np.where(inside, 0.0, np.where(goes_on, self.count[:m] + 1, 1.0)))  # fmt: skip

    def _limits(self, n: NDArray[np.int64], first: Floats, day: Floats) -> tuple[Floats, Floats, Floats]:
        rate = np.where(n == 0, 12.0, 365.25 * n / np.maximum(day - first, 1e-3))
        rate = np.minimum(8766.0, np.maximum(1.0, rate))
        step = np.minimum(0.01, _SHARES[0] * self.budget / rate)
        wide = -ndtri(np.minimum(0.003, _SHARES[1] * self.budget / rate) / 2)
        run_length = rate / (_SHARES[2] * self.budget)
        return step, wide, np.maximum(CUSUM_LIMIT, np.log(run_length + 1 + np.log(run_length)) - 1.166)

    def _worse(self, side: Floats) -> NDArray[np.bool_]:
        if self.prior.direction == "both":
            return np.ones(len(side), np.bool_)
        found: NDArray[np.bool_] = (side > 0) == (self.prior.direction == "higher-worse")
        return found

    def _remember(self, count: NDArray[np.int64], day: Floats, new: _New, m: int) -> None:
        lanes, held = np.arange(m), self.held[:m]
        newest = self.ring[1, (self.head[:m] + held - 1) % self.ROOM, lanes]
        adds = (held == 0) | (day - newest >= 1.0) | (held < ANCHOR_VALUES)
        full = adds & (held > _PENDING)
        self.head[:m] = np.where(full, (self.head[:m] + held - _PENDING) % self.ROOM, self.head[:m])
        self.held[:m] = np.where(full, _PENDING, held)
        mean = (new.weight * new.level).sum(0)
        variance = (new.weight * (new.variance + (new.level - mean) ** 2)).sum(0)
        place = (self.head[:m] + self.held[:m]) % self.ROOM
        for row, each in enumerate((count.astype(float), day, mean, variance)):
            self.ring[row, place[adds], lanes[adds]] = each[adds]
        self.held[:m] += adds


def _tame(prior: Prior, value: Floats) -> NDArray[np.bool_]:
    """The good end of a bounded scale is never news."""
    if prior.minimum is None or prior.maximum is None:
        return np.zeros(len(value), np.bool_)
    lowest = (value <= prior.minimum) & (prior.direction != "lower-worse")
    highest = (value > prior.minimum) & (value >= prior.maximum) & (prior.direction == "lower-worse")
    return lowest | highest


