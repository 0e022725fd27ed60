"""`kill -9` under load: no answer that a client saw accepted is lost, nothing stands by halves, and the EHR has every plan once."""

import asyncio
import random
from pathlib import Path

from tests.conftest import ROUNDS
from tests.process.stage import Load, Stage, nothing_lost, stands_once

KILLS = 2 + ROUNDS
"""Rounds a database; each kills the service once and the worker once."""


async def test_kill_loses_nothing_and_sends_nothing_twice(own_database: str, tmp_path: Path) -> None:
    rng = random.Random(KILLS)
    async with Stage(tmp_path, own_database) as stage:
        started = [await stage.start_service()]
        await stage.start_sandbox()
        stage.start_worker()
        async with Load(stage, await stage.persons(6)) as load:
            for _ in range(KILLS):
                await _faults(stage)
                await load.grows(15)
                await asyncio.sleep(rng.random() * 0.1)
                stage.processes.kill("worker")
                await load.grows(10)
                await asyncio.sleep(rng.random() * 0.1)
                stage.processes.kill("service")
                stage.start_worker()
                started.append(await stage.start_service())
            await load.grows(10)
        rows = await stage.settled()
        kept = await nothing_lost(stage, load)
        plans, flags = await stands_once(stage)
    assert {row.status for row in rows} == {"delivered"}
    assert plans
    assert flags
    print(f"\n{own_database.split(':')[0]}: {KILLS} rounds, {len(load.acknowledged)} acknowledged of {kept} kept, {load.broken} broken off, "
          f"{len(rows)} deliveries, {sum(row.attempts > 1 for row in rows)} of them retried, {plans} plans and {flags} Flags; serve started in "
          f"{min(started):.1f} to {max(started):.1f} s")  # fmt: skip


async def _faults(stage: Stage) -> None:
    """Some of everything on the way to the EHR."""
    for type_ in ("CarePlan", "Flag"):
        await stage.fault("timeout-after", type_=type_, times=2, hold_s=0.2)
        await stage.fault("503", type_=type_, times=2, retry_after=0)
        await stage.fault("timeout-after", "PUT", type_=type_, times=1, hold_s=0.1)
        await stage.fault("reset", "PUT", type_=type_, times=1)
