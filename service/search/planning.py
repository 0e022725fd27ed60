"""A query as SQL over the index tables. The order in which tables are read is ours on both databases (docs/adr/0005):

something selective drives and everything else is asked row by row; without it the rows are walked in the order of the page, so that a page
costs what it shows. Whether a criterion is rare is found out by the statement itself: it looks for a bounded number of its rows first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from service.errors import Kind, Refusal
from service.search.hierarchies import Hierarchies
from service.search.lookups import Drive, Lookup, Lookups, Row, Rows, Weight, param_in, param_of
from service.search.paging import Cursors, SortKey, after, sort_key
from service.search.predicates import Binder, Ground, system_and_code
from service.search.query import Criterion, Grounds, Known, Query, Reaching, understand
from service.search.sorting import bounded
from service.search.sources import Sources
from service.search.units import UCUM, Fetching, Units
from service.search.values import split_composite, unescape
from service.store.numbers import type_number

_COLUMNS = "r.ref, r.version, r.updated, r.deleted, r.person, r.body"
"""After the rid, which is the one that the driving table is ordered by: SQLite does not see that another is equal."""
_WIDTH = 7
_JOINED = " CROSS JOIN resource r"
_ROW = Row("r.rid", "r.ref", "r.updated", "r.person")
RARE = {Weight.ORDERED: 300, Weight.RANGE: 300, Weight.FAR: 100}
"""Up to how many rows a criterion counts as rare, and drives."""


class Statement(NamedTuple):
    """SQL with its parameters. `is_whole`: nothing comes after its rows in a statement of its own."""

    sql: str
    params: tuple[Any, ...]
    is_whole: bool = True


class Condition(NamedTuple):
    """The criteria of a conditional write: finds refs; `lock` names them in one normal form."""

    sql: str
    params: tuple[Any, ...]
    lock: str


class _Part(NamedTuple):
    """One way to the resources: FROM, WHERE, the rid that drives, and the criterion that they stand for."""

    table: str
    where: str
    rid: str
    stands_for: Lookup | None


class Searcher:
    """Plans searches. `parameters`: type -> name -> parameter."""

    def __init__(self, parameters: Mapping[str, Mapping[str, Known]], base: str, dialect: str, secret: bytes, units: Units) -> None:
        self._parameters, self.sources = parameters, Sources(parameters)
        self.units = units
        self._hierarchies = Hierarchies()
        self._ground = Ground(base, dialect, self.units, self._hierarchies, self._part_of)
        self.cursors = Cursors(secret)

    def understand(self, kind: str, raw: bytes, lenient: bool = False, reaching: Reaching | None = None) -> Query:
        """The query of a search on this type. `reaching` lets chains and _has step to other types. Errors: 400 naming the parameter, 403."""
        return understand(kind, raw, Grounds(self._parameters, reaching), lenient)

    async def prepare(self, store: Fetching, query: Query) -> None:
        """Read what the query's conditions need to know: the units that are stored, the code systems that it asks the hierarchies of."""
        asked = [code for criterion in query.deep() for code in _units(criterion)]
        if asked:
            await self.units.look(store, asked)
        for criterion in query.deep():
            if criterion.known.type == "token" and criterion.modifier in ("above", "below"):
                await self._hierarchies.look(store, [system_and_code(criterion, value)[0] for value in criterion.values], criterion.name)

    def _part_of(self, kind: str) -> int | None:
        """The number of the parameter by which resources of this type are part of others of it."""
        known = self._parameters.get(kind, {})
        name = next((name for name in ("partof", "part-of") if name in known and kind in known[name].targets), None)
        return self.sources.numbers(kind, name)[0] if name else None

    def equal(self, kind: str, name: str, value: str) -> Criterion:
        """The criterion that a parameter equals a value, taken as it is."""
        escaped = re.sub(r"([\\,|$])", r"\\\1", value)
        return Criterion(name, None, (escaped,), self._parameters[kind][name])

    def confine(self, query: Query, person: str, names: tuple[str, ...]) -> None:
        """Keep the query to a Patient's compartment: `names` are the parameters that bind its type to a Patient."""
        query.path = f"{person}/{query.kind}"
        query.criteria.append(Criterion("_compartment", None, (person,), self._parameters[query.kind]["_id"], within=names))

    def page(self, query: Query, person: str | None, limit: int, place: Sequence[Any] | None, rest: bool = False) -> Statement | None:
        """At most `limit` rows after `place`; `rest`: those without a value of the first sort key, which come last, where they need a
        statement of their own (None: they do not). `person` bounds it to one person's resources.

        Rows stand in the order of the page, one resource perhaps more than once; they end with one column a sort key.
        """
        if rest and not query.sort:
            return None
        plan = self._plan(query, person, limit, place)
        if not rest:
            return plan.page()
        return plan.rest() if plan.may_miss else None

    def place(self, query: Query, row: Any) -> list[Any]:
        """The place after this row, as a cursor keeps it."""
        return [*row[_WIDTH : _WIDTH + len(query.sort)], row[0]]

    def count(self, query: Query, person: str | None) -> Statement:
        """How many match."""
        return self._plan(query, person, 0, None).count()

    def condition(self, kind: str, criteria: str, person: str | None = None, limit: int = 2) -> Condition:
        """The criteria of a conditional request, finding at most `limit` refs; `person` bounds them to one person's resources.

        Errors: 412 when they are not understood: a condition is never widened.
        """
        try:
            query = self.understand(kind, criteria.encode())
        except Refusal as refusal:
            raise Refusal(Kind.PRECONDITION, issues=refusal.issues) from None
        if any(each.known.type == "token" and each.modifier in ("above", "below") for each in query.deep()):
            raise Refusal(Kind.PRECONDITION, "A condition does not ask what is above or below a code", code="not-supported")
        if not query.criteria or query.sort or query.includes or query.cursor:
            raise Refusal(Kind.PRECONDITION, "The criteria of a conditional request must be search parameters", code="invalid")
        lock = kind + "?" + "&".join(sorted(f"{item.name}:{item.modifier or ''}={','.join(sorted(item.values))}" for item in query.criteria))
        statement = self._plan(query, person, limit, None).refs()
        return Condition(statement.sql, statement.params, lock)

    def _plan(self, query: Query, person: str | None, limit: int, place: Sequence[Any] | None) -> "_Plan":
        bind = Binder()
        lookups = Lookups(self.sources, self._ground, bind)
        found = [lookups.of(query.kind, criterion) for criterion in query.criteria]
        keys = [sort_key(query.kind, name, descending, known, self.sources) for name, descending, known in query.sort]
        about = lookups.person(query.kind, person) if person is not None else None
        bound = f"r.person = {bind(person)}" if person is not None else ""
        return _Plan(query, [*([about] if about else []), *found], keys, bound, limit, place, bind, lookups.fence)


