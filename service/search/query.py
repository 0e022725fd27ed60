"""Query text as criteria: names, modifiers and alternatives, checked against the type's parameters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from service.errors import Kind, Refusal
from service.search import composites
from service.search.values import split_or

MODIFIERS = {
    "token": {"not", "missing", "text", "of-type", "above", "below"},
    "string": {"exact", "contains", "missing"},
    "reference": {"missing", "identifier", "above", "below"},
    "date": {"missing"},
    "number": {"missing"},
    "quantity": {"missing"},
    "uri": {"missing", "below", "above"},
    "composite": set(),
    "special": set(),
}
_IGNORED = ("_format", "_pretty")
MAX_COUNT, DEFAULT_COUNT, MAX_TERMS, MAX_HOPS = 1000, 50, 500, 8
Reaching = Callable[[str], str | None]
"""The one person whose resources of a type the requester may search, None for all. Errors: 403 for a type that may not be searched."""


class Known(composites.Known, Protocol):
    """A search parameter of a type."""

    @property
    def targets(self) -> Sequence[str]: ...
    @property
    def components(self) -> Sequence[Any]: ...


class Parameters(dict[str, Known]):
    """The parameters that a type can be searched by, by name. `unfilled`: those that it cannot yet be, as older resources lack their rows."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        super().__init__(known)
        self.unfilled: dict[str, Known] = {}

    def offer(self, name: str, is_filled: bool) -> None:
        """Move one to where it belongs."""
        there, here = (self, self.unfilled) if is_filled else (self.unfilled, self)
        if name in here:
            there[name] = here.pop(name)


class Criterion(NamedTuple):
    """One parameter of a query: its alternatives are OR, several criteria are AND. `hops`: what a chain or _has leads to; any of them will do.
    `among`: for a composite, the parameters that are asked together. `within`: for a compartment, the parameters that may lead to its owner."""

    name: str
    modifier: str | None
    values: tuple[str, ...]
    known: Known
    hops: tuple["Hop", ...] = ()
    among: tuple[Known, ...] = ()
    within: tuple[str, ...] = ()


class Hop(NamedTuple):
    """A step to resources of another type that meet a criterion of their own. `via`: their reference parameter that points back (_has);
    None where they are pointed at (a chain). `person`: the only one whose resources the requester may search there."""

    kind: str
    criterion: Criterion
    person: str | None
    via: str | None = None


class Grounds(NamedTuple):
    """What a query is read against: the parameters of every type, and how far the requester reaches. Without the latter nothing is followed."""

    parameters: Mapping[str, Mapping[str, Known]]
    reaching: Reaching | None = None


class Include(NamedTuple):
    """`source:parameter[:target]` of _include or _revinclude."""

    source: str
    name: str
    target: str | None
    reverse: bool
    iterate: bool = False


@dataclass(slots=True)
class Query:
    """A query that was understood. `path`: its address below the base; `used`: the pairs for the self link."""

    kind: str
    path: str = ""
    criteria: list[Criterion] = field(default_factory=list)
    sort: list[tuple[str, bool, Known]] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = "none"
    only_count: bool = False
    cursor: str | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[Refusal] = field(default_factory=list)

    def deep(self) -> Iterator[Criterion]:
        """Its criteria, and those at the ends of chains and _has."""
        for criterion in self.criteria:
            yield from _deep(criterion)


def _deep(criterion: Criterion) -> Iterator[Criterion]:
    if not criterion.hops:
        yield criterion
    for hop in criterion.hops:
        yield from _deep(hop.criterion)


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


def understand(kind: str, raw: bytes, grounds: Grounds, lenient: bool = False) -> Query:
    """The query of a search on this type. Errors: 400 naming the parameter, 403 for a chain through a type that may not be searched;
    with `lenient` parameters that are not understood are set aside instead."""
    query = Query(kind, kind)
    for name, value in pairs(raw):
        try:
            _take(query, name, value, grounds)
        except Refusal as refusal:
            if not lenient or refusal.kind is not Kind.INVALID:
                raise
            query.ignored.append(refusal)
    return query


def _take(query: Query, name: str, value: str, grounds: Grounds) -> None:
    if name in _IGNORED:
        return
    control = _CONTROLS.get(name)
    if control is not None:
        control(query, value, grounds.parameters[query.kind])
    elif name.split(":")[0] in ("_include", "_revinclude"):
        _include(query, name, value)
    elif value != "":
        query.criteria.append(_criterion(query.kind, name, value, grounds, MAX_HOPS))
    else:
        return
    if name != "_cursor":
        query.used.append((name, value))


