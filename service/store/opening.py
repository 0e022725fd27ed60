"""From a database URL to an open, migrated store."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

import migrations
from service.store.postgres import PostgresStore
from service.store.sqlite import SqliteStore, connect
from service.store.unit import Unavailable

Store = PostgresStore | SqliteStore
_MIGRATION_LOCK = 5_237_764_221


class SchemaOutdated(Exception):
    """The database's schema is not the one this version needs: run `setpoint migrate`."""


def sqlite_path(url: str) -> str | None:
    """The file of a sqlite:/// URL; None for other databases."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> str:
    """On PostgreSQL under an advisory lock; on SQLite the transaction holds the write lock already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    config = _config(connection)
    command.upgrade(config, "head")
    return str(ScriptDirectory.from_config(config).get_current_head())


def _is_current(connection: Connection) -> bool:
    head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


async def migrate(url: str) -> str:
    """Bring the schema up to date, under a lock; answers the revision. Errors: Unavailable."""
    return str(await _on_schema(url, _upgrade))


async def check_schema(url: str) -> None:
    """Errors: SchemaOutdated; Unavailable."""
    if not await _on_schema(url, _is_current):
        raise SchemaOutdated


async def revision(url: str) -> str | None:
    """The schema's revision, None for a database that was never migrated. Errors: Unavailable."""
    found: str | None = await _on_schema(url, _revision)
    return found


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _on_schema(url: str, work: Callable[[Connection], Any]) -> Any:
    """Do this on a connection of its own, in one transaction."""
    path = sqlite_path(url)
    if path is not None:
        return await asyncio.to_thread(_on_sqlite, path, work)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable from error
    finally:
        await engine.dispose()


def _on_sqlite(path: str, work: Callable[[Connection], Any]) -> Any:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine("sqlite://", creator=lambda: connect(path, timeout_s=60), poolclass=pool.StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            found = work(connection)
            connection.exec_driver_sql("COMMIT")
            return found
    except OperationalError as error:
        raise Unavailable from error
    finally:
        engine.dispose()


async def open_store(url: str, statement_timeout_s: float = 10.0) -> Store:
    """The store behind this URL. Errors: SchemaOutdated, Unavailable."""
    await check_schema(url)
    path = sqlite_path(url)
    return SqliteStore(path, statement_timeout_s) if path is not None else await PostgresStore.open(url, statement_timeout_s)
