"""Every access and refusal, through a bounded, grouped writer; served as AuditEvent (R4 auditevent.html).

Rows are compact; the FHIR form is made when somebody reads it. Writes are audited inside their own commit; reads and refusals here.
"""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson

from mappings.vocabulary import Json
from service.audit_search import COLUMNS, AuditQuery, audit_row, searchset
from service.log import event
from service.store.clock import now_us
from service.store.opening import Store
from service.store.unit import Audit, Stored, Unavailable, instant

if TYPE_CHECKING:
    from service.fhir.call import Call

log = logging.getLogger("setpoint.audit")
BOUND, GROUP, PAUSE_S, CLOSING_S = 20_000, 512, 0.05, 5.0
_ACTIONS = {"create": "C", "read": "R", "vread": "R", "update": "U", "patch": "U", "delete": "D"}


class AuditTrail:
    """Collects rows and stores them in groups. Past the bound, requests wait: nothing is dropped."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: deque[Audit] = deque()
        self._task: asyncio.Task[None] | None = None
        self._space = asyncio.Event()
        self._space.set()

    @property
    def waiting(self) -> int:
        """Rows not stored yet."""
        return len(self._rows)

    async def seen(self, call: "Call", interaction: str, kind: str, ref: str | None, person: str | None, status: int = 200) -> None:
        """Note an access; one whose answer nobody sees is none."""
        if call.rehearses:
            return
        principal = call.principal
        await self._add(Audit(self._store.mint(), now_us(), _ACTIONS.get(interaction, "E"), interaction, status, kind, ref, person, principal.client_id,
                              principal.fhir_user, call.request_id))  # fmt: skip

    async def refused(self, call: "Call", interaction: str, status: int) -> None:
        """Note a refusal. What was asked for is named only as far as it is an address of this API."""
        kind = call.parts[0] if call.parts and call.parts[0] in call.house.types.names else ""
        ref = f"{kind}/{call.parts[1]}"[:100] if kind and len(call.parts) > 1 and call.parts[1][:1] not in "_$" else None
        client, agent = (call.principal.client_id, call.principal.fhir_user) if call.principal is not None else ("unknown", None)
        await self._add(
            Audit(self._store.mint(), now_us(), _ACTIONS.get(interaction, "E"), interaction, status, kind, ref, None, client, agent, call.request_id)
        )

    async def _add(self, row: Audit) -> None:
        if len(self._rows) >= BOUND:
            self._space.clear()
            event(log, "audit-delayed", level=logging.WARNING, waiting=len(self._rows))
            await self._space.wait()
        self._rows.append(row)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        await asyncio.sleep(PAUSE_S)
        while self._rows:
            group = [self._rows[number] for number in range(min(GROUP, len(self._rows)))]
            try:
                await self._store.add_audits(group)
            except Unavailable:
                await asyncio.sleep(1.0)
                continue
            for _ in group:
                self._rows.popleft()
            if len(self._rows) < BOUND:
                self._space.set()

    async def read(self, id_: str, base: str) -> Stored | None:
        """One AuditEvent, as if it were stored."""
        if not id_.isdecimal() or len(id_) > 19:
            return None
        rows = await self._store.fetch(f"SELECT {COLUMNS} FROM audit WHERE id = $1", (int(id_),))
        if not rows:
            return None
        row = audit_row(rows[0])
        return Stored(row.id, f"AuditEvent/{row.id}", 1, row.at, False, row.person, orjson.dumps(audit_event(row, base)))

    async def search(self, raw: bytes, person: str | None, base: str) -> bytes:
        """The searchset of a query over the trail. Errors: 400 naming the parameter."""
        query = AuditQuery(raw, person, base)
        rows = [audit_row(row) for row in await self._store.fetch(query.sql, query.values)]
        return searchset(query, rows, base, lambda row: audit_event(row, base))

    async def record(self, resource: Json, body: bytes, person: str | None, client: str, request: str) -> Audit:
        """An AuditEvent that a client sent: kept as it is, beside our own rows. Answers its row."""
        ref = next((entity["what"]["reference"] for entity in resource.get("entity", ()) if "reference" in entity.get("what", {})), None)
        row = Audit(self._store.mint(), now_us(), resource.get("action", "E"), (resource.get("subtype") or [{}])[0].get("code", ""), 200, "AuditEvent", ref,
                    person, client, None, request, body)  # fmt: skip
        await self._store.add_audits([row])
        return row

    async def close(self) -> None:
        """Store what waits. Without a database it is given up after CLOSING_S: a process that was told to end must end."""
        if self._task is None:
            return
        await asyncio.wait((self._task,), timeout=CLOSING_S)
        if not self._task.done():
            self._task.cancel()
            event(log, "audit-lost", level=logging.ERROR, rows=len(self._rows))


def audit_event(row: Audit, base: str) -> Json:
    """The FHIR form of one row (R4 auditevent.html); the request id stands as an entity detail."""
    identity: dict[str, Any] = {"id": str(row.id), "meta": {"versionId": "1", "lastUpdated": instant(row.at).decode()}}
    if row.body is not None:
        sent: Json = orjson.loads(row.body)
        return sent | identity | {"meta": sent.get("meta", {}) | identity["meta"]}
    outcome = "0" if row.status < 400 else "4" if row.status < 500 else "8"
    agent: Json = {"requestor": True, "who": {"identifier": {"value": row.client}}}
    if row.agent:
        agent["who"]["display"] = row.agent
    entities: list[Json] = [{"what": {"reference": ref}} for ref in dict.fromkeys((row.ref, row.person)) if ref]
    entities.append({"detail": [{"type": "request", "valueString": row.request}]})
    return {
        "resourceType": "AuditEvent", **identity,
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": row.interaction}],
        "action": row.action, "recorded": instant(row.at).decode(), "outcome": outcome, "outcomeDesc": str(row.status), "agent": [agent],
        "source": {"observer": {"identifier": {"value": base}}}, "entity": entities,
    }  # fmt: skip
