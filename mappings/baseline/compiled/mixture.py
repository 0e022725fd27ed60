"""mixture.py and levels.py, compiled: tails, quantiles and their calibration. A mixture is three rows, mean, weight and scale 1 / (sd sqrt 2)."""

from math import exp, inf
from typing import Final

from mappings.baseline.compiled.model import LOOSE, Floats, Model
from mappings.baseline.compiled.special import compiled, probit, tail_and_bell
from mappings.baseline.mixture import CLOSE, NEXT, ROOT2, TINY

_FURTHER: Final = 5e-6
"""Nearer than this a corrected step needs no polish: what it leaves is its third power."""


@compiled(fastmath=LOOSE)
def _slope(mixture: Floats, m: int, y: float, target: float) -> tuple[float, float]:
    """mixture._slope: (normal score of P(Y <= y), dy/dz)."""
    side = 1.0 if target > 0 else -1.0
    tail = density = 0.0
    for g in range(m):
        e, bell = tail_and_bell(side * (y - mixture[0, g]) * mixture[2, g])
        tail += mixture[1, g] * e
        density += mixture[1, g] * mixture[2, g] * bell
    return _steep(side, tail, density)


@compiled()
def _steep(side: float, tail: float, density: float) -> tuple[float, float]:
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    return score, exp(-score * score / 2) / (density * ROOT2) if density > TINY else inf


@compiled(fastmath=LOOSE)
def _place(mixture: Floats, m: int, y: float, target: float) -> tuple[float, float, float, float]:
    """mixture._place: (normal score, dy/dz, second and third derivative)."""
    side = 1.0 if target > 0 else -1.0
    tail = density = change = curve = 0.0
    for g in range(m):
        s = mixture[2, g]
        u = side * (y - mixture[0, g]) * s
        e, bell = tail_and_bell(u)
        tail += mixture[1, g] * e
        bell *= mixture[1, g] * s
        density += bell
        u *= s
        change += bell * u
        curve += bell * (2 * u * u - s * s)
    return _derived(side, tail, density, change, curve)


@compiled()
def _derived(side: float, tail: float, density: float, change: float, curve: float) -> tuple[float, float, float, float]:
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    if density < TINY:
        return score, inf, 0.0, 0.0
    slope = exp(-score * score / 2) / (density * ROOT2)
    first = -2 * side * change / density
    bend = -(score + first * slope) * slope
    third = -slope - score * bend - ((2 * curve / density - first * first) * slope * slope + 2 * first * bend) * slope
    return score, slope, bend, third


@compiled()
def _along(y: float, score: float, slope: float, bend: float, third: float, target: float) -> float:
    off = target - score
    return y + off * (slope + off * (bend / 2 + off * third / 6)) if abs(off) < 1 else y + off * slope


@compiled()
def found(mixture: Floats, m: int, target: float, guess: float) -> float:
    """mixture._found: the quantile whose normal score is `target`."""
    for _ in range(4):
        score, slope, bend, third = _place(mixture, m, guess, target)
        off = target - score
        if not (abs(off) < 3 and slope < inf):
            break
        y = _along(guess, score, slope, bend, third, target)
        if off * off * off * off * abs(third) < NEXT * slope:
            return _polished(mixture, m, y, target)
        closer, steeper = _slope(mixture, m, y, target)
        off = target - closer
        if abs(off) < CLOSE:
            y += off * (steeper + off / 2 * (bend + third * (closer - score)))
            return y if abs(off) < _FURTHER else _polished(mixture, m, y, target)
        guess = y + off * steeper
    return _bracketed(mixture, m, target)


@compiled(fastmath=LOOSE)
def _two_places(mixture: Floats, m: int, one: float, two: float, far: float) -> tuple[float, float, float, float, float, float, float, float]:
    """`_place` at two places on one side: a register's worth of one is worked out while the other waits."""
    side = 1.0 if far > 0 else -1.0
    tail1 = density1 = change1 = curve1 = tail2 = density2 = change2 = curve2 = 0.0
    for g in range(m):
        mean, weight, s = mixture[0, g], mixture[1, g], mixture[2, g]
        u, v = side * (one - mean) * s, side * (two - mean) * s
        e, bell1 = tail_and_bell(u)
        f, bell2 = tail_and_bell(v)
        tail1 += weight * e
        tail2 += weight * f
        bell1 *= weight * s
        bell2 *= weight * s
        density1 += bell1
        density2 += bell2
        u *= s
        v *= s
        change1 += bell1 * u
        change2 += bell2 * v
        curve1 += bell1 * (2 * u * u - s * s)
        curve2 += bell2 * (2 * v * v - s * s)
    return _derived(side, tail1, density1, change1, curve1) + _derived(side, tail2, density2, change2, curve2)


