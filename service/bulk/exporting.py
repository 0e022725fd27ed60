"""An export: one NDJSON file a type (Bulk Data), every byte as it is stored, from one moment of the store; and a manifest of them.

White space between tokens that would break a line becomes a space; nothing else changes. The audit trail, older versions and deliveries
stay here: a backup has them.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from mappings.vocabulary import Json
from service.bulk.files import CannotRun
from service.bulk.order import step_of
from service.bulk.stories import FILE, packed
from service.store.clock import now_us
from service.store.numbers import param_number, type_number
from service.store.snapshot import Snapshot
from service.store.unit import Reading, instant

MANIFEST = "manifest.json"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_STORY = "SELECT kind, key, body FROM story WHERE person = $1 ORDER BY kind, key"
_READINGS = "SELECT person, measure, at, source, received, value, body FROM reading WHERE person = $1 ORDER BY measure, at, source"
_ABOUT_NOBODY = "t.person IS NULL AND NOT t.deleted"
_REFERRED = f"""SELECT DISTINCT t.ref FROM resource r JOIN idx_reference i ON i.rid = r.rid JOIN resource t ON t.ref = i.target
    WHERE r.person = $1 AND {_ABOUT_NOBODY}"""
_FURTHER = f"""SELECT DISTINCT t.ref FROM resource r JOIN idx_reference i ON i.rid = r.rid JOIN resource t ON t.ref = i.target
    WHERE r.ref = $1 AND {_ABOUT_NOBODY}"""
_MADE = f"""SELECT DISTINCT t.ref FROM resource r JOIN idx_reference i ON i.param = $2 AND i.target = r.ref JOIN resource t ON t.rid = i.rid
    WHERE r.person = $1 AND {_ABOUT_NOBODY}"""


class Scope(NamedTuple):
    """What is exported. `types` in the order they are written; `since`: microseconds UTC; `person`: one Patient ref, with what its record
    refers to that is about nobody."""

    types: tuple[str, ...]
    since: int | None = None
    person: str | None = None
    whole: bool = True
    """All types and times: the stories go along, so that an empty database can be given the same record."""


def scope(kept: Iterable[str], types: Sequence[str], since: int | None, person: str | None) -> Scope:
    """The scope of these wishes; what others refer to is written first. Errors: CannotRun for a type that is not kept."""
    known = set(kept) - {"AuditEvent"}
    for name in types:
        if name not in known:
            raise CannotRun(f"{name} is not a type that can be exported")
    ordered = sorted(types or known, key=lambda name: (step_of(name, derived=False), name))
    return Scope(tuple(ordered), since, person, whole=not types and since is None)


class Out:
    """Where the lines go."""

    def open(self, name: str) -> BinaryIO:
        raise NotImplementedError

    def close(self, file: BinaryIO) -> None:
        """This one is whole."""
        file.close()

    def done(self, manifest: Json) -> None:
        """Everything was written."""


class Folder(Out):
    """Files of a directory, readable for their owner only. The manifest comes last: without it the export is not whole."""

    def __init__(self, path: Path) -> None:
        """Errors: CannotRun when something stands there already."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise CannotRun(f"{path}: the directory is not empty")
        except OSError as error:
            raise CannotRun(f"{path}: {error.strerror}") from error
        self._path = path

    def open(self, name: str) -> BinaryIO:
        return os.fdopen(os.open(self._path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20)

    def done(self, manifest: Json) -> None:
        with self.open(MANIFEST) as file:
            file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")


class Stream(Out):
    """All lines one after the other."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def open(self, name: str) -> BinaryIO:
        return self._stream

    def close(self, file: BinaryIO) -> None:
        file.flush()


@dataclass(slots=True)
class Export:
    """One run over a snapshot."""

    view: Snapshot
    scope: Scope
    out: Out
    base: str
    seen: Callable[[int], None]
    _done: int = 0
    _output: list[Json] = field(default_factory=list)
    _related: set[str] = field(default_factory=set)

    async def run(self) -> dict[str, Any]:
        """Write everything; answers the report."""
        moment = instant(now_us()).decode()
        if self.scope.person is not None:
            self._related = await self._relate()
        for name in self.scope.types:
            await self._file(f"{name}.ndjson", self._resources(name), name)
        if self.scope.whole:
            await self._file(FILE, self._stories(), "Parameters")
        self.out.done({"transactionTime": moment, "request": self._request(), "requiresAccessToken": False, "output": self._output, "error": []})
        return {"resources": self._done, "types": {each["type"]: each["count"] for each in self._output}, "at": moment}

    def _request(self) -> str:
        asked = [f"_since={instant(self.scope.since).decode()}"] if self.scope.since is not None else []
        if not self.scope.whole:
            asked.append("_type=" + ",".join(self.scope.types))
        address = f"{self.base}/{self.scope.person or ''}".rstrip("/") + "/$export"
        return f"{address}?{'&'.join(asked)}" if asked else address

    async def _file(self, name: str, lines: AsyncIterator[bytes], kind: str) -> None:
        """One file, if there is a line for it."""
        file, count = None, 0
        try:
            async for line in lines:
                file = file or self.out.open(name)
                file.write(line)
                count += 1
                self.seen(self._done + count)
        finally:
            if file is not None:
                self.out.close(file)
        if count:
            self._output.append({"type": kind, "url": name, "count": count})
            self._done += count

    async def _resources(self, kind: str) -> AsyncIterator[bytes]:
        """The current resources of a type, oldest first."""
        where = "r.kind = $1 AND NOT r.deleted"
        params: list[int | str] = [type_number(kind)]
        if self.scope.since is not None:
            params.append(self.scope.since)
            where += f" AND r.updated >= ${len(params)}"
        if self.scope.person is not None:
            params.append(self.scope.person)
            where += f" AND r.person = ${len(params)}"
        async for row in self.view.rows(f"SELECT r.body FROM resource r WHERE {where} ORDER BY r.rid", params):
            yield _line(row[0])
        for ref in sorted(ref for ref in self._related if ref.startswith(f"{kind}/")):
            async for row in self.view.rows("SELECT body FROM resource WHERE ref = $1", (ref,)):
                yield _line(row[0])

    async def _relate(self) -> set[str]:
        """What one person's record refers to, and what that refers to in turn, as far as it is about nobody; and who made the record."""
        assert self.scope.person is not None
        found, near = set[str](), [row[0] async for row in self.view.rows(_MADE, (self.scope.person, param_number("Provenance", "target")))]
        near += [row[0] async for row in self.view.rows(_REFERRED, (self.scope.person,))]
        while near:
            found.update(near)
            near = [row[0] for ref in near async for row in self.view.rows(_FURTHER, (ref,)) if row[0] not in found]
        return found

    async def _stories(self) -> AsyncIterator[bytes]:
        where, params = (" WHERE ref = $1", (self.scope.person,)) if self.scope.person else ("", ())
        async for row in self.view.rows(f"SELECT ref FROM person{where} ORDER BY ref", params):
            rows = [(kind, key, bytes(body)) async for kind, key, body in self.view.rows(_STORY, (row[0],))]
            readings = [Reading._make((*each[:6], bytes(each[6]))) async for each in self.view.rows(_READINGS, (row[0],))]
            yield packed(row[0], rows, readings) + b"\n"


def _line(body: bytes) -> bytes:
    return bytes(body).translate(_LINE_ENDS) + b"\n"
