"""Everything a process of the service holds, built once in an entry point and handed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mappings.medicines.plug import External
from mappings.r4.structures import Structures
from mappings.r4.validate import Validator
from mappings.vocabulary import Json
from service import external
from service.audit import AuditTrail
from service.definitions import Definitions
from service.gate import Gate
from service.keys import Keys
from service.knowledge import Knowledge
from service.metrics import Metrics
from service.registry import Issuer, Registry
from service.search.filling import Filling, site_parameters
from service.search.indexing import Indexer
from service.search.planning import Searcher
from service.search.query import Query
from service.search.totals import Totals
from service.search.units import Units
from service.settings import Settings
from service.store.numbers import param_number, system_number
from service.store.opening import Store
from service.store.unit import Stored, stored_row
from service.store.versions import Versions
from service.types import Types
from service.workflows.change import Change
from service.workflows.subjects import matters
from service.workflows.turns import Turns

if TYPE_CHECKING:
    from service.access import Access


@dataclass(slots=True, repr=False)
class House:
    """One process's service. It has no repr of its content: that is megabytes, and holds settings."""

    settings: Settings
    knowledge: Knowledge
    store: Store
    types: Types
    structures: Structures
    summaries: Mapping[str, frozenset[str]]
    validator: Validator
    indexer: Indexer
    searcher: Searcher
    totals: Totals
    registry: Registry
    gate: Gate
    audit: AuditTrail
    versions: Versions
    keys: Keys
    access: Access | None
    metrics: Metrics
    turns: Turns
    filling: Filling
    capability: Mapping[str, Any]
    external: tuple[External, ...]
    base: str

    async def read(self, kind: str, id_: str) -> Stored | None:
        """The current version of a resource of a kept type. Errors: 404 for a type that is not kept."""
        self.types.check(kind, "read")
        if kind == "AuditEvent":
            return await self.audit.read(id_, self.base)
        return await self.store.read(f"{kind}/{id_}")

    def parse_stored(self, body: bytes) -> Json:
        """A stored body as JSON (it was checked when it came in)."""
        parsed: Json = orjson.loads(body)
        return parsed

    def matters(self, change: Change) -> bool:
        """Whether a change is part of its person's story."""
        return matters(self.knowledge, change)

    async def first(self, query: Query, person: str | None, limit: int) -> list[Json]:
        """The resources of a query's first page, at most `limit`; `person` bounds it to one person's."""
        statement = self.searcher.page(query, person, limit, None)
        rows = await self.store.fetch(statement.sql, statement.params) if statement is not None else []
        return [self.parse_stored(body) for body in {row[0]: stored_row(row).body for row in rows}.values()]

    async def person_stands(self, ref: str) -> bool:
        """Whether this Patient is known and not deleted."""
        stored = await self.store.read(ref)
        return stored is not None and not stored.deleted

    async def patients_with(self, system: str | None, value: str) -> list[str]:
        """The Patients that carry this identifier; at most two are looked for. Without a system: in any."""
        bound = "" if system is None else " AND i.system = $3"
        sql = f"SELECT DISTINCT r.ref FROM idx_token i JOIN resource r ON r.rid = i.rid WHERE i.param = $1 AND i.code = $2{bound} LIMIT 2"
        params: list[Any] = [param_number("Patient", "identifier"), value]
        rows = await self.store.fetch(sql, params if system is None else [*params, system_number(system)])
        return [row[0] for row in rows]

    async def close(self) -> None:
        """Finish what was taken."""
        await self.audit.close()
        await self.store.close()


class Links:
    """Leads an issuer's patient id to a Patient of ours, by the issuer's patient system; never by an equal id."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.house: House | None = None

    async def linked(self, issuer: str, patient: str) -> str | None:
        """The one Patient ref, or None."""
        for entry in await self._registry.entries(Issuer):
            if entry.iss == issuer and entry.patient_system and self.house is not None:
                found = await self.house.patients_with(entry.patient_system, patient)
                return found[0] if len(found) == 1 else None
        return None


def assemble(settings: Settings, knowledge: Knowledge, definitions: Definitions, store: Store, registry: Registry, keys: Keys, access: Access | None) -> House:
    """Put the parts together."""
    base, types = settings.fhir_base, definitions.types
    links = Links(registry)
    parameters = {name: kept.parameters for name, kept in types.kept.items()}
    searcher = Searcher(parameters, base, store.dialect, settings.secret_bytes, Units(definitions.units))
    house = House(
        settings=settings, knowledge=knowledge, store=store, types=types, structures=definitions.structures,
        summaries=definitions.summaries, validator=definitions.validator,
        indexer=Indexer(definitions.extractors, parameters, base), searcher=searcher, totals=Totals(store, searcher),
        registry=registry, gate=Gate(access.verifier if access else None, links), audit=AuditTrail(store), versions=Versions(store), keys=keys, access=access,
        metrics=Metrics(), turns=Turns(), filling=Filling(store, types, site_parameters(knowledge, types)), capability=definitions.capability,
        external=external.sources(settings, knowledge), base=base,
    )  # fmt: skip
    links.house = house
    return house
