"""The second pass: step by step over the files, in batches that hold a person's resources together where the files allow.

On PostgreSQL a batch is read and checked while the server stores the one before. On SQLite it is not: the thread that stores would wait for the
interpreter after every row.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from service.bulk.arrival import Arrival, Place, arrive
from service.bulk.bundles import Document, Part, identities, read_document, rewritten
from service.bulk.files import Line, document, lines
from service.bulk.order import SHARED, STORIES, TRACES
from service.bulk.survey import Plan, Surveyed, line_kin
from service.errors import Kind, Refusal

if TYPE_CHECKING:
    from service.house import House

Item = TypeVar("Item")
TURN = 50
"""Resources that are prepared before others get a turn."""


class Position(NamedTuple):
    """Up to where the files were taken: step, file by its place in the plan, line or entry."""

    step: int = SHARED
    file: int = 0
    number: int = 0


@dataclass(slots=True)
class Batch:
    """Resources of one step; one that comes twice is the same both times."""

    step: int
    arrivals: list[Arrival] = field(default_factory=list)
    _bodies: dict[str, bytes] = field(default_factory=dict)

    def takes(self, arrival: Arrival, size: int) -> bool:
        """Whether this one still belongs here: up to `size`, then as long as it is about the same person, up to twice that."""
        count = len(self.arrivals)
        if arrival.resource is not None and self._bodies.get(arrival.ref, arrival.body) != arrival.body:
            return False
        return count < size or (count < 2 * size and arrival.person == self.arrivals[-1].person)

    def add(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if arrival.resource is not None:
            self._bodies[arrival.ref] = arrival.body

    def position(self, dealt: int) -> Position:
        """The position behind the first so many."""
        place = self.arrivals[dealt - 1].place
        return Position(self.step, place.file, place.number)


class Reader:
    """Reads the files of a plan. `size`: resources of a batch; it grows to twice that where one person's resources follow each other;
    `base`: the address of the source, whose absolute references mean what the files hold."""

    def __init__(self, house: "House", plan: Plan, source: str, size: int, base: str | None = None) -> None:
        self._house, self._plan, self._source, self._size = house, plan, source, size
        self._at_base = re.compile(rb'("reference"\s*+:\s*+")' + re.escape(base.rstrip("/").encode()) + b"/") if base else None
        self._limit = house.settings.max_body_mb * 1_048_576
        self._found: dict[tuple[str, str], str] = {}

    def batches(self, after: Position) -> AsyncIterator[Batch]:
        """The batches behind a position."""
        batches = self._batches(after)
        return _ahead(batches) if self._house.store.dialect == "postgresql" else batches

    async def _batches(self, after: Position) -> AsyncIterator[Batch]:
        for step in range(after.step, TRACES + 1):
            batch = Batch(step)
            async for arrival in self._step(step, after):
                if not batch.takes(arrival, self._size):
                    yield batch
                    batch = Batch(step)
                batch.add(arrival)
            if batch.arrivals:
                yield batch

    async def _step(self, step: int, after: Position) -> AsyncIterator[Arrival]:
        for number, file in enumerate(self._plan.files):
            if not file.steps[step] or (step, number) < after[:2]:
                continue
            behind = after.number if (step, number) == after[:2] else 0
            async for arrival in self._in_lines(file, number, step, behind) if file.in_lines else self._in_document(file, number, step, behind):
                yield arrival

    async def _in_lines(self, file: Surveyed, number: int, step: int, behind: int) -> AsyncIterator[Arrival]:
        wanted = (line for line in lines(file.path, self._limit) if line.number > behind and line_kin(line).step == step)
        async for line in _gently(wanted):
            yield self._line(Place(number, file.shown, line.number), line, step)

    def _line(self, place: Place, line: Line, step: int) -> Arrival:
        if line.problem:
            return Arrival(place, refusal=Refusal(Kind.MALFORMED, line.problem))
        return Arrival(place, body=line.body) if step == STORIES else arrive(self._house, place, self._source, self._relative(line.body))

    def _relative(self, body: bytes) -> bytes:
        return self._at_base.sub(rb"\1", body) if self._at_base else body

    async def _in_document(self, file: Surveyed, number: int, step: int, behind: int) -> AsyncIterator[Arrival]:
        line = document(file.path)
        try:
            if line.problem:
                raise Refusal(Kind.MALFORMED, line.problem)
            found = read_document(line.body)
        except Refusal as refusal:
            yield Arrival(Place(number, file.shown, 1), refusal=refusal)
            return
        known = await self._identities(found, file.shown)
        refs = identities((part.full_url, ref) for part, (ref, _) in zip(found.parts, known, strict=True))
        wanted = ((part, ref) for part, ref in zip(found.parts, known, strict=True) if part.kin.step == step and part.number > behind)
        async for part, meant in _gently(wanted):
            yield self._part(Place(number, file.shown, part.number), part, meant, refs, found.requests)

    def _part(self, place: Place, part: Part, known: tuple[str, bool], refs: dict[bytes, bytes], requests: bool) -> Arrival:
        if part.refusal is not None:
            return Arrival(place, refusal=part.refusal)
        ref, stands = known
        if stands:
            return Arrival(place, part.kin.kind, ref.split("/", 1)[1], stands=True)
        return arrive(self._house, place, self._source, self._relative(rewritten(part.body, refs)), ref.split("/", 1)[1], requests)

    async def _identities(self, found: Document, shown: str) -> list[tuple[str, bool]]:
        """The ref of each part, and whether its ifNoneExist found that it is there already. Of parts with the same criteria the first one counts."""
        known = []
        for part in found.parts:
            ref = f"{part.kin.kind}/{part.id_in(self._source, shown)}"
            if part.criteria is None or part.refusal is not None:
                known.append((ref, False))
                continue
            try:
                known.append(await self._sought(part.kin.kind, part.criteria, ref))
            except Refusal as refusal:
                part.refusal = refusal
                known.append((ref, False))
        return known

    async def _sought(self, kind: str, criteria: str, ref: str) -> tuple[str, bool]:
        """What a conditional create means. Errors: 412 for criteria that are not understood, or that several match."""
        key = (kind, criteria.lstrip("?"))
        if key not in self._found:
            self._house.types.check(kind, "search-type")
            plan = self._house.searcher.condition(*key)
            rows = await self._house.store.fetch(plan.sql, plan.params)
            if len(rows) > 1:
                raise Refusal(Kind.SEVERAL, "More than one resource matches ifNoneExist")
            self._found[key] = rows[0][0] if rows else ref
        meant = self._found[key]
        return meant, meant != ref


async def _gently(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a turn for others now and then."""
    for count, item in enumerate(items, 1):
        yield item
        if count % TURN == 0:
            await asyncio.sleep(0)


async def _ahead(batches: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
    """The batches, each made while the one before is dealt with."""
    coming = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await coming) is not None:
            coming = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
