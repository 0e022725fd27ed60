"""Taking one batch in: what is new is stored, what stands is left, what clashes is refused; all of it with the progress in one commit.

It goes the way of every write (workflows/receive.py): read, think, write. What a source sent once is its own to change; what came from
another source, or was changed or deleted here, is never overwritten.
"""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from service.bulk.arrival import Arrival
from service.bulk.content import Content, digest_of
from service.bulk.order import is_derived
from service.errors import Kind, Refusal
from service.fhir.entries import conditional_references
from service.fhir.intake import parsed
from service.references import local
from service.store import imports
from service.store.imports import Origin
from service.store.unit import Imported, Stored, Unit
from service.workflows import receive
from service.workflows.change import Change, Requester
from service.workflows.standing import Standing

if TYPE_CHECKING:
    from service.house import House

ATTEMPTS = 5


@dataclass(slots=True)
class Taken:
    """What became of a batch: how many were created, updated, unchanged, derived (worked out here already, or read from knowledge files),
    refused; and how many arrivals it dealt with. `stopped`: the refusal that it was to stop at, which is not counted."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[Arrival, Refusal]] = field(default_factory=list)
    dealt: int = 0
    stopped: tuple[Arrival, Refusal] | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an import. `restored`: persons whose resources are put back as they were, with their stories; `stop`: at the first refusal."""

    source: str
    who: Requester
    restored: Container[str] = frozenset()
    stop: bool = False


class _Raced(Exception):
    """Somebody else wrote what the batch had read."""


async def take(house: "House", arrivals: Sequence[Arrival], terms: Terms, mark: Callable[[Taken], bytes]) -> Taken:
    """Store a batch, no resource twice in it. `mark`: the progress after it, to be kept with it. Errors: Unavailable; Refusal 409 when
    others change the same resources all the time."""
    for _ in range(ATTEMPTS):
        try:
            return await _attempt(house, arrivals, terms, mark)
        except _Raced:
            continue
    raise Refusal(Kind.CONFLICT, "Others change the same resources at this moment; try again")


async def _attempt(house: "House", arrivals: Sequence[Arrival], terms: Terms, mark: Callable[[Taken], bytes]) -> Taken:
    batch = _Batch(house, terms)
    await batch.read(arrivals)
    for arrival in arrivals:
        try:
            batch.taken.counts[await batch.one(arrival)] += 1
        except Refusal as refusal:
            if terms.stop:
                batch.taken.stopped = (arrival, refusal)
                break
            batch.taken.refused.append((arrival, refusal))
            batch.taken.counts["refused"] += 1
        batch.taken.dealt += 1
    await batch.commit(mark)
    return batch.taken


