"""The store on PostgreSQL (asyncpg). A group of units is one locking read and one data-modifying statement in one transaction."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import asyncpg

from service.store.clock import RidMint, now_us
from service.store.coalescer import Coalescer
from service.store.decision import Found, Standing, decide, persons_to_lock, refs_to_lock
from service.store.refill import Wanted, on_server
from service.store.rows import INDEX_TABLES, Rows, collect
from service.store.unit import Audit, GuardFailed, Stored, Unavailable, Unit
from service.store.writer import GroupWriter, Outcome

DIALECT = "postgresql"
COPIED = 24
"""From how many rows on a table is filled by COPY."""
Result = TypeVar("Result")
_LOST = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, OSError,
    asyncpg.OperatorInterventionError, asyncpg.ReadOnlySQLTransactionError, asyncpg.InternalClientError,
)  # fmt: skip
"""The database is not there (any more): shut down, failing over, or out of reach."""
_REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.DataError)
"""The database takes the group not as it is: two processes met, or one unit holds what no column can."""
_AS_WRITTEN = {
    "plan_cache_mode": "force_generic_plan", "join_collapse_limit": "1", "from_collapse_limit": "1", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_material": "off", "max_parallel_workers_per_gather": "0",
}  # fmt: skip
"""Statements say themselves in what order tables are read (service/search/planning.py): every one of them goes by index, and is planned once a
connection. Statistics that are old, or not there yet, then change nothing."""
_READ = "SELECT rid, ref, version, updated, deleted, person, body FROM resource WHERE ref = ANY($1)"
_STORY = (
    "SELECT ref, '', '', convert_to(version::text, 'UTF8') FROM person WHERE ref = ANY($1) "
    "UNION ALL SELECT person, kind, key, body FROM story WHERE person = ANY($1)"
)
_LOCK = (
    "WITH r AS (SELECT ref, rid, version, deleted FROM resource WHERE ref = ANY($1) ORDER BY ref FOR UPDATE), "
    "p AS (SELECT ref, version FROM person WHERE ref = ANY($2) ORDER BY ref FOR UPDATE) "
    "SELECT true, ref, rid, version, deleted FROM r UNION ALL SELECT false, ref, 0, version, false FROM p"
)

# table, columns with their array types; the statement is made of the parts that a group needs
_INSERTS: dict[str, tuple[str, str]] = {
    "resource": ("rid, kind, ref, version, updated, deleted, person, body", "bigint,int,text,int,bigint,bool,text,bytea"),
    "history": ("rid, kind, version, updated, deleted, body", "bigint,int,int,bigint,bool,bytea"),
    "idx_token": ("param, code, system, rid", "int,text,bigint,bigint"),
    "idx_string": ("param, folded, exact, rid", "int,text,text,bigint"),
    "idx_reference": ("param, target, rid", "int,text,bigint"),
    "idx_date": ("param, low, high, rid", "int,bigint,bigint,bigint"),
    "idx_quantity": ("param, low, high, system, code, rid", "int,float8,float8,bigint,text,bigint"),
    "idx_uri": ("param, uri, rid", "int,text,bigint"),
    "idx_composite": ("param, code, low, text, system, high, second, rid", "int,text,float8,text,bigint,float8,bigint,bigint"),
    "person": ("ref, version", "text,int"),
    "story": ("person, kind, key, body", "text,text,text,bytea"),
    "reading": ("person, measure, at, source, received, value, body", "text,text,bigint,text,bigint,float8,bytea"),
    "unit": ("code", "text"),
    "tally": ("kind, slot, live, changes", "int,int,bigint,bigint"),
    "outbox": (
        "id, ehr, ref, version, safety, status, due, attempts, unknown, lease, created, settled, reason",
        "bigint,text,text,int,bool,text,bigint,int,bool,bigint,bigint,bigint,text",
    ),
    "audit": (
        "id, at, action, interaction, status, kind, ref, person, client, agent, request, body",
        "bigint,bigint,text,text,int,text,text,text,text,text,text,bytea",
    ),
    "import_source": ("ref, source, digest", "text,text,bytea"),
    "import_progress": ("source, body", "text,bytea"),
}
_UPSERT = {
    "unit": " ON CONFLICT DO NOTHING",
    "tally": " ON CONFLICT (kind, slot) DO UPDATE SET live = tally.live + excluded.live, changes = tally.changes + excluded.changes",
    "person": " ON CONFLICT (ref) DO NOTHING",
    "story": " ON CONFLICT (person, kind, key) DO UPDATE SET body = excluded.body",
    "reading": " ON CONFLICT (person, measure, at, source) DO UPDATE SET received = excluded.received, value = excluded.value, body = excluded.body",
    "import_source": " ON CONFLICT (ref) DO UPDATE SET source = excluded.source, digest = excluded.digest",
    "import_progress": " ON CONFLICT (source) DO UPDATE SET body = excluded.body",
}


def _arrays(types: str, first: int) -> str:
    return ", ".join(f"${first + number}::{kind}[]" for number, kind in enumerate(types.split(",")))


@cache
def _statement(tables: tuple[str, ...], replaces: bool, persons: bool) -> str:
    """The data-modifying statement for a group that touches these tables. Parameter order: replaces, persons, then tables."""
    parts, next_param = [], 1
    if replaces:
        parts.append(
            "old AS (INSERT INTO history (rid, kind, version, updated, deleted, body) "
            "SELECT rid, kind, version, updated, deleted, body FROM resource WHERE rid = ANY($1::bigint[]))"
        )
        parts.append(
            f"upd AS (UPDATE resource t SET version = u.v, updated = u.t, deleted = u.d, person = u.p, body = u.b "
            f"FROM unnest({_arrays('bigint,int,bigint,bool,text,bytea', 1)}) u(rid, v, t, d, p, b) WHERE t.rid = u.rid)"
        )
        next_param = 7
    if persons:
        parts.append(f"per AS (UPDATE person t SET version = u.v FROM unnest({_arrays('text,int', next_param)}) u(ref, v) WHERE t.ref = u.ref)")
        next_param += 2
    for table in tables:
        columns, types = _INSERTS[table]
        parts.append(f"i_{table} AS (INSERT INTO {table} ({columns}) SELECT * FROM unnest({_arrays(types, next_param)}){_UPSERT.get(table, '')})")
        next_param += types.count(",") + 1
    return "WITH " + ", ".join(parts) + " SELECT 1"


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


def _tables(rows: Rows, slot: int) -> dict[str, Sequence[tuple[Any, ...]]]:
    """The rows to insert, by table."""
    return {
        "resource": rows.inserted,
        "history": rows.passed,
        **{f"idx_{name}": rows.index[name] for name in INDEX_TABLES},
        "person": rows.new_persons,
        "story": [(*key, body) for key, body in rows.story_puts.items()],
        "reading": list(rows.readings.values()),
        "outbox": rows.pushes,
        "audit": rows.audits,
        "import_source": list(rows.imported.values()),
        "import_progress": list(rows.progress.values()),
        "tally": rows.tallied(slot),
        "unit": [(code,) for code in sorted(rows.units)],
    }


def _copied(table: str, rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether rows go by COPY: encoding arrays for unnest costs twice as much a row, a COPY one more round trip."""
    return len(rows) >= COPIED and table not in _UPSERT


