"""The worker: claims due outbox rows, safety first, delivers them and settles each. A process of its own; any number may run."""

import asyncio
import logging
import random
import signal
from typing import Any

import orjson

from adapters.ehr.delivery import Dead, Delivered, EhrClient, Item, Retry
from mappings.vocabulary import Json
from service.deliveries import Clients
from service.house import House
from service.log import event
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
BATCH, LEASE_S = 8, 90.0


class Worker:
    """One relay."""

    def __init__(self, house: House, clients: Clients, lease_s: float = LEASE_S) -> None:
        self.house, self._clients, self._lease_s = house, clients, lease_s
        self.outbox = Outbox(house.store)
        self.settled = 0
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Finish the rows in hand, then end."""
        self._stop.set()

    async def run(self) -> None:
        """Until stopped: take what is due; when nothing is, wait a little."""
        event(log, "worker-started", version=release())
        while not self._stop.is_set():
            if not await self._round():
                try:
                    await asyncio.wait_for(self._stop.wait(), self.house.settings.worker_poll_s)
                except TimeoutError:
                    pass
        event(log, "worker-stopped", settled=self.settled)

    async def _round(self) -> bool:
        try:
            rows = await self.outbox.claim(BATCH, self._lease_s)
            await asyncio.gather(*(self._deliver(row) for row in rows))
            return bool(rows)
        except Unavailable:
            event(log, "database-unavailable", request="worker")
            return False

    async def drain(self) -> int:
        """Deliver what is due now, once; answers how many rows were taken (tests, `ehr check`)."""
        rows = await self.outbox.claim(BATCH * 8, self._lease_s)
        await asyncio.gather(*(self._deliver(row) for row in rows))
        return len(rows)

    async def _deliver(self, row: OutboxRow) -> None:
        try:
            await self._settle(row, await self._attempt(row))
        except Unavailable:
            raise
        except Exception as error:
            event(log, "worker-failed", error=type(error).__name__, where=_where(error))
            await self._retry(row, None, True, "an error of our own")

    async def _attempt(self, row: OutboxRow) -> Any:
        """One attempt: Delivered, Retry, Dead, or a text that says why the row is withheld."""
        ehr = next((entry for entry in await self.house.registry.ehrs() if entry.name == row.ehr), None)
        if ehr is None:
            return Dead("the EHR is not registered (any more)")
        stored = await self._version(row)
        if stored is None:
            return Dead("the resource version is gone")
        resource: Json = orjson.loads(stored.body)
        reason, patient = await self._person(ehr, stored.person, resource)
        if reason is not None:
            return reason
        client: EhrClient = await self._clients.client(ehr)
        ledger = await self.outbox.ledger(ehr.name, row.ref)
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

    async def _settle(self, row: OutboxRow, settlement: Any) -> None:
        kind = row.ref.split("/")[0]
        if isinstance(settlement, str):
            await self.outbox.withheld(row, settlement)
            event(log, "withheld", row=row.id, ehr=row.ehr, kind=kind, reason=settlement)
        elif isinstance(settlement, Delivered):
            await self.outbox.delivered(row, settlement.remote_ref, settlement.etag, settlement.form)
            self.settled += 1
            event(log, "delivered", row=row.id, ehr=row.ehr, kind=kind, attempt=row.attempts)
        elif isinstance(settlement, Retry):
            await self._retry(row, settlement.after_s, settlement.unknown, settlement.reason)
        else:
            await self._dead(row, settlement.reason)

    async def _retry(self, row: OutboxRow, after_s: float | None, unknown: bool, reason: str) -> None:
        settings = self.house.settings
        if row.attempts >= settings.delivery_attempts and not row.safety:
            return await self._dead(row, f"gave up after {row.attempts} attempts: {reason}")
        seconds = after_s if after_s is not None else pause(row.attempts, settings.backoff_base_s, settings.backoff_cap_s, random.random())
        await self.outbox.retry(row, now_us() + int(seconds * 1e6), unknown, reason)
        event(log, "retry", row=row.id, ehr=row.ehr, kind=row.ref.split("/")[0], attempt=row.attempts, reason=reason, seconds=round(seconds, 1))
        return None

    async def _dead(self, row: OutboxRow, reason: str) -> None:
        await self.outbox.dead(row, reason)
        self.settled += 1
        event(log, "dead", row=row.id, ehr=row.ehr, kind=row.ref.split("/")[0], attempt=row.attempts, reason=reason, safety=row.safety)


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""


async def run(house: House, clients: Clients) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    worker = Worker(house, clients)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.run()
