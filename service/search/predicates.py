"""One criterion as a condition on index rows. Placeholders are numbered ($1), so the text serves both databases."""

from typing import Any

from service.errors import Kind, Refusal
from service.references import local
from service.search.composites import COMBO, is_whole, parts_of
from service.search.query import Criterion, Hop
from service.search.values import date_range, fold, number_range, split_parts, split_prefix, unescape
from service.store.numbers import param_number, system_number, type_number

LAST = "\U0010ffff"
TABLES = {"token": "token", "string": "string", "reference": "reference", "date": "date", "number": "quantity", "quantity": "quantity", "uri": "uri"}


class Binder:
    """Collects parameters and hands out their placeholders."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


def condition(kind: str, criterion: Criterion, bind: Binder, base: str, dialect: str) -> str:
    """SQL that holds for the rows `r` of resource that meet the criterion. Errors: 400 naming the parameter."""
    name, modifier = criterion.name, criterion.modifier
    if criterion.within:
        numbers = ", ".join(bind(param_number(kind, each)) for each in criterion.within)
        return f"r.rid IN (SELECT i.rid FROM idx_reference i WHERE i.param IN ({numbers}) AND i.target = {bind(criterion.values[0])})"
    if criterion.hops:
        return _hops(kind, criterion, bind, base, dialect)
    if criterion.among:
        return f"r.rid IN ({_together(kind, criterion, bind, base, dialect)})"
    if name == "_id":
        return "r.ref IN (" + ", ".join(bind(f"{kind}/{unescape(value)}") for value in criterion.values) + ")"
    if name == "_lastUpdated":
        return "(" + " OR ".join(_last_updated(value, bind) for value in criterion.values) + ")"
    if modifier == "missing":
        return f"r.rid {'NOT ' if criterion.values[0] == 'true' else ''}IN ({_present(kind, criterion, bind)})"
    return f"r.rid {'NOT ' if modifier == 'not' else ''}IN ({_rids(kind, criterion, bind, base, dialect)})"


_MODIFIED = {"identifier": "token", "of-type": "token", "text": "string"}
"""Modifiers that ask rows of their own, and the table of these."""


def _inside(kind: str, criterion: Criterion, bind: Binder) -> str:
    name, modifier = criterion.name, criterion.modifier or ""
    if modifier not in _MODIFIED:
        return f"SELECT i.rid FROM idx_{TABLES[criterion.known.type]} i WHERE i.param = {bind(param_number(kind, name))}"
    stem = name.removeprefix(COMBO)
    names = (stem, f"component-{stem}") if stem != name else (name,)
    numbers = ", ".join(bind(param_number(kind, f"{each}:{modifier}")) for each in names)
    return f"SELECT i.rid FROM idx_{_MODIFIED[modifier]} i WHERE i.param IN ({numbers})"


def _present(kind: str, criterion: Criterion, bind: Binder) -> str:
    """The rids that have the element; one that is only text, or only an identifier, is there as well."""
    rows = [_inside(kind, criterion._replace(modifier=None), bind)]
    rows += [
        _inside(kind, criterion._replace(modifier=other), bind) for other in {"token": ["text"], "reference": ["identifier"]}.get(criterion.known.type, [])
    ]
    return " UNION ALL ".join(rows)


def _rids(kind: str, criterion: Criterion, bind: Binder, base: str, dialect: str) -> str:
    """The rids whose index rows meet one of the alternatives."""
    inside = _inside(kind, criterion, bind)
    kind_of = _MODIFIED.get(criterion.modifier or "", criterion.known.type)
    parts = [_one(kind_of, criterion, value, bind, base, dialect) for value in criterion.values]
    return f"{inside} AND ({' OR '.join(parts)})" if len(parts) > 1 else f"{inside} AND {parts[0]}"


def _together(kind: str, criterion: Criterion, bind: Binder, base: str, dialect: str) -> str:
    """The rids of which one element meets all parts of one alternative."""
    found = []
    for known in criterion.among:
        for value in criterion.values:
            both = [(part, Criterion(part.name, None, (text,), part)) for part, text in zip(known.components, parts_of(known, value), strict=True)]
            found.append(_whole(kind, both, bind, base, dialect) if is_whole(known) else _element(kind, known.name, both, bind, base, dialect))
    return " UNION ALL ".join(found)


def _whole(kind: str, parts: list[tuple[Any, Criterion]], bind: Binder, base: str, dialect: str) -> str:
    first, second = (_rids(kind, criterion, bind, base, dialect) for _, criterion in parts)
    return f"{first} AND i.rid IN ({second})"


_SECOND = (("i.code", "i.text"), ("i.folded", "i.text"), ("i.target", "i.text"), ("i.system", "i.second"))


def _element(kind: str, name: str, parts: list[tuple[Any, Criterion]], bind: Binder, base: str, dialect: str) -> str:
    """One row of idx_composite that holds both: the code in columns of its own, what stands beside it in the others."""
    (_, code), (_, other) = sorted(parts, key=lambda pair: pair[0].type != "token")
    sql = f"SELECT i.rid FROM idx_composite i WHERE i.param = {bind(param_number(kind, name))} AND {_token(code.values[0], bind)}"
    second = _one(other.known.type, other, other.values[0], bind, base, dialect)
    for column, kept in _SECOND:
        second = second.replace(column, kept)
    return f"{sql} AND {second}" + (" AND i.low = 0" if other.known.type in ("token", "string", "reference") else "")


def _hops(kind: str, criterion: Criterion, bind: Binder, base: str, dialect: str) -> str:
    """A chain leads from a reference to what it points at; _has from a resource to what points at it (search.html#chaining, #has)."""
    first = criterion.hops[0]
    if first.via is not None:
        param = bind(param_number(first.kind, first.via))
        return f"r.ref IN (SELECT i.target FROM idx_reference i WHERE i.param = {param} AND i.rid IN ({_beyond(first, 'rid', bind, base, dialect)}))"
    param = bind(param_number(kind, criterion.name.partition(".")[0].partition(":")[0]))
    refs = " UNION ALL ".join(_beyond(hop, "ref", bind, base, dialect) for hop in criterion.hops)
    return f"r.rid IN (SELECT i.rid FROM idx_reference i WHERE i.param = {param} AND i.target IN ({refs}))"


def _beyond(hop: Hop, column: str, bind: Binder, base: str, dialect: str) -> str:
    """The resources at the end of a hop. Index rows are those of current resources, so that mostly no look at the resource is needed."""
    criterion = hop.criterion
    plain = not criterion.hops and not criterion.among and criterion.modifier not in ("missing", "not") and criterion.name not in ("_id", "_lastUpdated")
    if column == "rid" and plain and hop.person is None:
        return _rids(hop.kind, criterion, bind, base, dialect)
    bound = f" AND r.person = {bind(hop.person)}" if hop.person is not None else ""
    met = condition(hop.kind, criterion, bind, base, dialect)
    return f"SELECT r.{column} FROM resource r WHERE r.kind = {bind(type_number(hop.kind))} AND NOT r.deleted{bound} AND {met}"


def _bad(criterion: Criterion, text: str) -> Refusal:
    return Refusal(Kind.INVALID, text, criterion.name, code="value")


def _one(kind: str, criterion: Criterion, value: str, bind: Binder, base: str, dialect: str) -> str:
    if criterion.modifier == "of-type":
        return _of_type(criterion, value, bind)
    if kind == "token":
        return _token(value, bind)
    if kind == "string":
        return _string(criterion.modifier, unescape(value), bind, dialect)
    if kind == "reference":
        return _reference(criterion, unescape(value), bind, base)
    if kind == "date":
        return _date(criterion, value, bind)
    if kind in ("number", "quantity"):
        return _quantity(criterion, value, bind)
    return _uri(criterion.modifier, unescape(value), bind)


def _token(value: str, bind: Binder) -> str:
    parts = split_parts(value)
    if len(parts) == 1:
        return f"i.code = {bind(parts[0])}"
    system, code = parts[0], "|".join(parts[1:])
    if not code:
        return f"i.system = {bind(system_number(system))}"
    return f"(i.code = {bind(code)} AND i.system = {bind(system_number(system))})"


def _of_type(criterion: Criterion, value: str, bind: Binder) -> str:
    """`system|code|value`: an identifier by its type (search.html#modifiers); no part may be left out."""
    parts = split_parts(value)
    if len(parts) != 3 or not all(parts):
        raise _bad(criterion, "The modifier of-type takes system|code|value")
    return f"(i.code = {bind('|'.join(parts[1:]))} AND i.system = {bind(system_number(parts[0]))})"


def _string(modifier: str | None, value: str, bind: Binder, dialect: str) -> str:
    if modifier == "exact":
        return f"(i.folded = {bind(fold(value))} AND i.exact = {bind(value)})"
    folded = fold(value)
    if modifier == "contains":
        return f"{'strpos' if dialect == 'postgresql' else 'instr'}(i.folded, {bind(folded)}) > 0"
    return f"(i.folded >= {bind(folded)} AND i.folded < {bind(folded + LAST)})"


def _reference(criterion: Criterion, value: str, bind: Binder, base: str) -> str:
    ref = local(value, base)
    if "/" in ref or ref.startswith("urn:"):
        kinds = () if criterion.modifier is None or ref.startswith(criterion.modifier + "/") else ("nothing/",)
        return f"i.target = {bind((kinds[0] if kinds else '') + ref)}"
    targets = [criterion.modifier] if criterion.modifier else list(criterion.known.targets)
    return "i.target IN (" + ", ".join(bind(f"{target}/{ref}") for target in targets or ["Resource"]) + ")"


def _date(criterion: Criterion, value: str, bind: Binder) -> str:
    prefix, text = split_prefix(value)
    found = date_range(text)
    if found is None:
        raise _bad(criterion, "This is not a date that can be searched for")
    low, high = found
    if prefix == "ap":
        widen = (high - low) // 10 + 86_400_000_000
        return f"(i.low < {bind(high + widen)} AND i.high > {bind(low - widen)})"
    # a range is not empty, so that each form may also be bounded on the column that its index is ordered by
    forms = {
        "eq": "(i.low >= {l} AND i.low < {h} AND i.high <= {h})", "ne": "NOT (i.low >= {l} AND i.high <= {h})", "gt": "i.high > {h}", "lt": "i.low < {l}",
        "ge": "(i.high > {l} AND (i.high > {h} OR i.low >= {l}))", "le": "(i.low < {h} AND (i.low < {l} OR i.high <= {h}))",
        "sa": "i.low >= {h}", "eb": "i.high <= {l}",
    }  # fmt: skip
    form = forms[prefix]
    return form.format(l=bind(low) if "{l}" in form else "", h=bind(high) if "{h}" in form else "")


def _last_updated(value: str, bind: Binder) -> str:
    prefix, text = split_prefix(value)
    found = date_range(text)
    if found is None:
        raise Refusal(Kind.INVALID, "This is not a date that can be searched for", "_lastUpdated", code="value")
    low, high = found
    inside = "(r.updated >= {l} AND r.updated < {h})"
    forms = {"eq": inside, "ap": inside, "ne": "NOT " + inside, "gt": "r.updated >= {h}", "sa": "r.updated >= {h}", "lt": "r.updated < {l}",
             "eb": "r.updated < {l}", "ge": "r.updated >= {l}", "le": "r.updated < {h}"}  # fmt: skip
    form = forms[prefix]
    return form.format(l=bind(low) if "{l}" in form else "", h=bind(high) if "{h}" in form else "")


def _quantity(criterion: Criterion, value: str, bind: Binder) -> str:
    prefix, text = split_prefix(value)
    parts = split_parts(text)
    found = number_range(parts[0])
    if found is None or len(parts) > 3 or (criterion.known.type == "number" and len(parts) > 1):
        raise _bad(criterion, "This is not a number or quantity that can be searched for")
    compare = _compare(prefix, found, bind)
    if len(parts) == 1:
        return compare
    system, code = parts[1], parts[2] if len(parts) == 3 else ""
    if code:
        compare = f"({compare} AND i.code = {bind(code)})"
    return f"({compare} AND i.system = {bind(system_number(system))})" if system else compare


def _compare(prefix: str, found: tuple[float, float, float], bind: Binder) -> str:
    exact, low, high = found
    if prefix == "ap":
        margin = max(abs(exact) * 0.1, high - exact)
        return f"(i.high >= {bind(exact - margin)} AND i.low <= {bind(exact + margin)})"
    if prefix in ("eq", "ne"):
        top = bind(high)
        return f"{'NOT ' if prefix == 'ne' else ''}(i.low >= {bind(low)} AND i.low < {top} AND i.high < {top})"
    side = {"gt": "i.high >", "sa": "i.low >", "lt": "i.low <", "eb": "i.high <", "ge": "i.high >=", "le": "i.low <="}[prefix]
    return f"{side} {bind(exact)}"


def _uri(modifier: str | None, value: str, bind: Binder) -> str:
    if modifier == "below":
        stem = value.rstrip("/")
        return f"(i.uri = {bind(stem)} OR (i.uri >= {bind(stem + '/')} AND i.uri < {bind(stem + '/' + LAST)}))"
    if modifier == "above":
        parts = value.split("/")
        stems = ["/".join(parts[:length]) for length in range(3 if "://" in value else 1, len(parts) + 1)]
        return "i.uri IN (" + ", ".join(bind(stem) for stem in stems) + ")"
    return f"i.uri = {bind(value)}"
