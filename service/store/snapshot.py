"""One consistent view of the whole store, read from end to end on a connection of its own: nothing that is written meanwhile is seen.

Rows come in pages, so that memory stays flat; there is no statement time-out.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

from service.store.opening import sqlite_path
from service.store.sqlite import connect
from service.store.unit import Unavailable

PAGE = 500


class Snapshot(Protocol):
    """Answers read-only statements ($1-style parameters) from one moment."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> AsyncIterator[Any]:
        """The rows, fetched page by page."""
        ...


class _OfFile:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> AsyncIterator[Any]:
        cursor = self._connection.execute(sql.replace("$", "?"), tuple(params))
        while page := cursor.fetchmany(PAGE):
            for row in page:
                yield row
            await asyncio.sleep(0)


class _OfServer:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> AsyncIterator[Any]:
        async for row in self._connection.cursor(sql, *params, prefetch=PAGE):
            yield row


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """The store behind this URL as it is now. Errors: Unavailable."""
    path = sqlite_path(url)
    if path is None:
        async with _server(url) as connection:
            yield _OfServer(connection)
    else:
        with _file(path) as connection:
            yield _OfFile(connection)


@contextmanager
def _file(path: str) -> Iterator[sqlite3.Connection]:
    connection = connect(path, read_only=True)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM counter LIMIT 1").fetchall()  # the first read fixes the moment
        yield connection
    except sqlite3.OperationalError as error:
        raise Unavailable from error
    finally:
        connection.close()


@asynccontextmanager
async def _server(url: str) -> AsyncIterator[Any]:
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError) as error:
        raise Unavailable from error
    finally:
        await connection.close()
