"""`setpoint migrate`, `serve`, `worker`, `sandbox`, `demo`."""

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.commands.console import AsJson, fail, read_settings, show_one


def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schema up to date, under a lock."""
    from service.store.schema import migrate as bring
    from service.store.unit import Unavailable

    settings = read_settings()
    try:
        show_one({"revision": asyncio.run(bring(settings.database_url))}, as_json)
    except Unavailable:
        fail("the database does not answer")


def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(help="processes; one a core is right")] = 1,
) -> None:
    """Run the FHIR service."""
    import uvicorn

    from service.log import configure, event

    settings = read_settings()
    problems = settings.problems(host)
    if problems:
        fail("\n".join(problems), 2)
    configure(settings.log_level)
    if settings.auth == "open":
        event(logging.getLogger("setpoint"), "open-installation", level=logging.WARNING, address=host)
        typer.echo("setpoint: OPEN INSTALLATION - everybody who reaches this address may read and write everything", err=True)
    _check_knowledge(settings.knowledge_dir)
    # uvicorn ends what it has and then raises the signal once more, which would leave exit code 143 for a clean end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run("service.app:factory", factory=True, host=host, port=port, workers=workers, access_log=False, log_config=None, server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=20, http="httptools", loop="uvloop", ws="none", limit_concurrency=None)  # fmt: skip


def _check_knowledge(site: str | None) -> None:
    """End with file and line of every broken knowledge file, before anything starts."""
    from service.definitions import compile_definitions
    from service.knowledge import BrokenKnowledge, load

    try:
        knowledge = load(site)
        if knowledge.search_parameters:
            compile_definitions(knowledge)
    except BrokenKnowledge as broken:
        fail("\n".join(broken.findings))


def worker() -> None:
    """Run a worker that delivers to EHRs."""
    from service.deliveries import Clients
    from service.entry import open_house
    from service.log import configure
    from service.store.opening import SchemaOutdated
    from service.store.unit import Unavailable
    from service.worker import run

    settings = read_settings()
    problems = settings.problems()
    if problems:
        fail("\n".join(problems), 2)
    configure(settings.log_level)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the worker listens itself: nothing is in hand yet

    _check_knowledge(settings.knowledge_dir)

    async def work() -> None:
        try:
            house = await open_house(settings)
        except Unavailable:
            fail("the database does not answer")
        except SchemaOutdated:
            fail("the database is not migrated: run setpoint migrate")
        try:
            await run(house, Clients.of(settings, house.store))
        finally:
            await house.close()

    asyncio.run(work())


def sandbox(
    port: Annotated[int, typer.Option(help="port to listen on")] = 8100,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    database: Annotated[str, typer.Option(help="file that keeps what was received")] = ":memory:",
    base_url: Annotated[str | None, typer.Option("--base-url", help="the address by which others reach it; made of host and port when not given")] = None,
    mode: Annotated[str | None, typer.Option(help="general, no-conditional or no-careplan: what kind of EHR it plays")] = None,
) -> None:
    """Run the sandbox EHR: synthetic data only."""
    from adapters.sandbox.main import run

    run(port=port, host=host, database=database, mode=mode, base_url=base_url)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave everything running until Ctrl-C")] = False,
    folder: Annotated[Path, typer.Option(help="where the demo's files go")] = Path(".demo"),
) -> None:
    """One person's story, from an answer to a suggestion in the EHR and its review."""
    from service.demo.main import run

    raise typer.Exit(run(folder, keep))
