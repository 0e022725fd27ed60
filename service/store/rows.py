"""The decided units of a group as rows by table, ready for either database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.store.numbers import system_number
from service.store.unit import Unit, Write

INDEX_TABLES = ("token", "string", "reference", "date", "quantity", "uri", "composite")
Row = tuple[Any, ...]
_UCUM = system_number("http://unitsofmeasure.org")


@dataclass(slots=True)
class Rows:
    """Rows of one group. `updated`: rids whose current row goes to history and whose index rows are made anew; `tally`: by kind, the change
    of live resources and the number of writes; `units`: the UCUM codes of its quantities."""

    inserted: list[Row] = field(default_factory=list)
    updated: dict[int, Row] = field(default_factory=dict)
    passed: list[Row] = field(default_factory=list)
    index: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in INDEX_TABLES})
    persons: list[Row] = field(default_factory=list)
    new_persons: list[Row] = field(default_factory=list)
    story_puts: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    story_drops: set[tuple[str, str, str]] = field(default_factory=set)
    readings: dict[tuple[str, str, int, str], Row] = field(default_factory=dict)
    reading_drops: set[str] = field(default_factory=set)
    pushes: list[Row] = field(default_factory=list)
    audits: list[Row] = field(default_factory=list)
    imported: dict[str, Row] = field(default_factory=dict)
    progress: dict[str, Row] = field(default_factory=dict)
    tally: dict[int, list[int]] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)

    def add(self, unit: Unit, now: int, mint: Callable[[], int]) -> None:
        """Take in one decided unit."""
        latest = {write.ref: write for write in unit.writes}
        for write in unit.writes:
            self._resource(write, latest[write.ref] is write)
        self.persons += [(person, version + 1) for person, version in unit.persons.items()]
        self.new_persons += [(person, 1) for person in unit.new_persons]
        self._story(unit)
        for push in unit.pushes:
            status, settled = ("withheld", now) if push.withheld else ("due", None)
            version = latest[push.ref].version
            self.pushes.append((mint(), push.ehr, push.ref, version, push.safety, status, now, 0, False, 0, now, settled, push.withheld))
        self.audits += [tuple(audit) for audit in unit.audits]
        self.imported |= {each.ref: tuple(each) for each in unit.imported}
        self.progress |= {each[0]: each for each in unit.progress}

    def _resource(self, write: Write, last: bool) -> None:
        body = write.render()
        tally = self.tally.setdefault(write.kind, [0, 0])
        tally[0] += int(not write.deleted) - int(write.was_live)
        tally[1] += 1
        if write.version == 1:
            self.inserted.append((write.rid, write.kind, write.ref, 1, write.updated, write.deleted, write.person, body))
        else:
            self._replace(write, body)
        if last and not write.deleted:
            for name, rows in zip(INDEX_TABLES, write.index, strict=True):
                self.index[name] += [(*row, write.rid) for row in rows]
            self.units.update(row[4] for row in write.index.quantity if row[3] == _UCUM and row[4])
            self.units.update(row[3] for row in write.index.composite if row[6] == _UCUM and row[3])

    def _replace(self, write: Write, body: bytes) -> None:
        """A second version of one resource within a group sends the first, never stored as current, straight to history."""
        earlier = self.updated.get(write.rid)
        if earlier is not None:
            self.passed.append((write.rid, write.kind, earlier[1], earlier[2], earlier[3], earlier[5]))
            self._forget(write.rid)
        else:
            for position, row in enumerate(self.inserted):
                if row[0] == write.rid:
                    self.passed.append((row[0], row[1], row[3], row[4], row[5], row[7]))
                    self._forget(write.rid)
                    self.inserted[position] = (row[0], row[1], row[2], write.version, write.updated, write.deleted, write.person, body)
                    return
        self.updated[write.rid] = (write.rid, write.version, write.updated, write.deleted, write.person, body)

    def tallied(self, slot: int) -> list[Row]:
        """What the tally of each type gains: (kind, slot, live, changes), in one order, so that no two processes wait for each other."""
        return [(kind, slot, live, changes) for kind, (live, changes) in sorted(self.tally.items())]

    def _forget(self, rid: int) -> None:
        for name in INDEX_TABLES:
            self.index[name] = [row for row in self.index[name] if row[-1] != rid]

    def _story(self, unit: Unit) -> None:
        for key in unit.story_drops:
            self.story_drops.add(key)
            self.story_puts.pop(key, None)
        for key, body in unit.story_puts.items():
            self.story_puts[key] = body
            self.story_drops.discard(key)
        for source in unit.reading_drops:
            self.reading_drops.add(source)
            self.readings = {key: row for key, row in self.readings.items() if key[3] != source}
        for reading in unit.readings:
            self.readings[reading[:4]] = tuple(reading)


def collect(units: Sequence[Unit], now: int, mint: Callable[[], int]) -> Rows:
    """All rows of the decided units of one group."""
    rows = Rows()
    for unit in units:
        rows.add(unit, now, mint)
    return rows
