"""The worker: claims due outbox rows, safety first, delivers them and settles each. A process of its own; any number may run."""

import asyncio
import logging
import random
import signal
from dataclasses import dataclass

import orjson

from adapters.ehr.delivery import Dead, Delivered, EhrClient, Item, Retry
from mappings.vocabulary import Json
from service.deliveries import Clients
from service.house import House
from service.log import event, where
from service.references import local
from service.registry import Ehr
from service.release import release
from service.security.backoff import pause
from service.store.clock import now_us
from service.store.outbox import Outbox, OutboxRow
from service.store.unit import Stored, Unavailable
from service.workflows.pushing import withheld
from service.workflows.story import Story

log = logging.getLogger("setpoint.worker")
HANDS = 8
"""Most rows that one worker delivers at the same time."""
SHARE = 0.8
"""The part of its lease that an attempt may take: the rest is for settling it before another worker may have it."""
GRACE_S = 4.0
"""How long the rows in hand may take after the worker was asked to end; what is not done then goes back as due."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """It must not leave now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A later version stands in the EHR already."""


Settlement = Delivered | Retry | Dead | Withheld | Overtaken


class Worker:
    """One relay."""

    def __init__(self, house: House, clients: Clients) -> None:
        self.house, self._clients, self._lease_s = house, clients, house.settings.lease_s
        self.outbox = Outbox(house.store)
        self.settled = 0
        self._stop = False
        self._news = asyncio.Event()
        self._hands: set[asyncio.Task[None]] = set()
        self._attempts: set[asyncio.Task[Settlement]] = set()

    def stop(self) -> None:
        """Finish the rows in hand, then end."""
        self._stop = True
        self._news.set()

    async def run(self) -> None:
        """Until stopped: a row for every free hand, so that one slow EHR holds up nobody else; when nothing is due, wait a little."""
        event(log, "worker-started", version=release())
        while not self._stop:
            await self._fill()
            try:
                await asyncio.wait_for(self._news.wait(), self.house.settings.worker_poll_s)
            except TimeoutError:
                pass
        await self._finish()
        event(log, "worker-stopped", settled=self.settled)

    async def _fill(self) -> None:
        self._news.clear()
        for row in await self._claimed(HANDS - len(self._hands)):
            hand = asyncio.create_task(self._deliver(row))
            self._hands.add(hand)
            hand.add_done_callback(self._free)

    async def _claimed(self, count: int) -> list[OutboxRow]:
        """Rows for the free hands; none while the database does not answer."""
        try:
            return await self.outbox.claim(count, self._lease_s) if count else []
        except Unavailable:
            event(log, "database-unavailable", request="worker")
        except Exception as error:
            event(log, "worker-failed", error=type(error).__name__, where=where(error))
        return []

    def _free(self, hand: asyncio.Task[None]) -> None:
        self._hands.discard(hand)
        self._news.set()

    async def _finish(self) -> None:
        if self._hands:
            await asyncio.wait(self._hands, timeout=GRACE_S)
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._hands)

    async def drain(self) -> int:
        """Deliver what is due now, once; answers how many rows were taken (tests). Errors: Unavailable."""
        rows = await self.outbox.claim(HANDS * 8, self._lease_s)
        await asyncio.gather(*(self._deliver(row) for row in rows))
        return len(rows)

    async def _deliver(self, row: OutboxRow) -> None:
        """One row from attempt to settlement. Where that cannot be stored, the lease runs out and the row is looked into again."""
        try:
            await self._settle(row, await self._within_lease(row))
        except Unavailable:
            event(log, "database-unavailable", request="worker")
        except Exception as error:
            event(log, "worker-failed", error=type(error).__name__, where=where(error))

    async def _within_lease(self, row: OutboxRow) -> Settlement:
        attempt = asyncio.create_task(self._attempt(row))
        self._attempts.add(attempt)
        try:
            await asyncio.wait((attempt,), timeout=self._lease_s * SHARE)
            if attempt.cancelled():
                return Retry(0.0, "the worker was stopped", unknown=True)
            if not attempt.done():
                attempt.cancel()
                return Retry(None, "not done before the lease ended", unknown=True)
            return attempt.result()
        except Unavailable:
            raise
        except Exception as error:
            event(log, "worker-failed", error=type(error).__name__, where=where(error))
            return Retry(None, "an error of our own", unknown=True)
        finally:
            self._attempts.discard(attempt)

    async def _attempt(self, row: OutboxRow) -> Settlement:
        """One attempt: how it ended, or why the row is withheld or overtaken."""
        ehr = next((entry for entry in await self.house.registry.ehrs() if entry.name == row.ehr), None)
        if ehr is None:
            return Dead("the EHR is not registered (any more)")
        stored = await self._version(row)
        if stored is None:
            return Dead("the resource version is gone")
        resource: Json = orjson.loads(stored.body)
        reason, patient = await self._person(ehr, stored.person, resource)
        if reason is not None:
            return Withheld(reason)
        if patient is not None and _is_past(patient):
            return Dead("the patient is inactive here or was replaced by another")
        ledger = await self.outbox.ledger(ehr.name, row.ref)
        if ledger is not None and ledger.version > row.version:
            return Overtaken()
        client: EhrClient = await self._clients.client(ehr)
        item = Item(resource=resource, patient=patient or {}, patient_system=ehr.patient_system or "", safety=row.safety, unknown=row.unknown,
                    remote=ledger.remote if ledger else None, etag=ledger.etag if ledger else None, form=ledger.form if ledger else None,
                    encounter=await self._encounter(resource))  # fmt: skip
        return await client.deliver(item)

    async def _version(self, row: OutboxRow) -> Stored | None:
        current = await self.house.store.read(row.ref)
        if current is None or current.version == row.version:
            return current
        return await self.house.versions.one(current, row.version)

    async def _encounter(self, resource: Json) -> Json | None:
        """Our Encounter that the resource belongs to, if it names one."""
        reference = resource.get("encounter", {}).get("reference")
        stored = await self.house.store.read(local(reference, self.house.base)) if isinstance(reference, str) else None
        found: Json | None = orjson.loads(stored.body) if stored is not None and not stored.deleted else None
        return found

    async def _person(self, ehr: Ehr, person: str | None, resource: Json) -> tuple[str | None, Json | None]:
        """(why it must not leave now, the Patient it is about)."""
        if person is None:
            return None, None
        story = Story(person, await self.house.store.story(person) or ())
        patient = await self.house.store.read(person)
        labels = resource.get("meta", {}).get("security", [])
        return withheld(ehr, story, labels), orjson.loads(patient.body) if patient and not patient.deleted else None

    async def _settle(self, row: OutboxRow, settlement: Settlement) -> None:
        kind = row.ref.split("/")[0]
        if isinstance(settlement, Withheld):
            if await self.outbox.withheld(row, settlement.reason):
                event(log, "withheld", row=row.id, ehr=row.ehr, kind=kind, reason=settlement.reason)
        elif isinstance(settlement, Overtaken):
            await self.outbox.overtaken(row)
        elif isinstance(settlement, Delivered):
            if await self.outbox.delivered(row, settlement.remote_ref, settlement.etag, settlement.form):
                self.settled += 1
                event(log, "delivered", row=row.id, ehr=row.ehr, kind=kind, attempt=row.attempts)
        elif isinstance(settlement, Retry):
            await self._retry(row, settlement)
        else:
            await self._dead(row, settlement.reason, False)

    async def _retry(self, row: OutboxRow, settlement: Retry) -> None:
        settings, reason, seconds = self.house.settings, settlement.reason, settlement.after_s
        if row.attempts >= settings.delivery_attempts and not row.safety:
            return await self._dead(row, f"gave up after {row.attempts} attempts: {reason}", settlement.unknown)
        if seconds is None:
            seconds = pause(row.attempts, settings.backoff_base_s, settings.backoff_cap_s, random.random())
        if await self.outbox.retry(row, now_us() + int(seconds * 1e6), settlement.unknown, reason):
            event(log, "retry", row=row.id, ehr=row.ehr, kind=row.ref.split("/")[0], attempt=row.attempts, reason=reason, seconds=round(seconds, 1))
        return None

    async def _dead(self, row: OutboxRow, reason: str, unknown: bool) -> None:
        if await self.outbox.dead(row, reason, unknown):
            self.settled += 1
            event(log, "dead", row=row.id, ehr=row.ehr, kind=row.ref.split("/")[0], attempt=row.attempts, reason=reason, safety=row.safety)


def _is_past(patient: Json) -> bool:
    """Whether our Patient no longer stands for anybody: nothing is sent in that name."""
    return patient.get("active") is False or any(link.get("type") == "replaced-by" for link in patient.get("link", ()))


async def run(house: House, clients: Clients) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    worker = Worker(house, clients)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.run()
