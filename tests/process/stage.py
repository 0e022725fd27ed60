"""Service, worker and sandbox EHR as processes of their own on free loopback ports, and a load of answers upon them."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from mappings.vocabulary import FLAG_ID, SUGGESTION_ID
from service.demo.processes import Processes, free_port
from service.keys import Keys
from service.registry import Ehr, Registry
from service.store.opening import Store, open_store
from service.store.outbox import Outbox, OutboxRow
from tests.conftest import FHIR, SECRET
from tests.story.telling import phq9

Json = dict[str, Any]
MRN = "urn:test:process"
SCOPE = "system/*.cruds"


class Stage:
    """One run. `store` is the same database, opened by the test as a further process would."""

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        self.ports = {name: free_port() for name in ("service", "sandbox")}
        self.service, self.sandbox = (f"http://127.0.0.1:{self.ports[name]}" for name in ("service", "sandbox"))
        self.database, self.folder = database, folder
        environment = {
            "SETPOINT_DATABASE_URL": database, "SETPOINT_PUBLIC_URL": self.service, "SETPOINT_AUTH": "open", "SETPOINT_SECRET": SECRET,
            "SETPOINT_WORKER_POLL_S": "0.1", "SETPOINT_LEASE_S": "3", "SETPOINT_BACKOFF_BASE_S": "0.1", "SETPOINT_BACKOFF_CAP_S": "0.5",
            "SETPOINT_DELIVERY_ATTEMPTS": "1000",
        }  # fmt: skip
        self.processes = Processes(folder, environment | settings)
        self.http = httpx.AsyncClient(base_url=f"{self.service}/fhir", headers=FHIR, trust_env=False, timeout=30)
        self.hospital = httpx.AsyncClient(base_url=self.sandbox, trust_env=False, timeout=30)
        self.store: Store | None = None
        self._from = 0
        """Where the log of the worker that runs now begins."""

    async def __aenter__(self) -> Self:
        self.store = await open_store(self.database)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.hospital.aclose()
        if self.store is not None:
            await self.store.close()
        await asyncio.to_thread(self.processes.stop_all)

    # Processes. Waiting is done in a thread, so that the load goes on meanwhile.

    async def start_service(self) -> float:
        """Start it; answers the seconds until it was ready."""
        began = time.monotonic()
        self.processes.start("service", "serve", "--port", str(self.ports["service"]))
        await asyncio.to_thread(self.processes.wait_for, "service", f"{self.service}/health/ready", 60)
        return time.monotonic() - began

    async def start_sandbox(self) -> None:
        """Start the EHR with a registered client, a key, and an entry for it in the service's registry."""
        assert self.store is not None
        self.processes.start("sandbox", "sandbox", "--port", str(self.ports["sandbox"]), "--database", str(self.folder / "sandbox.sqlite"))
        await asyncio.to_thread(self.processes.wait_for, "sandbox", f"{self.sandbox}/fhir/metadata", 60)
        keys = Keys(self.store, SECRET.encode())
        await keys.new("ES384")
        asked = {"client_name": "Setpoint", "scope": SCOPE, "jwks": await keys.jwks()}
        client_id = (await self.hospital.post("/auth/register", json=asked)).raise_for_status().json()["client_id"]
        await Registry(self.store).put(Ehr(name="sandbox", base=f"{self.sandbox}/fhir", client_id=client_id, patient_system=MRN, allow_private=True))

    def start_worker(self, name: str = "worker") -> None:
        log = self.folder / f"{name}.log"
        self._from = log.stat().st_size if log.exists() else 0
        self.processes.start(name, "worker")

    async def worker_ready(self, name: str = "worker") -> None:
        """Wait until it says that it works."""
        log = self.folder / f"{name}.log"
        for _ in range(600):
            if b"worker-started" in log.read_bytes()[self._from :]:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.processes.tail(name))

    async def stop(self, name: str) -> tuple[int, float]:
        """SIGTERM; answers exit code and seconds."""
        began = time.monotonic()
        code = await asyncio.to_thread(self.processes.stop, name, 30)
        return code, time.monotonic() - began

    # The hospital

    async def fault(self, kind: str, method: str = "POST", type_: str = "CarePlan", times: int = 1, **more: Any) -> None:
        asked = {"kind": kind, "match": {"method": method, "type": type_}, "times": times} | more
        (await self.hospital.post("/sandbox/faults", json=asked)).raise_for_status()

    async def stands(self, kind: str) -> list[Json]:
        """Everything of this type that stands in the EHR."""
        token = (await self.hospital.post("/sandbox/clinician-token", json={})).json()["access_token"]
        return await _every(self.hospital, f"/fhir/{kind}?_count=200", {"authorization": f"Bearer {token}"})

    # The service

    async def persons(self, count: int) -> list[str]:
        """Patients known on both sides."""
        found = []
        for _ in range(count):
            sent = {"resourceType": "Patient", "identifier": [{"system": MRN, "value": str(uuid4())}], "birthDate": "1990-06-15", "gender": "female"}
            made = (await self.http.post("Patient", content=json.dumps(sent))).raise_for_status().json()
            (await self.hospital.post("/sandbox/load", json={"resources": [sent | {"id": made["id"]}]})).raise_for_status()
            found.append(f"Patient/{made['id']}")
        return found

    async def every(self, query: str) -> list[Json]:
        return await _every(self.http, query, {})

    async def rows(self) -> list[OutboxRow]:
        assert self.store is not None
        return await Outbox(self.store).rows(count=100_000)

    async def settled(self, seconds: float = 60) -> list[OutboxRow]:
        """Wait until nothing is due or leased; answers all outbox rows."""
        end = time.monotonic() + seconds
        while True:
            rows = await self.rows()
            waiting = [row for row in rows if row.status in ("due", "leased")]
            if not waiting:
                return rows
            assert time.monotonic() < end, f"{len(waiting)} rows wait still: {sorted({str(row.reason) for row in waiting})}\n{self.processes.tail('worker')}"
            await asyncio.sleep(0.1)


