"""What an admin registers: backend clients, token issuers, EHRs. Kept in the database, seen by every replica within seconds."""

import time
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict

from service.store.opening import Store

FRESH_S = 2.0


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str


class Client(_Entry):
    """A backend client that may ask our token endpoint for tokens (SMART Backend Services)."""

    client_id: str
    scopes: str
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    enabled: bool = True
    may_state_reviewer: bool = False


class Issuer(_Entry):
    """An issuer of bearer tokens we accept. A token's patient is the issuer's id: `patient_system` leads to ours."""

    iss: str
    audience: str
    patient_system: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    allow_private: bool = False


class Ehr(_Entry):
    """An EHR that suggestions are delivered to."""

    base: str
    auth: Literal["smart", "none"] = "smart"
    client_id: str | None = None
    profile: str = "general"
    patient_system: str | None = None
    default: bool = False
    allow_private: bool = False
    labels: tuple[str, ...] = ()
    scope: str = "system/*.cruds"
    enabled: bool = True


Entry = TypeVar("Entry", Client, Issuer, Ehr)
_KINDS: dict[type[Any], str] = {Client: "client", Issuer: "issuer", Ehr: "ehr"}


class Registry:
    """Reads and changes the registered entries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[type[Any], tuple[float, list[Any]]] = {}

    async def entries(self, kind: type[Entry]) -> list[Entry]:
        """All entries of a kind by name; at most FRESH_S old."""
        cached = self._cache.get(kind)
        if cached is None or time.monotonic() - cached[0] > FRESH_S:
            rows = await self._store.fetch("SELECT body FROM registry WHERE kind = $1 ORDER BY name", (_KINDS[kind],))
            cached = self._cache[kind] = (time.monotonic(), [kind.model_validate(orjson.loads(row[0])) for row in rows])
        return list(cached[1])

    async def ehrs(self) -> list[Ehr]:
        """The EHRs that are not switched off."""
        return [ehr for ehr in await self.entries(Ehr) if ehr.enabled]

    def cached_ehrs(self) -> list[Ehr]:
        """The EHRs as last read (a use case reads them before it thinks)."""
        return [ehr for ehr in self._cache.get(Ehr, (0.0, []))[1] if ehr.enabled]

    async def put(self, entry: Client | Issuer | Ehr) -> None:
        """Add or replace an entry."""
        await self._store.execute(
            "INSERT INTO registry (kind, name, body) VALUES ($1, $2, $3) ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
            (_KINDS[type(entry)], entry.name, orjson.dumps(entry.model_dump(mode="json"))),
        )
        self._cache.pop(type(entry), None)

    async def remove(self, kind: type[Entry], name: str) -> bool:
        """Take an entry out; False when there was none."""
        rows = await self._store.execute("DELETE FROM registry WHERE kind = $1 AND name = $2 RETURNING name", (_KINDS[kind], name))
        self._cache.pop(kind, None)
        return bool(rows)
