"""What an EHR or a network does to a delivery: retried, reconciled, given up with a reason, and always visible."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.store.clock import now_us
from service.worker import Worker
from tests.conftest import SECRET
from tests.worker.ward import Hospital, Ward, mark


async def test_retry_after_is_kept_to(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    await hospital.fault("429", retry_after=37)
    before = now_us()
    await ward.drain()
    (row,) = await ward.rows(person, "CarePlan")
    assert (row.status, row.attempts, row.unknown) == ("due", 1, False)
    assert 36.5e6 < row.due - before < 60e6
    await ward.drain(2)
    assert len(await hospital.stands("CarePlan", person)) == 1
    assert len(await hospital.stands("Flag", person)) == 1


@pytest.mark.parametrize("kind", ["503", "500", "401", "reset", "timeout-before", "timeout-after"])
async def test_whatever_happens_to_a_create_the_plan_stands_once(ward: Ward, kind: str) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    await hospital.fault(kind, times=2, hold_s=0)
    await hospital.fault(kind, type_="Flag", times=1, hold_s=0)
    await ward.drain(3)
    assert len(await hospital.stands("CarePlan", person)) == 1
    assert len(await hospital.stands("Flag", person)) == 1
    assert {row.status for row in await ward.rows()} == {"delivered"}


async def test_an_unknown_outcome_is_looked_into_and_never_sent_blindly(ward: Ward) -> None:
    hospital = await ward.hospital(mode="no-conditional")
    person = await ward.person(hospital)
    await ward.answer(person)
    await hospital.fault("timeout-after", hold_s=0)
    await ward.drain()
    (row,) = await ward.rows(person, "CarePlan")
    assert (row.status, row.unknown) == ("due", True)
    await ward.drain(2)
    (row,) = await ward.rows(person, "CarePlan")
    assert row.status == "delivered"
    assert len(await hospital.received("POST", "CarePlan")) == 1
    assert len(await hospital.stands("CarePlan", person)) == 1
    assert any("identifier=" in each["url"] for each in await hospital.received("GET", "CarePlan"))


async def test_a_worker_that_died_leaves_an_unknown_row_that_another_reconciles(ward: Ward) -> None:
    """The first worker delivers and dies before it can say so: its lease runs out."""
    hospital = await ward.hospital(mode="no-conditional")
    person = await ward.person(hospital)
    await ward.answer(person)
    for row in await ward.outbox.claim(10, 20):
        await ward.worker._attempt(row)
    assert await ward.worker.drain() == 0
    await ward.house.store.execute("UPDATE outbox SET lease = 1 WHERE status = 'leased' RETURNING id")
    await ward.drain()
    assert {row.status for row in await ward.rows()} == {"delivered"}
    assert len(await hospital.received("POST", "CarePlan")) == 1
    assert len(await hospital.stands("CarePlan", person)) == len(await hospital.stands("Flag", person)) == 1


async def test_a_worker_that_lost_its_lease_settles_nothing(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    (late, *_) = await ward.outbox.claim(1, 0.001)
    await asyncio.sleep(0.02)
    (now, *_) = await ward.outbox.claim(1, 20)
    assert (now.id, now.unknown, now.attempts) == (late.id, True, 2)
    assert not await ward.outbox.delivered(late, "CarePlan/none", None, "CarePlan")
    assert not await ward.outbox.dead(late, "late")
    assert not await ward.outbox.retry(late, 0, False, "late")
    assert not await ward.outbox.withheld(late, "late")
    assert await ward.outbox.ledger("ward", late.ref) is None
    assert await ward.outbox.delivered(now, "CarePlan/1", None, "CarePlan")
    assert not await ward.outbox.delivered(now, "CarePlan/2", None, "CarePlan")
    ledger = await ward.outbox.ledger("ward", late.ref)
    assert ledger is not None
    assert ledger.remote == "CarePlan/1"


async def test_routine_gives_up_and_safety_does_not(ward: Ward) -> None:
    hospital = await ward.hospital()
    routine, worried = await ward.person(hospital), await ward.person(hospital)
    await ward.worsening(routine)
    await ward.answer(worried)
    await hospital.fault("503", times=100)
    await hospital.fault("503", type_="Flag", times=100)
    await ward.drain(6)
    given_up, kept = await ward.rows(routine), await ward.rows(worried, "Flag")
    assert {(row.status, row.safety) for row in given_up} == {("dead", False)}
    assert all(row.attempts == 3 and str(row.reason).startswith("gave up after 3 attempts: ") for row in given_up)
    assert {(row.status, row.safety) for row in kept} == {("due", True)}
    assert kept[0].attempts > 3


async def test_dead_safety_rows_are_said_aloud(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person()
    await ward.answer(person)
    await ward.drain()
    ready = (await ward.client.get("http://setpoint.test/health/ready")).json()
    dead = sum(row.safety for row in await ward.rows())
    assert dead
    assert (ready["status"], ready["dead_safety_rows"]) == ("ready", dead)
    assert "could not be delivered" in ready["warning"]
    assert f'setpoint_outbox_dead{{safety="true"}} {dead}' in (await ward.client.get("http://setpoint.test/metrics")).text
    await hospital.admit(person)
    assert await ward.outbox.again(None) == 2
    metrics = (await ward.client.get("http://setpoint.test/metrics")).text
    assert 'setpoint_outbox_dead{safety="true"} 0' in metrics
    await ward.drain()
    assert "warning" not in (await ward.client.get("http://setpoint.test/health/ready")).json()
    assert len(await hospital.stands("CarePlan", person)) == 1


async def test_dead_letters_are_listed_and_retried_by_hand(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = await ward.hospital()
    person = await ward.person()
    await ward.answer(person)
    await ward.drain()
    monkeypatch.setenv("SETPOINT_DATABASE_URL", ward.house.settings.database_url)
    monkeypatch.setenv("SETPOINT_SECRET", SECRET)
    listed = json.loads(await _command("outbox", "list", "--status", "dead", "--json"))
    assert {row["reason"] for row in listed} == {"no patient at the EHR has this identifier"}
    assert {row["ref"].split("/")[0] for row in listed} == {"CarePlan", "Flag"}
    await hospital.admit(person)
    plan = next(row for row in listed if row["ref"].startswith("CarePlan"))
    assert json.loads(await _command("outbox", "retry", str(plan["id"]), "--json")) == {"retried": 1}
    await ward.drain()
    assert (len(await hospital.stands("CarePlan")), len(await hospital.stands("Flag"))) == (1, 0)
    assert json.loads(await _command("outbox", "retry", "--json")) == {"retried": 1}
    await ward.drain()
    assert len(await hospital.stands("Flag")) == 1
    assert json.loads(await _command("outbox", "list", "--status", "dead", "--json")) == []
    assert "delivered" in await _command("outbox", "list")


async def _command(*words: str) -> str:
    """A `setpoint` command in a thread of its own: it has its own event loop."""
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, list(words)))
    assert done.exit_code == 0, done.output
    return str(done.stdout)


async def test_ehr_without_conditional_create(ward: Ward) -> None:
    hospital = await ward.hospital(mode="no-conditional")
    person = await ward.person(hospital)
    await ward.answer(person, days_ago=1)
    await hospital.fault("timeout-after", hold_s=0)
    await hospital.fault("timeout-after", type_="Flag", hold_s=0)
    await ward.drain(2)
    await ward.answer(person, (3, 3, 2, 2, 1, 1, 2, 0, 2))
    await ward.drain(2)
    (plan,), (flag,) = await hospital.stands("CarePlan", person), await hospital.stands("Flag", person)
    assert plan["meta"]["versionId"] == "2"
    assert mark(plan) == mark((await ward.plans(person))[0])
    assert flag["status"] == "active"


async def test_ehr_that_takes_no_care_plan_gets_another_form(ward: Ward) -> None:
    hospital = await ward.hospital(mode="no-careplan", profile="epic")
    person = await ward.person(hospital)
    encounter = await _encounter(ward, hospital, person)
    await ward.answer(person, encounter={"reference": f"Encounter/{encounter}"})
    await ward.drain()
    rows = await ward.rows()
    assert {row.status for row in rows} == {"delivered"}, rows
    sent = await hospital.stands("DocumentReference") + await hospital.stands("Communication")
    assert len(sent) == 2
    text = json.dumps(sent)
    assert all(f"h-{person['id']}" in json.dumps(each["subject"]) for each in sent)
    assert mark((await ward.plans(person))[0]) in text
    assert await ward.worker.drain() == 0


async def _encounter(ward: Ward, hospital: Hospital, person: dict[str, Any]) -> str:
    """One Encounter that both sides know by its identifier."""
    encounter = {
        "resourceType": "Encounter", "status": "in-progress", "identifier": [{"system": "urn:test:visit", "value": person["id"]}],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}, "subject": {"reference": f"Patient/{person['id']}"},
    }  # fmt: skip
    made = (await ward.client.post("Encounter", content=json.dumps(encounter))).json()
    theirs = encounter | {"id": f"h-{person['id']}", "subject": {"reference": f"Patient/h-{person['id']}"}}
    (await hospital.http.post("/sandbox/load", json={"resources": [theirs]})).raise_for_status()
    return str(made["id"])


# The running worker


async def test_one_slow_ehr_holds_up_nobody_else(ward: Ward) -> None:
    slow, quick = await ward.hospital("slow", system="urn:test:slow"), await ward.hospital("quick", system="urn:test:quick")
    release = asyncio.Event()
    _hold(ward, slow, release)
    for _ in range(2):
        await ward.answer(await ward.person(slow, system="urn:test:slow"))
    worker = ward.another()
    running = asyncio.create_task(worker.run())
    try:
        await asyncio.sleep(0.1)
        for _ in range(3):
            await ward.answer(await ward.person(quick, system="urn:test:quick"))
        await _until(lambda: _count(quick, "CarePlan", 3))
        assert not await slow.stands("CarePlan")
    finally:
        release.set()
        worker.stop()
        await asyncio.wait_for(running, 6)
    assert len(await slow.stands("CarePlan")) + len(await slow.stands("Flag")) == 4


async def test_a_worker_that_is_stopped_gives_back_what_hangs(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.worker.GRACE_S", 0.2)
    hospital = await ward.hospital()
    release = asyncio.Event()
    _hold(ward, hospital, release)
    await ward.answer(await ward.person(hospital))
    worker = ward.another()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.2)
    worker.stop()
    await asyncio.wait_for(running, 2)
    rows = await ward.rows()
    assert {(row.status, row.unknown, row.reason) for row in rows} == {("due", True, "the worker was stopped")}
    release.set()
    await ward.drain()
    assert len(await hospital.stands("CarePlan")) == len(await hospital.stands("Flag")) == 1


async def test_an_attempt_ends_before_its_lease(ward: Ward) -> None:
    hospital = await ward.hospital()
    _hold(ward, hospital, asyncio.Event())
    await ward.answer(await ward.person(hospital))
    hasty: Worker = ward.another()
    hasty._lease_s = 0.25
    await hasty.drain()
    rows = await ward.rows()
    assert {(row.status, row.unknown, row.reason) for row in rows} == {("due", True, "not done before the lease ended")}


def _hold(ward: Ward, hospital: Hospital, release: asyncio.Event) -> None:
    """Writes to this hospital wait until they are released."""
    inner = ward.wire.apps[f"{hospital.name}.test"]

    class Held:
        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path.startswith("/fhir/") and request.method in ("POST", "PUT"):
                await release.wait()
            return await inner.handle_async_request(request)

    ward.wire.apps[f"{hospital.name}.test"] = Held()  # type: ignore[assignment]


async def _count(hospital: Hospital, kind: str, count: int) -> bool:
    return len(await hospital.stands(kind)) >= count


async def _until(asked: Any, seconds: float = 5) -> None:
    for _ in range(int(seconds / 0.05)):
        if await asked():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("did not happen in time")
