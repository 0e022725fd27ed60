"""One value of a criterion as a condition on the columns of an index row. Placeholders are numbered ($1), so the text serves both databases."""


from collections.abc import Callable
from typing import Any, NamedTuple

from service.errors import Kind, Refusal
from service.references import local
from service.search.hierarchies import Hierarchies
from service.search.query import Criterion
from service.search.units import UCUM, Units
from service.search.values import date_range, fold, number_range, split_parts, split_prefix, unescape
from service.store.numbers import system_number

LAST = "\U0010ffff"


class Binder:
    """Collects parameters and hands out their placeholders, and aliases for tables."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._aliases = 0

    def __call__(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def alias(self) -> str:
        """An alias that nothing else in the statement has."""
        self._aliases += 1
        return f"i{self._aliases}"


class Ground(NamedTuple):
    """What conditions are written for: our own base, the database's dialect, the units that are there, the code systems that are known;
    `part_of`: the number of the parameter by which resources of a type are part of others of it, None where they are not."""

    base: str
    dialect: str
    units: Units
    hierarchies: Hierarchies
    part_of: Callable[[str], int | None]


class Match(NamedTuple):
    """A condition. `is_equal`: it names one value of the column that the index is ordered by, so that its rows stand in the order of rid.
    `stretches`: the same as parts, each a stretch of an index."""

    sql: str
    is_equal: bool = False
    stretches: tuple[str, ...] = ()


def bad(criterion: Criterion, text: str) -> Refusal:
    """The refusal of a value that its parameter cannot take."""
    return Refusal(Kind.INVALID, text, criterion.name, code="value")


def matching(kind: str, criterion: Criterion, value: str, alias: str, bind: Binder, ground: Ground) -> Match:
    """The condition of one alternative on a row `alias` of the table for parameters of this type. Errors: 400 naming the parameter."""
    if criterion.modifier == "of-type":
        return _of_type(criterion, value, alias, bind)
    if kind == "token":
        return _related(criterion, value, alias, bind, ground.hierarchies) if criterion.modifier in ("above", "below") else token(value, alias, bind)
    if kind == "string":
        return _string(criterion.modifier, unescape(value), alias, bind, ground.dialect)
    if kind == "reference":
        return _reference(criterion, unescape(value), alias, bind, ground)
    if kind == "date":
        return Match(_date(criterion, value, alias, bind))
    if kind in ("number", "quantity"):
        return _quantity(criterion, value, alias, bind, ground.units)
    return _uri(criterion.modifier, unescape(value), alias, bind)


def token(value: str, a: str, bind: Binder) -> Match:
    """`code`, `system|code`, `|code` or `system|` (search.html#token)."""
    parts = split_parts(value)
    if len(parts) == 1:
        return Match(f"{a}.code = {bind(parts[0])}", True)
    system, code = parts[0], "|".join(parts[1:])
    if not code:
        return Match(f"{a}.system = {bind(system_number(system))}")
    return Match(f"({a}.code = {bind(code)} AND {a}.system = {bind(system_number(system))})", True)


def _of_type(criterion: Criterion, value: str, a: str, bind: Binder) -> Match:
    """`system|code|value`: an identifier by its type (search.html#modifiers); no part may be left out."""
    parts = split_parts(value)
    if len(parts) != 3 or not all(parts):
        raise bad(criterion, "The modifier of-type takes system|code|value")
    return Match(f"({a}.code = {bind('|'.join(parts[1:]))} AND {a}.system = {bind(system_number(parts[0]))})", True)


def _string(modifier: str | None, value: str, a: str, bind: Binder, dialect: str) -> Match:
    folded = fold(value)
    if modifier == "exact":
        return Match(f"({a}.folded = {bind(folded)} AND {a}.exact = {bind(value)})", True)
    if modifier == "contains":
        return Match(f"{'strpos' if dialect == 'postgresql' else 'instr'}({a}.folded, {bind(folded)}) > 0")
    return Match(f"({a}.folded >= {bind(folded)} AND {a}.folded < {bind(folded + LAST)})")


def _related(criterion: Criterion, value: str, a: str, bind: Binder, hierarchies: Hierarchies) -> Match:
    """A code of a known code system with everything above or below it."""
    system, code = system_and_code(criterion, value)
    codes = ", ".join(bind(each) for each in hierarchies.related(system, code, str(criterion.modifier)))
    return Match(f"({a}.code IN ({codes}) AND {a}.system = {bind(system_number(system))})")


def system_and_code(criterion: Criterion, value: str) -> tuple[str, str]:
    """The parts of a token that must have both. Errors: 400."""
    parts = split_parts(value)
    if len(parts) != 2 or not all(parts):
        raise bad(criterion, f"The modifier {criterion.modifier} takes system|code")
    return parts[0], parts[1]


def _reference(criterion: Criterion, value: str, a: str, bind: Binder, ground: Ground) -> Match:
    ref = local(value, ground.base)
    if criterion.modifier in ("above", "below"):
        return _part_of(criterion, ref, a, bind, ground)
    if "/" in ref or ref.startswith("urn:"):
        is_of_type = criterion.modifier is None or ref.startswith(criterion.modifier + "/")
        equal = f"{a}.target = {bind(ref if is_of_type else 'nothing/' + ref)}"
        if _is_canonical(criterion) and "|" not in ref:
            # without a version any version is meant (references.html#canonical); | is followed by }
            versions = f"{a}.target >= {bind(ref + '|')} AND {a}.target < {bind(ref + '}')}"
            return Match(f"({equal} OR ({versions}))", False, (equal, versions))
        return Match(equal, True)
    targets = [criterion.modifier] if criterion.modifier else list(criterion.known.targets)
    named = [bind(f"{target}/{ref}") for target in targets or ["Resource"]]
    return Match(f"{a}.target = {named[0]}", True) if len(named) == 1 else Match(f"{a}.target IN ({', '.join(named)})")


def _is_canonical(criterion: Criterion) -> bool:
    return any(route.kind == "canonical" for route in criterion.known.routes)


def _part_of(criterion: Criterion, ref: str, a: str, bind: Binder, ground: Ground) -> Match:
    """What is part of a resource (below), or what it is part of (above), at any depth (search.html#modifiers on hierarchies)."""
    kind = ref.split("/")[0] if "/" in ref else criterion.known.targets[0] if len(criterion.known.targets) == 1 else ""
    number = ground.part_of(kind)
    if number is None:
        raise bad(criterion, f"The modifier {criterion.modifier} takes a reference to a type that is part of others of its kind")
    begin = bind(ref if "/" in ref else f"{kind}/{ref}")
    rows, own = bind.alias(), bind.alias()
    up = f"SELECT {rows}.target FROM h CROSS JOIN resource {own} CROSS JOIN idx_reference {rows} WHERE {own}.ref = h.ref AND {rows}.rid = {own}.rid"
    down = f"SELECT {own}.ref FROM h CROSS JOIN idx_reference {rows} CROSS JOIN resource {own} WHERE {rows}.target = h.ref AND {own}.rid = {rows}.rid"
    step = f"{up if criterion.modifier == 'above' else down} AND {rows}.param = {number}"
    collated = ' COLLATE "C"' if ground.dialect == "postgresql" else ""
    return Match(f"{a}.target IN (WITH RECURSIVE h(ref) AS (SELECT CAST({begin} AS text){collated} UNION {step}) SELECT ref FROM h)")


def _date(criterion: Criterion, value: str, a: str, bind: Binder) -> str:
    prefix, low, high = dated(criterion.name, value)
    if prefix == "ap":
        widen = (high - low) // 10 + 86_400_000_000
        return f"({a}.low < {bind(high + widen)} AND {a}.high > {bind(low - widen)})"
    # a range is not empty, so that each form may also be bounded on the column that its index is ordered by
    forms = {
        "eq": "({a}.low >= {l} AND {a}.low < {h} AND {a}.high <= {h})", "ne": "NOT ({a}.low >= {l} AND {a}.high <= {h})", "gt": "{a}.high > {h}",
        "lt": "{a}.low < {l}", "ge": "({a}.high > {l} AND ({a}.high > {h} OR {a}.low >= {l}))",
        "le": "({a}.low < {h} AND ({a}.low < {l} OR {a}.high <= {h}))", "sa": "{a}.low >= {h}", "eb": "{a}.high <= {l}",
    }  # fmt: skip
    return _filled(forms[prefix], a, low, high, bind)


def dated(name: str, value: str) -> tuple[str, int, int]:
    """(prefix, low, high) of a date value, microseconds UTC, half-open. Errors: 400."""
    prefix, text = split_prefix(value)
    found = date_range(text)
    if found is None:
        raise Refusal(Kind.INVALID, "This is not a date that can be searched for", name, code="value")
    return prefix, *found


def _filled(form: str, a: str, low: int, high: int, bind: Binder) -> str:
    return form.format(a=a, l=bind(low) if "{l}" in form else "", h=bind(high) if "{h}" in form else "")


def last_updated(value: str, column: str, bind: Binder) -> str:
    """The condition of one value of _lastUpdated on a column of microseconds."""
    prefix, low, high = dated("_lastUpdated", value)
    inside = "({a} >= {l} AND {a} < {h})"
    forms = {"eq": inside, "ap": inside, "ne": "NOT " + inside, "gt": "{a} >= {h}", "sa": "{a} >= {h}", "lt": "{a} < {l}", "eb": "{a} < {l}",
             "ge": "{a} >= {l}", "le": "{a} < {h}"}  # fmt: skip
    return _filled(forms[prefix], column, low, high, bind)


def _quantity(criterion: Criterion, value: str, a: str, bind: Binder, units: Units) -> Match:
    prefix, text = split_prefix(value)
    parts = split_parts(text)
    found = number_range(parts[0])
    if found is None or len(parts) > 3 or (criterion.known.type == "number" and len(parts) > 1):
        raise bad(criterion, "This is not a number or quantity that can be searched for")
    system, code = parts[1] if len(parts) > 1 else "", parts[2] if len(parts) == 3 else ""
    bound = f"{a}.system = {bind(system_number(system))}" if system else ""
    same = [(code, found)]
    if system == UCUM and code:
        same += [(other, (change(found[0]), change(found[1]), change(found[2]))) for other, change in units.equal_to(code)]
    stretches = [
        " AND ".join(each for each in (stretch, unit and f"{a}.code = {bind(unit)}", bound) if each)
        for unit, each in same
        for stretch in _stretches(prefix, each, a, bind)
    ]
    return Match(f"({' OR '.join(f'({stretch})' for stretch in stretches)})", False, tuple(stretches))



def _stretches(prefix: str, found: tuple[float, float, float], a: str, bind: Binder) -> list[str]:
    """The comparison as stretches of an index by `low`: nearly all rows are one number, the wide ones have an index of their own."""
    exact, low, high = found
    if prefix == "ap":
        margin = max(abs(exact) * 0.1, high - exact)
        first, last = bind(exact - margin), bind(exact + margin)
        return [f"{a}.low >= {first} AND {a}.low <= {last}", f"{a}.high > {a}.low AND {a}.high >= {first} AND {a}.low < {first}"]
    if prefix in ("eq", "ne"):
        inside = f"({a}.low >= {bind(low)} AND {a}.low < {bind(high)} AND {a}.high < ${len(bind.values)})"
        return [f"NOT {inside}"] if prefix == "ne" else [inside]
    edge = bind(exact)
    if prefix in ("gt", "ge"):
        sign = ">" if prefix == "gt" else ">="
        return [f"{a}.low {sign} {edge}", f"{a}.high > {a}.low AND {a}.high {sign} {edge} AND NOT {a}.low {sign} {edge}"]
    return {"sa": [f"{a}.low > {edge}"], "lt": [f"{a}.low < {edge}"], "le": [f"{a}.low <= {edge}"], "eb": [f"{a}.low < {edge} AND {a}.high < {edge}"]}[prefix]


def _uri(modifier: str | None, value: str, a: str, bind: Binder) -> Match:
    if modifier == "below":
        stem = value.rstrip("/") + "/"
        return Match(f"({a}.uri = {bind(value)} OR ({a}.uri >= {bind(stem)} AND {a}.uri < {bind(stem + LAST)}))")
    if modifier == "above":
        return Match(f"{a}.uri IN ({', '.join(bind(each) for each in _paths_above(value))})")
    return Match(f"{a}.uri = {bind(value)}", True)


def _paths_above(uri: str) -> list[str]:
    """The URI and everything above it, path segment by path segment."""
    scheme, mark, rest = uri.partition("://")
    parts = rest.split("/") if mark else uri.split("/")
    head = scheme + mark if mark else ""
    return [head + "/".join(parts[:length]) for length in range(len(parts), 0, -1)]
