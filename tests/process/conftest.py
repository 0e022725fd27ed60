"""A fresh database of each kind for processes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.conftest import fresh_postgres


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def own_database(request: Any, tmp_path_factory: Any) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('process') / 'process.sqlite'}"
        return
    async for url in fresh_postgres(request.getfixturevalue("postgres_url")):
        yield url
