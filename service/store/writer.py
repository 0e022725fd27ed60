"""The group-commit writer: units that arrive while one group is being stored form the next group."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from service.store.unit import Stale, Unavailable, Unit

Outcome = Exception | None
"""None: stored. Stale, GuardFailed, Unavailable or the database's refusal of the data: nothing of the unit stands."""


class Overloaded(Exception):
    """The queue is full: come back later."""


class GroupWriter:
    """`commit(units)` stores a group and answers one outcome a unit. At most `size` units a group and `bound` waiting."""

    def __init__(self, commit: Callable[[list[Unit]], Awaitable[list[Outcome]]], size: int = 64, bound: int = 2048) -> None:
        self._commit, self._size, self._bound = commit, size, bound
        self._queue: deque[tuple[Unit, asyncio.Future[Unit]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def depth(self) -> int:
        """Units waiting."""
        return len(self._queue)

    async def submit(self, unit: Unit) -> Unit:
        """Wait until the unit stands. Errors: see Outcome; Overloaded when the queue is full."""
        if len(self._queue) >= self._bound or self._closed:
            raise Overloaded
        future: asyncio.Future[Unit] = asyncio.get_running_loop().create_future()
        self._queue.append((unit, future))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Refuse new units and finish those taken."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]
            try:
                outcomes = await self._commit([unit for unit, _ in group])
            except Exception as error:
                outcomes = [error] * len(group)
            except BaseException:
                outcomes = [Unavailable()] * len(group)
                self._settle(group, outcomes)
                raise
            self._settle(group, outcomes)

    @staticmethod
    def _settle(group: list[tuple[Unit, asyncio.Future[Unit]]], outcomes: list[Outcome]) -> None:
        for (unit, future), outcome in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if outcome is None:
                future.set_result(unit)
            else:
                future.set_exception(outcome)
                if isinstance(outcome, Stale):
                    future.exception()
