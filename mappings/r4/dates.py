"""FHIR date, dateTime and instant as ranges of microseconds since 1970-01-01T00:00:00Z (R4 search.html#date)."""

import re
from calendar import monthrange
from datetime import date

Range = tuple[int, int]
"""Low (inclusive) and high (exclusive), microseconds UTC."""

BEGINNING = -(2**62)
"""Stands for an open start."""
END = 2**62
"""Stands for an open end."""

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
_FORM = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)


def range_of(text: str) -> Range:
    """The moments that `text` may mean: 1990-06 is the whole month. A missing zone counts as UTC.

    Raises ValueError for anything that is not a date, dateTime or instant (minutes without seconds are let through for search).
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("not a FHIR date or dateTime")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if hour is not None:
        return _moment(_day_start(int(year), int(month), int(day)), hour, minute, second, fraction, zone)
    if day is not None:
        low = _day_start(int(year), int(month), int(day))
        return low, low + DAY
    if month is not None:
        low = _day_start(int(year), int(month), 1)
        return low, low + monthrange(int(year), int(month))[1] * DAY
    return _day_start(int(year), 1, 1), _day_start(int(year), 12, 31) + DAY


def _day_start(year: int, month: int, day: int) -> int:
    return (date(year, month, day).toordinal() - _EPOCH) * DAY


def _moment(start: int, hour: str, minute: str, second: str | None, fraction: str | None, zone: str | None) -> Range:
    low = start + (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * SECOND
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        raise ValueError("not a FHIR date or dateTime")
    width = SECOND if second else 60 * SECOND
    if fraction:
        low += int(fraction[:6].ljust(6, "0"))
        width = 10 ** max(0, 6 - len(fraction))
    if zone and zone != "Z":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * 60 * SECOND
        low += -offset if zone[0] == "+" else offset
    return low, low + width


def has_zone(text: str) -> bool:
    """Whether a time of day, and so a zone, is stated."""
    return "T" in text
