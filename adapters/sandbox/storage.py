"""The sandbox's own SQLite file: resource versions, search terms, clients, faults and everything received.

Each public method is one transaction that begins IMMEDIATE, so two processes on one file cannot both win a conditional
create. What a method returned is on disk: `kill -9` loses none of it.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.sandbox.refusal import Json

_TABLES = """
CREATE TABLE IF NOT EXISTS version (seq INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, id TEXT NOT NULL,
  version INTEGER NOT NULL, at REAL NOT NULL, method TEXT NOT NULL, body TEXT, current INTEGER NOT NULL, UNIQUE (type, id, version));
CREATE INDEX IF NOT EXISTS version_current ON version (type, seq) WHERE current = 1;
CREATE TABLE IF NOT EXISTS term (seq INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, system TEXT, value TEXT,
  low INTEGER, high INTEGER);
CREATE INDEX IF NOT EXISTS term_value ON term (type, name, value);
CREATE INDEX IF NOT EXISTS term_seq ON term (seq, name);
CREATE TABLE IF NOT EXISTS client (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS used_jti (client TEXT, jti TEXT, until REAL, PRIMARY KEY (client, jti));
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS received (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL,
  headers TEXT NOT NULL, body TEXT NOT NULL, status INTEGER, outcome TEXT);
"""
KEPT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Term:
    """One indexed value of a search parameter; dates are milliseconds [low, high)."""

    name: str
    system: str | None = None
    value: str | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource. `body` is its JSON text with id and meta, None when this version deleted it."""

    seq: int
    type: str
    id: str
    version: int
    at: float
    method: str
    body: str | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of SQL over `version v`, with its arguments."""

    sql: str
    arguments: tuple[object, ...] = ()


_COLUMNS = "v.seq, v.type, v.id, v.version, v.at, v.method, v.body"
_LIVE = "v.type = ? AND v.current = 1 AND v.body IS NOT NULL"


class Storage:
    """One open database. Safe from several threads; a path may be open in several processes."""

    def __init__(self, database: str) -> None:
        """`database` is a path or ":memory:"."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(database, timeout=20, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")  # enough against kill -9; not against a power cut
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; nested use joins the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, sql: str, arguments: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            return self._connection.execute(sql, arguments).fetchall()

    def _versions(self, where: str, arguments: Sequence[object]) -> list[Version]:
        return [Version(*row) for row in self._rows(f"SELECT {_COLUMNS} FROM version v WHERE {where}", arguments)]  # type: ignore[arg-type]

    # resources

    def read(self, type_: str, id_: str) -> Version | None:
        """The current version (which may be a deletion)."""
        return next(iter(self._versions("v.type = ? AND v.id = ? AND v.current = 1", (type_, id_))), None)

    def vread(self, type_: str, id_: str, version: int) -> Version | None:
        """One version."""
        return next(iter(self._versions("v.type = ? AND v.id = ? AND v.version = ?", (type_, id_, version))), None)

    def history(self, type_: str, id_: str) -> list[Version]:
        """All versions, newest first."""
        return self._versions("v.type = ? AND v.id = ? ORDER BY v.version DESC", (type_, id_))

    def select(self, type_: str, conditions: Sequence[Condition], tail: str = "ORDER BY v.seq", limit: int = 1000) -> list[Version]:
        """Current resources of a type that meet all conditions."""
        where = " AND ".join([_LIVE, *(condition.sql for condition in conditions)])
        arguments = [type_, *(argument for condition in conditions for argument in condition.arguments), limit]
        return self._versions(f"{where} {tail} LIMIT ?", arguments)

    def count(self, type_: str, conditions: Sequence[Condition] = ()) -> int:
        """How many current resources of a type meet all conditions."""
        where = " AND ".join([_LIVE, *(condition.sql for condition in conditions)])
        arguments = [type_, *(argument for condition in conditions for argument in condition.arguments)]
        return int(str(self._rows(f"SELECT count(*) FROM version v WHERE {where}", arguments)[0][0]))

    def add(self, version: Version, terms: Sequence[Term]) -> Version:
        """Stores `version` (its seq is ignored) as the current one. Errors: sqlite3.IntegrityError when that version exists."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM term WHERE seq IN (SELECT seq FROM version WHERE type = ? AND id = ? AND current = 1)",
                               (version.type, version.id))  # fmt: skip
            connection.execute("UPDATE version SET current = 0 WHERE type = ? AND id = ? AND current = 1", (version.type, version.id))
            cursor = connection.execute(
                "INSERT INTO version (type, id, version, at, method, body, current) VALUES (?, ?, ?, ?, ?, ?, 1)",
                (version.type, version.id, version.version, version.at, version.method, version.body),
            )
            rows = [(cursor.lastrowid, version.type, term.name, term.system, term.value, term.low, term.high) for term in terms]
            connection.executemany("INSERT INTO term VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return Version(cursor.lastrowid or 0, version.type, version.id, version.version, version.at, version.method, version.body)

    # settings and clients

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """The stored value of a setting; `make` gives the first one."""
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO setting VALUES (?, ?)", (name, row := make()))
                return row
            return str(row[0])

    def put_setting(self, name: str, value: str) -> None:
        """Sets a setting."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def client(self, id_: str) -> Json | None:
        """A registered client."""
        rows = self._rows("SELECT body FROM client WHERE id = ?", (id_,))
        return json.loads(str(rows[0][0])) if rows else None

    def clients(self) -> list[Json]:
        """All registered clients."""
        return [json.loads(str(row[0])) for row in self._rows("SELECT body FROM client ORDER BY rowid")]

    def put_client(self, client: Json) -> None:
        """Registers a client under its `client_id`, in place of an earlier one of that id."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO client VALUES (?, ?)", (client["client_id"], json.dumps(client)))

    def first_use(self, client: str, jti: str, until: float, now: float) -> bool:
        """True once for each (client, jti) until it has expired."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM used_jti WHERE until < ?", (now,))
            return connection.execute("INSERT OR IGNORE INTO used_jti VALUES (?, ?, ?)", (client, jti, until)).rowcount == 1

    # faults

    def faults(self) -> list[Json]:
        """Faults still to come, oldest first, each with `id` and `remaining`."""
        rows = self._rows("SELECT id, remaining, body FROM fault WHERE remaining > 0 ORDER BY id")
        return [{"id": row[0], "remaining": row[1]} | json.loads(str(row[2])) for row in rows]

    def add_faults(self, faults: Sequence[Json]) -> None:
        """Adds faults behind those waiting."""
        with self.transaction() as connection:
            rows = [(json.dumps(fault), fault["times"]) for fault in faults]
            connection.executemany("INSERT INTO fault (body, remaining) VALUES (?, ?)", rows)

    def clear_faults(self) -> None:
        """Drops all waiting faults."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM fault")

    def take_fault(self, wanted: Callable[[Json], bool]) -> Json | None:
        """The first waiting fault that `wanted` accepts, used up by one."""
        if not self.faults():
            return None
        with self.transaction() as connection:
            found = next((fault for fault in self.faults() if wanted(fault)), None)
            if found is not None:
                connection.execute("UPDATE fault SET remaining = remaining - 1 WHERE id = ?", (found["id"],))
            return found

    # everything received

    def receive(self, at: float, method: str, url: str, headers: Json, body: str) -> int:
        """Notes a request before it is handled; gives its number."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO received (at, method, url, headers, body) VALUES (?, ?, ?, ?, ?)", (at, method, url, json.dumps(headers), body)
            )
            number = cursor.lastrowid or 0
            connection.execute("DELETE FROM received WHERE number <= ?", (number - KEPT_REQUESTS,))
            return number

    def settle(self, number: int, status: int | None, outcome: str) -> None:
        """Notes how request `number` ended."""
        with self.transaction() as connection:
            connection.execute("UPDATE received SET status = ?, outcome = ? WHERE number = ?", (status, outcome, number))

    def received(self, after: int = 0, limit: int = KEPT_REQUESTS, newest_first: bool = False) -> list[Json]:
        """Requests in order of arrival; `outcome` None means the sandbox died on the way."""
        order = "DESC" if newest_first else "ASC"
        rows = self._rows(f"SELECT * FROM received WHERE number > ? ORDER BY number {order} LIMIT ?", (after, limit))
        names = ("number", "at", "method", "url", "headers", "body", "status", "outcome")
        return [dict(zip(names, row, strict=True)) | {"headers": json.loads(str(row[4]))} for row in rows]

    def forget_received(self) -> None:
        """Empties the list of what was received."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM received")
