"""What a judgement is worth: coverage, interval score, false alarms, and changes found."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.baseline.judging import OURS, Judgements
from bench.baseline.references import Foretold

Floats = NDArray[np.float64]
ALPHA: Final = 0.05
STAGES: Final = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, 10**9))
"""Numbers of earlier values, from and to."""
WITHIN_DAYS: Final = 60.0
"""A change counts as found by an alarm that begins within so many days of its onset."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share and its standard error, with people and not values as what was drawn: values of one person hang together."""

    share: float
    error: float
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """Changes found: the share, the median delay in days of those found, and the share of alarms that stable people raise in such a window."""

    share: float
    delay: float


def stage(name: tuple[int, int]) -> str:
    low, high = name
    return str(low) if low == high else f"{low}-{high}" if high < 10**9 else f"{low}+"


def covered(judged: Judgements, method: str, low: int = 0, high: int = 10**9) -> Share:
    """The share of values inside the 95 % interval, of those with `low` to `high` earlier ones."""
    value = judged.value[:, low : high + 1]
    inside = _inside(judged, method)[:, low : high + 1]
    counted = np.isfinite(value)
    size = int(counted.sum())
    if not size:
        return Share(np.nan, np.nan, 0)
    share = inside[counted].mean()
    of_people = ((inside - share) * counted).sum(1)
    return Share(float(share), float(np.sqrt((of_people**2).sum()) / size), size)


def neglected(judged: Judgements, method: str, least: float = 0.85) -> float:
    """The share of people (20 values or more) whose own coverage lies below `least`: a method that is right on average may be wrong for somebody always."""
    counted = np.isfinite(judged.value)
    size = counted.sum(1)
    own = (_inside(judged, method) & counted).sum(1)[size >= 20] / size[size >= 20]
    return float((own < least).mean()) if len(own) else np.nan


def _inside(judged: Judgements, method: str) -> NDArray[np.bool_]:
    found = judged.found[method]
    inside: NDArray[np.bool_] = (found.lower <= judged.value) & (judged.value <= found.upper)
    return inside


def winkler(value: Floats, found: Foretold, alpha: float = ALPHA) -> Floats:
    """Width plus 2 / alpha times the distance of a miss (Winkler, J Am Stat Assoc 1972;67:187-91; Gneiting & Raftery 2007). Lower is better."""
    missed = np.maximum(0.0, found.lower - value) + np.maximum(0.0, value - found.upper)
    return found.upper - found.lower + 2 / alpha * missed


def interval_score(judged: Judgements, method: str) -> float:
    """Mean interval score relative to ours."""
    own = np.nanmean(winkler(judged.value, judged.found[OURS]))
    return float(np.nanmean(winkler(judged.value, judged.found[method])) / own)


def alarms_a_year(judged: Judgements, method: str, factor: float = 1.0) -> float:
    """Alarms per patient-year, at `factor` times the method's own limit."""
    return float(judged.alarms(method, factor).sum() / judged.years)


def matching(judged: Judgements, method: str, rate: float) -> float:
    """The factor on the method's own limit at which it alarms `rate` times a year in these people: where nothing changes, a fair common price."""
    low, high = 0.2, 40.0
    if method == OURS:
        return 1.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if alarms_a_year(judged, method, middle) > rate else (low, middle)
    return high


def changes_found(judged: Judgements, method: str, factor: float = 1.0, onset: Floats | None = None) -> Found:
    """Alarms that begin within WITHIN_DAYS of the onset. `onset`: other days to look at, for what chance alone finds."""
    begins = judged.cohort.onset if onset is None else onset
    since = judged.day - begins[:, None]
    hit = judged.alarms(method, factor) & (since >= 0) & (since <= WITHIN_DAYS)
    first = np.where(hit, since, np.inf).min(1)
    seen = np.isfinite(first)
    return Found(float(seen.mean()), float(np.median(first[seen])) if seen.any() else np.nan)
