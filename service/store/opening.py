"""From a database URL to an open store. A database of another revision is refused; an empty one is brought up to date first."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Union

from migrations import HEAD
from service.store.sqlite import SqliteStore, connect
from service.store.unit import Unavailable

if TYPE_CHECKING:
    from service.store.postgres import PostgresStore

Store = Union["PostgresStore", SqliteStore]
_REVISION = "SELECT version_num FROM alembic_version"


class SchemaOutdated(Exception):
    """The database's schema is not the one this version needs: run `setpoint migrate`."""


def sqlite_path(url: str) -> str | None:
    """The file of a sqlite:/// URL; None for other databases."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None


async def revision(url: str) -> str | None:
    """The schema's revision, None for a database that was never migrated. Errors: Unavailable."""
    path = sqlite_path(url)
    return _of_file(path) if path is not None else await _of_server(url)


def _of_file(path: str) -> str | None:
    if not Path(path).exists():
        return None
    connection = connect(path)
    try:
        row = connection.execute(_REVISION).fetchone()
        return str(row[0]) if row else None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise Unavailable from error
    finally:
        connection.close()


async def _of_server(url: str) -> str | None:
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable from error
    try:
        found: str | None = await connection.fetchval(_REVISION)
        return found
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


async def open_store(url: str, statement_timeout_s: float = 10.0) -> Store:
    """The store behind this URL. Errors: SchemaOutdated, Unavailable."""
    found = await revision(url)
    if found is None:
        from service.store.schema import migrate

        await migrate(url)
    elif found != HEAD:
        raise SchemaOutdated
    path = sqlite_path(url)
    if path is not None:
        return SqliteStore(path, statement_timeout_s)
    from service.store.postgres import PostgresStore

    return await PostgresStore.open(url, statement_timeout_s)
