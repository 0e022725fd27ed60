"""`kill -9` and SIGTERM under load: no answer that a client saw accepted is lost, nothing stands by halves, and the EHR has every plan once."""

import asyncio
import random
from pathlib import Path

from tests.conftest import ROUNDS
from tests.process.stage import Load, Stage, nothing_lost, stands_once

KILLS = 2 + ROUNDS
"""Rounds on each database; each kills the service once and the worker once."""


async def test_no_kill_and_no_stop_loses_or_doubles_anything(own_database: str, tmp_path: Path) -> None:
    async with Stage(tmp_path, own_database) as stage:
        started = [await stage.start_service()]
        await stage.start_sandbox()
        stage.start_worker()
        async with Load(stage, await stage.persons(6)) as load:
            for _ in range(KILLS):
                started.append(await _kill(stage, load))
            await stage.worker_ready()
            await load.grows(10)
            ended = await asyncio.gather(stage.stop("service"), stage.stop("worker"))
            stage.start_worker()
            started.append(await stage.start_service())
            await load.grows(10)
        rows = await stage.settled()
        kept = await nothing_lost(stage, load)
        plans, flags = await stands_once(stage)
    assert {row.status for row in rows} == {"delivered"}
    assert plans
    assert flags
    _stopped_cleanly(ended)
    print(
        f"\n{own_database.split(':')[0]}: {KILLS} rounds, {len(load.acknowledged)} acknowledged of {kept} kept, {load.broken} broken off; "
        f"{len(rows)} deliveries, {sum(row.attempts > 1 for row in rows)} more than once, {plans} plans, {flags} Flags; "
        f"serve started in {min(started):.1f} to {max(started):.1f} s, ended in {ended[0][1]:.1f} s, worker in {ended[1][1]:.1f} s"
    )


async def _kill(stage: Stage, load: Load) -> float:
    """Both die in the middle of their work; answers the seconds that the service took to be back."""
    await _faults(stage)
    await load.grows(15)
    await asyncio.sleep(random.random() * 0.1)
    stage.processes.kill("worker")
    await load.grows(10)
    await asyncio.sleep(random.random() * 0.1)
    stage.processes.kill("service")
    stage.start_worker()
    return await stage.start_service()


def _stopped_cleanly(ended: list[tuple[int, float]]) -> None:
    """Ten seconds is the bound on a machine that is busy with other things; one or two are usual."""
    assert [code for code, _ in ended] == [0] * len(ended)
    assert all(seconds < 10 for _, seconds in ended)


async def test_a_worker_whose_ehr_hangs_still_ends_and_sends_nothing_twice(tmp_path: Path) -> None:
    async with Stage(tmp_path, f"sqlite:///{tmp_path / 'hang.sqlite'}", SETPOINT_LEASE_S="60") as stage:
        await stage.start_service()
        await stage.start_sandbox()
        for type_ in ("CarePlan", "Flag"):
            await stage.fault("timeout-after", type_=type_, times=4, hold_s=60)
        stage.start_worker()
        async with Load(stage, await stage.persons(1)) as load:
            while not (await stage.stands("Flag") and await stage.stands("CarePlan")):
                await load.grows(1)
        _stopped_cleanly([await stage.stop("worker")])
        rows = await stage.rows()
        assert "leased" not in {row.status for row in rows}
        assert "the worker was stopped" in {row.reason for row in rows}
        await stage.hospital.delete("/sandbox/faults")
        stage.start_worker()
        await stage.settled()
        await stands_once(stage)


async def _faults(stage: Stage) -> None:
    """Some of everything on the way to the EHR."""
    for type_ in ("CarePlan", "Flag"):
        await stage.fault("timeout-after", type_=type_, times=2, hold_s=0.2)
        await stage.fault("503", type_=type_, times=2, retry_after=0)
        await stage.fault("timeout-after", "PUT", type_=type_, times=1, hold_s=0.1)
        await stage.fault("reset", "PUT", type_=type_, times=1)
