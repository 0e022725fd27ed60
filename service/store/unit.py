"""One unit of work: everything one use case stores in one commit, with the versions it read.

A unit either stands whole or not at all; in a group commit the loser of a version check never fails its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

ANY: Literal[-1] = -1
"""`Write.expected`: whatever version is there (or none)."""
STANDS: Literal[-2] = -2
"""`Write.expected`: whatever version is there, but one."""
Expected = int | frozenset[int]
"""The version that a write replaces; of several that may stand any one."""


class Stored(NamedTuple):
    """One version of a resource. `updated`: microseconds since 1970 UTC. A deleted one has an empty body."""

    rid: int
    ref: str
    version: int
    updated: int
    deleted: bool
    person: str | None
    body: bytes


def pinned(expected: Expected, version: int) -> Expected:
    """What to expect so that just this version is replaced, where it is one that may be."""
    if isinstance(expected, frozenset):
        return version if version in expected else expected
    return version if expected in (ANY, STANDS) else expected


def stored_row(row: Any) -> Stored:
    """A row of the columns rid, ref, version, updated, deleted, person, body (more may follow)."""
    return Stored(row[0], row[1], row[2], row[3], bool(row[4]), row[5], bytes(row[6]))


class IndexRows(NamedTuple):
    """Index rows of one resource, by table, without the trailing rid."""

    token: Sequence[tuple[int, str, int]] = ()
    string: Sequence[tuple[int, str, str]] = ()
    reference: Sequence[tuple[int, str]] = ()
    date: Sequence[tuple[int, int, int]] = ()
    quantity: Sequence[tuple[int, float, float, int, str]] = ()
    uri: Sequence[tuple[int, str]] = ()
    composite: Sequence[tuple[int, str, float, str, int, float, int]] = ()


@dataclass(slots=True)
class Write:
    """One resource version to be. `head` and `tail` enclose versionId and lastUpdated, which the commit decides.

    `expected`: the version it replaces (or one of several), 0 when nothing may stand there (a deleted one may), STANDS when something must,
    ANY when it does not matter.
    `fresh`: the id was made by us for this write, so nothing can stand there. `was_live`: the commit's word on whether it replaced something.
    """

    ref: str
    kind: int
    head: bytes
    tail: bytes
    index: IndexRows
    person: str | None = None
    expected: Expected = 0
    fresh: bool = False
    deleted: bool = False
    rid: int = 0
    version: int = 0
    updated: int = 0
    was_live: bool = False

    def render(self) -> bytes:
        """The stored bytes of this version, once the commit has given version and time."""
        if self.deleted:
            return b""
        return b'%b"versionId":"%d","lastUpdated":"%b"%b' % (self.head, self.version, instant(self.updated), self.tail)

    def stored(self) -> Stored:
        """The version as a reader would find it."""
        return Stored(self.rid, self.ref, self.version, self.updated, self.deleted, self.person, self.render())


class Reading(NamedTuple):
    """One judged value of a person: `at` microseconds UTC, `source` the resource it came from, `body` what else a replay needs."""

    person: str
    measure: str
    at: int
    source: str
    received: int
    value: float
    body: bytes


class Audit(NamedTuple):
    """One access or refusal. `action` is C, R, U, D or E (R4 AuditEvent.action)."""

    id: int
    at: int
    action: str
    interaction: str
    status: int
    kind: str
    ref: str | None
    person: str | None
    client: str
    agent: str | None
    request: str
    body: bytes | None = None


class Push(NamedTuple):
    """An outbox row to be: deliver this version of `ref` to `ehr`; `withheld` says why it must not leave."""

    ehr: str
    ref: str
    safety: bool
    withheld: str | None = None


class Imported(NamedTuple):
    """Where a resource came from: `source` names the system, `digest` what it sent last."""

    ref: str
    source: str
    digest: bytes


@dataclass(slots=True)
class Guard:
    """A condition that holds inside the commit: the search (SQL with its parameters) finds just these resources.

    `lock` is the advisory lock that makes two commits with the same criteria take turns.
    """

    lock: str
    sql: str
    params: tuple[Any, ...]
    refs: tuple[str, ...]


@dataclass(slots=True)
class Unit:
    """What one commit stores. `persons`: the version of each person's story that was read; `progress`: how far the import of a source is."""

    writes: list[Write] = field(default_factory=list)
    persons: dict[str, int] = field(default_factory=dict)
    new_persons: list[str] = field(default_factory=list)
    story_puts: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    story_drops: set[tuple[str, str, str]] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)
    reading_drops: set[str] = field(default_factory=set)
    pushes: list[Push] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    imported: list[Imported] = field(default_factory=list)
    progress: list[tuple[str, bytes]] = field(default_factory=list)


class Stale(Exception):
    """Something the unit read has changed: `ref` names what. Nothing of the unit was stored."""

    def __init__(self, ref: str, found: int | None = None) -> None:
        super().__init__(ref)
        self.ref, self.found = ref, found


class StaleStory(Stale):
    """The person's story has moved on: think again from what it is now."""


class GuardFailed(Exception):
    """A guard's search finds other resources now. Nothing of the unit was stored."""

    def __init__(self, refs: tuple[str, ...]) -> None:
        super().__init__("guard")
        self.refs = refs


class Unavailable(Exception):
    """The database does not answer. Nothing is known to be stored."""


_days: dict[int, str] = {}


def instant(us: int) -> bytes:
    """A FHIR instant of these microseconds, in UTC with milliseconds rounded down (`meta.lastUpdated`)."""
    day, rest = divmod(us, 86_400_000_000)
    date = _days.get(day)
    if date is None:
        date = _days[day] = _civil(day)
        if len(_days) > 4096:
            _days.clear()
    seconds, micros = divmod(rest, 1_000_000)
    return b"%bT%02d:%02d:%02d.%03dZ" % (date.encode(), seconds // 3600, seconds // 60 % 60, seconds % 60, micros // 1000)


def _civil(day: int) -> str:
    from datetime import date

    return date.fromordinal(719163 + day).isoformat()
