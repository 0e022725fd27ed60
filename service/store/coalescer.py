"""Reads that wait together travel together: while one query is under way, the keys asked for meanwhile form the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Coalescer(Generic[Value]):
    """`load(keys)` answers a dict of the keys it found; at most `lanes` queries are under way at once."""

    def __init__(self, load: Callable[[Sequence[str]], Awaitable[dict[str, Value]]], lanes: int = 3) -> None:
        self._load, self._free = load, lanes
        self._waiting: dict[str, asyncio.Future[Value | None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> Value | None:
        """The value under `key`, or None. Errors are those of `load`."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._free:
                self._free -= 1
                task = asyncio.get_running_loop().create_task(self._drain())
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                await self._answer(batch)
        finally:
            self._free += 1

    async def _answer(self, batch: dict[str, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._load(list(batch))
        except BaseException as error:
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # marks it as seen: a caller that was cancelled leaves nobody to look
            if not isinstance(error, Exception):
                raise
            return
        for key, future in batch.items():
            if not future.done():
                future.set_result(found.get(key))