@compiled(fastmath=LOOSE)
def _two_slopes(mixture: Floats, m: int, one: float, two: float, far: float) -> tuple[float, float, float, float]:
    """`_slope` at two places on one side."""
    side = 1.0 if far > 0 else -1.0
    tail1 = density1 = tail2 = density2 = 0.0
    for g in range(m):
        mean, weight, s = mixture[0, g], mixture[1, g], mixture[2, g]
        e, bell1 = tail_and_bell(side * (one - mean) * s)
        f, bell2 = tail_and_bell(side * (two - mean) * s)
        tail1 += weight * e
        tail2 += weight * f
        density1 += weight * s * bell1
        density2 += weight * s * bell2
    return _steep(side, tail1, density1) + _steep(side, tail2, density2)


@compiled()
def two_found(mixture: Floats, m: int, far: float, near: float, first: float, second: float) -> tuple[float, float]:
    """The quantiles of two targets on one side, from two guesses: `found` twice where the guesses are good, else each by itself."""
    score1, slope1, bend1, third1, score2, slope2, bend2, third2 = _two_places(mixture, m, first, second, far)
    off1, off2 = far - score1, near - score2
    if not (abs(off1) < 1 and abs(off2) < 1 and slope1 < inf and slope2 < inf):
        return found(mixture, m, far, first), found(mixture, m, near, second)
    one, two = _along(first, score1, slope1, bend1, third1, far), _along(second, score2, slope2, bend2, third2, near)
    closer1, steeper1, closer2, steeper2 = _two_slopes(mixture, m, one, two, far)
    off1, off2 = far - closer1, near - closer2
    if abs(off1) < CLOSE:
        one += off1 * (steeper1 + off1 / 2 * (bend1 + third1 * (closer1 - score1)))
        one = one if abs(off1) < _FURTHER else _polished(mixture, m, one, far)
    else:
        one = found(mixture, m, far, one + off1 * steeper1)
    if abs(off2) < CLOSE:
        two += off2 * (steeper2 + off2 / 2 * (bend2 + third2 * (closer2 - score2)))
        two = two if abs(off2) < _FURTHER else _polished(mixture, m, two, near)
    else:
        two = found(mixture, m, near, two + off2 * steeper2)
    return one, two


@compiled()
def _polished(mixture: Floats, m: int, y: float, target: float) -> float:
    score, slope = _slope(mixture, m, y, target)
    return y + (target - score) * slope if slope < inf else y


@compiled()
def _bracketed(mixture: Floats, m: int, target: float) -> float:
    reach = target / ROOT2
    low, high = inf, -inf
    for g in range(m):
        own = mixture[0, g] + reach / mixture[2, g]
        low, high = min(low, own), max(high, own)
    y = (low + high) / 2
    for _ in range(200):
        score, slope = _slope(mixture, m, y, target)
        if score < target:
            low = y
        else:
            high = y
        following = y + (target - score) * slope
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - y) < 1e-9 / mixture[2, 0]:
            return following
        y = following
    return y


@compiled(fastmath=LOOSE)
def _tail(mixture: Floats, m: int, y: float, side: float) -> float:
    tail = 0.0
    for g in range(m):
        e, _ = tail_and_bell(side * (y - mixture[0, g]) * mixture[2, g])
        tail += mixture[1, g] * e
    return tail / 2


@compiled()
def tails(mixture: Floats, m: int, middle: float, y: float) -> tuple[float, float]:
    """mixture.tails: (P(Y <= y), P(Y > y))."""
    side = 1.0 if y > middle else -1.0
    tail = _tail(mixture, m, y, side)
    if tail > 0.5:
        side = -side
        tail = _tail(mixture, m, y, side)
    return (1 - tail, tail) if side > 0 else (tail, 1 - tail)


@compiled()
def _line(knots: Floats, nominal: Floats, p: float) -> float:
    at = 0
    while at < 4 and p >= knots[at + 1]:
        at += 1
    return nominal[at] + (nominal[at + 1] - nominal[at]) * (p - knots[at]) / (knots[at + 1] - knots[at])


@compiled()
def calibrated(model: Model, below: float, above: float) -> tuple[float, float]:
    """levels.calibrated."""
    if not model.calibrated:
        return below, above
    if below <= 0.5:
        mapped = _line(model.knots, model.nominal, below)
        return mapped, 1 - mapped
    mapped = _line(model.mirrored, model.nominal, above)
    return 1 - mapped, mapped
