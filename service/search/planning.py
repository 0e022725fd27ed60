"""A query as one SQL statement, and the signed cursors of keyset paging: complete and free of repeats while others write."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from service.errors import Kind, Refusal
from service.search.predicates import TABLES, Binder, condition
from service.search.query import Criterion, Grounds, Known, Query, Reaching, understand
from service.store.numbers import param_number, type_number

_COLUMNS = "r.rid, r.ref, r.version, r.updated, r.deleted, r.person, r.body"
_END = {"token": "\U0010ffff", "string": "\U0010ffff", "reference": "\U0010ffff", "uri": "\U0010ffff", "date": (1 << 62), "number": 1e308, "quantity": 1e308}
_START = {"token": "", "string": "", "reference": "", "uri": "", "date": -(1 << 62), "number": -1e308, "quantity": -1e308}
_KEY = {"token": "code", "string": "folded", "reference": "target", "uri": "uri", "date": "low", "number": "low", "quantity": "low"}


class Statement(NamedTuple):
    """SQL with its parameters; rows end with one column a sort key."""

    sql: str
    params: tuple[Any, ...]


class Condition(NamedTuple):
    """The criteria of a conditional write: finds at most two refs; `lock` names them in one normal form."""

    sql: str
    params: tuple[Any, ...]
    lock: str


class Searcher:
    """Plans searches. `parameters`: type -> name -> parameter."""

    def __init__(self, parameters: Mapping[str, Mapping[str, Known]], base: str, dialect: str, secret: bytes) -> None:
        self._parameters, self._base, self._dialect = parameters, base, dialect
        self._secret = hashlib.sha256(b"cursor" + secret).digest()

    def understand(self, kind: str, raw: bytes, lenient: bool = False, reaching: Reaching | None = None) -> Query:
        """The query of a search on this type. `reaching` lets chains and _has step to other types. Errors: 400 naming the parameter, 403."""
        return understand(kind, raw, Grounds(self._parameters, reaching), lenient)

    def confine(self, query: Query, person: str, names: tuple[str, ...]) -> None:
        """Keep the query to a Patient's compartment: `names` are the parameters that bind its type to a Patient."""
        query.path = f"{person}/{query.kind}"
        query.criteria.append(Criterion("_compartment", None, (person,), self._parameters[query.kind]["_id"], within=names))

    def page(self, query: Query, person: str | None) -> Statement:
        """One page and one row more. `person` bounds it to one person's resources."""
        bind = Binder()
        where = self._where(query, bind, person)
        keys = [_sort_key(query.kind, name, descending, known, bind) for name, descending, known in query.sort]
        columns = "".join(f", {key} AS k{number}" for number, key in enumerate(keys))
        inner = f"SELECT {_COLUMNS}{columns} FROM resource r WHERE {where}"
        order = ", ".join([f"k{number} {'DESC' if descending else 'ASC'}" for number, (_, descending, _) in enumerate(query.sort)] + ["rid"])
        after = self._after(query, bind)
        if keys:
            return Statement(f"SELECT * FROM ({inner}) s{after} ORDER BY {order} LIMIT {query.count + 1}", tuple(bind.values))
        return Statement(f"{inner}{after.replace(' WHERE rid', ' AND r.rid')} ORDER BY r.rid LIMIT {query.count + 1}", tuple(bind.values))

    def count(self, query: Query, person: str | None) -> Statement:
        """How many match."""
        bind = Binder()
        return Statement(f"SELECT count(*) FROM resource r WHERE {self._where(query, bind, person)}", tuple(bind.values))

    def condition(self, kind: str, criteria: str, person: str | None = None) -> Condition:
        """The criteria of If-None-Exist; `person` bounds them to one person's resources.

        Errors: 412 when they are not understood: a condition is never widened.
        """
        try:
            query = self.understand(kind, criteria.encode())
        except Refusal as refusal:
            raise Refusal(Kind.PRECONDITION, issues=refusal.issues) from None
        if not query.criteria or query.sort or query.includes or query.cursor:
            raise Refusal(Kind.PRECONDITION, "The criteria of a conditional request must be search parameters", "If-None-Exist", code="invalid")
        bind = Binder()
        where = self._where(query, bind, person)
        lock = kind + "?" + "&".join(sorted(f"{item.name}:{item.modifier or ''}={','.join(sorted(item.values))}" for item in query.criteria))
        return Condition(f"SELECT r.ref FROM resource r WHERE {where} ORDER BY r.rid LIMIT 2", tuple(bind.values), lock)

    def _where(self, query: Query, bind: Binder, person: str | None) -> str:
        parts = [f"r.kind = {bind(type_number(query.kind))}", "NOT r.deleted"]
        if person is not None:
            parts.append(f"r.person = {bind(person)}")
        parts += [condition(query.kind, criterion, bind, self._base, self._dialect) for criterion in query.criteria]
        return " AND ".join(parts)

    def _after(self, query: Query, bind: Binder) -> str:
        """The keyset condition of a later page."""
        if query.cursor is None:
            return ""
        *keys, rid = self._opened(query)
        if len(keys) != len(query.sort):
            raise _bad_cursor()
        alternatives, equal = [], ""
        for number, ((_, descending, _), value) in enumerate(zip(query.sort, keys, strict=True)):
            alternatives.append(f"({equal}k{number} {'<' if descending else '>'} {bind(value)})")
            equal += f"k{number} = {bind(value)} AND "
        alternatives.append(f"({equal}rid > {bind(rid)})")
        return " WHERE " + (f"({' OR '.join(alternatives)})" if len(alternatives) > 1 else f"rid > ${len(bind.values)}")

    def cursor(self, query: Query, row: Any) -> str:
        """The signed place after this row."""
        place = orjson.dumps([*row[7:], row[0]])
        return urlsafe_b64encode(self._mark(query, place) + place).decode().rstrip("=")

    def _mark(self, query: Query, place: bytes) -> bytes:
        asked = orjson.dumps([query.path, [pair for pair in query.used if pair[0] != "_count"]])
        return hmac.digest(self._secret, asked + place, "sha256")[:12]

    def _opened(self, query: Query) -> list[Any]:
        try:
            raw = urlsafe_b64decode((query.cursor or "") + "===")
            if hmac.compare_digest(raw[:12], self._mark(query, raw[12:])):
                return list(orjson.loads(raw[12:]))
        except ValueError:
            pass
        raise _bad_cursor()


def _bad_cursor() -> Refusal:
    return Refusal(Kind.INVALID, "This page cursor was not made by this service for this query", "_cursor", code="value")


def _sort_key(kind: str, name: str, descending: bool, known: Known, bind: Binder) -> str:
    """The value a resource is sorted by; without one it comes last either way (search.html#sort)."""
    if name == "_id":
        return "r.ref"
    if name == "_lastUpdated":
        return "r.updated"
    table, column = TABLES[known.type], _KEY[known.type]
    if known.type == "date" and descending:
        column = "high"
    pick = f"(SELECT {'max' if descending else 'min'}(s.{column}) FROM idx_{table} s WHERE s.rid = r.rid AND s.param = {bind(param_number(kind, name))})"
    missing = (_START if descending else _END)[known.type]
    return f"COALESCE({pick}, {missing!r})" if not isinstance(missing, str) else f"COALESCE({pick}, {bind(missing)})"
