"""How many resources match. The live resources of a type are tallied with every commit; another count is kept until its types change."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from service.search.planning import Searcher, Statement
from service.search.query import Criterion, Query
from service.store.numbers import type_number

MOST_KEPT = 2000


class _Fetching(Protocol):
    async def fetch(self, sql: str, params: Sequence[Any] = ...) -> list[Any]: ...


class _Kept(NamedTuple):
    """A count, and how often its types had changed when it was begun: it holds as long as they have not changed again."""

    changes: int
    total: int


class Totals:
    """Counts matches exactly."""

    def __init__(self, store: _Fetching, searcher: Searcher) -> None:
        self._store, self._searcher = store, searcher
        self._kept: OrderedDict[Statement, _Kept] = OrderedDict()

    async def of(self, query: Query, person: str | None) -> int:
        """How many resources a query finds, of one person where it is bound to one."""
        kinds = {query.kind, *_reached(query.criteria)}
        live, changes = await self._tally(kinds)
        if not query.criteria and person is None:
            return live
        statement = self._searcher.count(query, person)
        kept = self._kept.get(statement)
        if kept is None or kept.changes != changes:
            rows = await self._store.fetch(statement.sql, statement.params)
            kept = self._kept[statement] = _Kept(changes, int(rows[0][0]))
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept.total

    async def _tally(self, kinds: Iterable[str]) -> tuple[int, int]:
        """(live resources, changes so far) of these types together."""
        numbers = ", ".join(str(type_number(kind)) for kind in sorted(kinds))
        rows = await self._store.fetch(f"SELECT COALESCE(sum(live), 0), COALESCE(sum(changes), 0) FROM tally WHERE kind IN ({numbers})")
        return int(rows[0][0]), int(rows[0][1])


def _reached(criteria: Iterable[Criterion]) -> Iterator[str]:
    """The types that chains and _has lead to."""
    for criterion in criteria:
        for hop in criterion.hops:
            yield hop.kind
            yield from _reached((hop.criterion,))
