"""Dates as ranges (R4 search.html#date: "implicit precision"), against hand calculation and Python's datetime."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.r4 import dates
from mappings.r4.comparison import compare_dates

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("1970", 0, 365 * DAY),
        ("1970-02", 31 * DAY, 59 * DAY),
        ("1972-02", (2 * 365 + 31) * DAY, (2 * 365 + 31 + 29) * DAY),
        ("1970-01-02", DAY, 2 * DAY),
        ("1969-12-31", -DAY, 0),
        ("1970-01-01T00:00Z", 0, 60_000_000),
        ("1970-01-01T01:00:00+01:00", 0, 1_000_000),
        ("1969-12-31T19:00:00-05:00", 0, 1_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000, 600_000),
        ("1970-01-01T00:00:00.123456Z", 123_456, 123_457),
        ("1970-01-01T00:00:00.1234567Z", 123_456, 123_457),
    ],
)
def test_ranges(text: str, low: int, high: int) -> None:
    assert dates.range_of(text) == (low, high)


@pytest.mark.parametrize("text", ["", "today", "70", "1970-1", "1970-13", "2023-02-29", "1970-01-01T", "1970-01-01T25:00:00Z", "0000", "1970-01-01Z", "²019"])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        dates.range_of(text)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=ZONES))
def test_moments_agree_with_datetime(moment: datetime) -> None:
    wanted = (moment - EPOCH) // timedelta(microseconds=1)
    assert dates.range_of(moment.isoformat(timespec="microseconds"))[0] == wanted


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        ("2024-01", "2024-01", 0),
        ("2024-01", "2024-02", -1),
        ("2024-01-15", "2024-01", None),
        ("2024-01-01T23:00:00-05:00", "2024-01-01", None),
        ("2024-01-03T00:00:00Z", "2024-01-01", 1),
        ("x", "2024", None),
    ],
)
def test_order(left: str, right: str, sign: int | None) -> None:
    assert compare_dates(left, right) == sign
