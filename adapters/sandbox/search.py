"""Search: https://hl7.org/fhir/R4/search.html, as much of it as a sandbox needs. Unknown parameters and modifiers are refused."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.sandbox.definitions import ResourceType, SearchParameter
from adapters.sandbox.refusal import Json, Refused
from adapters.sandbox.storage import Condition, Term

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER, _ALWAYS = -(2**62), 2**62
_MODIFIERS = {"string": ("exact", "contains"), "token": ("not",), "reference": (), "date": (), "uri": ()}
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
_COMPARISONS = {
    "eq": ("{low} >= ? AND {high} <= ?", "lh"), "ne": ("NOT ({low} >= ? AND {high} <= ?)", "lh"),
    "gt": ("{high} > ?", "h"), "lt": ("{low} < ?", "l"), "sa": ("{low} >= ?", "h"), "eb": ("{high} <= ?", "l"),
    "ge": ("({high} > ? OR ({low} >= ? AND {high} <= ?))", "hlh"), "le": ("({low} < ? OR ({low} >= ? AND {high} <= ?))", "llh"),
}  # fmt: skip


# What is indexed


def terms(kind: ResourceType, resource: Json, fhir_base: str) -> list[Term]:
    """The search terms of one resource; references to `fhir_base` are kept in relative form."""
    found = []
    for parameter in kind.search.values():
        for path in parameter.paths:
            for value in values(resource, path):
                found += list(_terms(parameter, value, fhir_base))
    return found


def values(value: Any, path: str) -> list[Any]:
    """All values at a dotted path; `telecom?system=phone` filters by one member."""
    found = [value]
    for step in path.split("."):
        name, _, condition = step.partition("?")
        parts = [part[name] for part in found if isinstance(part, dict) and name in part]
        found = [item for part in parts for item in (part if isinstance(part, list) else [part])]
        if condition:
            key, _, wanted = condition.partition("=")
            found = [item for item in found if isinstance(item, dict) and item.get(key) == wanted]
    return found


def relative(reference: str, fhir_base: str) -> str:
    """`{base}/Type/id` and `Type/id/_history/1` as `Type/id`; anything else unchanged."""
    return reference.removeprefix(fhir_base + "/").partition("/_history/")[0]


def folded(text: str) -> str:
    """Case, accents and punctuation do not count in strings."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w]+", " ", plain).split())


def _terms(parameter: SearchParameter, value: Any, fhir_base: str) -> Iterator[Term]:
    name = parameter.name
    if parameter.kind == "date":
        low, high = _span(value)
        yield Term(name, low=low, high=high)
    elif parameter.kind == "reference" and isinstance(value, dict):
        if "reference" in value:
            yield Term(name, value=relative(value["reference"], fhir_base))
        if "identifier" in value:
            yield Term(f"{name}:identifier", value["identifier"].get("system"), value["identifier"].get("value"))
    elif parameter.kind == "string":
        yield Term(name, system=str(value), value=folded(str(value)))
    elif parameter.kind == "uri":
        yield Term(name, value=str(value))
        yield Term(name, value=str(value).partition("|")[0])
    elif parameter.kind == "token":
        yield from _tokens(name, value)


def _tokens(name: str, value: Any) -> Iterator[Term]:
    if isinstance(value, bool):
        yield Term(name, value=str(value).lower())
    elif isinstance(value, str):
        yield Term(name, value=value)
    elif "coding" in value:
        for coding in value["coding"]:
            yield Term(name, coding.get("system"), coding.get("code"))
    elif "code" in value or "value" in value:
        yield Term(name, value.get("system"), value.get("code", value.get("value")))


# What is asked


def conditions(kind: ResourceType, pairs: list[tuple[str, str]], fhir_base: str) -> list[Condition]:
    """One condition per parameter; a comma is OR. Errors: Refused 400 for what is not understood."""
    return [_condition(kind, key, text, fhir_base) for key, text in pairs]


def _condition(kind: ResourceType, key: str, text: str, fhir_base: str) -> Condition:
    name, _, modifier = key.partition(":")
    parameter = kind.search.get(name)
    if parameter is None:
        raise Refused(400, "not-supported", f"Unknown search parameter for {kind.name}")
    if parameter.kind == "reference" and modifier == "identifier":
        parts = [_token(part) for part in _alternatives(text)]
        return _exists(f"{name}:identifier", parts)
    if modifier and modifier not in _MODIFIERS[parameter.kind]:
        raise Refused(400, "not-supported", f"Unknown modifier of search parameter {name}")
    if not text:
        raise Refused(400, "invalid", f"Search parameter {name} is empty")
    parts = [_alternative(parameter, modifier, part, fhir_base) for part in _alternatives(text)]
    found = _exists(name, parts)
    return Condition(f"NOT {found.sql}", found.arguments) if modifier == "not" else found


