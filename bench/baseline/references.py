"""The methods the personal baseline competes with, each as published, obvious rather than fast.

A method sees matrices (people, values) on the working scale, NaN after a person's last value, and foretells each value from the earlier ones of
the same person. `Known` is what it may know of the population: figures of the training half. Where a method needs more values than there
are, it gives the population range.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]
Z95: Final = 1.96
"""As RCV and RCI were published."""
QUANTILE: Final = 1.959963984540054
"""The 0.975 quantile itself, for what is worked out from distributions."""
ENOUGH: Final = 5
"""Values from which personal means and standard deviations are used: what Coskun asks for at best (three at least)."""
WINDOW: Final = 28
WEIGHT: Final = 0.2
CHART: Final = 2.86
"""EWMA limit in standard deviations for weight 0.2: average run length 370 (Lucas & Saccucci, Technometrics 1990;32:1-12)."""


@dataclass(frozen=True, slots=True)
class Known:
    """Of the population, on the working scale: mean, total standard deviation, that between people, that within a person, and the correlation of
    a person's first two values."""

    mean: float
    total: float
    between: float
    within: float
    retest: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """For each value: the 95 % interval, and how far the method's own statistic lies from where it expects it, in units of its alarm limit (signed):
    beyond -1 or 1 it alarms."""

    lower: Floats
    upper: Floats
    surprise: Floats


def population_range(known: Known, y: Floats) -> Foretold:
    """Mean +- 1.96 SD of single values of all people; nothing personal."""
    return _around(y, np.full_like(y, known.mean), np.full_like(y, Z95 * known.total))


def rcv_percent(cv_analytical: float, cv_within: float) -> float:
    """Reference change value in percent, symmetric (Fraser & Harris, Crit Rev Clin Lab Sci 1989;27:409-37); coefficients of variation in percent."""
    return Z95 * math.sqrt(2) * math.hypot(cv_analytical, cv_within)


def rcv_log_percent(cv_analytical: float, cv_within: float) -> tuple[float, float]:
    """(fall, rise) in percent of the log-normal form (Fokkema et al., Clin Chem 2006;52:1602-3)."""
    sd = math.sqrt(math.log(1 + (math.hypot(cv_analytical, cv_within) / 100) ** 2))
    reach = Z95 * math.sqrt(2) * sd
    return 100 * (math.exp(-reach) - 1), 100 * (math.exp(reach) - 1)


def rcv(known: Known, y: Floats) -> Foretold:
    """Around the previous value, 1.96 sqrt(2) standard deviations within a person (analytical variation is part of those); on logs where the measure
    is log, which is the log-normal form."""
    previous = _before(y)
    reach = np.full_like(y, Z95 * math.sqrt(2) * known.within)
    return _personal_from(1, known, y, previous, reach)


def rci_limit(sd: float, retest: float) -> float:
    """The change that is reliable: 1.96 SD sqrt(2) sqrt(1 - r) (Jacobson & Truax, J Consult Clin Psychol 1991;59:12-19)."""
    return Z95 * standard_error_of_difference(sd, retest)


def standard_error_of_difference(sd: float, retest: float) -> float:
    """Jacobson & Truax's S_diff."""
    return math.sqrt(2 * (sd * math.sqrt(1 - retest)) ** 2)


def rci(known: Known, y: Floats) -> Foretold:
    """Change against the person's first value, with the population's SD and the retest correlation."""
    first = np.repeat(y[:, :1], y.shape[1], 1)
    return _personal_from(1, known, y, first, np.full_like(y, rci_limit(known.total, known.retest)))


def prri_within_subject(mean: Floats | float, n: Floats | int, sd: Floats | float) -> tuple[Floats, Floats]:
    """Personal reference interval with the population's variation within a subject (Coskun et al., Clin Chem 2021;67:374-84): mean +- z SD sqrt(1 + 1/n)."""
    reach = QUANTILE * np.asarray(sd) * np.sqrt(1 + 1 / np.asarray(n))
    return mean - reach, mean + reach


def prri_within_person(mean: Floats | float, n: Floats | int, sd: Floats | float) -> tuple[Floats, Floats]:
    """The same with the person's own standard deviation and Student's t."""
    reach = student.ppf(0.975, np.maximum(1, np.asarray(n) - 1)) * np.asarray(sd) * np.sqrt(1 + 1 / np.asarray(n))
    return mean - reach, mean + reach


def prri_subject(known: Known, y: Floats) -> Foretold:
    n, mean, _ = own(y)
    _, upper = prri_within_subject(mean, np.maximum(1, n), known.within)
    return _personal_from(ENOUGH, known, y, mean, upper - mean)


def prri_person(known: Known, y: Floats) -> Foretold:
    n, mean, sd = own(y)
    _, upper = prri_within_person(mean, np.maximum(1, n), sd)
    return _personal_from(ENOUGH, known, y, mean, upper - mean)


