"""Telling one person's story what happened. Pure: no question to the store; what a replay needs was loaded before.

An answer or a value goes into its series; scores, ranges and deviations follow; what is newest becomes facts; rules turn
facts into suggestions. In order or late, amended or withdrawn, the content left is that of one delivery in order.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from mappings.vocabulary import Json
from service.store.unit import Reading, Unit, Write
from service.workflows.change import Change, Requester
from service.workflows.derivation import Event, content, events_of, speaks
from service.workflows.extracting import Extracting
from service.workflows.monitoring import Monitoring
from service.workflows.prescribing import Prescribing
from service.workflows.pushing import pushes
from service.workflows.reviewing import Reviewing
from service.workflows.series import Entry, Series, Told, first_scored, reading_of
from service.workflows.story import Story
from service.workflows.suggesting import Suggesting
from service.workflows.treating import Treating, acts
from service.workflows.writes import derived_write

if TYPE_CHECKING:
    from service.house import House


class Telling:
    """The work of one use case on one person."""

    def __init__(self, house: "House", story: Story, now: int, who: Requester) -> None:
        self.house, self.story, self.now, self.who = house, story, now, who
        self.derived: dict[str, tuple[Json, list[Json]]] = {}
        self.readings: list[Reading] = []
        self._events: list[Event] = []
        self._touched: set[str] = set()
        self._removed: list[Reading] = []
        self._series: dict[str, Series] = {}
        self._settled: dict[str, tuple[list[Told], set[str]]] = {}
        self._bodies: dict[str, Json] = {}
        self._answered: dict[str, Json] = {}
        self.changes: list[Change] = []
        self.push_refs: dict[str, bool] = {}
        self.prescribing = Prescribing(self)
        self.treating = Treating(house.knowledge, story)
        self._again: dict[str, int] = {}

    def note(self, changes: Iterable[Change]) -> None:
        """Take in what happened; values that cannot be placed in time yet are kept for their series."""
        for change in changes:
            self._touched.add(change.ref)
            if change.person != self.story.person:
                self.changes.append(Change("delete", change.kind, change.id, person=self.story.person, previous=change.previous))  # it has become another's
                continue
            self.changes.append(change)
            if change.kind == "Flag" and change.method != "delete" and any(row["ref"] == change.ref for _, row in self.story.all("flag")):
                self.push_refs[change.ref] = True  # a Flag of ours that a person resolved is resolved in the EHR too
            found = events_of(self.house, change, self.now) if change.method != "delete" else []
            self._events += found
            if found:
                self._bodies[change.ref] = found[0].resource
        self._treated()

    def _treated(self) -> None:
        """Keep what was said of medicines and stable periods, in words or in answers: from when it acts, later values are judged again."""
        extracting = Extracting(self)
        extracting.settle()
        changes, before = [*self.changes, *extracting.changes], Treating(self.house.knowledge, self.story)
        acted = any(map(acts, changes))
        if acted:
            before.courses, before.stable  # noqa: B018 - as they stood
        self.prescribing.note(changes)
        self.treating = Treating(self.house.knowledge, self.story)
        if acted:
            self._again = self.treating.moved_since(before)

    def replays(self, before: Sequence[Reading]) -> dict[str, int]:
        """The measures that must be replayed, and from which instant; `before`: what the changed sources gave earlier."""
        self._removed = [reading for reading in before if reading.person == self.story.person and reading.source in self._touched]
        since: dict[str, int] = {}
        for reading in self._removed:
            since[reading.measure] = min(since.get(reading.measure, reading.at), reading.at)
        for measure, at in self._again.items():
            if at <= self._series_of(measure).last_at:
                since[measure] = min(since.get(measure, at), at)
        for event in sorted(self._events, key=lambda event: event.at):
            series = self._series_of(event.measure)
            horizon = max(
                [series.last_at, *(other.at for other in self._events if other is not event and other.measure == event.measure and other.at == event.at)]
            )
            if event.at <= horizon or event.measure in since or series.outdated:
                since[event.measure] = min(since.get(event.measure, event.at), event.at)
        return since

    def shared_anew(self, loaded: Mapping[str, Sequence[Entry]]) -> list[str]:
        """The measures that must be replayed too, as another now begins at another time and takes its share of the alarm budget."""
        concerned = {event.measure for event in self._events} | {reading.measure for reading in self._removed}
        moved = self.treating.begins({measure: self._beginning(measure, loaded.get(measure)) for measure in concerned})
        moved = {measure: at for measure, at in moved.items() if at <= self._series_of(measure).last_at}
        for measure, at in moved.items():
            self._again[measure] = min(self._again.get(measure, at), at)
        return [measure for measure in moved if measure not in loaded]

    def _beginning(self, measure: str, loaded: Sequence[Entry] | None) -> int | None:
        """When this measure begins once the values of this use case stand among the others."""
        gone = {reading.source for reading in self._removed if reading.measure == measure}
        entries = [Entry(event.at, event.source, self.now, event.value) for event in self._events if event.measure == measure]
        if loaded is None and (stands := self.treating.began(measure)) is not None:
            return stands
        return first_scored([*(entry for entry in loaded or () if entry.source not in gone), *entries])

    def _series_of(self, measure: str) -> Series:
        if measure not in self._series:
            prior, raw = self.house.knowledge.priors.get(measure), self.story.raw("state", measure)
            self._series[measure] = Series(measure, prior, raw, self.treating.timeline(measure), self.treating.others(measure))
        return self._series[measure]

    def settle(self, measure: str, entries: Sequence[Entry] | None = None) -> set[str]:
        """Put the values of this use case among the stored ones (`entries`, where the series is replayed) and judge again what they move.
        Answers the refs of the resources that are needed to tell it: sources that content stands on, and what stood on them."""
        series = self._series_of(measure)
        if entries is not None:
            series.load(entries)
        gone = [series.remove(reading.source) for reading in self._removed if reading.measure == measure]
        for event in sorted((event for event in self._events if event.measure == measure), key=lambda event: event.at):
            series.place(Entry(event.at, event.source, self.now, event.value, event.stream))
        if entries is not None and measure in self._again:
            series.judge_again(self._again[measure])
        told = series.settle()
        stood = {ref for entry in (*gone, *(each.entry for each in told)) if entry is not None for ref in entry.derived}
        self._settled[measure] = (told, stood)
        return stood | {each.entry.source for each in told if each.newest or each.entry.derived or speaks(each)}

    def load(self, bodies: dict[str, Json], answered: dict[str, Json]) -> None:
        """Hand over the resources that were asked for, and the Questionnaires that responses among them answer (by ref of the response)."""
        self._bodies = bodies | self._bodies
        self._answered = answered

    def tell(self) -> None:
        """Work out everything that follows."""
        prescribing = self.prescribing
        suggesting = Suggesting(self, prescribing)
        measures = {event.measure for event in self._events} | {reading.measure for reading in self._removed} | self._settled.keys()
        for measure in sorted(measures):
            self._tell_measure(measure, suggesting)
        prescribing.heard(measures)
        prescribing.settle()
        Reviewing(self, prescribing).settle()
        if prescribing.changed:
            Monitoring(self, prescribing).settle()
        suggesting.settle()

    def _tell_measure(self, measure: str, suggesting: Suggesting) -> None:
        if measure not in self._settled:
            self.settle(measure)
        series, (told, stood) = self._series_of(measure), self._settled[measure]
        made: set[str] = set()
        for each in told:
            self._derive(measure, each)
            made |= set(each.entry.derived)
        for ref in sorted(stood - made):
            self._withdraw(ref)
        self.story.put_raw("state", measure, series.dump())
        newest = told[-1] if told else None
        fresh = newest is not None and any(event.source == newest.entry.source and event.measure == measure for event in self._events)
        suggesting.heard(measure, newest, self._event(measure, newest.entry) if newest else None, self._gone(measure), fresh, series.whole())

    def _gone(self, measure: str) -> set[str]:
        """Sources that no longer give a value of this measure."""
        return {each.source for each in self._removed if each.measure == measure} - {each.source for each in self._events if each.measure == measure}

    def _event(self, measure: str, entry: Entry) -> Event | None:
        """The event behind a value: of this use case, or made again from its stored resource."""
        for event in self._events:
            if event.source == entry.source and event.measure == measure:
                return event
        resource = self._bodies.get(entry.source)
        if resource is None:
            return None
        kind, id_ = entry.source.split("/")
        change = Change("update", kind, id_, resource, person=self.story.person, related=self._answered.get(entry.source))
        return next((event for event in events_of(self.house, change, entry.received) if event.measure == measure), None)

    def _derive(self, measure: str, told: Told) -> None:
        """Make the content that stands on one value; unchanged content is left alone."""
        entry = told.entry
        event = self._event(measure, entry) if not told.shadowed and speaks(told) else None
        if event is None and not told.shadowed and speaks(told):
            return
        resources = content(self.house, self.story.person, event, told) if event is not None else []
        digest = _digest(resources)
        derived = tuple(f"{resource['resourceType']}/{resource['id']}" for resource in resources)
        if entry.kept and (derived, digest) == (entry.derived, entry.digest):
            return
        if digest != entry.digest or not entry.digest:
            for ref, resource in zip(derived, resources, strict=True):
                self.put(ref, resource, event.security if event else [])
        entry.derived, entry.digest = derived, digest
        self.readings.append(reading_of(self.story.person, measure, entry))

    def put(self, ref: str, resource: Json, security: list[Json]) -> None:
        """Store this derived resource with the unit."""
        self.derived[ref] = (resource, security)

    def _withdraw(self, ref: str) -> None:
        body = self._bodies.get(ref)
        if body is not None and body.get("status") != "entered-in-error":
            self.put(ref, body | {"status": "entered-in-error"}, body.get("meta", {}).get("security", []))

    def add_to(self, unit: Unit, is_new: bool) -> None:
        """Put everything into the unit."""
        story = self.story
        if is_new:
            unit.new_persons.append(story.person)
        elif story.changed or self.derived or self.readings or self._removed:
            unit.persons[story.person] = story.version
        unit.writes += self._writes()
        unit.story_puts |= story.puts
        unit.story_drops |= story.drops
        unit.reading_drops |= {reading.source for reading in self._removed}
        unit.readings += self.readings
        if not self.who.quiet:
            unit.pushes += pushes(self.house, story, self._labels(), self.push_refs)

    def _labels(self) -> dict[str, list[Json]]:
        """The security labels of what is stored and may have to be pushed."""
        labels = {change.ref: (change.resource or {}).get("meta", {}).get("security", []) for change in self.changes}
        return labels | {ref: security for ref, (_, security) in self.derived.items()}

    def _writes(self) -> list[Write]:
        return [derived_write(self.house, resource, self.story.person, security) for resource, security in self.derived.values()]


def _digest(resources: Sequence[Json]) -> str:
    """Of the content alone: a time of issue does not make it new."""
    bare = [{key: value for key, value in resource.items() if key != "issued"} for resource in resources]
    return hashlib.sha256(orjson.dumps(bare, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32] if bare else ""
