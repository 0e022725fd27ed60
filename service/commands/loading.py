"""`setpoint import`, `export`, `reindex`: against the database itself; the service may run meanwhile."""

import asyncio
import gc
import hashlib
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.console import AsJson, fail, read_settings, show, show_one
from service.settings import Settings, SettingsError
from service.store.opening import SchemaOutdated
from service.store.unit import Unavailable

if TYPE_CHECKING:
    from service.house import House

CANNOT = 2


def import_(
    paths: Annotated[list[str], typer.Argument(help="files, directories, or - for standard input")],
    source: Annotated[str | None, typer.Option(help="names the system that this comes from; made from the paths when not given")] = None,
    base: Annotated[str | None, typer.Option(help="the FHIR address of that system: absolute references to it mean what the files hold")] = None,
    push: Annotated[bool, typer.Option("--push", help="queue for the EHRs what the import raises")] = False,
    batch: Annotated[int, typer.Option(min=1, max=5000, help="resources of one commit")] = 1000,
    refused: Annotated[Path | None, typer.Option(help="write a line of JSON for every resource that was refused")] = None,
    stop_on_error: Annotated[bool, typer.Option("--stop-on-error", help="end at the first resource that is refused")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in NDJSON files, Bundles and resources. Exit code 1 when some were refused, 2 when it could not run."""
    from service.bulk.files import CannotRun, find, spooled
    from service.bulk.importing import Wish
    from service.bulk.report import told

    standard = paths == ["-"]
    if "-" in paths and not standard:
        fail("- stands alone", CANNOT)
    try:
        found = [spooled()] if standard else [path for path in find(paths) if refused is None or path.resolve() != refused.resolve()]
        wish = Wish(source or _named(paths, found), push, batch, stop_on_error, refused, base)
        report = _in_house(lambda house: _import(house, found, wish, "-" if standard else None))
    except (CannotRun, OSError) as error:
        fail(str(error), CANNOT)
    finally:
        if standard:
            found[0].unlink()
    show_one(report if as_json else told(report), as_json)
    raise typer.Exit(1 if report["refused"] else 0 if report["finished"] else CANNOT)


def _named(paths: list[str], found: list[Path]) -> str:
    """A name made from the paths, so that the same command is the same source; from the content for standard input."""
    if paths == ["-"]:
        with found[0].open("rb") as file:
            return f"stdin-{hashlib.file_digest(file, 'sha256').hexdigest()[:8]}"
    absolute = "\n".join(os.path.abspath(path) for path in paths)
    return f"{Path(paths[0]).resolve().name}-{hashlib.sha256(absolute.encode()).hexdigest()[:8]}"


async def _import(house: "House", found: list[Path], wish: Any, shown: str | None) -> dict[str, Any]:
    from service.bulk.importing import Import, begin
    from service.bulk.report import Meter
    from service.bulk.survey import survey

    meter = Meter("read")
    plan = survey(found, house.settings.max_body_mb * 1_048_576, meter.show, shown)
    meter.show(plan.total, last=True)
    run = Import(house, plan, wish, *await begin(house, plan, wish.source))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, run.stopping.set)
    return await run.run()


def export(
    types: Annotated[list[str] | None, typer.Option("--type", help="only this type; may be repeated")] = None,
    since: Annotated[str | None, typer.Option(help="only what was written at this date or instant, or later")] = None,
    person: Annotated[str | None, typer.Option(help="one person's record: Patient/ID")] = None,
    out: Annotated[Path | None, typer.Option(help="a new directory; without it all lines go to standard output")] = None,
    as_json: AsJson = False,
) -> None:
    """Write NDJSON as it is stored: a file a type and a manifest."""
    from service.bulk.exporting import Folder, Stream, scope
    from service.bulk.files import CannotRun
    from service.definitions import capability

    settings = read_settings()
    try:
        wanted = scope(capability()["types"], types or (), _moment(since), _patient(person))
        target = Folder(out) if out is not None else Stream(sys.stdout.buffer)
        report = _carefully(lambda: _export(settings, wanted, target))
    except (CannotRun, OSError) as error:
        fail(str(error), CANNOT)
    if out is not None:
        show_one(report if as_json else report | {"types": ", ".join(f"{count} {name}" for name, count in report["types"].items())}, as_json)


def _moment(text: str | None) -> int | None:
    from service.bulk.files import CannotRun
    from service.workflows.clinical_time import microseconds

    found = microseconds(text) if text is not None else None
    if text is not None and found is None:
        raise CannotRun("--since takes a FHIR date or instant")
    return found


def _patient(text: str | None) -> str | None:
    from service.bulk.files import CannotRun

    if text is not None and not re.fullmatch(r"Patient/[A-Za-z0-9.-]{1,64}", text):
        raise CannotRun("--person takes Patient/ID")
    return text


async def _export(settings: Settings, wanted: Any, target: Any) -> dict[str, Any]:
    from migrations import HEAD
    from service.bulk.exporting import Export
    from service.bulk.files import CannotRun
    from service.bulk.report import Meter
    from service.store.opening import revision
    from service.store.snapshot import snapshot

    found = await revision(settings.database_url)
    if found is None:
        raise CannotRun("there is no database yet")
    if found != HEAD:
        raise SchemaOutdated
    meter = Meter("export")
    async with snapshot(settings.database_url) as view:
        if wanted.person and not [row async for row in view.rows("SELECT 1 FROM resource WHERE ref = $1 AND NOT deleted", (wanted.person,))]:
            raise CannotRun("there is no such Patient here")
        report = await Export(view, wanted, target, settings.fhir_base, meter.show).run()
    meter.show(report["resources"], last=True)
    return report


def reindex(
    types: Annotated[list[str] | None, typer.Option("--type", help="this type, whether or not it lacks anything; may be repeated")] = None,
    as_json: AsJson = False,
) -> None:
    """Fill the search parameters of your own for resources that were stored before. Exit code 2 when it could not run."""
    from service.bulk.files import CannotRun

    try:
        done = _in_house(lambda house: _reindex(house, types or []))
    except CannotRun as error:
        fail(str(error), CANNOT)
    show(done if as_json else [each | {"filled": ", ".join(each["filled"])} for each in done], as_json, empty="every search parameter is filled")


async def _reindex(house: "House", types: list[str]) -> list[dict[str, Any]]:
    from service.bulk.reindexing import reindex, tasks
    from service.bulk.report import Meter

    done = []
    for task in await tasks(house, types):
        meter = Meter(f"reindex {task.kind}")
        done.append(await reindex(house, task, meter.show))
        meter.show(done[-1]["resources"], last=True)
    return done


def _in_house(work: Callable[["House"], Awaitable[Any]]) -> Any:
    """Run on everything the service has, with the resources of its knowledge files in place."""
    from service import shelf
    from service.entry import open_house
    from service.knowledge import BrokenKnowledge

    settings = read_settings()

    async def run() -> Any:
        house = await open_house(settings)
        try:
            await shelf.stock(house)
            await house.filling.settle()
            gc.freeze()  # knowledge and definitions stay: looking through them again and again is a fifth of an import
            return await work(house)
        finally:
            await house.close()

    try:
        return _carefully(run)
    except BrokenKnowledge as broken:
        fail(str(broken), CANNOT)


def _carefully(run: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    try:
        return asyncio.run(run())
    except SchemaOutdated:
        fail("the database is not migrated: run setpoint migrate", CANNOT)
    except Unavailable:
        fail("the database does not answer", CANNOT)
    except SettingsError as error:
        fail(str(error), CANNOT)
