"""One series written on a command line: `2026-01-05=12,2026-01-12=14`."""

import math
from datetime import UTC, datetime

_DAY_US = 86_400_000_000


class BadSeries(ValueError):
    """What was written is no series; the text says why."""


def read(text: str) -> list[tuple[str, float, float]]:
    """(time as written, days since 1970 or the number it is, value), in the order of time; of equal times the last one stands."""
    found: dict[float, tuple[str, float, float]] = {}
    for place, part in enumerate(text.split(","), 1):
        time, equals, number = part.strip().rpartition("=")
        if not equals:
            raise BadSeries(f"value {place} is not written time=value")
        day = day_of(time)
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if math.isnan(day) or not math.isfinite(value):
            raise BadSeries(f"value {place}: the time is a date, an instant or a number of days, and the value a number")
        found[day] = (time.strip(), day, value)
    return [found[day] for day in sorted(found)]


def day_of(text: str | None) -> float:
    """A time as days: the number of days that it is (it may be negative or fractional), or an ISO date or instant as days since 1970; of a
    month its first day; without a zone it is UTC. NaN for what is no time."""
    plain = (text or "").strip()
    try:
        number = float(plain)
        return number if "_" not in plain and math.isfinite(number) else math.nan
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(f"{plain}-01" if len(plain) == 7 and plain[4] == "-" else plain)
    except ValueError:
        return math.nan
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds) / _DAY_US
