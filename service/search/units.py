"""UCUM units as searches compare them: a quantity in one unit equals one in another of the same dimension (search.html#quantity).

Rows keep the unit they came with. The codes that are there are few and stand in a table, so a search asks for each that can be compared.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from mappings.r4.ucum import Unit, unit

UCUM = "http://unitsofmeasure.org"
Change = Callable[[float], float]


class Fetching(Protocol):
    """A store that can be asked."""

    async def fetch(self, sql: str, params: Sequence[Any] = ...) -> list[Any]: ...


class Units:
    """The UCUM codes of stored quantities. `table`: units whose dimension is known; others are worked out when they are met."""

    def __init__(self, table: Mapping[str, Unit]) -> None:
        self._known: dict[str, Unit | None] = dict(table)
        self._stored: set[str] = set()
        self._registry: Any = None

    async def look(self, store: Fetching, asked: Sequence[str]) -> None:
        """See which codes are stored by now, and work out those that can be compared with the `asked` ones."""
        self._stored = {row[0] for row in await store.fetch("SELECT code FROM unit")}
        if any(code not in self._known for code in (*asked, *self._stored)):
            await asyncio.to_thread(self._work_out, [code for code in (*asked, *self._stored) if code not in self._known])

    def _work_out(self, codes: Sequence[str]) -> None:
        if self._registry is None:
            from ucumvert import PintUcumRegistry  # two seconds, and seldom needed

            self._registry = PintUcumRegistry()
        for code in codes:
            if len(self._known) < 10_000:
                self._known[code] = unit(code, self._registry)

    def equal_to(self, code: str) -> Sequence[tuple[str, Change]]:
        """The other stored units of this unit's dimension, each with the change of a value into it."""
        own = self._known.get(code)
        if own is None:
            return ()
        others = ((other, self._known.get(other)) for other in sorted(self._stored - {code}))
        return [(other, partial(own.change, to=found)) for other, found in others if found is not None and found.dimension == own.dimension]
