"""Search values as the index compares them: ranges of dates and numbers, folded strings, escaped lists."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
_ORDINARY = frozenset("%_&@#*/\\")
"""Punctuation to Unicode, but not marks that part or join a name: they are kept, so that "m%" finds no "Müller"."""


class Range(NamedTuple):
    """A half-open range [low, high) with its prefix."""

    prefix: str
    low: float
    high: float


def split_prefix(text: str) -> tuple[str, str]:
    """(prefix, rest); eq when there is none."""
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def date_range(text: str) -> tuple[int, int] | None:
    """[low, high) in microseconds UTC of a date at its own precision; without a zone it is read as UTC. None: no date."""
    match = _DATE.fullmatch(text.replace(" ", "+"))
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        first = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
        low = microseconds(first) + int(float("0" + fraction) * 1_000_000 if fraction else 0) - _offset(zone)
        return low, low + _width(first.date(), month, day, hour, second, fraction)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    return (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 60 + int(zone[4:6])) * 60_000_000


def _width(first: date, month: str | None, day: str | None, hour: str | None, second: str | None, fraction: str | None) -> int:
    if fraction:
        return int(10 ** (6 - min(6, len(fraction) - 1)))
    if hour:
        return 1_000_000 if second else 60_000_000
    if day:
        return DAY_US
    following = date(first.year + (first.month == 12), first.month % 12 + 1, 1) if month else date(first.year + 1, 1, 1)
    return (following - first).days * DAY_US


def number_range(text: str) -> tuple[float, float, float] | None:
    """(exact, low, high): the implicit precision of the text, e.g. 5.4 -> [5.35, 5.45) (search.html, 3.1.1.4.2). None: no number."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1) if isinstance(exponent, int) else Decimal(0)
    return float(value), float(value - half), float(value + half)


def split_or(text: str) -> list[str]:
    """The alternatives of a value: unescaped commas part them. Escapes stay for the next split."""
    return _split(text, ",")


def split_parts(text: str) -> list[str]:
    """The parts of one alternative: unescaped bars part them; every escape is undone."""
    return [unescape(part) for part in _split(text, "|")]


def split_composite(text: str) -> list[str]:
    """The parts of a composite value: unescaped dollars part them. Escapes stay for the next split."""
    return _split(text, "$")


def _split(text: str, separator: str) -> list[str]:
    if "\\" not in text:
        return text.split(separator)
    parts, current, escaped = [], "", False
    for char in text:
        if escaped:
            current, escaped = current + "\\" + char, False
        elif char == "\\":
            escaped = True
        elif char == separator:
            parts.append(current)
            current = ""
        else:
            current += char
    return [*parts, current + ("\\" if escaped else "")]


def unescape(text: str) -> str:
    r"""`\,` `\|` `\$` `\\` as the characters they stand for."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


class _Marks(dict[int, int | None]):
    """For str.translate: combining marks and punctuation go, everything else stays. Filled as characters are met."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        gone = unicodedata.combining(char) or (unicodedata.category(char)[0] == "P" and char not in _ORDINARY)
        self[code] = None if gone else code
        return self[code]


_marks = _Marks()


def fold(text: str) -> str:
    """Case, accents and punctuation folded away (search.html, 3.1.1.4.8); white space made single."""
    if text.isascii():
        return text.lower() if text.isalnum() else " ".join(text.lower().translate(_marks).split())
    return " ".join(unicodedata.normalize("NFKD", text.casefold()).translate(_marks).split())
