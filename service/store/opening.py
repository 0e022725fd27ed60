"""From a database URL to an open, migrated store."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool
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
    config = _config(connection)
    command.upgrade(config, "head")
    return str(ScriptDirectory.from_config(config).get_current_head())


def _upgrade_postgres(connection: Connection) -> str:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    return _upgrade(connection)


def _is_current(connection: Connection) -> bool:
    head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


async def migrate(url: str) -> str:
    """Bring the schema up to date, under a lock; answers the revision. Errors: Unavailable."""
    return str(await _on_schema(url, write=True))


async def check_schema(url: str) -> None:
    """Errors: SchemaOutdated; Unavailable."""
    if not await _on_schema(url, write=False):
        raise SchemaOutdated


async def _on_schema(url: str, write: bool) -> Any:
    path = sqlite_path(url)
    if path is not None:
        return await asyncio.to_thread(_on_sqlite, path, write)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade_postgres if write else _is_current)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable from error
    finally:
        await engine.dispose()


def _on_sqlite(path: str, write: bool) -> Any:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine("sqlite://", creator=lambda: connect(path, timeout_s=60), poolclass=pool.StaticPool)
    try:
        with engine.connect() as connection:
            if not write:
                return _is_current(connection)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            revision = _upgrade(connection)
            connection.exec_driver_sql("COMMIT")
            return revision
    finally:
        engine.dispose()


async def open_store(url: str, statement_timeout_s: float = 10.0) -> Store:
    """The store behind this URL. Errors: SchemaOutdated, Unavailable."""
    await check_schema(url)
    path = sqlite_path(url)
    return SqliteStore(path, statement_timeout_s) if path is not None else await PostgresStore.open(url, statement_timeout_s)
