"""A client that goes away in the middle of a conditional create: a commit that has begun is finished, so that the COMMIT which the writer
thread still has to run can never fall into the transaction of whoever comes next."""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import FHIR, SECRET


async def test_a_begun_commit_is_finished_whoever_leaves(tmp_path: Path, knowledge: Any, definitions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.app import create
    from service.entry import open_house
    from service.settings import Settings

    settings = Settings(database_url=f"sqlite:///{tmp_path / 'cancelled.sqlite'}", auth="open", public_url="http://setpoint.test", secret=SECRET)
    house = await open_house(settings, knowledge, definitions)
    begun, in_writer = asyncio.Event(), house.store._in_writer

    async def slowly(work: Callable[..., Any], *arguments: Any) -> Any:
        def late() -> Any:
            time.sleep(0.2)
            return work(*arguments)

        begun.set()
        return await in_writer(late)

    value = secrets.token_hex(8)
    patient = {"resourceType": "Patient", "identifier": [{"system": "http://example.org/mrn", "value": value}]}
    condition = {"If-None-Exist": f"identifier=http://example.org/mrn|{value}"}
    transport = httpx.ASGITransport(app=create(settings, house))
    async with httpx.AsyncClient(transport=transport, base_url="http://setpoint.test/fhir", headers=FHIR) as client:
        with monkeypatch.context() as slow:
            slow.setattr(house.store, "_in_writer", slowly)
            task = asyncio.create_task(client.post("/Patient", json=patient, headers=condition))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            other = await client.post("/Patient", json={"resourceType": "Patient"})
        assert other.status_code == 201
        again = await client.post("/Patient", json=patient, headers=condition)
        assert again.status_code == 200
        assert (await client.get("/Patient")).json()["total"] == 2
    await house.close()
