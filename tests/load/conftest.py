"""Empty databases of both kinds, a fresh one a test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import fresh_postgres
from tests.load.place import Place, place


async def fresh(kind: str, request: Any) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('tmp_path_factory').mktemp('load') / 'load.sqlite'}"
        return
    async for url in fresh_postgres(request.getfixturevalue("postgres_url")):
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: Any) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def empty_database(kind: str, request: Any) -> AsyncIterator[str]:
    async for url in fresh(kind, request):
        yield url


@pytest_asyncio.fixture
async def there(empty_database: str, knowledge: Any, definitions: Any) -> AsyncIterator[Place]:
    """An installation that is new."""
    async with place(empty_database, knowledge, definitions) as opened:
        yield opened


@pytest_asyncio.fixture
async def elsewhere(kind: str, request: Any, knowledge: Any, definitions: Any) -> AsyncIterator[Place]:
    """Another new one, on a database of the other kind."""
    async for url in fresh("postgresql" if kind == "sqlite" else "sqlite", request):
        async with place(url, knowledge, definitions) as opened:
            yield opened
