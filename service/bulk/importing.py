"""An import from beginning to end: survey, plan, batches, report. It goes on where the last one of its source was ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from service.bulk.files import CannotRun
from service.bulk.order import STORIES
from service.bulk.reading import Batch, Position, Reader
from service.bulk.report import Meter, Refusals, count_reasons
from service.bulk.stories import NotAStory, unpack
from service.bulk.survey import Plan
from service.bulk.taking import Taken, Terms, take
from service.errors import Refusal
from service.security.principal import Principal
from service.security.reach import EVERYBODY
from service.store import imports
from service.store.unit import Unavailable, Unit
from service.workflows.change import Requester

if TYPE_CHECKING:
    from service.house import House

_PAUSES_S = (0.5, 2.0, 5.0, 10.0)
"""Pauses after which a batch is tried again while the database does not answer, or is busy with others."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `size`: resources of a batch; `refused`: the file for refusals; `base`: the address of the source."""

    source: str
    push: bool = False
    size: int = 1000
    stop: bool = False
    refused: Path | None = None
    base: str | None = None


@dataclass(slots=True)
class Progress:
    """How far the import is; it is kept with every batch. `restoring`: persons whose stories the files tell are put back as they were."""

    plan: str
    restoring: bool
    at: Position = field(default_factory=Position)
    done: int = 0
    refused_size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def dump(self) -> bytes:
        return orjson.dumps({"plan": self.plan, "restoring": self.restoring, "at": list(self.at), "done": self.done, "refused_size": self.refused_size,
                             "counts": self.counts, "reasons": self.reasons})  # fmt: skip


async def begin(house: "House", plan: Plan, source: str) -> tuple[Progress, bool]:
    """Where to begin, and whether that is in the middle. Into a database without any person the persons of an export are restored."""
    kept = await imports.progress(house.store, source)
    if kept is not None and kept["plan"] == plan.digest:
        return Progress(kept["plan"], kept["restoring"], Position(*kept["at"]), kept["done"], kept["refused_size"], Counter(kept["counts"]),
                        Counter(kept["reasons"])), True  # fmt: skip
    return Progress(plan.digest, bool(plan.storied) and await imports.is_empty(house.store)), False


class Import:
    """One run."""

    def __init__(self, house: "House", plan: Plan, wish: Wish, progress: Progress, resumed: bool) -> None:
        self._house, self._plan, self._wish, self._progress, self._resumed = house, plan, wish, progress, resumed
        who = Requester(Principal(f"import {wish.source}", "system"), EVERYBODY, "setpoint import", quiet=not wish.push)
        self._terms = Terms(wish.source, who, plan.storied if progress.restoring else frozenset(), wish.stop)
        self._began, self._before = time.monotonic(), progress.done
        self.stopping = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        """Take in everything; answers the report. Errors: CannotRun when the database stays away. What was stored until then stands."""
        meter = Meter("import", self._plan.total, self._before)
        refusals = Refusals(self._wish.refused, self._progress.refused_size if self._resumed else None)
        reader = Reader(self._house, self._plan, self._wish.source, self._wish.size, self._wish.base)
        stopped = False
        try:
            async for batch in reader.batches(self._progress.at):
                stopped = await self._one(batch, refusals)
                self._show(meter)
                if stopped or self.stopping.is_set():
                    break
            else:
                await imports.finished(self._house.store, self._wish.source)
        finally:
            refusals.close()
            self._show(meter, last=True)
        return self._report(stopped)

    def _show(self, meter: Meter, last: bool = False) -> None:
        meter.show(self._progress.done, f"{self._progress.counts['refused']:,} refused", last)

    async def _one(self, batch: Batch, refusals: Refusals) -> bool:
        """Deal with one batch; answers whether it stops here, at a refusal."""
        before = self._progress

        def mark(taken: Taken) -> bytes:
            after = Progress(before.plan, before.restoring, batch.position(taken.dealt) if taken.dealt else before.at, before.done + taken.dealt,
                             refusals.write(taken.refused), before.counts + taken.counts, Counter(before.reasons))  # fmt: skip
            count_reasons(after.reasons, taken.refused)
            self._progress = after
            return after.dump()

        taken = await self._patiently(lambda: self._restore(batch, mark) if batch.step == STORIES else take(self._house, batch.arrivals, self._terms, mark))
        refusals.keep()
        if taken.stopped is not None:  # said, but not kept: the next run comes to it again
            refusals.write([taken.stopped])
            self._progress.counts["refused"] += 1
            count_reasons(self._progress.reasons, [taken.stopped])
        return taken.stopped is not None

    async def _patiently(self, work: Callable[[], Any]) -> Taken:
        for pause in (*_PAUSES_S, None):
            try:
                taken: Taken = await work()
                return taken
            except (Unavailable, Refusal) as error:
                if pause is None:
                    why = "the database does not answer" if isinstance(error, Unavailable) else "others change the same records all the time"
                    raise CannotRun(f"{why}; the same command goes on from here") from error
                await asyncio.sleep(pause)
        raise AssertionError

    async def _restore(self, batch: Batch, mark: Callable[[Taken], bytes]) -> Taken:
        """Put stories back; where the database knows persons already they are told anew from the resources, and these lines are passed over."""
        taken, unit = Taken(dealt=len(batch.arrivals)), Unit()
        if self._progress.restoring:
            try:
                for arrival in batch.arrivals:
                    unpack(arrival.body, unit)
            except NotAStory:
                text = "was written by another version or is damaged; without it everything is judged anew"
                raise CannotRun(f"{batch.arrivals[0].place.shown} {text}") from None
        unit.progress.append((self._wish.source, mark(taken)))
        await self._house.store.commit(unit)
        return taken

    def _report(self, stopped: bool) -> dict[str, Any]:
        progress, seconds = self._progress, time.monotonic() - self._began
        done = progress.done - self._before
        report: dict[str, Any] = {"source": self._wish.source, "files": len(self._plan.files), "finished": not stopped and not self.stopping.is_set()}
        report |= {name: progress.counts[name] for name in ("created", "updated", "unchanged", "derived", "refused")}
        report |= {"restored": progress.restoring, "resumed": self._resumed, "seconds": round(seconds, 1), "per_second": round(done / max(seconds, 1e-6))}
        return report | {"reasons": dict(progress.reasons)}
