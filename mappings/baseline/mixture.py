"""A mixture of normal distributions: the predictive distribution of the next value. Exact tails and exact quantiles."""

import math
from collections.abc import Sequence
from math import erfc, exp, sqrt
from statistics import NormalDist
from typing import Final

Component = tuple[float, float, float, float, float, float, float]
"""(mean, w1, s1, w1 s1, w2, s2, w2 s2): an ordinary value and one with a gross error around one mean; w weights, s = 1 / (sd sqrt 2)."""

probit: Final = NormalDist().inv_cdf
ROOT2: Final = sqrt(2.0)
_TINY: Final = 1e-300
_CLOSE: Final = 1e-4


def tails(mixture: Sequence[Component], y: float) -> tuple[float, float]:
    """(P(Y <= y), P(Y > y)), the smaller one accurate in its own tail."""
    below = _tail(mixture, y, -1.0)
    if below <= 0.5:
        return below, 1 - below
    above = _tail(mixture, y, 1.0)
    return 1 - above, above


def _tail(mixture: Sequence[Component], y: float, side: float) -> float:
    tail = 0.0
    for mean, w1, s1, _, w2, s2, _ in mixture:
        off = side * (y - mean)
        tail += w1 * erfc(off * s1) + w2 * erfc(off * s2)
    return tail / 2


def quantile(mixture: Sequence[Component], target: float, guess: float) -> tuple[float, float, float]:
    """(the y whose normal score z is `target`, dy/dz and d2y/dz2 there): the quantile of level Phi(target).

    Halley's iteration on the normal score, which is nearly straight: two rounds as a rule, then the error is below 1e-12 sd. Should
    it wander, it starts again kept inside the bracket of the components' own quantiles, halving where a step leads out.
    """
    y, close = guess, _CLOSE / mixture[0][2]
    for _ in range(5):
        score, slope, bend = _score(mixture, y, target)
        step = _halley(target - score, slope, bend)
        y += step
        if abs(step) < close:
            return y, slope, bend
    return _bracketed(mixture, target, close)


def _score(mixture: Sequence[Component], y: float, target: float) -> tuple[float, float, float]:
    """(normal score z of P(Y <= y), dy/dz, d2y/dz2), from the tail on the target's side. The slope is infinite where no density is left."""
    side = 1.0 if target > 0 else -1.0
    tail = density = change = 0.0
    for mean, w1, s1, k1, w2, s2, k2 in mixture:
        off = side * (y - mean)
        u, v = off * s1, off * s2
        e1, e2 = k1 * exp(-u * u), k2 * exp(-v * v)
        tail += w1 * erfc(u) + w2 * erfc(v)
        density += e1 + e2
        change += e1 * s1 * u + e2 * s2 * v
    change *= side
    score = -side * probit(min(1 - 1e-16, max(_TINY, tail / 2)))
    if density < _TINY:
        return score, math.inf, 0.0
    slope = exp(-score * score / 2) / (density * ROOT2)
    return score, slope, (2 * change / density * slope - score) * slope


def _halley(off: float, slope: float, bend: float) -> float:
    if slope == math.inf:
        return math.inf
    damped = 1 - off * bend / slope / 2 if slope else 0.0
    return off * slope / damped if damped > 0.2 else off * slope


def _bracketed(mixture: Sequence[Component], target: float, close: float) -> tuple[float, float, float]:
    reach = target / ROOT2
    own = [each[0] + reach / scale for each in mixture for scale in (each[2], each[5])]
    low, high = min(own), max(own)
    y = (low + high) / 2
    slope = bend = 0.0
    for _ in range(200):
        score, slope, bend = _score(mixture, y, target)
        low, high = (y, high) if score < target else (low, y)
        following = y + _halley(target - score, slope, bend)
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - y) < close * 1e-4:
            return following, slope, bend
        y = following
    return y, slope, bend


def moments(mixture: Sequence[Component]) -> tuple[float, float]:
    """(mean, standard deviation)."""
    mean = sum([(each[1] + each[4]) * each[0] for each in mixture])
    variance = sum([(w1 + w2) * (centre - mean) ** 2 + 0.5 * (w1 / (s1 * s1) + w2 / (s2 * s2)) for centre, w1, s1, _, w2, s2, _ in mixture])
    return mean, sqrt(variance)
