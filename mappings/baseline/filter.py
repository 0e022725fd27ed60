"""The filter: per grid point a Kalman filter over (stable trait A, Ornstein-Uhlenbeck state U) with heavy-tailed noise (baseline.md).

`moved` carries it to the day of the next value, `mixture_of` is what it then predicts, `updated` takes the value in.
"""

import math
from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from operator import mul
from typing import Final

from mappings.baseline.mixture import ROOT2, Component
from mappings.baseline.prior import Prior
from mappings.baseline.state import State

_ROOT_PI: Final = sqrt(math.pi)
CLOSEST: Final = 0.15 / ROOT2  # an interval of 0.15 sd, in units of 1 / (sd sqrt 2)
FLOOR: Final = 1e-300
LOG_FLOOR: Final = log(FLOOR)


@dataclass(frozen=True, slots=True)
class Drive:
    """What is known to have acted on the level since the last value. `shift`: of the expected level, on the transformed scale;
    `inflation`: variance added to the state, as a multiple of its stationary variance (treatment.py); `set_out`: (first day of a new treatment, the
    level it was begun at), to be kept."""

    shift: float = 0.0
    inflation: float = 0.0
    set_out: tuple[float, float] | None = None


STILL: Final = Drive()


@dataclass(slots=True)
class Moved:
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


def moved(prior: Prior, state: State, day: float, drive: Drive = STILL) -> Moved:
    """The filter on `day`. `drive` counts from the second value on. Errors: ValueError for a day before the last value's, or not a number."""
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
        course += drive.shift
        a = [each + course for each in state.a]
        u = [phi * each for each in state.u]
        pau = [phi * each for each in state.pau]
        puu = [keep * each + fresh * (1 - keep) for each, fresh in zip(state.puu, grid.drift, strict=True)]
        if drive.inflation:
            puu = [each + fresh * drive.inflation for each, fresh in zip(puu, grid.drift, strict=True)]
        log_weight = _forgotten(state.log_weight, grid.log_weight, theta.f)
    level = [each + other for each, other in zip(a, u, strict=True)]
    spread = [x + 2 * y + z for x, y, z in zip(state.paa, pau, puu, strict=True)]
    weight = [exp(each) for each in log_weight]
    return Moved(state.n, first, state.last, log_weight, weight, a, u, state.paa, pau, puu, level, spread)


def _forgotten(log_weight: tuple[float, ...], original: tuple[float, ...], f: float) -> tuple[float, ...]:
    """Addition 3: what is known of the person's variability fades towards the population's."""
    if f == 1.0:
        return log_weight
    return _normalised([f * now + (1 - f) * then for now, then in zip(log_weight, original, strict=True)])


def _normalised(log_weight: list[float]) -> tuple[float, ...]:
    top = max(log_weight)
    total = top + log(sum([exp(each - top) for each in log_weight]))
    return tuple([each - total for each in log_weight])


def mixture_of(prior: Prior, at: Moved) -> tuple[Component, ...]:
    """The predictive distribution: around each grid point's level an ordinary value, or one with a gross error."""
    pi, wider = prior.theta.pi_out, prior.theta.kappa**2
    made = []
    for w, level, spread, noise in zip(at.weight, at.level, at.spread, prior.grid.noise, strict=True):
        w1, w2 = (1 - pi) * w, pi * w
        s1, s2 = 1 / sqrt(2 * (spread + noise)), 1 / sqrt(2 * (spread + wider * noise))
        made.append((level, w1, s1, w1 * s1, w2, s2, w2 * s2))
    return tuple(made)


def moments(prior: Prior, at: Moved) -> tuple[float, float]:
    """(mean, standard deviation) of what is predicted, on the transformed scale."""
    weight, level = at.weight, at.level
    mean = sum(map(mul, weight, level))
    fat = 1 + prior.theta.pi_out * (prior.theta.kappa**2 - 1)
    variance = sum([w * (spread + fat * noise + (x - mean) ** 2) for w, x, spread, noise in zip(weight, level, at.spread, prior.grid.noise, strict=True)])
    return mean, sqrt(variance)


@dataclass(slots=True)
class Updated:
    """The filter after the value: per grid point, with mean `level` and `variance` of A + U. `gross`: P(the value is a gross error);
    `gain`: the share of the surprise that the level learnt, over all grid points."""

    log_weight: tuple[float, ...]
    weight: list[float]
    a: tuple[float, ...]
    u: tuple[float, ...]
    paa: tuple[float, ...]
    pau: tuple[float, ...]
    puu: tuple[float, ...]
    level: tuple[float, ...]
    variance: tuple[float, ...]
    gross: float
    log_score: float
    gain: float


def updated(prior: Prior, at: Moved, mixture: tuple[Component, ...], value: float, y: float) -> Updated:
    """The filter after `value`, whose transform is `y`; `mixture` is what was predicted for it."""
    pi, easing = prior.theta.pi_out, 1 - prior.theta.kappa**-2
    logs, shares, rows = [], [], []
    for log_weight, a, u, paa, pau, puu, level, spread, noise, (common, error) in zip(
        at.log_weight, at.a, at.u, at.paa, at.pau, at.puu, at.level, at.spread, prior.grid.noise, _likelihoods(prior, mixture, value, y), strict=True
    ):
        error *= pi
        density = common - pi * common + error
        if density > FLOOR:
            r = error / density
            logs.append(log_weight + log(density))
        else:
            r = float(pi > 0)
            logs.append(log_weight + LOG_FLOOR)
        shares.append(r)
        effective = noise / (1 - r * easing)
        total = spread + effective
        gain = (y - level) / total
        # The covariance update in a form that loses no digits when the prior is vague: paa puu - pau^2 cancels exactly.
        left = paa * puu - pau * pau
        rows.append(
            (
                a + (paa + pau) * gain,
                u + (pau + puu) * gain,
                (paa * effective + left) / total,
                (pau * effective - left) / total,
                (puu * effective + left) / total,
                level + spread * gain,
                effective * spread / total,
                spread / total,
            )
        )
    log_weights = _normalised(logs)
    weight = list(map(exp, log_weights))
    new_a, new_u, new_paa, new_pau, new_puu, level_after, variance, gains = zip(*rows, strict=True)
    gross = min(1.0, sum(map(mul, weight, shares)))
    return Updated(log_weights, weight, new_a, new_u, new_paa, new_pau, new_puu, level_after, variance, gross, logs[0] - log_weights[0],
                   sum(map(mul, weight, gains)))  # fmt: skip


def _likelihoods(prior: Prior, mixture: tuple[Component, ...], value: float, y: float) -> list[tuple[float, float]]:
    """Per grid point the likelihood as an ordinary value and as a gross error: of the interval that the value was rounded from
    where that is wide against the standard deviation, else the density."""
    if not prior.resolution:
        offs = [(y - level, s1, s2) for level, _, s1, _, _, s2, _ in mixture]
        return [(exp(-off * off * s1 * s1) * s1 / _ROOT_PI, exp(-off * off * s2 * s2) * s2 / _ROOT_PI) for off, s1, s2 in offs]
    low, high = prior.transform.edges(value, prior.resolution, prior.minimum, prior.maximum)
    enough = CLOSEST / (high - low)
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
