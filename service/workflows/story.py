"""A person's story as one use case sees it: loaded in one query, changed in memory, handed to the commit as one unit."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from mappings.vocabulary import Json

Rows = Iterable[tuple[str, str, bytes]]


class Story:
    """What is known of one person. Rows are (kind, key) -> JSON:

    patient, state (measure), latest (measure), medicine (ref), gene (ref), goal (ref), allergy (ref), consent (ref), suggestion (rule), flag (key),
    review (prescription, start and week), extract (response), history (ref), monitor (medicine and schedule), stable (ref).
    """

    def __init__(self, person: str, rows: Rows) -> None:
        self.person = person
        self.version = 0
        self._rows: dict[tuple[str, str], bytes] = {}
        for kind, key, body in rows:
            if kind == "":
                self.version = int(body)
            else:
                self._rows[kind, key] = body
        self._parsed: dict[tuple[str, str], Any] = {}
        self.puts: dict[tuple[str, str, str], bytes] = {}
        self.drops: set[tuple[str, str, str]] = set()

    def get(self, kind: str, key: str = "") -> Json | None:
        """One row, parsed once."""
        place = (kind, key)
        if place not in self._parsed:
            body = self._rows.get(place)
            self._parsed[place] = None if body is None else orjson.loads(body)
        found: Json | None = self._parsed[place]
        return found

    def raw(self, kind: str, key: str) -> bytes | None:
        """One row as stored."""
        return self._rows.get((kind, key))

    def raws(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Every row of a kind as stored, by key."""
        for found, key in sorted(place for place in self._rows if place[0] == kind):
            yield key, self._rows[found, key]

    def all(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Every row of a kind, by key."""
        for found, key in sorted(place for place in self._rows if place[0] == kind):
            body = self.get(found, key)
            if body is not None:
                yield key, body

    def put(self, kind: str, key: str, body: Json) -> None:
        """Set a row; it is seen at once and stored with the unit."""
        self.put_raw(kind, key, orjson.dumps(body))
        self._parsed[kind, key] = body

    def put_raw(self, kind: str, key: str, body: bytes) -> None:
        self._rows[kind, key] = body
        self._parsed.pop((kind, key), None)
        self.puts[self.person, kind, key] = body
        self.drops.discard((self.person, kind, key))

    def drop(self, kind: str, key: str) -> None:
        """Take a row out."""
        if self._rows.pop((kind, key), None) is not None:
            self._parsed.pop((kind, key), None)
            self.puts.pop((self.person, kind, key), None)
            self.drops.add((self.person, kind, key))

    @property
    def changed(self) -> bool:
        return bool(self.puts or self.drops)
