"""Query text as criteria: names, modifiers and alternatives, checked against the type's parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from service.errors import Kind, Refusal
from service.search.values import split_or

MODIFIERS = {
    "token": {"not", "missing", "text", "identifier"},
    "string": {"exact", "contains", "missing"},
    "reference": {"missing", "identifier"},
    "date": {"missing"},
    "number": {"missing"},
    "quantity": {"missing"},
    "uri": {"missing", "below", "above"},
    "special": {"missing"},
}
_IGNORED = ("_format", "_pretty")
MAX_COUNT, DEFAULT_COUNT, MAX_TERMS = 1000, 50, 500


class Known(Protocol):
    """A search parameter of a type."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def targets(self) -> Sequence[str]: ...


class Criterion(NamedTuple):
    """One parameter of a query: its alternatives are OR, several criteria are AND."""

    name: str
    modifier: str | None
    values: tuple[str, ...]
    known: Known


class Include(NamedTuple):
    """`source:parameter[:target]` of _include or _revinclude."""

    source: str
    name: str
    target: str | None
    reverse: bool


@dataclass(slots=True)
class Query:
    """A query that was understood. `used`: the pairs for the self link."""

    kind: str
    criteria: list[Criterion] = field(default_factory=list)
    sort: list[tuple[str, bool, Known]] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = "none"
    only_count: bool = False
    cursor: str | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Refusal] = field(default_factory=list)


def pairs(raw: bytes) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query string. Errors: 400 for NUL, bad UTF-8 or too many."""
    found = []
    for part in raw.split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        found.append((_text(name), _text(value)))
    if len(found) > MAX_TERMS:
        raise Refusal(Kind.INVALID, f"More than {MAX_TERMS} parameters", code="too-long")
    return found


def _text(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(Kind.INVALID, "The query is not UTF-8") from None
    if "\x00" in text:
        raise Refusal(Kind.INVALID, "The query holds a NUL character")
    return text


def understand(kind: str, raw: bytes, known: Mapping[str, Known], lenient: bool = False) -> Query:
    """The query of a search on this type. Errors: 400 naming the parameter; with `lenient` unknown ones are set aside instead."""
    query = Query(kind)
    for name, value in pairs(raw):
        try:
            _take(query, name, value, known)
        except Refusal as refusal:
            if not lenient:
                raise
            query.ignored.append(refusal)
    return query


def _take(query: Query, name: str, value: str, known: Mapping[str, Known]) -> None:
    if name in _IGNORED:
        return
    control = _CONTROLS.get(name)
    if control is not None:
        control(query, value, known)
    elif name.split(":")[0] in ("_include", "_revinclude"):
        _include(query, name, value)
    elif value != "":
        _criterion(query, name, value, known)
    else:
        return
    if name != "_cursor":
        query.used.append((name, value))


def _unknown(name: str) -> Refusal:
    shown = name if name.isprintable() and name.isascii() and len(name) <= 64 else None
    return Refusal(Kind.INVALID, "This search parameter or modifier is not known for this type", shown, code="not-supported")


def _criterion(query: Query, name: str, value: str, known: Mapping[str, Known]) -> None:
    base, _, modifier = name.partition(":")
    parameter = known.get(base)
    if parameter is None or parameter.type == "composite":
        raise _unknown(name)
    if modifier and modifier not in MODIFIERS[parameter.type] and not (parameter.type == "reference" and modifier in parameter.targets):
        raise _unknown(name)
    if modifier == "text":
        raise _unknown(name)
    if modifier == "missing" and value not in ("true", "false"):
        raise Refusal(Kind.INVALID, "The modifier missing takes true or false", name, code="value")
    query.criteria.append(Criterion(base, modifier or None, tuple(split_or(value)), parameter))


def _count(query: Query, value: str, known: Mapping[str, Known]) -> None:
    if not value.isdecimal() or len(value) > 9:
        raise Refusal(Kind.INVALID, "_count must be a whole number, zero or more", "_count", code="value")
    query.count = min(int(value), MAX_COUNT)
    query.only_count = query.only_count or query.count == 0


def _sort(query: Query, value: str, known: Mapping[str, Known]) -> None:
    for part in value.split(","):
        name = part.removeprefix("-")
        parameter = known.get(name)
        if parameter is None or parameter.type in ("composite", "special"):
            raise Refusal(Kind.INVALID, "_sort names a parameter that this type cannot be sorted by", "_sort", code="not-supported")
        query.sort.append((name, part.startswith("-"), parameter))


def _total(query: Query, value: str, known: Mapping[str, Known]) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise Refusal(Kind.INVALID, "_total must be none, estimate or accurate", "_total", code="value")
    query.total = value


def _summary(query: Query, value: str, known: Mapping[str, Known]) -> None:
    if value not in ("count", "false"):
        raise Refusal(Kind.INVALID, "Of _summary only count and false are offered", "_summary", code="not-supported")
    query.only_count = query.only_count or value == "count"


def _cursor(query: Query, value: str, known: Mapping[str, Known]) -> None:
    query.cursor = value


def _include(query: Query, name: str, value: str) -> None:
    parts = value.split(":")
    if ":" in name or len(parts) not in (2, 3) or not all(parts):
        raise Refusal(Kind.INVALID, "An include is Type:parameter or Type:parameter:Target", name.split(":")[0], code="value")
    query.includes.append(Include(parts[0], parts[1], parts[2] if len(parts) == 3 else None, name == "_revinclude"))


_CONTROLS = {"_count": _count, "_sort": _sort, "_total": _total, "_summary": _summary, "_cursor": _cursor}
