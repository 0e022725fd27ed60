"""The outbox: rows that point at resource versions, claimed under a lease, settled once. And the ledger of what stands in which EHR."""

from typing import Any, NamedTuple

from service.store.clock import now_us
from service.store.opening import Store

_COLUMNS = "id, ehr, ref, version, safety, status, due, attempts, unknown, lease, created, settled, reason"


class OutboxRow(NamedTuple):
    """One delivery. `unknown`: an earlier attempt may have reached the EHR. Times in microseconds UTC."""

    id: int
    ehr: str
    ref: str
    version: int
    safety: bool
    status: str
    due: int
    attempts: int
    unknown: bool
    lease: int
    created: int
    settled: int | None
    reason: str | None


class LedgerRow(NamedTuple):
    """What stands in an EHR for one of our resources."""

    version: int
    remote: str
    etag: str | None
    form: str


def _row(row: Any) -> OutboxRow:
    values = list(row)
    values[4], values[8] = bool(values[4]), bool(values[8])
    return OutboxRow._make(values)


class Outbox:
    """Claims and settles rows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._skip = " FOR UPDATE SKIP LOCKED" if store.dialect == "postgresql" else ""

    async def claim(self, count: int, lease_s: float) -> list[OutboxRow]:
        """Take due rows, safety first; a version waits for the earlier ones of its resource. A row whose lease ran out is `unknown`."""
        now = now_us()
        due = "(o.status = 'due' AND o.due <= $1 OR o.status = 'leased' AND o.lease < $1)"
        earlier = "SELECT 1 FROM outbox e WHERE e.ref = o.ref AND e.ehr = o.ehr AND e.version < o.version AND e.status IN ('due', 'leased')"
        # materialized: chosen once, or PostgreSQL may choose again for every row it looks at
        sql = (
            "WITH picked AS MATERIALIZED "
            f"(SELECT o.id FROM outbox o WHERE {due} AND NOT EXISTS ({earlier}) ORDER BY o.safety DESC, o.due, o.id LIMIT {count}{self._skip}) "
            "UPDATE outbox SET unknown = (unknown OR status = 'leased'), status = 'leased', lease = $2, attempts = attempts + 1 "
            f"WHERE id IN (SELECT id FROM picked) RETURNING {_COLUMNS}"
        )
        rows = [_row(row) for row in await self._store.execute(sql, (now, now + int(lease_s * 1e6)))]
        return sorted(rows, key=lambda row: (not row.safety, row.due, row.id))

    async def delivered(self, row: OutboxRow, remote: str, etag: str | None, form: str) -> bool:
        """It stands in the EHR. As all settlements: False, and nothing changed, when the lease ran out and another worker has the row."""
        now = now_us()
        await self._store.execute(
            "INSERT INTO ledger (ehr, ref, version, remote, etag, form, updated) SELECT ehr, ref, version, $3, $4, $5, $6 FROM outbox "
            "WHERE id = $1 AND lease = $2 AND status = 'leased' ON CONFLICT (ehr, ref) DO UPDATE SET "
            "version = excluded.version, remote = excluded.remote, etag = excluded.etag, form = excluded.form, updated = excluded.updated",
            (row.id, row.lease, remote, etag, form, now),
        )
        return await self._settle(row, "delivered", now, None)

    async def overtaken(self, row: OutboxRow) -> bool:
        """A later version stands in the EHR already: this one is never sent over it."""
        return await self._settle(row, "delivered", now_us(), "a later version stands in the EHR")

    async def retry(self, row: OutboxRow, due: int, unknown: bool, reason: str) -> bool:
        """It is tried again at `due`."""
        sql = "UPDATE outbox SET status = 'due', due = $3, unknown = $4, reason = $5 WHERE id = $1 AND lease = $2 AND status = 'leased' RETURNING id"
        return bool(await self._store.execute(sql, (row.id, row.lease, due, unknown, reason)))

    async def dead(self, row: OutboxRow, reason: str, unknown: bool = False) -> bool:
        """A person has to look at it. `unknown`: the EHR may have it, so that a retry by hand looks first."""
        return await self._settle(row, "dead", now_us(), reason, unknown)

    async def withheld(self, row: OutboxRow, reason: str) -> bool:
        """It must not leave."""
        return await self._settle(row, "withheld", now_us(), reason, row.unknown)

    async def _settle(self, row: OutboxRow, status: str, now: int, reason: str | None, unknown: bool = False) -> bool:
        sql = "UPDATE outbox SET status = $3, settled = $4, reason = $5, unknown = $6 WHERE id = $1 AND lease = $2 AND status = 'leased' RETURNING id"
        return bool(await self._store.execute(sql, (row.id, row.lease, status, now, reason, unknown)))

    async def ledger(self, ehr: str, ref: str) -> LedgerRow | None:
        """What stands in the EHR for this resource."""
        rows = await self._store.fetch("SELECT version, remote, etag, form FROM ledger WHERE ehr = $1 AND ref = $2", (ehr, ref))
        return LedgerRow._make(rows[0]) if rows else None

    async def rows(self, status: str | None = None, count: int = 200) -> list[OutboxRow]:
        """Rows for a person to look at, newest first."""
        where, params = ("WHERE status = $1 ", (status,)) if status else ("", ())
        return [_row(row) for row in await self._store.fetch(f"SELECT {_COLUMNS} FROM outbox {where}ORDER BY id DESC LIMIT {count}", params)]

    async def again(self, ids: list[int] | None) -> int:
        """Make dead or withheld rows due once more (all dead ones without ids); answers how many."""
        if ids is None:
            sql, params = "UPDATE outbox SET status = 'due', due = $1, attempts = 0 WHERE status = 'dead' RETURNING id", [now_us()]
        else:
            marks = ", ".join(f"${number + 2}" for number in range(len(ids)))
            sql = f"UPDATE outbox SET status = 'due', due = $1, attempts = 0 WHERE status IN ('dead', 'withheld') AND id IN ({marks}) RETURNING id"
            params = [now_us(), *ids]
        return len(await self._store.execute(sql, params))

    async def dead_safety(self) -> int:
        """How many safety rows are dead: readiness says so aloud."""
        rows = await self._store.fetch("SELECT count(*) FROM outbox WHERE status = 'dead' AND safety")
        return int(rows[0][0])
