"""Axes of a chart: round ticks for values, calendar ticks for days, and the way from both to pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

_EPOCH: Final = date(1970, 1, 1).toordinal()
_LAST: Final = date.max.toordinal()
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_STEPS: Final = (1, 2, 7, 14, 28, 56, 91, 182, 365, 730, 1826, 3652)


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps [low, high] in data to [start, end] in pixels, which may run backwards."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value; values beyond the ends keep to them."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def value_axis(shown: Sequence[float], minimum: float | None, maximum: float | None, start: float, end: float) -> Axis:
    """An axis with a little air around the values shown, inside what the measure can take."""
    low, high = min(shown), max(shown)
    air = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    low, high = low - air, high + air
    if minimum is not None and low < minimum:
        low = minimum - 0.02 * (high - minimum)
    if maximum is not None and high > maximum:
        high = maximum + 0.02 * (maximum - low)
    return Axis(low, high, start, end)


def day_axis(days: Sequence[float], start: float, end: float) -> Axis:
    """An axis from the first to the last day, never without width."""
    low, high = min(days), max(days)
    air = max(0.02 * (high - low), 0.5)
    return Axis(low - air, high + air, start, end)


def value_ticks(axis: Axis) -> list[tuple[float, str]]:
    """About five round values on the axis, with their texts."""
    rough = (axis.high - axis.low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    digits = max(0, -math.floor(math.log10(size * 1.001)) + (size / power == 2.5)) if size % 1 else 0
    first = math.ceil(axis.low / size - 1e-9)
    count = math.floor((axis.high - first * size) / size + 1e-9) + 1
    return [(k * size, f"{k * size:.{digits}f}") for k in range(first, first + count)]


def day_ticks(axis: Axis) -> list[tuple[float, str]]:
    """At most eight days on the axis, with their dates."""
    span = axis.high - axis.low
    size = next((step for step in _DAY_STEPS if span / step <= 8), math.ceil(span / 8))
    first = math.ceil(axis.low)
    return [(float(day), day_text(day, span > 1500)) for day in range(first, math.floor(axis.high) + 1, size)]


def day_text(day: float, coarse: bool = False) -> str:
    """As "5 Jan 2026", or "Jan 2026" on long axes; the bare number where no calendar reaches."""
    ordinal = _EPOCH + math.floor(day)
    if not 1 <= ordinal <= _LAST:
        return f"day {math.floor(day)}"
    when = date.fromordinal(ordinal)
    month = f"{_MONTHS[when.month - 1]} {when.year}"
    return month if coarse else f"{when.day} {month}"
