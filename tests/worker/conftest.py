"""A house of its own on each database, emptied of deliveries and registrations before every test."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from tests.conftest import FHIR, SECRET, fresh_postgres
from tests.worker.ward import Ward


@pytest_asyncio.fixture(scope="module", params=["sqlite", "postgresql"])
async def ward_house(request: Any, tmp_path_factory: Any, knowledge: Any, definitions: Any) -> AsyncIterator[Any]:
    if request.param == "sqlite":
        async for house in _opened(f"sqlite:///{tmp_path_factory.mktemp('ward') / 'ward.sqlite'}", knowledge, definitions):
            yield house
        return
    async for url in fresh_postgres(request.getfixturevalue("postgres_url")):
        async for house in _opened(url, knowledge, definitions):
            yield house


async def _opened(url: str, knowledge: Any, definitions: Any) -> AsyncIterator[Any]:
    from service import shelf
    from service.entry import open_house
    from service.settings import Settings

    settings = Settings(database_url=url, auth="open", public_url="http://setpoint.test", secret=SECRET, delivery_attempts=3, lease_s=20)
    house = await open_house(settings, knowledge, definitions)
    await shelf.stock(house)
    yield house
    await house.close()


@pytest_asyncio.fixture(scope="module")
async def ward_client(ward_house: Any) -> AsyncIterator[httpx.AsyncClient]:
    from service.app import create

    app = create(ward_house.settings, ward_house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://setpoint.test/fhir", headers=FHIR) as opened:
        async with app.router.lifespan_context(app):
            yield opened


@pytest_asyncio.fixture
async def ward(ward_house: Any, ward_client: httpx.AsyncClient) -> Ward:
    from service.registry import Ehr

    for table, key in (("outbox", "id"), ("ledger", "ref"), ("registry", "name")):
        await ward_house.store.execute(f"DELETE FROM {table} RETURNING {key}")
    ward_house.registry._cache.pop(Ehr, None)
    return Ward(ward_house, ward_client)
