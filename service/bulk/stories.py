"""A person's story as a line of an export: what is remembered of decisions and series, so that a restored record goes on where it was.

A line is a Parameters resource: Patient ref, format, and the rows packed. Other programs leave it out.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import orjson

from service.bulk.order import STORY
from service.store.unit import Reading, Unit

FORMAT = 1
FILE = "setpoint-stories.ndjson"


class NotAStory(Exception):
    """The line is not one that this version wrote."""


def packed(person: str, rows: Sequence[tuple[str, str, bytes]], readings: Sequence[Reading]) -> bytes:
    """The line of one person. `rows`: (kind, key, body) of the story."""
    told = [[kind, key, b64encode(body).decode()] for kind, key, body in rows]
    values = [[*reading[1:6], b64encode(reading.body).decode()] for reading in readings]
    text = b64encode(zlib.compress(orjson.dumps({"rows": told, "readings": values}))).decode()
    parameters = [{"name": STORY, "valueString": person}, {"name": "format", "valueInteger": FORMAT}, {"name": "rows", "valueBase64Binary": text}]
    return orjson.dumps({"resourceType": "Parameters", "parameter": parameters})


def unpack(line: bytes, unit: Unit) -> None:
    """Add what the line tells to a unit, as a new person. Errors: NotAStory."""
    try:
        values = {each["name"]: each for each in orjson.loads(line)["parameter"]}
        person = values[STORY]["valueString"]
        if values["format"]["valueInteger"] != FORMAT:
            raise NotAStory
        told: dict[str, list[list[Any]]] = orjson.loads(zlib.decompress(b64decode(values["rows"]["valueBase64Binary"])))
        puts = {(person, kind, key): b64decode(body) for kind, key, body in told["rows"]}
        readings = [Reading._make((person, *each[:5], b64decode(each[5]))) for each in told["readings"]]
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise NotAStory from error
    unit.new_persons.append(person)
    unit.story_puts |= puts
    unit.readings += readings