def empirical_bayes(known: Known, y: Floats) -> Foretold:
    """Parametric empirical Bayes (McIntosh & Urban, Biostatistics 2003;4:27-40): the mean of n values shrunk to the population's by
    B = tau^2 / (tau^2 + sigma^2 / n); what it foretells has variance sigma^2 + tau^2 (1 - B). No time, one sigma for all."""
    n, mean, _ = own(y)
    share = n * known.between**2 / (n * known.between**2 + known.within**2)
    centre = known.mean + share * (np.where(n > 0, mean, known.mean) - known.mean)
    return _around(y, centre, QUANTILE * np.sqrt(known.within**2 + known.between**2 * (1 - share)))


def rolling(known: Known, y: Floats) -> Foretold:
    """Mean +- 1.96 SD of the person's last 28 values."""
    _, mean, sd = own(y, WINDOW)
    return _personal_from(ENOUGH, known, y, mean, Z95 * sd)


def own_two_sd(known: Known, y: Floats) -> Foretold:
    """Mean +- 2 SD of all of the person's values."""
    _, mean, sd = own(y)
    return _personal_from(ENOUGH, known, y, mean, 2 * sd)


def ewma_limit(sd: Floats | float, count: Floats | float = math.inf, weight: float = WEIGHT, width: float = CHART) -> Floats:
    """How far an EWMA of `count` values may lie from its target: width sd sqrt(w / (2 - w) (1 - (1 - w)^(2 count)))."""
    return width * np.asarray(sd) * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * np.asarray(count))))


def ewma_own(known: Known, y: Floats) -> Foretold:
    """EWMA with the person's own standard deviation."""
    return _ewma(known, y, own(y)[2])


def ewma_pooled(known: Known, y: Floats) -> Foretold:
    """EWMA with the standard deviation within a person of the population."""
    return _ewma(known, y, np.full_like(y, known.within))


METHODS: Final[dict[str, Callable[[Known, Floats], Foretold]]] = {
    "population range": population_range,
    "RCV": rcv,
    "RCI": rci,
    "prRI, within subject": prri_subject,
    "prRI, within person": prri_person,
    "empirical Bayes": empirical_bayes,
    "rolling mean of 28": rolling,
    "EWMA, own SD": ewma_own,
    "EWMA, pooled SD": ewma_pooled,
    "own mean ± 2 SD": own_two_sd,
}


def own(y: Floats, window: int = 10**9) -> tuple[Floats, Floats, Floats]:
    """(n, mean, SD) of each person's earlier values, the last `window` of them; NaN where there are none (SD: fewer than two)."""
    n, mean, sd = np.zeros_like(y), np.full_like(y, np.nan), np.full_like(y, np.nan)
    for k in range(1, y.shape[1]):
        earlier = y[:, max(0, k - window) : k]
        n[:, k] = earlier.shape[1]
        mean[:, k] = earlier.mean(1)
        if k > 1:
            sd[:, k] = earlier.std(1, ddof=1)
    return n, mean, sd


def _before(y: Floats) -> Floats:
    found = np.full_like(y, np.nan)
    found[:, 1:] = y[:, :-1]
    return found


def _around(y: Floats, centre: Floats, reach: Floats) -> Foretold:
    """An interval whose alarm is a value outside it. No width and no distance is no surprise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.where(y == centre, 0.0, (y - centre) / reach)
    return Foretold(centre - reach, centre + reach, surprise)


def _personal_from(enough: int, known: Known, y: Floats, centre: Floats, reach: Floats) -> Foretold:
    """The population range before there are `enough` values."""
    personal = np.arange(y.shape[1]) >= enough
    return _around(y, np.where(personal, centre, known.mean), np.where(personal, reach, Z95 * known.total))


def _ewma(known: Known, y: Floats, sd: Floats) -> Foretold:
    """Interval: the EWMA of all values, started at the first, foretells the next, with the variance of both. Alarm: an EWMA that starts at the mean
    of the first five values leaves its limits around that mean; they are widened for what five values leave in doubt."""
    level, doubt = _before(y), np.ones_like(y)
    for k in range(2, y.shape[1]):
        level[:, k] = (1 - WEIGHT) * level[:, k - 1] + WEIGHT * y[:, k - 1]
        doubt[:, k] = (1 - WEIGHT) ** 2 * doubt[:, k - 1] + WEIGHT**2
    found = _personal_from(ENOUGH, known, y, level, QUANTILE * sd * np.sqrt(1 + doubt))
    surprise = found.surprise.copy()
    target = y[:, :ENOUGH].mean(1)
    statistic = target.copy()
    for k in range(ENOUGH, y.shape[1]):
        statistic = (1 - WEIGHT) * statistic + WEIGHT * y[:, k]
        limit = np.hypot(ewma_limit(sd[:, k], k - ENOUGH + 1), CHART * sd[:, k] / math.sqrt(ENOUGH))
        with np.errstate(divide="ignore", invalid="ignore"):
            surprise[:, k] = np.where(statistic == target, 0.0, (statistic - target) / limit)
    return Foretold(found.lower, found.upper, surprise)
