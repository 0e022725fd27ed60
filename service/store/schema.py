"""Bringing the schema up to date (Alembic), under a lock. Imported by the commands that do it, not by every process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

import migrations
from service.store.opening import sqlite_path
from service.store.sqlite import connect
from service.store.unit import Unavailable

_MIGRATION_LOCK = 5_237_764_221


def _upgrade(connection: Connection) -> None:
    """On PostgreSQL under an advisory lock; on SQLite the transaction holds the write lock already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(url: str) -> str:
    """Bring the schema up to date; answers the revision. Errors: Unavailable."""
    path = sqlite_path(url)
    if path is not None:
        await asyncio.to_thread(_on_sqlite, path, _upgrade)
        return migrations.HEAD
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable from error
    finally:
        await engine.dispose()
    return migrations.HEAD


def _on_sqlite(path: str, work: Callable[[Connection], Any]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine("sqlite://", creator=lambda: connect(path, timeout_s=60), poolclass=pool.StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            work(connection)
            connection.exec_driver_sql("COMMIT")
    except OperationalError as error:
        raise Unavailable from error
    finally:
        engine.dispose()
