"""A smart installation on each database, shared by the tests of a session: every test makes its own persons."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import FHIR, SECRET, fresh_postgres
from tests.smart.installation import BASE, PUBLIC, Smart, bearer


@pytest_asyncio.fixture(scope="session", params=["sqlite", "postgresql"])
async def smart_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('smart') / 'smart.sqlite'}"
        return
    async for url in fresh_postgres(request.getfixturevalue("postgres_url")):
        yield url


@pytest_asyncio.fixture(scope="session")
async def smart(smart_url: str, knowledge: Any, definitions: Any) -> AsyncIterator[Smart]:
    from service.app import create
    from service.entry import open_house
    from service.settings import Settings

    settings = Settings(database_url=smart_url, auth="smart", public_url=PUBLIC, secret=SECRET)
    house = await open_house(settings, knowledge, definitions)
    app = create(settings, house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE, headers=FHIR) as http:
        async with app.router.lifespan_context(app):
            opened = Smart(house, http)
            await opened.register()
            opened.system = bearer(await opened.token("full"))
            yield opened
    await house.close()
