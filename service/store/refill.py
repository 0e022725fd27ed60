"""Index rows of resources that stand already, made to equal what the indexer finds now; a resource that was written meanwhile is left alone.

`inserts`: the statement (SQLite) or the columns (PostgreSQL) that fill each index table, as the store's own writes use them.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from service.store.rows import INDEX_TABLES, Row
from service.store.unit import IndexRows


class Wanted(NamedTuple):
    """The rows of one resource, made from this version of it."""

    version: int
    rows: IndexRows


Found = dict[str, list[Row]]


def on_file(connection: sqlite3.Connection, wanted: Mapping[int, Wanted], inserts: Mapping[str, str]) -> int:
    """Within a transaction that holds the write lock; answers how many resources had other rows."""
    marks = ",".join("?" * len(wanted))
    standing = dict(connection.execute(f"SELECT rid, version FROM resource WHERE rid IN ({marks}) AND NOT deleted", list(wanted)).fetchall())
    found = {
        name: connection.execute(f"SELECT {_columns(inserts[name])} FROM idx_{name} WHERE rid IN ({marks})", list(wanted)).fetchall() for name in INDEX_TABLES
    }
    rids, rows = _differing(wanted, standing, found)
    for name in INDEX_TABLES:
        connection.executemany(f"DELETE FROM idx_{name} WHERE rid = ?", [(rid,) for rid in rids])
        connection.executemany(inserts[name], rows[name])
    return len(rids)


def _columns(insert: str) -> str:
    return insert[insert.index("(") + 1 : insert.index(")")]


async def on_server(connection: Any, wanted: Mapping[int, Wanted], columns: Mapping[str, str]) -> int:
    """Within a transaction; answers how many resources had other rows. Locks in the order of every write."""
    every = list(wanted)
    locked = await connection.fetch("SELECT rid, version FROM resource WHERE rid = ANY($1) AND NOT deleted ORDER BY ref FOR UPDATE", every)
    selects = {name: f"SELECT {columns[name]} FROM idx_{name} WHERE rid = ANY($1)" for name in INDEX_TABLES}
    found = {name: [tuple(row) for row in await connection.fetch(select, every)] for name, select in selects.items()}
    rids, rows = _differing(wanted, {row[0]: row[1] for row in locked}, found)
    for name in INDEX_TABLES if rids else ():
        await connection.execute(f"DELETE FROM idx_{name} WHERE rid = ANY($1)", rids)
        if rows[name]:
            await connection.copy_records_to_table(f"idx_{name}", records=rows[name], columns=columns[name].split(", "))
    return len(rids)


def _differing(wanted: Mapping[int, Wanted], standing: Mapping[int, int], found: Found) -> tuple[list[int], Found]:
    """The resources, still of the version that was read, whose rows are not those wanted; and all rows that they should have."""
    has: dict[tuple[str, int], set[Row]] = {}
    for name, rows in found.items():
        for row in rows:
            has.setdefault((name, row[-1]), set()).add(row)
    rids: list[int] = []
    result: Found = {name: [] for name in INDEX_TABLES}
    for rid, (version, made) in wanted.items():
        should = {name: {(*row, rid) for row in rows} for name, rows in zip(INDEX_TABLES, made, strict=True)}
        if standing.get(rid) != version or all(should[name] == has.get((name, rid), set()) for name in INDEX_TABLES):
            continue
        rids.append(rid)
        _add(result, should.items())
    return rids, result


def _add(result: Found, should: Iterable[tuple[str, set[Row]]]) -> None:
    for name, rows in should:
        result[name] += rows