class _Batch:
    """One attempt at a batch."""

    def __init__(self, house: "House", terms: Terms) -> None:
        self._house, self._terms = house, terms
        self.taken = Taken()
        self._standing = Standing(house)
        self._origins: dict[str, Origin] = {}
        self._changes: list[Change] = []
        self._imported: dict[str, Imported] = {}

    async def read(self, arrivals: Sequence[Arrival]) -> None:
        """Everything the batch asks the store, at once."""
        for arrival in arrivals:
            if arrival.conditional and arrival.refusal is None:
                await _resolve(self._house, arrival)
        valid = [arrival for arrival in arrivals if arrival.refusal is None and not arrival.stands]
        self._standing = await Standing.of(self._house, [_change(arrival) for arrival in valid], [_target(self._house, arrival) for arrival in valid])
        self._origins = await imports.origins(self._house.store, [arrival.ref for arrival in valid])

    async def one(self, arrival: Arrival) -> str:
        """What is to be done with this resource: "created", "updated", "unchanged" or "derived". Errors: Refusal."""
        if arrival.refusal is not None:
            raise arrival.refusal
        if arrival.stands or arrival.ref in self._imported:  # what comes twice in a batch is the same both times
            return "unchanged"
        if arrival.ref in self._house.types.reserved:
            return "derived"
        assert arrival.resource is not None
        stored, content = await self._standing.read(arrival.ref), Content(arrival.body, arrival.resource, arrival.id)
        verdict = self._verdict(arrival, stored, content)
        if verdict in ("created", "updated"):
            change = _change(arrival)
            if stored is not None:
                self._house.types.check(arrival.kind, "update", arrival.id)
                change.method, change.expected = "update", stored.version
            await self._agree(change, arrival)
            self._changes.append(change)
            self._imported[arrival.ref] = Imported(arrival.ref, self._terms.source, content.digest)
        return verdict

    def _verdict(self, arrival: Arrival, stored: Stored | None, content: Content) -> str:
        if stored is None:
            return "created"
        if stored.deleted:
            raise Refusal(Kind.CONFLICT, "It was deleted here; an import does not bring it back", arrival.kind, code="deleted")
        if content.stands_as(stored):
            return "unchanged"
        if is_derived(self._house.parse_stored(stored.body)):
            return "derived"
        origin = self._origins.get(arrival.ref)
        if origin is None or origin.source != self._terms.source:
            raise Refusal(Kind.CONFLICT, "Something else stands under this type and id, and it came from elsewhere", f"{arrival.kind}.id")
        if origin.digest == content.digest:
            return "unchanged"  # the source says nothing new: what was changed here since stays
        if origin.digest != digest_of(stored):
            raise Refusal(Kind.CONFLICT, "It was changed here since this source sent it", arrival.kind)
        return "updated"

    async def _agree(self, change: Change, arrival: Arrival) -> None:
        """Find the person and the Medication: both came in an earlier step, so never in the same batch."""
        await receive.agree_one(self._house, change, self._terms.who, frozenset(), self._standing)
        change.related = await receive.related(self._house, change, {}, self._standing)
        if change.kind == "Provenance" and arrival.derived:
            target = await self._standing.read(_target(self._house, arrival))
            change.person = target.person if target is not None else None

    async def commit(self, mark: Callable[[Taken], bytes]) -> None:
        """Store it. Errors: _Raced when something has another version by now."""
        progress = [(self._terms.source, mark(self.taken))]

        def begin() -> Unit:
            return Unit(imported=list(self._imported.values()), progress=list(progress))

        if not self._changes:
            await self._house.store.commit(begin())
            return
        try:
            await receive.store(self._house, self._changes, self._terms.who, begin, self._terms.restored)
        except Refusal as refusal:
            raise _Raced from refusal


def _change(arrival: Arrival) -> Change:
    return Change("create", arrival.kind, arrival.id, arrival.resource, arrival.body, expected=0)


def _target(house: "House", arrival: Arrival) -> str:
    """What a Provenance of ours speaks of: it is part of the same person's record. Empty for everything else."""
    if arrival.kind != "Provenance" or not arrival.derived or arrival.resource is None:
        return ""
    return local(str(arrival.resource["target"][0].get("reference", "")), house.base)


async def _resolve(house: "House", arrival: Arrival) -> None:
    """Conditional references of a batch or transaction: each must find exactly one (http.html, 3.1.0.11.2)."""
    try:
        for reference, expression in conditional_references(arrival.resource, arrival.kind):
            kind, _, criteria = reference.partition("?")
            house.types.check(kind, "search-type")
            plan = house.searcher.condition(kind, criteria)
            rows = await house.store.fetch(plan.sql, plan.params)
            if len(rows) != 1:
                raise Refusal(Kind.PRECONDITION, "This conditional reference does not find exactly one resource", expression, code="not-found")
            arrival.body = arrival.body.replace(orjson.dumps(reference), orjson.dumps(rows[0][0]))
        arrival.resource, arrival.conditional = parsed(arrival.body), False
    except Refusal as refusal:
        arrival.refusal = refusal
