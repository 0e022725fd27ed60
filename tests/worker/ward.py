"""A hospital ward for the worker's tests: sandbox EHRs in process, persons who are known on both sides, answers that raise suggestions."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from adapters.ehr.delivery import EhrClient
from adapters.http import Outbound
from adapters.sandbox.app import create
from adapters.sandbox.wire import Dropped
from mappings.vocabulary import FLAG_ID, SUGGESTION_ID
from service.deliveries import Clients
from service.house import House
from service.registry import Ehr
from service.store.outbox import Outbox, OutboxRow
from service.worker import Worker
from tests.fhir.persons import patient, stored
from tests.story.telling import phq9, send

Json = dict[str, Any]
MRN = "urn:test:ward"
ITEM9 = (2, 2, 2, 2, 1, 1, 2, 0, 1)


class Wire(httpx.AsyncBaseTransport):
    """The way to the sandboxes by host name; a request that a sandbox drops is one without an answer."""

    def __init__(self) -> None:
        self.apps: dict[str, httpx.ASGITransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self.apps[request.url.host].handle_async_request(request)
        except Dropped:
            raise httpx.ReadTimeout("dropped") from None


class Hospital:
    """One sandbox EHR."""

    def __init__(self, wire: Wire, name: str, mode: str | None) -> None:
        self.name, self.base = name, f"http://{name}.test"
        wire.apps[f"{name}.test"] = httpx.ASGITransport(create(":memory:", self.base, time.time, mode=mode, open_access=True))
        self.http = httpx.AsyncClient(transport=wire, base_url=self.base)

    async def admit(self, person: Json, **more: Any) -> None:
        """The person as the hospital knows it."""
        known = {key: value for key, value in person.items() if key != "meta"} | {"id": "h-" + person["id"]} | more
        (await self.http.post("/sandbox/load", json={"resources": [known]})).raise_for_status()

    async def fault(self, kind: str, method: str = "POST", type_: str = "CarePlan", times: int = 1, **more: Any) -> None:
        asked = {"kind": kind, "match": {"method": method, "type": type_}, "times": times} | more
        (await self.http.post("/sandbox/faults", json=asked)).raise_for_status()

    async def stands(self, kind: str, person: Json | None = None) -> list[Json]:
        """What the hospital has of this type (of this person)."""
        found = (await self.http.get(f"/fhir/{kind}?_count=200")).json()
        all_ = [entry["resource"] for entry in found.get("entry", ())]
        return [each for each in all_ if person is None or each["subject"]["reference"] == f"Patient/h-{person['id']}"]

    async def received(self, method: str, kind: str) -> list[Json]:
        found: list[Json] = (await self.http.get("/sandbox/received", params={"method": method, "type": kind})).json()
        return found


class Ward:
    """The house, its hospitals, and a worker between them."""

    def __init__(self, house: House, client: httpx.AsyncClient) -> None:
        self.house, self.client, self.wire = house, client, Wire()
        self.outbox = Outbox(house.store)
        self.worker = self.another()

    def another(self) -> Worker:
        """One more worker over the same outbox."""
        return Worker(self.house, _Clients(self.house, self.wire))

    async def hospital(self, name: str = "ward", mode: str | None = None, profile: str = "general", system: str = MRN, **entry: Any) -> Hospital:
        """A registered EHR."""
        made = Hospital(self.wire, name, mode)
        await self.house.registry.put(Ehr(name=name, base=f"{made.base}/fhir", auth="none", patient_system=system, profile=profile, **entry))
        return made

    async def person(self, *hospitals: Hospital, system: str = MRN, **more: Any) -> Json:
        """A Patient, known to these hospitals too."""
        made = await stored(self.client, patient(**{"identifier": [{"system": system, "value": str(uuid4())}]} | more))
        for hospital in hospitals:
            await hospital.admit(made)
        return made

    async def answer(self, person: Json, scores: tuple[int, ...] | int = ITEM9, days_ago: float = 0.0, **more: Any) -> Json:
        at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return await send(self.client, phq9(f"Patient/{person['id']}", scores, at, **more))

    async def worsening(self, person: Json) -> None:
        """A course that raises a routine suggestion and no Flag."""
        for week in range(8, 0, -1):
            await self.answer(person, 4 + week % 2, week * 7)
        await self.answer(person, 17)

    async def drain(self, rounds: int = 1) -> None:
        """Deliver until nothing is due, `rounds` times over; what waits for a later time is made due in between."""
        for number in range(rounds):
            if number:
                await self.hurry()
            while await self.worker.drain():
                pass

    async def hurry(self) -> None:
        await self.house.store.execute("UPDATE outbox SET due = 0 WHERE status = 'due' RETURNING id")

    async def rows(self, person: Json | None = None, kind: str = "") -> list[OutboxRow]:
        """Outbox rows, oldest first, of one type (of what belongs to one person)."""
        found = [row for row in reversed(await self.outbox.rows()) if row.ref.startswith(kind)]
        if person is None:
            return found
        owners = await self.house.store.read_many([row.ref for row in found])
        return [row for row in found if owners[row.ref].person == f"Patient/{person['id']}"]

    async def plans(self, person: Json) -> list[Json]:
        """Our CarePlans of this person."""
        bundle = (await self.client.get(f"CarePlan?patient={person['id']}&_count=100")).json()
        return [entry["resource"] for entry in bundle.get("entry", ())]


class _Clients(Clients):
    def __init__(self, house: House, wire: Wire) -> None:
        super().__init__(house.settings, house.keys)
        self._wire = wire

    async def client(self, ehr: Ehr) -> EhrClient:
        if ehr.name not in self._made:
            made = EhrClient(Outbound(transport=self._wire), ehr.base, self._profiles[ehr.profile], None, time.time)
            self._made[ehr.name] = (ehr, made)
        return self._made[ehr.name][1]


def mark(resource: Json) -> str:
    """The value of our identifier."""
    return next(str(each["value"]) for each in resource["identifier"] if each["system"] in (SUGGESTION_ID, FLAG_ID))
