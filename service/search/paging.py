"""Keyset paging: what a page is ordered by, and the signed cursor that names the place after a row.

A cursor is complete and free of repeats while others write, because it names values, not positions.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from service.errors import Kind, Refusal
from service.search.lookups import TABLES, param_of
from service.search.predicates import Binder
from service.search.query import Known, Query
from service.search.sources import Sources

_KEY = {"token": "code", "string": "folded", "reference": "target", "uri": "uri", "date": "low", "number": "low", "quantity": "low"}
_LAST = {"date": str((1 << 62) + 1), "number": "CAST(1e308 AS double precision)", "quantity": "CAST(1e308 AS double precision)"}
_FIRST = {"date": str(-(1 << 62) - 1), "number": "CAST(-1e308 AS double precision)", "quantity": "CAST(-1e308 AS double precision)"}
"""SQL of what stands for no value: behind everything, ascending and descending; for texts the last character, and none."""


class SortKey(NamedTuple):
    """One key of `_sort`. `missing`: SQL of what stands for no value, which comes last either way. `own`: the column of resource that holds it."""

    name: str
    descending: bool
    type: str
    table: str
    column: str
    numbers: tuple[int, ...]
    missing: str
    own: str | None = None

    def pick(self) -> str:
        """The value a resource `r` is sorted by: the least of several, descending the greatest (search.html#sort)."""
        if self.own:
            return f"r.{self.own}"
        end = "max" if self.descending else "min"
        return f"COALESCE((SELECT {end}(s.{self.column}) FROM {self.table} s WHERE s.rid = r.rid AND {param_of('s', self.numbers)}), {self.missing})"


def sort_key(kind: str, name: str, descending: bool, known: Known, sources: Sources) -> SortKey:
    """The key of one part of _sort."""
    own = {"_id": "ref", "_lastUpdated": "updated"}.get(name)
    if own:
        return SortKey(name, descending, "", "resource", own, (), "", own)
    column = "high" if known.type == "date" and descending else _KEY[known.type]
    missing = (_FIRST if descending else _LAST).get(known.type, "''" if descending else "'\U0010ffff'")
    return SortKey(name, descending, known.type, f"idx_{TABLES[known.type]}", column, tuple(sources.numbers(kind, name)), missing)


def after(keys: Sequence[SortKey], place: Sequence[Any], bind: Binder, columns: Sequence[str], rid: str) -> str:
    """The condition that a row stands behind a place; `columns`: SQL of the keys."""
    alternatives, equal = [], ""
    for key, column, value in zip(keys, columns, place, strict=False):
        held = bind(value)
        alternatives.append(f"({equal}{column} {'<' if key.descending else '>'} {held})")
        equal += f"{column} = {held} AND "
    alternatives.append(f"({equal}{rid} > {bind(place[-1])})")
    return f"({' OR '.join(alternatives)})" if len(alternatives) > 1 else alternatives[0]


class Cursors:
    """Signs and opens cursors."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"cursor" + secret).digest()

    def sign(self, query: Query, place: Sequence[Any]) -> str:
        """The cursor of the place after a row: its sort values, then its rid."""
        raw = orjson.dumps(list(place))
        return urlsafe_b64encode(self._mark(query, raw) + raw).decode().rstrip("=")

    def open(self, query: Query, length: int | None = None) -> list[Any] | None:
        """The place of the query's cursor, None without one; `length`: of how many values where not one a sort key and rid.

        Errors: 400 for one that was not made here for this query.
        """
        if query.cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(query.cursor + "===")
            if hmac.compare_digest(raw[:12], self._mark(query, raw[12:])):
                place = list(orjson.loads(raw[12:]))
                if len(place) == (length or len(query.sort) + 1):
                    return place
        except ValueError:
            pass
        raise Refusal(Kind.INVALID, "This page cursor was not made by this service for this query", "_cursor", code="value")

    def _mark(self, query: Query, raw: bytes) -> bytes:
        asked = orjson.dumps([query.path, [pair for pair in query.used if pair[0] != "_count"]])
        return hmac.digest(self._secret, asked + raw, "sha256")[:12]
