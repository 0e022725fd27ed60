"""Weekdays of a daily series: by how much a person's Saturdays differ from the week around them. Reported, not used for the interval, which it
would sharpen by half a per cent (baseline.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, sqrt
from statistics import median
from typing import Final

DAILY: Final = 1.5
"""Median days between values of a daily series, at most."""
ENOUGH: Final = 28
NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Codes of days-of-week."""


@dataclass(frozen=True, slots=True)
class Weekday:
    """`difference`: mean of this weekday less the mean of the seven days around it, in the measure's unit, from `n` weeks; `error`: its standard error."""

    name: str
    difference: float
    error: float
    n: int


def weekdays(points: Sequence[tuple[float, float]]) -> list[Weekday]:
    """From (day since 1970-01-01 UTC, value) in the order of time; empty where the series is not daily or too short. Of several values a day the last
    counts; a day counts where all of the seven around it have a value."""
    days = {floor(day): value for day, value in points}
    order = sorted(days)
    if len(order) < ENOUGH or median(after - before for before, after in pairwise(order)) > DAILY:
        return []
    found: list[list[float]] = [[] for _ in NAMES]
    for day in order:
        around = [days[each] for each in range(day - 3, day + 4) if each in days]
        if len(around) == len(NAMES):
            found[(day + 3) % 7].append(days[day] - sum(around) / 7)  # 1970-01-01 was a Thursday
    return [_weekday(name, each) for name, each in zip(NAMES, found, strict=True) if len(each) > 1]


def _weekday(name: str, found: list[float]) -> Weekday:
    mean = sum(found) / len(found)
    spread = sum((each - mean) ** 2 for each in found) / (len(found) - 1)
    return Weekday(name, mean, sqrt(spread / len(found)), len(found))
