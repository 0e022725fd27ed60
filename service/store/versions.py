"""Older versions: the history table holds what was replaced, the current row the newest."""

from typing import Protocol

from service.store.unit import Stored


class _Fetching(Protocol):
    async def fetch(self, sql: str, params: tuple[object, ...] = ...) -> list[tuple[object, ...]]: ...


class Versions:
    """Reads versions of one resource; the caller has its current row."""

    def __init__(self, store: _Fetching) -> None:
        self._store = store

    async def one(self, current: Stored, version: int) -> Stored | None:
        """This version, if it was ever there."""
        rows = await self._store.fetch("SELECT version, updated, deleted, body FROM history WHERE rid = $1 AND version = $2", (current.rid, version))
        return _stored(current, rows[0]) if rows else None

    async def down_from(self, current: Stored, below: int, count: int) -> list[Stored]:
        """At most `count` versions lower than `below`, newest first."""
        first = [current] if current.version < below else []
        if current.version == 1:
            return first
        rows = await self._store.fetch(
            "SELECT version, updated, deleted, body FROM history WHERE rid = $1 AND version < $2 ORDER BY version DESC LIMIT $3", (current.rid, below, count)
        )
        return (first + [_stored(current, row) for row in rows])[:count]


def _stored(current: Stored, row: tuple[object, ...]) -> Stored:
    version, updated, deleted, body = row
    return Stored(current.rid, current.ref, int(version), int(updated), bool(deleted), current.person, bytes(body))  # type: ignore[call-overload]
