"""How the resources that meet a criterion are found. Every lookup can be asked of one resource (`probe`), most can also name theirs (`drives`).

The planner puts them together: one drives, the others are asked. So the work of a page does not grow with what is stored.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from service.search.composites import is_whole, parts_of
from service.search.predicates import Binder, Ground, Match, last_updated, matching, token
from service.search.query import Criterion, Hop
from service.search.sources import Sources
from service.search.values import unescape
from service.store.numbers import param_number, type_number

TABLES = {"token": "token", "string": "string", "reference": "reference", "date": "date", "number": "quantity", "quantity": "quantity", "uri": "uri"}
MODIFIED = {"identifier": "token", "of-type": "token", "text": "string"}
"""Modifiers that ask rows of their own, and the table of these."""
MOST_STREAMS = 12
_CATALOGUES = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Questionnaire", "PlanDefinition", "Group", "CareTeam",
                         "CodeSystem", "ValueSet", "Device"})  # fmt: skip
"""Types of which one resource may be pointed at from everywhere."""


class Weight(IntEnum):
    """How many resources a lookup finds, as far as its form tells: few; many, read in the order of rid; a range; over a hop; all but some."""

    FEW = 1
    ORDERED = 2
    RANGE = 3
    FAR = 4
    ANY = 5


_PLAIN = (("param", " + 0"), ("low", " + 0"), ("high", " + 0"), ("folded", " || ''"), ("uri", " || ''"), ("target", " || ''"), ("code", " || ''"))
"""Columns as expressions of the same value, which no index serves."""


class Row(NamedTuple):
    """A resource in a statement: SQL for its rid, ref, updated and whom it is about."""

    rid: str
    ref: str
    updated: str
    person: str = ""


class Drive(NamedTuple):
    """Rows that lead to resources: FROM, WHERE and the rid. `gate`: the condition under which they say all."""

    table: str
    where: str
    rid: str
    gate: str = ""


class Lookup(Protocol):
    """The resources of one criterion."""

    @property
    def weight(self) -> Weight: ...
    def probe(self, row: Row) -> str: ...
    def drives(self) -> Sequence[Drive]: ...


class Rows:
    """Index rows of one table under some numbers that meet one of several conditions. `prefix`: placeholders of the ends of a string range."""

    def __init__(
        self, table: str, numbers: Sequence[int], alias: str, matches: Sequence[Match], fence: str, few: bool = False, prefix: tuple[str, str] | None = None
    ) -> None:
        self._table, self._numbers, self._alias, self._matches, self._fence, self._prefix = table, numbers, alias, matches, fence, prefix
        self.is_equal = bool(matches) and all(match.is_equal for match in matches) and len(matches) * len(numbers) <= MOST_STREAMS
        self.weight = Weight.RANGE if not self.is_equal else Weight.FEW if few else Weight.ORDERED

    def _where(self) -> str:
        found = [match.sql for match in self._matches]
        either = f"({' OR '.join(found)})" if len(found) > 1 else "".join(found)
        return " AND ".join(each for each in (param_in(self._alias, self._numbers), either) if each)

    def probe(self, row: Row) -> str:
        a, where = self._alias, self._where()
        if not self.is_equal:
            # the rows of one resource are few: a range must not tempt the database to another index than that of rid
            for column, plain in _PLAIN:
                where = where.replace(f"{a}.{column} ", f"({a}.{column}{plain}) ")
        return f"EXISTS (SELECT 1 FROM {self._table} {a} WHERE {a}.rid = {row.rid} AND {where}{self._fence})"

    def drives(self) -> Sequence[Drive]:
        a, table = self._alias, f"{self._table} {self._alias}"
        if self.is_equal:
            return [Drive(table, f"{param_in(a, [number])} AND {match.sql}", f"{a}.rid") for match in self._matches for number in self._numbers]
        stretches = [stretch for match in self._matches for stretch in match.stretches or (match.sql,)] or [""]
        param = param_in(a, self._numbers)
        return [Drive(table, f"{param} AND ({stretch})" if stretch else param, f"{a}.rid") for stretch in stretches]

    def single(self) -> Drive | None:
        """For a prefix that only one stored text has: the rows of that text, in order; the gate says whether it is so."""
        if self._prefix is None or len(self._numbers) > 1:
            return None
        (low, high), (number,), a = self._prefix, self._numbers, self._alias
        least, most = (
            f"(SELECT {end}(s.folded) FROM {self._table} s WHERE s.param = {number} AND s.folded >= {low} AND s.folded < {high})" for end in ("min", "max")
        )
        return Drive(f"{self._table} {a}", f"{a}.param = {number} AND {a}.folded = {least}", f"{a}.rid", f"{least} = {most}")


class Not:
    """Resources that a lookup does not find."""

    weight = Weight.ANY

    def __init__(self, inner: Lookup) -> None:
        self._inner = inner

    def probe(self, row: Row) -> str:
        return f"NOT {self._inner.probe(row)}"

    def drives(self) -> Sequence[Drive]:
        return ()


class AnyOf:
    """Resources that one of several lookups finds."""

    def __init__(self, lookups: Sequence[Lookup]) -> None:
        self._lookups = lookups
        self.weight = max(lookup.weight for lookup in lookups)

    def probe(self, row: Row) -> str:
        found = [lookup.probe(row) for lookup in self._lookups]
        return f"({' OR '.join(found)})" if len(found) > 1 else found[0]

    def drives(self) -> Sequence[Drive]:
        found = [lookup.drives() for lookup in self._lookups]
        return [drive for drives in found for drive in drives] if all(found) else ()


class Both:
    """Resources that two lookups find by their own index rows; the first drives."""

    def __init__(self, first: Lookup, second: Lookup) -> None:
        self._first, self._second = first, second
        self.weight = max(first.weight, Weight.ORDERED)

    def probe(self, row: Row) -> str:
        return f"({self._first.probe(row)} AND {self._second.probe(row)})"

    def drives(self) -> Sequence[Drive]:
        return [drive._replace(where=f"{drive.where} AND {self._second.probe(Row(drive.rid, '', ''))}") for drive in self._first.drives()]


class Column:
    """Resources told by their own row `a`."""

    def __init__(self, condition: Callable[[Row], str], kind: str, weight: Weight, a: str) -> None:
        self._condition, self._kind, self.weight, self._a = condition, kind, weight, a

    def probe(self, row: Row) -> str:
        return self._condition(row)

    def drives(self) -> Sequence[Drive]:
        return [Drive(f"resource {self._a}", f"{_of_kind(self._a, self._kind)} AND {self._condition(_row(self._a))}", f"{self._a}.rid")]


class Landing(NamedTuple):
    """The far side of a hop: its type, the placeholder of whom it must be about, and the lookup it has to meet."""

    kind: str
    person: str | None
    lookup: Lookup

    def condition(self, a: str) -> str:
        """What its resource row `a` must be."""
        return _of_kind(a, self.kind) + (f" AND {a}.person = {self.person}" if self.person else "")


class Chain:
    """Resources whose reference leads to one that meets a lookup (search.html#chaining)."""

    weight = Weight.FAR

    def __init__(self, numbers: Sequence[int], is_person: bool, landing: Landing, bind: Binder, fence: str) -> None:
        self._landing, self._fence, self._i, self._p, self._numbers = landing, fence, bind.alias(), bind.alias(), numbers
        self._is_person = is_person and landing.kind == "Patient"
        self._param = param_in(self._i, numbers)

    def probe(self, row: Row) -> str:
        i, p = self._i, self._p
        there = f"{p}.ref = {i}.target AND {self._landing.condition(p)} AND {self._landing.lookup.probe(_row(p))}"
        if self._is_person and row.person:
            there = there.replace(f"{i}.target", row.person)
            return f"EXISTS (SELECT 1 FROM resource {p} WHERE {there}{self._fence})"
        param = param_of(i, self._numbers)
        return f"EXISTS (SELECT 1 FROM idx_reference {i} CROSS JOIN resource {p} WHERE {i}.rid = {row.rid} AND {param} AND {there}{self._fence})"

    def drives(self) -> Sequence[Drive]:
        i, p = self._i, self._p
        led = f"{self._landing.condition(p)} AND {self._param} AND {i}.target = {p}.ref"
        return [
            Drive(f"{drive.table} CROSS JOIN resource {p} CROSS JOIN idx_reference {i}", f"{drive.where} AND {p}.rid = {drive.rid} AND {led}", f"{i}.rid")
            for drive in self._landing.lookup.drives()
        ]


class Reverse:
    """Resources that one which meets a lookup points at (search.html#has)."""

    weight = Weight.FAR

    def __init__(self, kind: str, numbers: Sequence[int], landing: Landing, bind: Binder, fence: str) -> None:
        self._kind, self._landing, self._fence, self._numbers = kind, landing, fence, numbers
        self._i, self._p, self._r = bind.alias(), bind.alias(), bind.alias()
        self._param = param_in(self._i, numbers)

    def probe(self, row: Row) -> str:
        i, p = self._i, self._p
        there = f"{p}.rid = {i}.rid AND {self._landing.condition(p)} AND {self._landing.lookup.probe(_row(p))}"
        return f"EXISTS (SELECT 1 FROM idx_reference {i} CROSS JOIN resource {p} WHERE {self._param} AND {i}.target = {row.ref} AND {there}{self._fence})"

    def drives(self) -> Sequence[Drive]:
        i, p, r = self._i, self._p, self._r
        param = param_of(i, self._numbers)
        led = f"{self._landing.condition(p)} AND {i}.rid = {p}.rid AND {param} AND {r}.ref = {i}.target AND {_of_kind(r, self._kind)}"
        return [
            Drive(f"{drive.table} CROSS JOIN resource {p} CROSS JOIN idx_reference {i} CROSS JOIN resource {r}",
                  f"{drive.where} AND {p}.rid = {drive.rid} AND {led}", f"{r}.rid")
            for drive in self._landing.lookup.drives()
        ]  # fmt: skip


def param_in(alias: str, numbers: Sequence[int]) -> str:
    """That an index row stands under one of these numbers."""
    return f"{alias}.param = {numbers[0]}" if len(numbers) == 1 else f"{alias}.param IN ({', '.join(map(str, numbers))})"


def param_of(alias: str, numbers: Sequence[int]) -> str:
    """The same for the rows of one resource, which are few: the database must go by rid and not by an index of the parameter."""
    return param_in(alias, numbers).replace(f"{alias}.param", f"({alias}.param + 0)")


def _row(alias: str) -> Row:
    return Row(f"{alias}.rid", f"{alias}.ref", f"{alias}.updated", f"{alias}.person")


def _of_kind(alias: str, kind: str) -> str:
    return f"{alias}.kind = {type_number(kind)} AND NOT {alias}.deleted"


class Lookups:
    """Makes lookups for the criteria of one statement. Errors: 400 naming the parameter whose value cannot be taken."""

    def __init__(self, sources: Sources, ground: Ground, bind: Binder) -> None:
        self._sources, self._ground, self._bind = sources, ground, bind
        # PostgreSQL would turn an EXISTS into a join and choose the order itself; with OFFSET 0 it is asked row by row
        self.fence = " OFFSET 0" if ground.dialect == "postgresql" else ""

    def of(self, kind: str, criterion: Criterion) -> Lookup:
        """The lookup of one criterion on resources of this type."""
        if criterion.within:
            return self._within(kind, criterion)
        if criterion.hops:
            return self._hops(kind, criterion)
        if criterion.name in ("_id", "_lastUpdated") and not criterion.modifier:
            return self._ids(kind, criterion) if criterion.name == "_id" else self._updated(kind, criterion)
        if criterion.modifier == "missing":
            return self._missing(kind, criterion)
        if criterion.among:
            return self._together(kind, criterion)
        found = self._rows(kind, criterion)
        return Not(found) if criterion.modifier == "not" else found

    def person(self, kind: str, person: str) -> Lookup | None:
        """Whatever of this type is about one person, by the reference that names it; None for a type that has none."""
        numbers = self._sources.person(kind)
        return self._pointing(numbers, person) if numbers else None

    def _pointing(self, numbers: Sequence[int], target: str) -> Rows:
        a = self._bind.alias()
        return Rows("idx_reference", numbers, a, [Match(f"{a}.target = {self._bind(target)}", True)], self.fence, few=True)

    def _within(self, kind: str, criterion: Criterion) -> Lookup:
        numbers = dict.fromkeys(number for each in criterion.within for number in self._sources.numbers(kind, each))
        return self._pointing(list(numbers), criterion.values[0])

    def _ids(self, kind: str, criterion: Criterion) -> Lookup:
        refs = ", ".join(self._bind(f"{kind}/{unescape(value)}") for value in criterion.values)
        return Column(lambda row: f"{row.ref} IN ({refs})", kind, Weight.FEW, self._bind.alias())

    def _updated(self, kind: str, criterion: Criterion) -> Lookup:
        either = " OR ".join(last_updated(value, "{updated}", self._bind) for value in criterion.values)
        return Column(lambda row: f"({either.replace('{updated}', row.updated)})", kind, Weight.RANGE, self._bind.alias())

    def _missing(self, kind: str, criterion: Criterion) -> Lookup:
        """One that has only a text, or only an identifier, has the element as well; the server's own columns are always there."""
        if criterion.name in ("_id", "_lastUpdated"):
            present: Lookup = Column(lambda row: "true", kind, Weight.ANY, self._bind.alias())
        else:
            modifiers = {"token": ["", "text"], "reference": ["", "identifier"]}.get(criterion.known.type, [""])
            present = AnyOf([self._present(kind, criterion, modifier) for modifier in modifiers])
        return Not(present) if criterion.values[0] == "true" else present

    def _present(self, kind: str, criterion: Criterion, modifier: str) -> Rows:
        """All rows of a parameter."""
        source, a = self._sources.of(kind, criterion.name), self._bind.alias()
        table = MODIFIED[modifier] if modifier else TABLES[criterion.known.type]
        matches = []
        if source.target is not None and not modifier:
            matches = [Match(f"({a}.target >= {self._bind(f'{source.target}/')} AND {a}.target < {self._bind(f'{source.target}0')})")]
        return Rows(f"idx_{table}", self._sources.numbers(kind, criterion.name, modifier), a, matches, self.fence)

    def _rows(self, kind: str, criterion: Criterion) -> Rows:
        """The index rows that meet one of the alternatives."""
        modifier, a = criterion.modifier or "", self._bind.alias()
        own, first = MODIFIED.get(modifier), len(self._bind.values)
        matches = [matching(own or criterion.known.type, criterion, value, a, self._bind, self._ground) for value in criterion.values]
        is_prefix = criterion.known.type == "string" and modifier == "" and len(matches) == 1
        prefix = (f"${first + 1}", f"${first + 2}") if is_prefix else None
        numbers = self._sources.numbers(kind, criterion.name, modifier if own else "")
        return Rows(f"idx_{own or TABLES[criterion.known.type]}", numbers, a, matches, self.fence, _is_few(criterion), prefix)

    def _together(self, kind: str, criterion: Criterion) -> Lookup:
        """A composite: one element meets all parts of one alternative."""
        found: list[Lookup] = []
        for known in criterion.among:
            for value in criterion.values:
                both = [Criterion(part.name, None, (text,), part) for part, text in zip(known.components, parts_of(known, value), strict=True)]
                found.append(self._whole(kind, both) if is_whole(known) else self._element(kind, known.name, both))
        return AnyOf(found)

    def _whole(self, kind: str, parts: Sequence[Criterion]) -> Lookup:
        first, second = (self._rows(kind, criterion) for criterion in parts)
        return Both(first, second)

    def _element(self, kind: str, name: str, parts: Sequence[Criterion]) -> Lookup:
        """One row of idx_composite that holds both: the code in columns of its own, what stands beside it in the others."""
        code, other = sorted(parts, key=lambda criterion: criterion.known.type != "token")
        a = self._bind.alias()
        match = matching(other.known.type, other, other.values[0], a, self._bind, self._ground)
        beside = f" AND {a}.low = 0" if other.known.type in ("token", "string", "reference") else ""
        first = token(code.values[0], a, self._bind).sql

        def both(second: str) -> str:
            for column, kept in (("code", "text"), ("folded", "text"), ("target", "text"), ("system", "second")):
                second = second.replace(f"{a}.{column} ", f"{a}.{kept} ")
            return f"{first} AND ({second}){beside}"

        found = Match(both(match.sql), False, tuple(both(stretch) for stretch in match.stretches or (match.sql,)))
        return Rows("idx_composite", [param_number(kind, name)], a, [found], self.fence)

    def _hops(self, kind: str, criterion: Criterion) -> Lookup:
        """A chain leads from a reference to what it points at; _has from a resource to what points at it."""
        found: list[Lookup] = []
        for hop in criterion.hops:
            landing = self._landing(hop)
            if hop.via is not None:
                found.append(Reverse(kind, self._sources.numbers(hop.kind, hop.via), landing, self._bind, self.fence))
            else:
                name = criterion.name.partition(".")[0].partition(":")[0]
                numbers = self._sources.numbers(kind, name)
                found.append(Chain(numbers, numbers == self._sources.person(kind), landing, self._bind, self.fence))
        return AnyOf(found)

    def _landing(self, hop: Hop) -> Landing:
        person = self._bind(hop.person) if hop.person is not None else None
        return Landing(hop.kind, person, self.of(hop.kind, hop.criterion))


def _is_few(criterion: Criterion) -> bool:
    """Whether only few resources can share such a value: an identifier, or a reference to something that belongs to one person."""
    if criterion.known.type == "reference" and not criterion.modifier:
        named = {value.rpartition("/")[0].rpartition("/")[2] for value in criterion.values}
        targets = named if named != {""} else set(criterion.known.targets)
        return bool(targets) and not targets & _CATALOGUES
    return criterion.name == "identifier" and criterion.modifier is None and not any(value.endswith("|") for value in criterion.values)