async def _every(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> list[Json]:
    found: list[Json] = []
    following: str | None = url
    while following:
        answer = await client.get(following, headers=headers)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        found += [entry["resource"] for entry in bundle.get("entry", ()) if entry.get("search", {}).get("mode", "match") == "match"]
        following = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), None)
    return found


@dataclass
class Load:
    """Answers sent one after the other for each person, all persons at once. `acknowledged`: id to total of every 201 that was seen."""

    stage: Stage
    persons: list[str]
    pause_s: float = 0.02
    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    broken: int = 0
    odd: list[str] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: bool = False

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._one(person, random.Random(number))) for number, person in enumerate(self.persons)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def grows(self, count: int, seconds: float = 20) -> None:
        """Wait until so many more answers were acknowledged."""
        goal, end = len(self.acknowledged) + count, time.monotonic() + seconds
        while len(self.acknowledged) < goal:
            assert time.monotonic() < end, f"the load does not come through: {self.odd[:3]}, {self.broken} broken, {self.refused} refused"
            await asyncio.sleep(0.01)

    async def _one(self, person: str, rng: random.Random) -> None:
        at = datetime.now(UTC) - timedelta(hours=10)
        while not self._stopping:
            at += timedelta(seconds=rng.randint(1, 5))
            scores = (*(rng.randint(0, 3) for _ in range(8)), rng.choice((0, 0, 1, 2)))
            await self._send(phq9(person, scores, at.isoformat().replace("+00:00", "Z")), sum(scores))

    async def _send(self, response: Json, total: int) -> None:
        try:
            answer = await self.stage.http.post("QuestionnaireResponse", content=json.dumps(response))
        except httpx.TransportError:
            self.broken += 1
            await asyncio.sleep(0.05)
            return
        if answer.status_code == 201:
            self.acknowledged[answer.json()["id"]] = total
            await asyncio.sleep(self.pause_s)
        elif answer.status_code == 503:
            self.refused += 1
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.1)
        else:
            self.odd.append(f"{answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(0.1)


async def nothing_lost(stage: Stage, load: Load) -> int:
    """Every acknowledged answer is there, and every answer that is there has all that follows from it. Answers how many there are."""
    assert not load.odd, load.odd[:3]
    kept: dict[str, Json] = {}
    for person in load.persons:
        kept |= {each["id"]: each for each in await stage.every(f"QuestionnaireResponse?patient={person.split('/')[1]}&_count=200")}
    lost = set(load.acknowledged) - set(kept)
    assert not lost, f"{len(lost)} acknowledged answers are lost"
    derived: dict[str, list[Json]] = {}
    for person in load.persons:
        for each in await stage.every(f"Observation?patient={person.split('/')[1]}&_count=500"):
            for source in each.get("derivedFrom", ()):
                derived.setdefault(source["reference"], []).append(each)
    for id_, response in kept.items():
        _whole(response, derived.get(f"QuestionnaireResponse/{id_}", []), load.acknowledged.get(id_))
    return len(kept)


def _whole(response: Json, derived: list[Json], total: int | None) -> None:
    """Nine items, a panel that names what is there, and the total: the sum of the items (Kroenke 2001)."""
    panel = next(each for each in derived if "hasMember" in each)
    assert {member["reference"].split("/")[1] for member in panel["hasMember"]} <= {each["id"] for each in derived}
    assert len(panel["hasMember"]) >= 10
    codes = [item["answer"][0]["valueCoding"]["code"] for item in response["item"]]
    expected = sum(("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9").index(code) for code in codes)
    totals = [each for each in derived if any(coding["code"] == "44261-6" for coding in each["code"]["coding"])]
    assert [each["valueQuantity"]["value"] for each in totals] == [expected]
    assert total in (None, expected)


async def stands_once(stage: Stage) -> tuple[int, int]:
    """Every plan and Flag stands in the EHR at most once, and as it stands here; answers how many of each stand there."""
    counts = []
    for kind, system in (("CarePlan", SUGGESTION_ID), ("Flag", FLAG_ID)):
        theirs: dict[str, list[Json]] = {}
        for each in await stage.stands(kind):
            theirs.setdefault(_mark(each, system), []).append(each)
        twice = [found for found in theirs.values() if len(found) > 1]
        assert not twice, f"{len(twice)} {kind}s stand more than once"
        for ours in await stage.every(f"{kind}?_count=200"):
            found = theirs.get(_mark(ours, system))
            if found is None:
                assert ours["status"] in ("revoked", "entered-in-error"), f"a {ours['status']} {kind} is not in the EHR"
            else:
                assert found[0]["status"] == ours["status"]
        counts.append(len(theirs))
    return counts[0], counts[1]


def _mark(resource: Json, system: str) -> str:
    return next(str(each["value"]) for each in resource["identifier"] if each["system"] == system)
