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