def _exists(name: str, parts: list[Condition]) -> Condition:
    either = " OR ".join(f"({part.sql})" for part in parts)
    arguments = [argument for part in parts for argument in part.arguments]
    return Condition(f"EXISTS (SELECT 1 FROM term t WHERE t.seq = v.seq AND t.name = ? AND ({either}))", (name, *arguments))


def _alternatives(text: str) -> list[str]:
    return re.split(r"(?<!\\),", text)


def _plain(text: str) -> str:
    return re.sub(r"\\([\\,|$])", r"\1", text)


def _alternative(parameter: SearchParameter, modifier: str, text: str, fhir_base: str) -> Condition:
    if parameter.kind == "token":
        return _token(text)
    if parameter.kind == "date":
        return _date(text)
    if parameter.kind == "reference":
        return _reference(parameter.name, _plain(text), fhir_base)
    if parameter.kind == "uri":
        return Condition("t.value = ?", (_plain(text),))
    return _string(modifier, _plain(text))


def _token(text: str) -> Condition:
    parts = [_plain(part) for part in re.split(r"(?<!\\)\|", text)]
    if len(parts) > 2:
        raise Refused(400, "invalid", "A token has at most one |")
    if len(parts) == 1:
        return Condition("t.value = ?", (parts[0],))
    system, value = parts
    if not value:
        return Condition("t.system = ?", (system,))
    return Condition("t.system = ? AND t.value = ?", (system, value)) if system else Condition("t.system IS NULL AND t.value = ?", (value,))


def _reference(name: str, text: str, fhir_base: str) -> Condition:
    value = relative(text, fhir_base)
    if name == "patient" and "/" not in value:
        return Condition("t.value = ?", (f"Patient/{value}",))
    if "/" in value:
        return Condition("t.value = ?", (value,))
    return Condition("substr(t.value, -length(?)) = ?", (f"/{value}", f"/{value}"))


def _string(modifier: str, text: str) -> Condition:
    if modifier == "exact":
        return Condition("t.system = ?", (text,))
    if modifier == "contains":
        return Condition("instr(t.value, ?) > 0", (folded(text),))
    return Condition("substr(t.value, 1, length(?)) = ?", (folded(text), folded(text)))


def _date(text: str) -> Condition:
    prefix = text[:2] if text[:2].isalpha() else "eq"
    if prefix not in _COMPARISONS:
        raise Refused(400, "not-supported", "Unknown prefix of a date")
    low, high = _moments(text.removeprefix(prefix))
    sql, order = _COMPARISONS[prefix]
    return Condition(sql.format(low="t.low", high="t.high"), tuple(low if mark == "l" else high for mark in order))


def _span(value: Any) -> tuple[int, int]:
    """Milliseconds [low, high) of a date text or a Period; an open end is endless."""
    if isinstance(value, dict):
        low = _moments(value["start"])[0] if "start" in value else _NEVER
        return low, _moments(value["end"])[1] if "end" in value else _ALWAYS
    return _moments(str(value))


def _moments(text: str) -> tuple[int, int]:
    """Milliseconds [low, high) that a FHIR date or dateTime covers. Errors: Refused 400."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise Refused(400, "invalid", "Not a FHIR date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        offset = datetime.strptime((zone or "Z").replace("Z", "+00:00"), "%z").utcoffset() or timedelta()
        low = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59), tzinfo=UTC)
        milliseconds = (low - offset - _EPOCH) // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0")[:3])
    except (ValueError, OverflowError):
        raise Refused(400, "invalid", "Not a date of the calendar") from None
    return milliseconds, milliseconds + _length(low, month, day, hour, second, fraction)


def _length(low: datetime, month: str | None, day: str | None, hour: str | None, second: str | None, fraction: str | None) -> int:
    """How many milliseconds a date of this precision covers."""
    if fraction:
        return 1
    if second:
        return 1000
    if hour:
        return 60_000
    if day:
        return 86_400_000
    days = (low.replace(day=28) + timedelta(days=4)).replace(day=1) - low if month and low.year < 9999 else timedelta(days=31)
    if month:
        return days // timedelta(milliseconds=1)
    leap = low.year % 4 == 0 and (low.year % 100 != 0 or low.year % 400 == 0)
    return (366 if leap else 365) * 86_400_000
