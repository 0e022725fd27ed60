"""Turns: within one process, two use cases on one person wait for each other instead of thinking twice.

Across processes the commit's version check decides; this only spares work.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """A lock a person, kept only while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, persons: Iterable[str]) -> AsyncIterator[None]:
        """Hold the turn of these persons; always taken in one order, so that nobody waits in a circle."""
        async with AsyncExitStack() as stack:
            for person in sorted(set(persons)):
                lock = self._locks.setdefault(person, asyncio.Lock())
                await stack.enter_async_context(lock)
            yield
