"""A site's search parameters can be searched by once every resource of their type has its index rows.

Resources stored before a definition existed, or by another expression, get theirs by `setpoint reindex`. Until then the parameter is not stated
and a search by it is refused: an answer that silently left out older resources would be wrong. What is written gets its rows all the while.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Final

from mappings.vocabulary import Json
from service.knowledge import Knowledge
from service.search.composites import is_derived
from service.search.sources import Sources
from service.store import fillings
from service.store.fillings import Filled, Name
from service.store.numbers import type_number
from service.store.opening import Store
from service.store.unit import Unavailable
from service.types import Types

WATCH_S: Final = 2.0


def site_parameters(knowledge: Knowledge, types: Types) -> dict[Name, str]:
    """Of each of a site's parameters that has rows of its own, or is answered from such, the digest of what they rest on. One that means the same
    as a parameter of R4 reads the rows of that, and is never unfilled."""
    by_url = {each.built["url"]: each.built for each in knowledge.search_parameters}
    known = {kind.name: {**kind.parameters, **kind.parameters.unfilled} for kind in types.kept.values()}
    own = {(kind, each.name): each for kind, parameters in known.items() for each in parameters.values() if getattr(each, "url", "") in by_url}
    sources, found = Sources(known), {}
    for (kind, name), parameter in own.items():
        names = tuple(part.name for part in parameter.components) if is_derived(parameter) else sources.of(kind, name).names
        if any((kind, each) in own for each in names):
            found[kind, name] = _digest(by_url[getattr(parameter, "url", "")], names)
    return found


def _digest(definition: Json, names: tuple[str, ...]) -> str:
    rests_on = [names, *(definition.get(member) for member in ("type", "expression", "component"))]
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:32]


class Filling:
    """What one process knows of it. `defined`: the digests of all parameters of the site."""

    def __init__(self, store: Store, types: Types, defined: Mapping[Name, str]) -> None:
        self._store, self._types, self.defined = store, types, defined

    async def settle(self) -> None:
        """At the start of a process that writes: parameters of types without resources are filled from now on, gone ones are forgotten."""
        known = await fillings.every(self._store)
        await fillings.forget(self._store, [name for name in known if name not in self.defined])
        for name, digest in self.defined.items():
            if name not in known or known[name].definition != digest:
                await fillings.put(self._store, name, Filled(digest, 0, await self._is_new(name[0])))
        await self.refresh()

    async def _is_new(self, kind: str) -> bool:
        return not await self._store.fetch("SELECT 1 FROM resource WHERE kind = $1 LIMIT 1", (type_number(kind),))

    async def refresh(self) -> None:
        """Offer just those that are filled now."""
        if self.defined:
            known = await fillings.every(self._store)
            self._types.offer((name for name in self.defined if self.is_filled(name, known.get(name))), self.defined)

    def is_filled(self, name: Name, state: Filled | None) -> bool:
        """Whether this state says that every resource has the rows of our definition."""
        return state is not None and state.filled and state.definition == self.defined[name]

    async def watch(self) -> None:
        """Keep up with what a reindex, or another process, does; ends when cancelled."""
        while self.defined:
            await asyncio.sleep(WATCH_S)
            try:
                await self.refresh()
            except Unavailable:
                continue
