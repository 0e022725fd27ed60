"""An installation on a database of its own, with an import, an export and an HTTP client in process; and the files they read."""

import gzip
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service import shelf
from service.app import create
from service.bulk.exporting import Export, Folder, scope
from service.bulk.files import find
from service.bulk.importing import Import, Wish, begin
from service.bulk.survey import survey
from service.entry import open_house
from service.house import House
from service.settings import Settings
from service.store.outbox import Outbox
from service.store.snapshot import snapshot
from tests.conftest import FHIR, SECRET

Json = dict[str, Any]


@dataclass(slots=True, repr=False)
class Place:
    """`house` and `client` speak to the same database, behind `url`."""

    url: str
    house: House
    client: httpx.AsyncClient

    async def bring(self, *paths: Path, source: str = "ward", stop_after: int | None = None, **wish: Any) -> Json:
        """Import; answers the report. `stop_after`: end as a signal would after so many batches."""
        plan = survey(find([str(path) for path in paths]), self.house.settings.max_body_mb * 1_048_576, lambda _: None)
        wanted = Wish(source, **wish)
        run = Import(self.house, plan, wanted, *await begin(self.house, plan, source))
        if stop_after is not None:
            _stop(run, stop_after)
        return await run.run()

    async def take_out(self, folder: Path, types: Sequence[str] = (), since: int | None = None, person: str | None = None) -> Json:
        """Export into a new directory; answers the report."""
        wanted = scope(self.house.types.names, types, since, person)
        async with snapshot(self.url) as view:
            return await Export(view, wanted, Folder(folder), self.house.base, lambda _: None).run()

    async def read(self, ref: str) -> Json:
        answer = await self.client.get(ref)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def version(self, ref: str) -> int:
        return int((await self.read(ref))["meta"]["versionId"])

    async def outbox(self) -> list[tuple[str, bool]]:
        return [(row.ref.split("/")[0], row.safety) for row in await Outbox(self.house.store).rows()]

    async def table(self, sql: str) -> list[tuple[Any, ...]]:
        return sorted((tuple(row) for row in await self.house.store.fetch(sql)), key=repr)


def _stop(run: Import, after: int) -> None:
    one, count = run._one, 0

    async def counted(*arguments: Any) -> bool:
        nonlocal count
        stopped = await one(*arguments)
        count += 1
        if count == after:
            run.stopping.set()
        return stopped

    run._one = counted  # type: ignore[method-assign]


@asynccontextmanager
async def place(url: str, knowledge: Any, definitions: Any, **settings: Any) -> AsyncIterator[Place]:
    """An open installation on this database."""
    given = {"database_url": url, "auth": "open", "public_url": "http://setpoint.test", "secret": SECRET} | settings
    house = await open_house(Settings(**given), knowledge, definitions)
    await shelf.stock(house)
    application = create(house.settings, house)
    transport = httpx.ASGITransport(app=application)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://setpoint.test/fhir", headers=FHIR) as client:
            async with application.router.lifespan_context(application):
                yield Place(url, house, client)
    finally:
        await house.close()


# Files


def lines(path: Path, resources: Iterable[Json | bytes]) -> Path:
    """An NDJSON file; compressed where its name says so."""
    body = b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in resources)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


def document(path: Path, body: Json) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1), encoding="utf-8")
    return path


def patient(id_: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id_, "identifier": [{"system": "urn:test:mrn", "value": id_}], "birthDate": "1990-06-15"} | more


def value(id_: str, person: str, **more: Any) -> Json:
    """An Observation that no baseline judges."""
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": "something"}, "subject": {"reference": f"Patient/{person}"},
            "effectiveDateTime": "2026-01-05T08:00:00Z", "valueQuantity": {"value": 7, "unit": "1"}} | more  # fmt: skip


def refusals(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def without_version(resource: Json) -> Json:
    """The content without version and time."""
    meta = {key: item for key, item in resource.get("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    rest = {key: item for key, item in resource.items() if key != "meta"}
    return rest | ({"meta": meta} if meta else {})
