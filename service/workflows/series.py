"""The values of one measure of one person in clinical time: appended in order from a stored state, replayed when one comes late or goes.

Values by another method are another stream: each stream has a state of its own, and all stand in one series.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import NamedTuple

import orjson

from mappings.baseline.detectors import share
from mappings.baseline.engine import Judgement, State, confirmed, start, step
from mappings.baseline.prior import Prior
from mappings.baseline.treatment import Timeline
from service.store.unit import Reading

_HEAD = struct.Struct("<qqqqdqqd")
_STREAM = struct.Struct("<HI")
_MARK = -(1 << 63) + 1
"""Opens the stored state; no instant is this early. One that opens otherwise (0.1, of November 2026) is replayed when it is next needed."""
DAY_US = 86_400_000_000


@dataclass(slots=True)
class Entry:
    """One value. `at`, `received`: microseconds UTC; `value` None when the answer could not be scored.

    `stream`: the method it was measured by, "" where none is named. `derived`: the refs that were made from it; `digest`: of their content,
    to leave unchanged ones alone; `kept`: it stands in the store.
    """

    at: int
    source: str
    received: int
    value: float | None
    stream: str = ""
    derived: tuple[str, ...] = ()
    digest: str = ""
    kept: bool = False

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        """Order in clinical time; of two at one instant the last stands, and an answer before a bare total."""
        return (self.at, self.source.startswith("QuestionnaireResponse/"), self.received, self.source)


def reading_of(person: str, measure: str, entry: Entry) -> Reading:
    """The row of one value."""
    body = orjson.dumps({"scored": entry.value is not None, "stream": entry.stream, "derived": entry.derived, "digest": entry.digest})
    return Reading(person, measure, entry.at, entry.source, entry.received, entry.value or 0.0, body)


def entry_of(reading: Reading) -> Entry:
    """The value of one row."""
    more = orjson.loads(reading.body)
    value = reading.value if more["scored"] else None
    return Entry(reading.at, reading.source, reading.received, value, more.get("stream", ""), tuple(more["derived"]), more["digest"], True)


def first_scored(entries: Iterable[Entry]) -> int | None:
    """The instant of the first scored value among these; None where there is none."""
    ordered = sorted(entries, key=lambda entry: entry.rank)
    return next((entry.at for at, entry in enumerate(ordered) if entry.value is not None and not shadowed(ordered, at)), None)


def shadowed(ordered: Sequence[Entry], at: int) -> bool:
    """Whether another value stands for this one at its instant: a later one by the same method, or an answer to the scale itself."""
    entry = ordered[at]
    return any(
        later.stream == entry.stream or later.source.startswith("QuestionnaireResponse/")
        for later in takewhile(lambda each: each.at == entry.at, islice(ordered, at + 1, None))
    )


def begun(raw: bytes) -> int | None:
    """The instant of the first scored value of a stored state; None where it has none."""
    if len(raw) < _HEAD.size or _HEAD.unpack_from(raw)[0] != _MARK:
        return None
    _, _, _, count, _, first_at, _, _ = _HEAD.unpack_from(raw)
    return int(first_at) if count else None


class Point(NamedTuple):
    """A scored value: microseconds UTC and what it was."""

    at: int
    value: float


@dataclass(slots=True)
class Told:
    """A value with its judgement. `newest`: no later value stands. `shadowed`: another stands for it at the same instant.
    `start` and `previous`: the first scored value of the series and the one before this, where they are others than this one."""

    entry: Entry
    judgement: Judgement | None
    newest: bool
    first: float | None
    shadowed: bool = False
    start: Point | None = None
    previous: Point | None = None


class Series:
    """One measure. `raw` is the stored state: newest instant, number of values, first value, newest value, engine states by stream.

    `timeline`: what is known to act on the level; `measures`: how many measures the person had begun at an instant, this one apart.
    """

    def __init__(self, measure: str, prior: Prior | None, raw: bytes | None, timeline: Timeline | None = None, measures: Callable[[int], int] | None = None
                 ) -> None:  # fmt: skip
        self.measure, self.prior, self.timeline = measure, prior, timeline
        self._measures = measures or (lambda _: 0)
        self.entries: list[Entry] | None = None
        self._reset()
        self.outdated = raw is not None and not self._take(raw)
        self._dirty: int | None = None
        self._told: list[Told] = []

    def _reset(self) -> None:
        self.last_at, self.count = -(1 << 62), 0
        self._start: Point | None = None
        self._previous: Point | None = None
        self.states: dict[str, State] = {}

    def _take(self, raw: bytes) -> bool:
        """Go on from a stored state; False where it is of an older kind, or rests on another prior."""
        if len(raw) < _HEAD.size or _HEAD.unpack_from(raw)[:2] != (_MARK, self._fingerprint):
            return False
        _, _, self.last_at, self.count, first, first_at, newest_at, newest = _HEAD.unpack_from(raw)
        if self.count:
            self._start, self._previous = Point(first_at, first), Point(newest_at, newest)
        try:
            self.states = _states(raw) if self.prior is not None else {}
        except ValueError:  # written by another version of the engine
            self._reset()
            return False
        return True

    @property
    def _fingerprint(self) -> int:
        return self.prior.fingerprint if self.prior else 0

    @property
    def first(self) -> float:
        """The first scored value, 0 before there is one."""
        return self._start.value if self._start else 0.0

    def load(self, entries: Sequence[Entry]) -> None:
        """Take in every stored value, so that one may be placed among them."""
        self.entries = sorted(entries, key=lambda entry: entry.rank)

    def place(self, entry: Entry) -> None:
        """Add a value. A late one, or one at an instant that has one, needs the entries loaded."""
        if self.entries is not None:
            self.entries.append(entry)
            self.judge_again(entry.at)
        else:
            self._append(entry)

    def remove(self, source: str) -> Entry | None:
        """Take out what this source gave; the entries must be loaded."""
        for entry in self.entries or ():
            if entry.source == source:
                self.entries.remove(entry)  # type: ignore[union-attr]
                self.judge_again(entry.at)
                return entry
        return None

    def settle(self) -> list[Told]:
        """Every value whose judgement may have changed, in clinical time, the newest last."""
        if self._dirty is None:
            for told in self._told[:-1]:
                told.newest = False
            return self._told
        return self._replay(self._dirty)

    def whole(self) -> list[tuple[int, float]] | None:
        """All values (instant, value) in order, where the entries were loaded."""
        if self.entries is None:
            return None
        return [(entry.at, entry.value) for entry in self.entries if entry.value is not None]

    def dump(self) -> bytes:
        """The state to store."""
        start, newest = self._start or Point(0, 0.0), self._previous or Point(0, 0.0)
        head = _HEAD.pack(_MARK, self._fingerprint, self.last_at, self.count, start.value, start.at, newest.at, newest.value)
        return head + b"".join(_stream(name, state.to_bytes()) for name, state in sorted(self.states.items()))

    def judge_again(self, at: int) -> None:
        """What acts on the level from this instant on is another than was known: later values are judged again. The entries must be loaded."""
        self._dirty = at if self._dirty is None else min(self._dirty, at)

    def _append(self, entry: Entry) -> None:
        self._told.append(self._tell(entry, True))
        self.last_at = entry.at

    def _tell(self, entry: Entry, newest: bool) -> Told:
        """Judge a value and take it in."""
        start, previous = self._start, self._previous
        judgement = self._judge(entry)
        return Told(entry, judgement, newest, self.first if self.count else entry.value, False, start, previous)

    def _judge(self, entry: Entry) -> Judgement | None:
        if entry.value is None:
            return None
        self._previous = Point(entry.at, entry.value)
        self._start = self._start or self._previous
        self.count += 1
        if self.prior is None:
            return None
        state, day = self.states.get(entry.stream) or start(self.prior), entry.at / DAY_US
        budget = share(1 + self._measures(entry.at))
        if self.timeline is None:
            judgement, self.states[entry.stream] = step(self.prior, state, day, entry.value, budget)
            return judgement
        if self.timeline.confirmed(state.last, day):
            state = confirmed(state)
        judgement, self.states[entry.stream] = step(self.prior, state, day, entry.value, budget, self.timeline.drive(state, day))
        return judgement

    def _replay(self, dirty: int) -> list[Told]:
        """All values again from the start; those at or after `dirty` are told, and the last one in any case."""
        self.entries = sorted(self.entries or (), key=lambda entry: entry.rank)
        self._reset()
        told: list[Told] = []
        for number, entry in enumerate(self.entries):
            newest = number + 1 == len(self.entries)
            hidden = shadowed(self.entries, number)
            found = Told(entry, None, False, self.first if self.count else entry.value, True) if hidden else self._tell(entry, newest)
            self.last_at = entry.at
            if entry.at >= dirty or newest:
                told.append(found)
        return told


def _stream(name: str, state: bytes) -> bytes:
    text = name.encode()
    return _STREAM.pack(len(text), len(state)) + text + state


def _states(raw: bytes) -> dict[str, State]:
    found, at = {}, _HEAD.size
    while at < len(raw):
        name, size = _STREAM.unpack_from(raw, at)
        at += _STREAM.size
        found[raw[at : at + name].decode()] = State.from_bytes(raw[at + name : at + name + size])
        at += name + size
    return found