def _work(rows: Rows, by_table: dict[str, Sequence[tuple[Any, ...]]]) -> tuple[str, list[Any]] | None:
    """The statement and parameters for the rows that are not copied; None when there is nothing left to write."""
    tables = tuple(name for name, found in by_table.items() if found and not _copied(name, found))
    if not tables and not rows.updated and not rows.persons:
        return None
    params: list[Any] = []
    if rows.updated:
        params += _columns(list(rows.updated.values()))
    persons: dict[str, int] = dict(rows.persons)
    if persons:
        params += _columns(list(persons.items()))
    for table in tables:
        params += _columns(by_table[table])
    return _statement(tables, bool(rows.updated), bool(persons)), params


class PostgresStore:
    """Reads are coalesced, writes grouped. Errors: `Unavailable` when the database does not answer."""

    dialect = DIALECT

    def __init__(self, pool: asyncpg.Pool, writing: asyncpg.Pool, mint: RidMint, statement_timeout_s: float) -> None:
        self.pool, self._writing, self.mint, self._timeout = pool, writing, mint, statement_timeout_s
        self.writer = GroupWriter(self._commit_group)
        self._units: set[str] = set()
        self._reads: Coalescer[Stored] = Coalescer(self._read_many)
        self._stories: Coalescer[list[tuple[str, str, bytes]]] = Coalescer(self._stories_of)

    @classmethod
    async def open(cls, dsn: str, statement_timeout_s: float = 10.0) -> "PostgresStore":
        """Connect; the node number of this process's rids comes from the database."""
        options = {"statement_timeout": str(int(statement_timeout_s * 1000)), "jit": "off"}
        shared: dict[str, Any] = {"timeout": 5, "command_timeout": statement_timeout_s + 2, "statement_cache_size": 1000, "reset": _as_it_is}
        try:
            pool = await asyncpg.create_pool(dsn, min_size=1, max_size=8, server_settings=options | _AS_WRITTEN, **shared)
            writing = await asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings=options | _AS_WRITTEN, **shared)
            node = await pool.fetchval(
                "INSERT INTO counter (name, value) VALUES ('node', 1) ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value"
            )
        except _LOST as error:
            raise Unavailable from error
        return cls(pool, writing, RidMint(node), statement_timeout_s)

    async def close(self) -> None:
        """Finish what was taken, then let go of the connections."""
        await self.writer.close()
        await self.pool.close()
        await self._writing.close()

    async def read(self, ref: str) -> Stored | None:
        """The current version under `ref` (it may be a deleted one)."""
        return await self._guarded(lambda: self._reads.get(ref))

    async def read_many(self, refs: Sequence[str]) -> dict[str, Stored]:
        return await self._guarded(lambda: self._read_many(refs))

    async def story(self, person: str) -> list[tuple[str, str, bytes]] | None:
        """The rows (kind, key, body) of a person's story in one statement; the row ("", "", version) is the story's version."""
        return await self._guarded(lambda: self._stories.get(person))

    async def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Rows of a read-only statement ($1-style parameters)."""
        return await self._guarded(lambda: self.pool.fetch(sql, *params))

    async def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run one writing statement outside the group writer (registry, keys, outbox) and return its RETURNING rows."""
        return await self._guarded(lambda: self._writing.fetch(sql, *params))

    async def commit(self, unit: Unit) -> Unit:
        """Store a unit. Errors: Stale, GuardFailed, Unavailable; in each case nothing of the unit stands."""
        if not unit.guards:
            return await self.writer.submit(unit)
        for pause in (0.0, 0.01, 0.05):
            await asyncio.sleep(pause)
            try:
                return await self._guarded(lambda: self._commit_guarded(unit))
            except (asyncpg.IntegrityConstraintViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                continue  # another process stored the same at the same moment: the guards are asked once more
        raise Unavailable

    async def _guarded(self, work: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await work()
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise Unavailable from error
        except _LOST as error:
            raise Unavailable from error

    async def _read_many(self, refs: Sequence[str]) -> dict[str, Stored]:
        return {row[1]: Stored._make(row) for row in await self.pool.fetch(_READ, list(refs))}

    async def _stories_of(self, persons: Sequence[str]) -> dict[str, list[tuple[str, str, bytes]]]:
        found: dict[str, list[tuple[str, str, bytes]]] = {}
        for person, kind, key, body in await self.pool.fetch(_STORY, list(persons)):
            found.setdefault(person, []).append((kind, key, body))
        return {person: rows for person, rows in found.items() if any(kind == "" for kind, _, _ in rows)}

    async def _commit_group(self, units: list[Unit]) -> list[Outcome]:
        """One transaction for the group; when the database refuses it as a whole, each unit alone."""
        try:
            return await self._attempt(units)
        except _REFUSED as error:
            if len(units) == 1 and isinstance(error, asyncpg.DataError):
                return [error]
            return [await self._alone(unit) for unit in units]

    async def _attempt(self, units: list[Unit]) -> list[Outcome]:
        try:
            async with self._writing.acquire() as connection:
                return await self._forgetting(self._in_transaction(connection, units))
        except (*_LOST, asyncpg.QueryCanceledError, TimeoutError):
            return [Unavailable() for _ in units]

    async def _alone(self, unit: Unit) -> Outcome:
        """A unit by itself, a few times: what another process stored at the same moment is seen the next time."""
        refused: Exception = Unavailable()
        for pause in (0.0, 0.01, 0.05):
            await asyncio.sleep(pause)
            try:
                return (await self._attempt([unit]))[0]
            except _REFUSED as error:
                refused = error
        return refused if isinstance(refused, asyncpg.DataError) else Unavailable()

    async def _in_transaction(self, connection: Any, units: list[Unit]) -> list[Outcome]:
        async with connection.transaction():
            return await self._store(connection, units)

    async def _store(self, connection: Any, units: list[Unit]) -> list[Outcome]:
        now, found = now_us(), await self._lock(connection, units)
        outcomes: list[Outcome] = [decide(unit, found, now, self.mint) for unit in units]
        winners = [unit for unit, outcome in zip(units, outcomes, strict=True) if outcome is None]
        rows = collect(winners, now, self.mint)
        fresh = rows.units - self._units
        rows.units = fresh
        await self._clear(connection, rows)
        await self._put(connection, rows)
        self._units |= fresh
        return outcomes

    async def _put(self, connection: Any, rows: Rows) -> None:
        by_table = _tables(rows, self.mint.slot)
        work = _work(rows, by_table)
        if work is not None:
            await connection.fetchval(work[0], *work[1])
        for table, found in by_table.items():
            if _copied(table, found):
                await connection.copy_records_to_table(table, records=found, columns=_INSERTS[table][0].split(", "))

    async def _lock(self, connection: Any, units: list[Unit]) -> Found:
        found, refs, persons = Found({}, {}), refs_to_lock(units), persons_to_lock(units)
        if refs or persons:
            for is_resource, ref, rid, version, deleted in await connection.fetch(_LOCK, refs, persons):
                if is_resource:
                    found.resources[ref] = Standing(rid, version, deleted)
                else:
                    found.persons[ref] = version
        return found

    async def _clear(self, connection: Any, rows: Rows) -> None:
        """Take out what is replaced, before the one statement that puts in."""
        if rows.updated:
            rids = list(rows.updated)
            deletes = ", ".join(f"d{n} AS (DELETE FROM idx_{name} WHERE rid = ANY($1::bigint[]))" for n, name in enumerate(INDEX_TABLES))
            await connection.fetchval(f"WITH {deletes} SELECT 1", rids)
        if rows.reading_drops:
            await connection.execute("DELETE FROM reading WHERE source = ANY($1)", list(rows.reading_drops))
        if rows.story_drops:
            await connection.execute(
                "DELETE FROM story s USING unnest($1::text[], $2::text[], $3::text[]) d(p, k, y) WHERE s.person = d.p AND s.kind = d.k AND s.key = d.y",
                *_columns(list(rows.story_drops)),
            )

    async def _commit_guarded(self, unit: Unit) -> Unit:
        """A conditional write: an advisory lock on type and criteria first, then the search, then the unit, in one transaction."""
        async with self._writing.acquire() as connection:
            await self._forgetting(self._guarded_in(connection, unit))
        return unit

    async def _guarded_in(self, connection: Any, unit: Unit) -> None:
        async with connection.transaction():
            for lock in sorted({guard.lock for guard in unit.guards}):
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _lock_number(lock))
            for guard in unit.guards:
                refs = tuple(row[0] for row in await connection.fetch(guard.sql, *guard.params))
                if set(refs) != set(guard.refs):
                    raise GuardFailed(refs)
            outcome = (await self._store(connection, [unit]))[0]
            if outcome is not None:
                raise outcome

    async def _forgetting(self, work: Awaitable[Result]) -> Result:
        """Run a transaction; when it fails, units that were added may have been undone: they are added once more."""
        try:
            return await work
        except BaseException:
            self._units.clear()
            raise

    async def add_audits(self, audits: Sequence[Audit]) -> None:
        """Store audit rows that go with no unit (reads and refusals)."""
        columns = _INSERTS["audit"][0].split(", ")
        await self._guarded(lambda: self._writing.copy_records_to_table("audit", records=audits, columns=columns))

    async def refill(self, kind: int, wanted: Mapping[int, Wanted]) -> int:
        """Bring index rows in step with the indexer; answers how many resources had others. See refill.py."""
        return await self._guarded(lambda: self._refill(kind, wanted))

    async def _refill(self, kind: int, wanted: Mapping[int, Wanted]) -> int:
        async with self._writing.acquire() as connection, connection.transaction():
            changed = await on_server(connection, wanted, {name: _INSERTS[f"idx_{name}"][0] for name in INDEX_TABLES})
            if changed:  # counts of the type that were kept hold no longer
                await connection.fetchval(_statement(("tally",), False, False), [kind], [self.mint.slot], [0], [changed])
            return changed

    async def ready(self) -> float:
        """Seconds that the database took to answer. Errors: Unavailable."""
        started = time.perf_counter()
        await self.fetch("SELECT 1")
        return time.perf_counter() - started


async def _as_it_is(connection: Any) -> None:
    """Nothing of a session is changed here, so a connection need not be reset after every use; an open transaction is rolled back all the same."""


def _lock_number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
