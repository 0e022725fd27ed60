"""The store on SQLite: one writer thread with grouped commits (BEGIN IMMEDIATE), reader connections beside it (WAL)."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

from service.store.clock import RidMint, now_us
from service.store.decision import Found, Standing, decide, persons_to_lock, refs_to_lock
from service.store.refill import Wanted, on_file
from service.store.rows import INDEX_TABLES, Rows, collect
from service.store.unit import Audit, GuardFailed, Stored, Unavailable, Unit, stored_row
from service.store.writer import GroupWriter, Outcome

DIALECT = "sqlite"
_READERS = 3
INLINE = 200
"""Most resources of a group that is stored on the event loop (some 100 us each)."""
Result = TypeVar("Result")
_PAGE = 500
_INSERTS = {
    "resource": "INSERT INTO resource (rid, kind, ref, version, updated, deleted, person, body) VALUES (?,?,?,?,?,?,?,?)",
    "history": "INSERT INTO history (rid, kind, version, updated, deleted, body) VALUES (?,?,?,?,?,?)",
    "token": "INSERT INTO idx_token (param, code, system, rid) VALUES (?,?,?,?)",
    "string": "INSERT INTO idx_string (param, folded, exact, rid) VALUES (?,?,?,?)",
    "reference": "INSERT INTO idx_reference (param, target, rid) VALUES (?,?,?)",
    "date": "INSERT INTO idx_date (param, low, high, rid) VALUES (?,?,?,?)",
    "quantity": "INSERT INTO idx_quantity (param, low, high, system, code, rid) VALUES (?,?,?,?,?,?)",
    "uri": "INSERT INTO idx_uri (param, uri, rid) VALUES (?,?,?)",
    "composite": "INSERT INTO idx_composite (param, code, low, text, system, high, second, rid) VALUES (?,?,?,?,?,?,?,?)",
    "unit": "INSERT OR IGNORE INTO unit (code) VALUES (?)",
    "tally": (
        "INSERT INTO tally (kind, slot, live, changes) VALUES (?,?,?,?) "
        "ON CONFLICT (kind, slot) DO UPDATE SET live = live + excluded.live, changes = changes + excluded.changes"
    ),
    "outbox": (
        "INSERT INTO outbox (id, ehr, ref, version, safety, status, due, attempts, unknown, lease, created, settled, reason) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
    ),
    "audit": "INSERT INTO audit (id, at, action, interaction, status, kind, ref, person, client, agent, request, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
}

_PASS_ON = "INSERT INTO history (rid, kind, version, updated, deleted, body) SELECT rid, kind, version, updated, deleted, body FROM resource WHERE rid = ?"


def connect(path: str, read_only: bool = False, timeout_s: float = 10.0) -> sqlite3.Connection:
    """A connection with the settings this store relies on. WAL with FULL sync: a commit that was answered survives a power cut."""
    connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32000")
    connection.execute("PRAGMA mmap_size=268435456")
    connection.execute("PRAGMA temp_store=MEMORY")
    # the pages that every commit touches are copied back once in 64 MB, not once in 4
    connection.execute("PRAGMA wal_autocheckpoint=16000")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


class SqliteStore:
    """Point reads run on the event loop (microseconds); searches in reader threads; writes in one thread."""

    dialect = DIALECT

    def __init__(self, path: str, statement_timeout_s: float = 10.0) -> None:
        self._timeout = statement_timeout_s
        self._near = connect(path, read_only=True)
        self._write = connect(path, timeout_s=0)
        self._units: set[str] = set()
        self._writing = ThreadPoolExecutor(1, "sqlite-writer")
        self._reading = ThreadPoolExecutor(_READERS, "sqlite-reader")
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(_READERS):
            self._readers.put(connect(path, read_only=True))
        self.mint = RidMint(self._node())
        self._turn = asyncio.Lock()
        self.writer = GroupWriter(self._commit_group)

    def _node(self) -> int:
        with self._transaction():
            row = self._write.execute(
                "INSERT INTO counter (name, value) VALUES ('node', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
            ).fetchone()
        return int(row[0])

    async def close(self) -> None:
        """Finish what was taken, then let go of the connections."""
        await self.writer.close()
        self._writing.shutdown()
        self._reading.shutdown()
        for connection in (self._near, self._write, *(self._readers.get() for _ in range(_READERS))):
            connection.close()

    async def read(self, ref: str) -> Stored | None:
        """The current version under `ref` (it may be a deleted one)."""
        rows = self._nearby("SELECT rid, ref, version, updated, deleted, person, body FROM resource WHERE ref = ?", (ref,))
        return stored_row(rows[0]) if rows else None

    async def read_many(self, refs: Sequence[str]) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        for start in range(0, len(refs), _PAGE):
            part = refs[start : start + _PAGE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT rid, ref, version, updated, deleted, person, body FROM resource WHERE ref IN ({marks})"
            found |= {row[1]: stored_row(row) for row in self._nearby(sql, part)}
        return found

    async def story(self, person: str) -> list[tuple[str, str, bytes]] | None:
        """The rows (kind, key, body) of a person's story in one statement; the row ("", "", version) is the story's version."""
        rows = self._nearby(
            "SELECT '', '', CAST(CAST(version AS TEXT) AS BLOB) FROM person WHERE ref = ?1 UNION ALL SELECT kind, key, body FROM story WHERE person = ?1",
            (person,),
        )
        return rows if any(kind == "" for kind, _, _ in rows) else None

    async def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Rows of a read-only statement ($1-style parameters), in a reader thread, ended by the statement time-out."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read_in_thread, _numbered(sql), tuple(params))

    async def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run one writing statement in the writer thread and return its RETURNING rows."""
        async with self._turn:
            return await self._in_writer(self._write_in_thread, _numbered(sql), tuple(params))

    async def _in_writer(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *arguments)

    async def commit(self, unit: Unit) -> Unit:
        """Store a unit. Errors: Stale, GuardFailed, Unavailable; in each case nothing of the unit stands."""
        if not unit.guards:
            return await self.writer.submit(unit)
        outcome = (await asyncio.shield(self._commit_group([unit])))[0]  # a cancelled caller must not undo while the COMMIT runs
        if outcome is not None:
            raise outcome
        return unit

    def _nearby(self, sql: str, params: Sequence[Any]) -> list[Any]:
        try:
            return self._near.execute(sql, tuple(params)).fetchall()
        except sqlite3.OperationalError as error:
            raise Unavailable from error

    def _read_in_thread(self, sql: str, params: tuple[Any, ...]) -> list[Any]:
        connection, deadline = self._readers.get(), time.monotonic() + self._timeout
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        try:
            return connection.execute(sql, params).fetchall()
        except sqlite3.OperationalError as error:
            raise Unavailable from error
        finally:
            self._readers.put(connection)

    def _write_in_thread(self, sql: str, params: tuple[Any, ...]) -> list[Any]:
        with self._transaction():
            return self._write.execute(sql, params).fetchall()

    async def _commit_group(self, units: list[Unit]) -> list[Outcome]:
        """Small groups are stored on the event loop and only their COMMIT, which waits for the disk, goes to the writer thread: a thread
        that took the interpreter back after every row would wait milliseconds for it each time."""
        async with self._turn:
            if sum(len(unit.writes) for unit in units) > INLINE or not self._begun():
                return await self._in_writer(self._commit_in_thread, units)
            try:
                outcomes = self._store(units)
                await self._in_writer(self._write.execute, "COMMIT")
                return outcomes
            except BaseException as error:
                self._undo()
                if isinstance(error, sqlite3.OperationalError):
                    return [Unavailable()] * len(units)
                raise

    def _begun(self) -> bool:
        """Whether the write lock was free and is ours now."""
        try:
            self._write.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError:
            return False

    def _undo(self) -> None:
        if self._write.in_transaction:
            self._write.execute("ROLLBACK")
        self._units.clear()  # what was added may have gone with it: it is added once more

    def _commit_in_thread(self, units: list[Unit]) -> list[Outcome]:
        try:
            with self._transaction():
                return self._store(units)
        except Unavailable as error:
            return [error] * len(units)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE takes the write lock at once; while another process holds it, back off with jitter."""
        deadline, pause = time.monotonic() + self._timeout, 0.0005
        while True:
            try:
                self._write.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if time.monotonic() > deadline:
                    raise Unavailable from error
                time.sleep(pause * (0.5 + random.random()))
                pause = min(pause * 2, 0.02)
        try:
            yield
            self._write.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.OperationalError):
                raise Unavailable from error
            raise

    def _store(self, units: list[Unit]) -> list[Outcome]:
        now, found, winners = now_us(), self._standing(units), []
        outcomes: list[Outcome] = []
        for unit in units:
            outcome: Outcome = self._guards(unit) or decide(unit, found, now, self.mint)
            outcomes.append(outcome)
            if outcome is None:
                winners.append(unit)
        self._put(collect(winners, now, self.mint))
        return outcomes

    def _guards(self, unit: Unit) -> GuardFailed | None:
        for guard in unit.guards:
            refs = tuple(row[0] for row in self._write.execute(_numbered(guard.sql), guard.params))
            if set(refs) != set(guard.refs):
                return GuardFailed(refs)
        return None

    def _standing(self, units: list[Unit]) -> Found:
        found, run = Found({}, {}), self._write.execute
        for ref in refs_to_lock(units):
            for rid, version, deleted in run("SELECT rid, version, deleted FROM resource WHERE ref = ?", (ref,)):
                found.resources[ref] = Standing(rid, version, bool(deleted))
        for person in persons_to_lock(units):
            for (version,) in run("SELECT version FROM person WHERE ref = ?", (person,)):
                found.persons[person] = version
        return found

    def _put(self, rows: Rows) -> None:
        many = self._write.executemany
        if rows.updated:
            rids = [(rid,) for rid in rows.updated]
            many(_PASS_ON, rids)
            for name in INDEX_TABLES:
                many(f"DELETE FROM idx_{name} WHERE rid = ?", rids)
            values = [(*row[1:], row[0]) for row in rows.updated.values()]
            many("UPDATE resource SET version = ?, updated = ?, deleted = ?, person = ?, body = ? WHERE rid = ?", values)
        by_table: dict[str, Sequence[Any]] = {
            "resource": rows.inserted, "history": rows.passed, **rows.index, "outbox": rows.pushes, "audit": rows.audits, "tally": rows.tallied(self.mint.slot),
            "unit": [(code,) for code in sorted(rows.units - self._units)],
        }  # fmt: skip
        for table, found in by_table.items():
            if found:
                many(_INSERTS[table], found)
        self._put_story(rows, many)
        self._units |= rows.units

    @staticmethod
    def _put_story(rows: Rows, many: Callable[..., Any]) -> None:
        many("INSERT OR IGNORE INTO person (ref, version) VALUES (?,?)", rows.new_persons)
        many("UPDATE person SET version = ?2 WHERE ref = ?1", rows.persons)
        many("DELETE FROM reading WHERE source = ?", [(source,) for source in rows.reading_drops])
        many("DELETE FROM story WHERE person = ? AND kind = ? AND key = ?", list(rows.story_drops))
        many("INSERT OR REPLACE INTO story (person, kind, key, body) VALUES (?,?,?,?)", [(*key, body) for key, body in rows.story_puts.items()])
        many("INSERT OR REPLACE INTO reading (person, measure, at, source, received, value, body) VALUES (?,?,?,?,?,?,?)", list(rows.readings.values()))
        many("INSERT OR REPLACE INTO import_source (ref, source, digest) VALUES (?,?,?)", list(rows.imported.values()))
        many("INSERT OR REPLACE INTO import_progress (source, body) VALUES (?,?)", list(rows.progress.values()))

    async def add_audits(self, audits: Sequence[Audit]) -> None:
        """Store audit rows that go with no unit (reads and refusals)."""
        async with self._turn:
            await self._in_writer(self._audits_in_thread, list(audits))

    def _audits_in_thread(self, audits: list[Audit]) -> None:
        with self._transaction():
            self._write.executemany(_INSERTS["audit"], audits)

    async def refill(self, kind: int, wanted: Mapping[int, Wanted]) -> int:
        """Bring index rows in step with the indexer; answers how many resources had others. See refill.py."""
        async with self._turn:
            return await self._in_writer(self._refill_in_thread, kind, wanted)

    def _refill_in_thread(self, kind: int, wanted: Mapping[int, Wanted]) -> int:
        with self._transaction():
            changed = on_file(self._write, wanted, _INSERTS)
            if changed:  # counts of the type that were kept hold no longer
                self._write.execute(_INSERTS["tally"], (kind, self.mint.slot, 0, changed))
            return changed

    async def ready(self) -> float:
        """Seconds that the database took to answer. Errors: Unavailable."""
        started = time.perf_counter()
        self._nearby("SELECT value FROM counter WHERE name = 'node'", ())
        return time.perf_counter() - started


def _numbered(sql: str) -> str:
    """PostgreSQL's $1 as SQLite's ?1: the statements are the same on both."""
    return sql.replace("$", "?")