def _unknown(name: str) -> Refusal:
    shown = name if name.isprintable() and name.isascii() and len(name) <= 64 else None
    return Refusal(Kind.INVALID, "This search parameter or modifier is not known for this type", shown, code="not-supported")


def _absent(name: str, base: str, known: Mapping[str, Known]) -> Refusal:
    """Why a parameter cannot be searched by."""
    if base not in getattr(known, "unfilled", ()):
        return _unknown(name)
    text = "Resources that were stored before this search parameter was defined are not indexed for it yet: setpoint reindex does it"
    return Refusal(Kind.INVALID, text, base, code="not-supported")


def _criterion(kind: str, name: str, value: str, grounds: Grounds, hops: int) -> Criterion:
    """One criterion on this type; `hops`: how many more types may be stepped to."""
    if name == "_list" and not value.startswith("$"):
        return _reverse("_has:List:item:_id", value, grounds, hops)._replace(name="_list")
    if name.startswith("_has:"):
        return _reverse(name, value, grounds, hops)
    if "." in name:
        return _chain(kind, name, value, grounds, hops)
    base, _, modifier = name.partition(":")
    parameter = grounds.parameters[kind].get(base)
    if parameter is None:
        raise _absent(name, base, grounds.parameters[kind])
    if modifier and modifier not in MODIFIERS[parameter.type] and not (parameter.type == "reference" and modifier in parameter.targets):
        raise _unknown(name)
    if modifier == "missing" and value not in ("true", "false"):
        raise Refusal(Kind.INVALID, "The modifier missing takes true or false", name, code="value")
    among = tuple(composites.siblings(parameter, grounds.parameters[kind])) if parameter.type == "composite" else ()
    return Criterion(base, modifier or None, tuple(split_or(value)), parameter, (), among)


def _chain(kind: str, name: str, value: str, grounds: Grounds, hops: int) -> Criterion:
    """`subject.family` or `subject:Patient.family` (search.html#chaining). Without a type: every target that has the parameter and may be searched."""
    head, _, rest = name.partition(".")
    base, _, declared = head.partition(":")
    parameter = grounds.parameters[kind].get(base)
    if parameter is None:
        raise _absent(name, base, grounds.parameters[kind])
    if parameter.type != "reference" or not rest or not hops or grounds.reaching is None:
        raise _unknown(name)
    targets = [target for target in parameter.targets if target in grounds.parameters and declared in ("", target)]
    found, refusals = [], []
    for target in targets:
        try:
            criterion = _criterion(target, rest, value, grounds, hops - 1)
            found.append(Hop(target, criterion, grounds.reaching(target)))
        except Refusal as refusal:
            refusals.append(refusal)
    if not found:
        raise next((each for each in refusals if each.kind is not Kind.INVALID), refusals[0] if len(refusals) == 1 else _unknown(name))
    return Criterion(name, None, (value,), parameter, tuple(found))


def _reverse(name: str, value: str, grounds: Grounds, hops: int) -> Criterion:
    """`_has:Observation:patient:code`, whose last part may itself be a chain or another _has (search.html#has)."""
    parts = name.split(":", 3)
    source, via = parts[1] if len(parts) == 4 else "", parts[2] if len(parts) == 4 else ""
    parameter = grounds.parameters.get(source, {}).get(via)
    if parameter is None or parameter.type != "reference" or not hops or grounds.reaching is None:
        raise _unknown(name)
    person = grounds.reaching(source)
    return Criterion(name, None, (value,), parameter, (Hop(source, _criterion(source, parts[3], value, grounds, hops - 1), person, via),))


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
    """Whether it is one of the five is seen where the answer is shaped."""
    query.only_count = query.only_count or value == "count"


def _elements(query: Query, value: str, known: Mapping[str, Known]) -> None:
    """As _summary."""


def _cursor(query: Query, value: str, known: Mapping[str, Known]) -> None:
    query.cursor = value


def _include(query: Query, name: str, value: str) -> None:
    base, _, modifier = name.partition(":")
    parts = [query.kind, "*"] if value == "*" and base == "_include" else value.split(":")
    if modifier not in ("", "iterate"):
        raise _unknown(name)
    if len(parts) not in (2, 3) or not all(parts):
        raise Refusal(Kind.INVALID, "An include is Type:parameter or Type:parameter:Target", base, code="value")
    query.includes.append(Include(parts[0], parts[1], parts[2] if len(parts) == 3 else None, base == "_revinclude", modifier == "iterate"))


_CONTROLS = {"_count": _count, "_sort": _sort, "_total": _total, "_summary": _summary, "_elements": _elements, "_cursor": _cursor}
