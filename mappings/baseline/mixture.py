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
TINY: Final = 1e-300
MINUTE: Final = 1e-14  # such a weight moves a 99 % limit by less than 1e-12 sd
CLOSE: Final = 3e-5
NEXT: Final = 2e-11

_Place = tuple[float, float, float, float, float]
"""(y, normal score z of P(Y <= y), dy/dz, d2y/dz2, d3y/dz3)."""


def tails(mixture: Sequence[Component], y: float) -> tuple[float, float]:
    """(P(Y <= y), P(Y > y)), the smaller one accurate in its own tail."""
    side = 1.0 if y > mixture[len(mixture) // 2][0] else -1.0
    tail = _tail(mixture, y, side)
    if tail > 0.5:
        side = -side
        tail = _tail(mixture, y, side)
    return (1 - tail, tail) if side > 0 else (tail, 1 - tail)


def _tail(mixture: Sequence[Component], y: float, side: float) -> float:
    tail = 0.0
    for mean, w1, s1, _, w2, s2, _ in mixture:
        off = side * (y - mean)
        tail += w1 * erfc(off * s1) + w2 * erfc(off * s2)
    return tail / 2


def limits(mixture: Sequence[Component], targets: tuple[float, float, float, float], mean: float, sd: float) -> tuple[float, float, float, float]:
    """The quantiles whose normal scores are `targets` (rising: 99 and 95 % below, 95 and 99 % above); `mean`, `sd` of the mixture."""
    heavy = [each for each in mixture if each[1] > MINUTE]
    low99, low95, high95, high99 = targets
    lower95, place = _found(heavy, low95, mean + low95 * sd)
    lower99, _ = _found(heavy, low99, _along(place, low99))
    upper95, _ = _found(heavy, high95, 2 * mean - lower95)
    upper99, _ = _found(heavy, high99, upper95 + lower95 - lower99)
    return lower99, lower95, upper95, upper99


def quantile(mixture: Sequence[Component], target: float, guess: float) -> float:
    """The y whose normal score is `target`: the quantile of level Phi(target)."""
    return _found(mixture, target, guess)[0]


def _found(mixture: Sequence[Component], target: float, guess: float) -> tuple[float, _Place]:
    """(the quantile, a place close to it). As a rule in two looks: along the Taylor series of y in z from the guess, and once more from
    there, where the change of slope is known already; one look where the guess is so good that the next term cannot count. The error is
    then below 1e-11 sd. Should it wander, it starts again in a bracket.
    """
    for _ in range(4):
        place = _place(mixture, guess, target)
        off = target - place[1]
        if not (abs(off) < 3 and place[2] < math.inf):
            break
        y = _along(place, target)
        if off * off * off * off * abs(place[4]) < NEXT * place[2]:
            return _polished(mixture, y, target), place
        score, slope = _slope(mixture, y, target)
        off = target - score
        if abs(off) < CLOSE:
            return _polished(mixture, y + off * (slope + off / 2 * (place[3] + place[4] * (score - place[1]))), target), place
        guess = y + off * slope
    y = _bracketed(mixture, target)
    return y, _place(mixture, y, target)


def _polished(mixture: Sequence[Component], y: float, target: float) -> float:
    """One Newton step more: where wide and narrow parts mix, the next term of the series says little of those after it."""
    score, slope = _slope(mixture, y, target)
    return y + (target - score) * slope if slope < math.inf else y


def _along(place: _Place, target: float) -> float:
    """Where the series leads; Newton's step where the target is far off."""
    y, score, slope, bend, third = place
    off = target - score
    return y + off * (slope + off * (bend / 2 + off * third / 6)) if abs(off) < 1 else y + off * slope


def _slope(mixture: Sequence[Component], y: float, target: float) -> tuple[float, float]:
    """(normal score z of P(Y <= y), dy/dz), from the tail on the target's side. The slope is infinite where no density is left."""
    side = 1.0 if target > 0 else -1.0
    tail = density = 0.0
    for mean, w1, s1, k1, w2, s2, k2 in mixture:
        off = side * (y - mean)
        u, v = off * s1, off * s2
        tail += w1 * erfc(u) + w2 * erfc(v)
        density += k1 * exp(-u * u) + k2 * exp(-v * v)
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    return score, exp(-score * score / 2) / (density * ROOT2) if density > TINY else math.inf


def _place(mixture: Sequence[Component], y: float, target: float) -> _Place:
    """The place of y: as `_slope`, with the next two derivatives."""
    side = 1.0 if target > 0 else -1.0
    tail = density = change = curve = 0.0
    for mean, w1, s1, k1, w2, s2, k2 in mixture:
        off = side * (y - mean)
        u, v = off * s1, off * s2
        e1, e2 = k1 * exp(-u * u), k2 * exp(-v * v)
        tail += w1 * erfc(u) + w2 * erfc(v)
        density += e1 + e2
        u *= s1
        v *= s2
        change += e1 * u + e2 * v
        curve += e1 * (2 * u * u - s1 * s1) + e2 * (2 * v * v - s2 * s2)
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    if density < TINY:
        return y, score, math.inf, 0.0, 0.0
    slope = exp(-score * score / 2) / (density * ROOT2)
    first = -2 * side * change / density  # f'/f, as 2 curve / density is f''/f
    bend = -(score + first * slope) * slope
    third = -slope - score * bend - ((2 * curve / density - first * first) * slope * slope + 2 * first * bend) * slope
    return y, score, slope, bend, third


def _bracketed(mixture: Sequence[Component], target: float) -> float:
    reach = target / ROOT2
    own = [each[0] + reach / scale for each in mixture for scale in (each[2], each[5])]
    low, high = min(own), max(own)
    y = (low + high) / 2
    for _ in range(200):
        score, slope = _slope(mixture, y, target)
        low, high = (y, high) if score < target else (low, y)
        following = y + (target - score) * slope
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - y) < 1e-9 / mixture[0][2]:
            return following
        y = following
    return y
