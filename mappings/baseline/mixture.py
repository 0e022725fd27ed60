"""A mixture of normal distributions: the predictive distribution of the next value. Exact tails and exact quantiles."""

import math
from collections.abc import Sequence
from math import erfc, exp, sqrt
from statistics import NormalDist
from typing import Final

Component = tuple[float, float, float]
"""(weight, mean, 1 / (sd sqrt 2)); the weights of a mixture sum to 1."""

probit: Final = NormalDist().inv_cdf
ROOT2: Final = sqrt(2.0)
_ROOT_PI: Final = sqrt(math.pi)
_ROOT_2PI: Final = sqrt(2 * math.pi)
_TINY: Final = 1e-300


def tails(mixture: Sequence[Component], y: float) -> tuple[float, float]:
    """(P(Y <= y), P(Y > y)), each accurate in its own tail."""
    below = above = 0.0
    for weight, mean, scale in mixture:
        u = (y - mean) * scale
        below += weight * erfc(-u)
        above += weight * erfc(u)
    return below / 2, above / 2


def quantile(mixture: Sequence[Component], level: float, guess: float) -> tuple[float, float]:
    """(the y with P(Y <= y) = level, dy/dz there), z being the normal score of the level.

    Newton on the normal score, which is nearly straight, kept inside the bracket of the components' own quantiles.
    """
    target = probit(level)
    side = -1.0 if target > 0 else 1.0
    own = [mean + target / (scale * ROOT2) for _, mean, scale in mixture]
    low, high = min(own), max(own)
    y, tolerance = min(high, max(low, guess)), 1e-7 / max(component[2] for component in mixture)
    slope = 0.0
    for _ in range(200):
        tail = density = 0.0
        for weight, mean, scale in mixture:
            u = (y - mean) * scale
            tail += weight * erfc(-side * u)
            density += weight * scale * exp(-u * u)
        score = side * probit(min(1 - 1e-16, max(_TINY, tail / 2)))
        if score < target:
            low = y
        else:
            high = y
        slope = exp(-score * score / 2) / _ROOT_2PI / (density / _ROOT_PI) if density > _TINY else math.inf
        following = y + (target - score) * slope
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - y) < tolerance:
            return following, slope
        y = following
    return y, slope


def moments(mixture: Sequence[Component]) -> tuple[float, float]:
    """(mean, standard deviation)."""
    mean = sum(weight * centre for weight, centre, _ in mixture)
    variance = sum(weight * (0.5 / (scale * scale) + (centre - mean) ** 2) for weight, centre, scale in mixture)
    return mean, sqrt(variance)
