"""The database goes away and comes back: 503 with Retry-After and an OperationOutcome meanwhile, and service again afterwards."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import httpx

from tests.fhir.persons import observation, patient
from tests.process.stage import Stage


def _unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, f"{answer.request.method} {answer.request.url.path} {answer.status_code} {answer.text[:200]}"
    assert int(answer.headers["retry-after"]) > 0
    body = answer.json()
    assert (body["resourceType"], body["issue"][0]["code"]) == ("OperationOutcome", "transient")


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
