"""Equality, order and three-valued logic as FHIRPath defines them, over parsed JSON."""

from collections.abc import Callable
from typing import Any

import orjson

from mappings.r4 import dates

Truth = bool | None


def identity(value: Any) -> str:
    """A text that two equal values share: member order does not matter, 1 and 1.0 are equal, true and "true" are not."""
    if isinstance(value, str):
        return '"' + value
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float)):
        return repr(float(value))
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _and(left: Truth, right: Truth) -> Truth:
    return False if left is False or right is False else None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    return True if left or right else None if left is None or right is None else False


def _xor(left: Truth, right: Truth) -> Truth:
    return None if left is None or right is None else left != right


def _implies(left: Truth, right: Truth) -> Truth:
    return _or(None if left is None else not left, right)


LOGIC: dict[str, Callable[[Truth, Truth], Truth]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}


def ordered(operator: str, left: Any, right: Any) -> Truth:
    """`left operator right` for numbers, dates and quantities of one unit; None where it cannot be decided."""
    if isinstance(left, dict) and isinstance(right, dict):
        if any(left.get(part) != right.get(part) for part in ("system", "code")):
            return None
        if "code" not in left and left.get("unit") != right.get("unit"):
            return None
        left, right = left.get("value"), right.get("value")
    if _is_number(left) and _is_number(right):
        sign = int(left > right) - int(left < right)
    elif isinstance(left, str) and isinstance(right, str):
        found = compare_dates(left, right)
        if found is None:
            return None
        sign = found
    else:
        return None
    return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0}[operator]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def compare_dates(left: str, right: str) -> int | None:
    """-1, 0, 1 for two dates; None where their precision or a missing zone leaves it open, or one is not a date."""
    try:
        (low, high), (other_low, other_high) = dates.range_of(left), dates.range_of(right)
    except ValueError:
        return None
    if (low, high) == (other_low, other_high):
        return 0
    # A date without zone next to a moment may be meant in any zone: 14 hours either way.
    slack = 14 * 3600 * dates.SECOND if dates.has_zone(left) != dates.has_zone(right) else 0
    if high + slack <= other_low:
        return -1
    return 1 if low - slack >= other_high else None
