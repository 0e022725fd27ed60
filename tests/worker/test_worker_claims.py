"""Claims and settlements by several workers at once, on both databases: no row is ever in two hands, none is lost, versions keep their order."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.clock import now_us
from service.store.outbox import Outbox, OutboxRow
from tests.conftest import ROUNDS
from tests.worker.ward import Ward

Plan = list[tuple[int, int, bool, str, int]]
"""Rows: (resource, version, safety, how the first attempt ends, due in milliseconds)."""


@dataclass
class Ledger:
    """What the workers of one run did."""

    held: dict[int, str] = field(default_factory=dict)
    done: list[tuple[str, int]] = field(default_factory=list)
    claims: Counter[int] = field(default_factory=Counter)
    open: dict[str, set[int]] = field(default_factory=dict)


async def _fill(ward: Ward, plan: Plan) -> dict[int, str]:
    """The rows in the outbox; answers how the first attempt of each ends."""
    await ward.house.store.execute("DELETE FROM outbox RETURNING id")
    endings, now = {}, now_us()
    for resource, version, safety, ending, wait_ms in plan:
        id_ = ward.house.store.mint()
        sql = (
            "INSERT INTO outbox (id, ehr, ref, version, safety, status, due, attempts, unknown, lease, created) "
            "VALUES ($1, 'ward', $2, $3, $4, 'due', $5, 0, $6, 0, $7) RETURNING id"
        )
        await ward.house.store.execute(sql, (id_, f"CarePlan/{resource}", version, safety, now + wait_ms * 1000, False, now))
        endings[id_] = ending
    return endings


async def _work(outbox: Outbox, endings: dict[int, str], ledger: Ledger, seed: int) -> None:
    """One worker until nothing is left to do. `vanish`: it dies with the row in hand; another takes it when the lease ran out."""
    rng, idle = random.Random(seed), 0
    while idle < 8:
        rows = await outbox.claim(rng.randint(1, 4), 0.15)
        idle = 0 if rows else idle + 1
        for row in rows:
            _take(ledger, row)
        for row in rows:
            await asyncio.sleep(rng.random() * 0.003)
            await _end(outbox, row, endings, ledger)
        if not rows:
            await asyncio.sleep(0.03)


def _take(ledger: Ledger, row: OutboxRow) -> None:
    assert row.id not in ledger.held, "two workers hold one row"
    assert min(ledger.open[row.ref]) == row.version, "a version overtook an earlier one"
    ledger.held[row.id] = row.ref
    ledger.claims[row.id] += 1


async def _end(outbox: Outbox, row: OutboxRow, endings: dict[int, str], ledger: Ledger) -> None:
    ending = endings[row.id] if ledger.claims[row.id] == 1 else "deliver"
    del ledger.held[row.id]
    if ending == "retry":
        assert await outbox.retry(row, now_us(), False, "again")
    elif ending == "deliver":
        ledger.open[row.ref].discard(row.version)
        assert await outbox.delivered(row, f"CarePlan/{row.id}", None, "CarePlan")
        ledger.done.append((row.ref, row.version))
    elif ending == "dead":
        ledger.open[row.ref].discard(row.version)
        assert await outbox.dead(row, "dead")
        ledger.done.append((row.ref, row.version))


ROWS = st.lists(
    st.tuples(st.integers(1, 4), st.booleans(), st.sampled_from(["deliver", "deliver", "deliver", "retry", "dead", "vanish"]), st.integers(0, 40)), max_size=14
)


@settings(max_examples=6 * ROUNDS, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, seed=st.integers(0, 10_000))
async def test_no_row_is_in_two_hands_and_none_is_lost(ward: Ward, rows: list[tuple[int, bool, str, int]], seed: int) -> None:
    versions: Counter[int] = Counter()
    plan: Plan = []
    for resource, safety, ending, wait_ms in rows:
        versions[resource] += 1
        plan.append((resource, versions[resource], safety, ending, wait_ms))
    endings = await _fill(ward, plan)
    ledger = Ledger(open={f"CarePlan/{resource}": set(range(1, count + 1)) for resource, count in versions.items()})
    await asyncio.gather(*(_work(Outbox(ward.house.store), endings, ledger, seed + number) for number in range(3)))
    assert sorted(ledger.done) == sorted((f"CarePlan/{resource}", version) for resource, version, *_ in plan)
    for resource in versions:
        order = [version for ref, version in ledger.done if ref == f"CarePlan/{resource}"]
        assert order == sorted(order)
    assert {row.status for row in await ward.outbox.rows()} <= {"delivered", "dead"}


@pytest.mark.parametrize("workers", [4])
async def test_a_backlog_is_shared_out_once(ward: Ward, workers: int) -> None:
    await _fill(ward, [(number, 1, number % 5 == 0, "deliver", 0) for number in range(200)])
    taken = [row for rows in await asyncio.gather(*(_all(Outbox(ward.house.store)) for _ in range(workers))) for row in rows]
    assert len(taken) == len({row.id for row in taken}) == 200
    assert all(row.attempts == 1 and not row.unknown for row in taken)


async def _all(outbox: Outbox) -> list[OutboxRow]:
    found: list[OutboxRow] = []
    while rows := await outbox.claim(7, 60):
        found += rows
    return found
