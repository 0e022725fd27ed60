"""What every command shares: running against the store, and printing for a person or, with --json, for a script."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from service.settings import Settings, SettingsError, load
from service.store.opening import SchemaOutdated, Store, open_store
from service.store.unit import Unavailable

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def fail(text: str, code: int = 1) -> NoReturn:
    """End with a message on standard error."""
    print(f"setpoint: {text}", file=sys.stderr)
    raise typer.Exit(code)


def read_settings() -> Settings:
    """The settings, or an end with what is wrong with them."""
    try:
        return load()
    except SettingsError as error:
        fail(str(error), 2)


def with_store(work: Callable[[Settings, Store], Awaitable[Result]]) -> Result:
    """Run a command's work on the open store."""
    settings = read_settings()

    async def run() -> Result:
        store = await open_store(settings.database_url, settings.statement_timeout_s)
        try:
            return await work(settings, store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except SchemaOutdated:
        fail("the database is not migrated: run setpoint migrate")
    except Unavailable:
        fail("the database does not answer")
    except SettingsError as error:
        fail(str(error), 2)


def show(rows: Sequence[dict[str, Any]], as_json: bool, empty: str = "none") -> None:
    """A table for a person, or a JSON array."""
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not rows:
        print(empty)
        return
    columns = list(rows[0])
    cells = [[("" if row.get(name) is None else str(row.get(name))) for name in columns] for row in rows]
    widths = [max(len(name), *(len(line[number]) for line in cells)) for number, name in enumerate(columns)]
    for line in [columns, *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: dict[str, Any], as_json: bool) -> None:
    """One thing, a line a field, or a JSON object."""
    if as_json:
        print(json.dumps(row, indent=1, ensure_ascii=False))
        return
    for name, value in row.items():
        print(f"{name}: {value}")


def moment(us: int | None) -> str | None:
    """Microseconds as a readable time in UTC."""
    return None if us is None else datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")
