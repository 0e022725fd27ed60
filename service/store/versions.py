"""Older versions: the history table holds what was replaced, the current row the newest."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from service.store.numbers import type_number
from service.store.unit import Stored, stored_row

_CURRENT = "SELECT r.rid, r.ref, r.version, r.updated, r.deleted, r.person, r.body FROM resource r WHERE "
_REPLACED = "SELECT h.rid, r.ref, h.version, h.updated, h.deleted, r.person, h.body FROM history h CROSS JOIN resource r WHERE r.rid = h.rid AND "
_NEXT = "COALESCE((SELECT n.updated FROM history n WHERE n.rid = h.rid AND n.version = h.version + 1), r.updated)"
"""When a replaced version was replaced."""


class Place(NamedTuple):
    """A place in a history, newest first: that of one version. Times in microseconds UTC."""

    updated: int
    rid: int
    version: int


class Window(NamedTuple):
    """Which versions of a history are wanted: `since` when made, within which half-open span current (`at`), after which place, how many at most."""

    limit: int
    since: int | None = None
    at: tuple[int, int] | None = None
    after: Place | None = None


class _Fetching(Protocol):
    async def fetch(self, sql: str, params: Sequence[Any] = ...) -> list[Any]: ...


class Versions:
    """Reads versions. For one resource the caller has its current row."""

    def __init__(self, store: _Fetching) -> None:
        self._store = store

    async def one(self, current: Stored, version: int) -> Stored | None:
        """This version, if it was ever there."""
        rows = await self._store.fetch("SELECT version, updated, deleted, body FROM history WHERE rid = $1 AND version = $2", (current.rid, version))
        return _of(current, rows[0]) if rows else None

    async def of_one(self, current: Stored, window: Window) -> list[Stored]:
        """The versions of one resource, newest first."""
        if window == Window(window.limit):
            return [current, *(await self._older(current, window.limit - 1) if current.version > 1 else [])]
        return await self._read([f"r.rid = {current.rid}"], [f"h.rid = {current.rid}"], window, None)

    async def _older(self, current: Stored, limit: int) -> list[Stored]:
        sql = f"SELECT version, updated, deleted, body FROM history WHERE rid = $1 ORDER BY version DESC LIMIT {limit}"
        return [_of(current, row) for row in await self._store.fetch(sql, (current.rid,))]

    async def of_types(self, kinds: Sequence[str], window: Window, person: str | None) -> list[Stored]:
        """The versions of all resources of these types, newest first; `person` bounds them to one person's."""
        numbers = [type_number(kind) for kind in kinds]
        return await self._read([f"r.kind = {number}" for number in numbers], [f"h.kind = {number}" for number in numbers], window, person)

    async def _read(self, current: Sequence[str], replaced: Sequence[str], window: Window, person: str | None) -> list[Stored]:
        params: list[Any] = []

        def bind(value: Any) -> str:
            params.append(value)
            return f"${len(params)}"

        more = _conditions("r", window, bind), _conditions("h", window, bind)
        about = f" AND r.person = {bind(person)}" if person is not None else ""
        page = f"LIMIT {window.limit}"
        parts = [f"SELECT * FROM ({_CURRENT}{where}{more[0]}{about} ORDER BY r.updated DESC, r.rid DESC {page}) c" for where in current]
        parts += [f"SELECT * FROM ({_REPLACED}{where}{more[1]}{about} ORDER BY h.updated DESC, h.rid DESC, h.version DESC {page}) o" for where in replaced]
        rows = await self._store.fetch(f"{' UNION ALL '.join(parts)} ORDER BY 4 DESC, 1 DESC, 3 DESC {page}", params)
        return [stored_row(row) for row in rows]


def _conditions(a: str, window: Window, bind: Any) -> str:
    """What the window asks of a version `a`: r the current one, h a replaced one."""
    found = []
    if window.since is not None:
        found.append(f"{a}.updated >= {bind(window.since)}")
    if window.at is not None:
        low, high = window.at
        found.append(f"{a}.updated < {bind(high)}")
        if a == "h":
            found.append(f"{_NEXT} > {bind(low)}")
    if window.after is not None:
        updated, rid, version = (bind(value) for value in window.after)
        found.append(f"({a}.updated, {a}.rid) <= ({updated}, {rid}) AND NOT ({a}.updated = {updated} AND {a}.rid = {rid} AND {a}.version >= {version})")
    return "".join(f" AND {each}" for each in found)


def _of(current: Stored, row: Any) -> Stored:
    version, updated, deleted, body = row
    return Stored(current.rid, current.ref, int(version), int(updated), bool(deleted), current.person, bytes(body))
