"""The hyper-parameters of a measure, and the grid of personal variability (and persistence) that the filter runs on (baseline.md)."""

import math
from dataclasses import dataclass
from typing import Final

POINTS: Final = 9
REACH: Final = 2.4
_PERSISTENCE: Final = ((-math.sqrt(1.5), 0.3), (0.0, 0.4), (math.sqrt(1.5), 0.3))


@dataclass(frozen=True, slots=True)
class Theta:
    """Hyper-parameters, named as in the prior files. The last five are the additions; their defaults turn them off.

    `mu0` centre, `tau_b2` variance between people, `sigma0` typical standard deviation within a person (all on the transformed
    scale), `s_logsigma` spread of ln sigma, `rho` persistent share of the variance within a person, `L_days` its memory,
    `pi_out` share of gross errors, `kappa` how much wider those are.
    """

    mu0: float
    tau_b2: float
    sigma0: float
    s_logsigma: float
    rho: float
    L_days: float
    pi_out: float
    kappa: float = 4.0
    c: float = 0.0
    shift: float = 0.0
    T_days: float = 100.0
    f: float = 1.0
    s_rho: float = 0.0


@dataclass(frozen=True, slots=True)
class Grid:
    """What the filter needs of a Theta, one entry per grid point.

    `log_weight` prior weights; `centre` of the trait; `trait` its variance (equal for all points); `noise` R; `drift` rho sigma^2.
    """

    log_weight: tuple[float, ...]
    centre: tuple[float, ...]
    trait: float
    noise: tuple[float, ...]
    drift: tuple[float, ...]


def grid(theta: Theta) -> Grid:
    """9 points of ln sigma in [-2.4, 2.4] standard deviations; three of persistence on each where `s_rho` is not 0."""
    points = [(-REACH + 2 * REACH * at / (POINTS - 1)) for at in range(POINTS)]
    density = [math.exp(-z * z / 2) for z in points]
    spread = _PERSISTENCE if theta.s_rho else ((0.0, 1.0),)
    pairs = [(z, w / sum(density) * v, _persistence(theta, x)) for z, w in zip(points, density, strict=True) for x, v in spread]
    variance = [(theta.sigma0 * math.exp(theta.s_logsigma * z)) ** 2 for z, _, _ in pairs]
    return Grid(
        log_weight=tuple(math.log(weight) for _, weight, _ in pairs),
        centre=tuple(theta.mu0 + theta.c * math.sqrt(theta.tau_b2) * z for z, _, _ in pairs),
        trait=theta.tau_b2 * (1 - theta.c**2),
        noise=tuple((1 - rho) * each for each, (_, _, rho) in zip(variance, pairs, strict=True)),
        drift=tuple(rho * each for each, (_, _, rho) in zip(variance, pairs, strict=True)),
    )


def _persistence(theta: Theta, x: float) -> float:
    if not theta.s_rho:
        return theta.rho
    return 1 / (1 + math.exp(-(math.log(theta.rho / (1 - theta.rho)) + theta.s_rho * x)))
