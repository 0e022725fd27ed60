"""In which order the resources of an import go in: what others refer to first, a person's background before the values that are
judged upon it, what was derived and then who derived it last. Files come in any order; each is read once for every step it has something for."""

import re
from typing import Final, NamedTuple

import orjson

from mappings.vocabulary import OURS, Json
from service.workflows.people import WITHOUT
from service.workflows.writes import DERIVED_TAG

SHARED, PATIENTS, STORIES, DEVICES, BACKGROUND, VALUES, LAST, DERIVED, TRACES = range(9)
_STEPS: Final = {"Patient": PATIENTS, "Device": DEVICES, "Observation": VALUES, "QuestionnaireResponse": VALUES, "Task": LAST, "Provenance": LAST}
STORY: Final = "setpoint-story"
"""Name of the parameter by which a line of an export's story file is told."""
_HEAD = re.compile(rb'\s*+\{\s*+"resourceType"\s*+:\s*+"([A-Za-z]+)"')
_STORY = re.compile(rb'"name":"setpoint-story","valueString":"(Patient/[A-Za-z0-9.-]{1,64})"')
_OURS = OURS.encode()


class Kin(NamedTuple):
    """What a line is, as far as the order asks."""

    kind: str
    step: int
    person: str | None = None
    """Whose story it is, for a line of a story file."""


def step_of(kind: str, derived: bool) -> int:
    """The step in which a resource goes in."""
    if derived:
        return TRACES if kind == "Provenance" else DERIVED
    return _STEPS.get(kind, SHARED if kind in WITHOUT else BACKGROUND)


def kin(line: bytes) -> Kin:
    """What this line is. One that cannot be read goes with the background, and is refused there."""
    head = _HEAD.match(line)
    if head is not None and head[1] == b"Parameters" and (story := _STORY.search(line, 0, 400)):
        return Kin("Parameters", STORIES, story[1].decode())
    if head is not None and not (_OURS in line and b'"derived"' in line):
        return Kin(kind := head[1].decode(), step_of(kind, derived=False))
    try:
        resource = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Kin("", BACKGROUND)
    return kin_of(resource)


def kin_of(resource: object) -> Kin:
    """The same of a parsed resource."""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return Kin("", BACKGROUND)
    return Kin(kind := resource["resourceType"], step_of(kind, is_derived(resource)))


def is_derived(resource: Json) -> bool:
    """Whether this service made it (here or in another installation)."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and DERIVED_TAG in tags