class _Plan:
    """One statement in the making."""

    def __init__(
        self, query: Query, lookups: Sequence[Lookup], keys: Sequence[SortKey], bound: str, limit: int, place: Sequence[Any] | None, bind: Binder, fence: str
    ) -> None:
        self.query, self.keys, self.bound, self.limit, self.place, self.bind, self.fence = query, keys, bound, limit, place, bind, fence
        self._asked: list[tuple[Lookup, str]] | None = None
        self.kind = f"r.kind = {type_number(query.kind)} AND NOT r.deleted"
        self.ordered = sorted(lookups, key=lambda lookup: lookup.weight)
        self.best = self.ordered[0] if self.ordered and self.ordered[0].drives() else None
        self.is_few = self.best is not None and self.best.weight is Weight.FEW
        # one ordered criterion alone is walked; anything else is looked at first, the rarest kind before the commoner
        rivals = [each for each in self.ordered if each.weight in RARE and each.drives()]
        walks = self.best is not None and self.best.weight is Weight.ORDERED and not keys
        if self.is_few:
            rivals = []
        elif walks:
            rivals = [each for each in rivals if each is not self.best]
        self.rare = list(enumerate(sorted(rivals, key=lambda each: (each.weight is not Weight.RANGE, -each.weight))[:2]))

    @property
    def may_miss(self) -> bool:
        """Whether resources without a value of the first sort key come in a statement of their own."""
        has_value = any(each.name == self.keys[0].name and each.modifier not in ("not", "missing") for each in self.query.criteria)
        return not self.is_few and self.keys[0].own is None and not has_value

    def _probed(self) -> list[tuple[Lookup, str]]:
        """Each criterion with its question to a row: most parts of a statement ask the same."""
        if self._asked is None:
            self._asked = [(lookup, lookup.probe(_ROW)) for lookup in self.ordered]
        return self._asked

    # the parts of a statement

    def _with(self) -> str:
        """The first rows of each criterion that may be rare."""
        found = [f"c{number} AS MATERIALIZED (SELECT * FROM ({_rids(lookup.drives())}) q LIMIT {RARE[lookup.weight] + 1})" for number, lookup in self.rare]
        return f"WITH {', '.join(found)} " if found else ""

    def _is_rare(self, number: int, lookup: Lookup) -> str:
        return f"(SELECT count(*) FROM c{number}) <= {RARE[lookup.weight]}"

    def _gates(self) -> Iterator[tuple[int, Lookup, str]]:
        """Each criterion that may be rare, with the condition that it is, and none before it."""
        earlier = ""
        for number, lookup in self.rare:
            yield number, lookup, earlier + self._is_rare(number, lookup)
            earlier += f"NOT {self._is_rare(number, lookup)} AND "

    def _common(self) -> str:
        """That none of them is rare."""
        return " AND ".join(f"NOT {self._is_rare(number, lookup)}" for number, lookup in self.rare)

    def _where(self, *conditions: str, but: Lookup | None = None, row: Row = _ROW) -> str:
        if row is _ROW:
            probes = [probe for lookup, probe in self._probed() if lookup is not but]
        else:
            probes = [lookup.probe(row) for lookup in self.ordered if lookup is not but]
        return " AND ".join([each for each in (*conditions, self.bound, *probes) if each])

    def _after(self, columns: Sequence[str], rid: str) -> str:
        return after(self.keys, self.place, self.bind, columns, rid) if self.place is not None else ""

    # statements

    def _driven(self) -> Iterator[_Part]:
        """Everything but walks: what a criterion finds that has few, or turns out to have."""
        if self.is_few:
            for drive in self.best.drives():  # type: ignore[union-attr]
                yield _part(drive, "", self.best)
            return
        for number, lookup, gate in self._gates():
            yield _part(Drive(f"c{number}", gate, f"c{number}.rid"), "", lookup)

    def _walked(self) -> Iterator[_Part]:
        """Walks in the order of rid."""
        if self.is_few:
            return
        common = self._common()
        if self.best is not None and self.best.weight is Weight.ORDERED:
            for drive in self.best.drives():
                yield _part(drive, _both(common, self._beyond(drive.rid)), self.best)
            return
        single = self._single()
        if single is not None:
            lookup, drive = single
            yield _part(drive, _both(_both(common, drive.gate), self._beyond(drive.rid)), lookup)
            common = _both(common, f"NOT ({drive.gate})")
        yield _Part("resource r", _both(common, _both(self.kind, self._beyond("r.rid"))), "r.rid", None)

    def _beyond(self, rid: str) -> str:
        """For a page in the order of rid: where the walk begins."""
        return f"{rid} > {self.bind(self.place[-1])}" if self.place is not None and not self.keys else ""

    def _single(self) -> tuple[Lookup, Drive] | None:
        for lookup in self.ordered:
            drive = lookup.single() if isinstance(lookup, Rows) else None
            if drive is not None:
                return lookup, drive
        return None

    def page(self) -> Statement:
        """The resources in the order of the page; with sort keys those that have a value of the first."""
        if not self.keys:
            driven = [self._select(part, "", self._after((), part.rid)) for part in self._driven()]
            if not self.is_few:
                driven = [f"SELECT * FROM ({part}{self.fence}) d" for part in driven]
            return self._statement([*driven, *(self._select(part, "") for part in self._walked())])
        picks = "".join(f", {key.pick()} AS k{number}" for number, key in enumerate(self.keys))
        behind = self._after([f"k{number}" for number in range(len(self.keys))], "rid")
        parts = [f"SELECT * FROM ({self._select(part, picks)}{self.fence}) s" + (f" WHERE {behind}" if behind else "") for part in self._driven()]
        return self._statement(parts if self.is_few else [*parts, *self._sorted()])

    def _select(self, part: _Part, more: str, *conditions: str) -> str:
        where = self._where(part.where, *conditions, but=part.stands_for)
        return f"SELECT {part.rid} AS rid, {_COLUMNS}{more} FROM {part.table} WHERE {where}"

    def _sorted(self) -> Iterator[str]:
        """Walks in the order of the first sort key, over the rows of its index."""
        key, common = self.keys[0], self._common()
        others = "".join(f", {other.pick()} AS k{number}" for number, other in enumerate(self.keys) if number)
        columns = [other.pick() for other in self.keys]
        if key.own:
            behind = self._after(columns, "r.rid")
            stretch = f"r.ref >= '{self.query.kind}/' AND r.ref < '{self.query.kind}0'" if key.own == "ref" else ""
            yield f"SELECT r.rid AS rid, {_COLUMNS}, r.{key.own} AS k0{others} FROM resource r WHERE {self._where(common, self.kind, stretch, behind)}"
            return
        a = self.bind.alias()
        value = f"{a}.{key.column}"
        behind = self._after([value, *columns[1:]], "r.rid")
        if self.place is not None:
            behind += f" AND {value} {'<=' if key.descending else '>='} {self.bind(self.place[0])}"
        least = _least(key, a)
        for where in bounded(self.query, key, a, self.bind):
            conditions = self._where(common, param_in(a, key.numbers), where, f"r.rid = {a}.rid", self.kind, behind, least)
            yield f"SELECT {a}.rid AS rid, {_COLUMNS}, {value} AS k0{others} FROM {key.table} {a} CROSS JOIN resource r WHERE {conditions}"

    def rest(self) -> Statement:
        """Those without a value of the first sort key, which come last; nothing where a rare criterion has driven already."""
        key = self.keys[0]
        picks = [key.missing if not number else other.pick() for number, other in enumerate(self.keys)]
        names = "".join(f", {pick} AS k{number}" for number, pick in enumerate(picks))
        none = f"NOT EXISTS (SELECT 1 FROM {key.table} s WHERE s.rid = r.rid AND {param_of('s', key.numbers)})"
        behind = self._after(picks, "r.rid")
        return self._statement([self._select(part, names, none, behind) for part in self._walked()])

    def refs(self) -> Statement:
        """The refs alone, in the order of rid."""
        sql = f"{self._with()}SELECT DISTINCT ref, rid FROM ({self._union('r.ref, r.rid')}) m ORDER BY rid LIMIT {self.limit}"
        return Statement(sql, tuple(self.bind.values))

    def count(self) -> Statement:
        """How many there are."""
        sql = f"{self._with()}SELECT count(*) FROM (SELECT DISTINCT rid FROM ({self._union('r.rid')}) m) n"
        return Statement(sql, tuple(self.bind.values))

    def _union(self, columns: str) -> str:
        return " UNION ALL ".join(self._bare(part, columns) for part in (*self._driven(), *self._walked()))

    def _bare(self, part: _Part, columns: str) -> str:
        """Without the resource row where index rows alone tell."""
        own = part.table.removesuffix(_JOINED)
        where = self._where(part.where.removesuffix(f"r.rid = {part.rid}").removesuffix(" AND "), but=part.stands_for, row=_ROW._replace(rid=part.rid))
        if columns == "r.rid" and own != part.table and not re.search(r"\br\.", where):
            return f"SELECT {part.rid} AS rid FROM {own} WHERE {where}"
        return f"SELECT {columns} FROM {part.table} WHERE {self._where(part.where, but=part.stands_for)}"

    def _statement(self, parts: Sequence[str]) -> Statement:
        """The parts together, in the order of the sort keys and then of rid; columns are named by position, as a union must."""
        keys = "".join(f"{_WIDTH + 1 + number} {'DESC' if key.descending else 'ASC'}, " for number, key in enumerate(self.keys))
        page = f"ORDER BY {keys}1 LIMIT {self.limit}"
        # each part ends by itself: PostgreSQL would rather collect them all and sort
        united = " UNION ALL ".join(f"SELECT * FROM ({part} {page}) p" for part in parts) + f" {page}" if len(parts) > 1 else f"{parts[0]} {page}"
        return Statement(self._with() + united, tuple(self.bind.values), not (self.keys and self.may_miss))


def _units(criterion: Criterion) -> Iterator[str]:
    """The UCUM codes that a criterion asks for."""
    for value in criterion.values:
        _, mark, code = value.partition(f"{UCUM}|")
        if mark and code:
            yield unescape(split_composite(code)[0])


def _part(drive: Drive, condition: str, stands_for: Lookup | None) -> _Part:
    where = " AND ".join(each for each in (condition, drive.where, f"r.rid = {drive.rid}") if each)
    return _Part(drive.table + _JOINED, where, drive.rid, stands_for)


def _both(first: str, second: str) -> str:
    return " AND ".join(each for each in (first, second) if each)


def _rids(drives: Sequence[Drive]) -> str:
    return " UNION ALL ".join(f"SELECT {drive.rid} AS rid FROM {drive.table} WHERE {drive.where}" for drive in drives)


def _least(key: SortKey, a: str) -> str:
    """That no other row of the resource comes before this one (of equal ones either may stand)."""
    side = ">" if key.descending else "<"
    return f"NOT EXISTS (SELECT 1 FROM {key.table} s WHERE s.rid = {a}.rid AND {param_of('s', key.numbers)} AND s.{key.column} {side} {a}.{key.column})"
