"""When a treatment is looked at again: review points from its start, as Tasks that a person completes (NICE NG222; Szegedi 2003, 2009)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mappings.knowledge import KnowledgeError
from mappings.suggestions.collect import CLASSES
from mappings.vocabulary import OURS, Json, coding, concept, identity

CONCEPT: Final[Json] = {"code": "treatment-review", "display": "Review of a treatment at a set time from its start"}
_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_ONLY: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {"age_below": {"type": "integer", "minimum": 1}, "suicide_risk": {"const": True}},
}
_POINT: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["week", "text", "source"],
    "properties": {"week": {"type": "integer", "minimum": 1, "maximum": 104}, "only_with": _ONLY, "text": _TEXT, "source": _TEXTS},
}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "version", "class", "late_days", "points", "source"],
    "properties": {
        "about": _TEXT,
        "version": _TEXT,
        "class": {"enum": list(CLASSES)},
        "late_days": {"type": "integer", "minimum": 0},
        "points": {"type": "array", "items": _POINT, "minItems": 1},
        "source": _TEXTS,
    },
}


@dataclass(frozen=True, slots=True)
class Point:
    """One review, `week` weeks after the start. With `age_below` or `suicide_risk` it is only for people of whom one of them is true."""

    week: int
    text: str
    age_below: int | None
    suicide_risk: bool
    source: tuple[str, ...]

    def is_for(self, age: int | None, at_risk: bool) -> bool:
        """Whether this person has this review. An unknown age is not a young one."""
        if self.age_below is None and not self.suicide_risk:
            return True
        return (self.suicide_risk and at_risk) or (self.age_below is not None and age is not None and age < self.age_below)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The reviews of a class of medicines (collect.CLASSES). One that was due more than `late_days` ago is not asked for any more."""

    version: str
    medicines: str
    late_days: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is reviewed. `ref`: the prescription; `began`: with a zone; `names`: the medicines."""

    ref: str
    began: datetime
    names: tuple[str, ...]


def build(data: Json) -> Schedule:
    """The schedule in `data` (valid against SCHEMA). Errors: KnowledgeError for weeks that do not rise."""
    weeks = [each["week"] for each in data["points"]]
    if weeks != sorted(set(weeks)):
        raise KnowledgeError("the weeks must rise", ("points",))
    return Schedule(data["version"], data["class"], data["late_days"], tuple(_point(each) for each in data["points"]))


def _point(data: Json) -> Point:
    only = data.get("only_with", {})
    return Point(data["week"], data["text"], only.get("age_below"), only.get("suicide_risk", False), tuple(data["source"]))


def due(schedule: Schedule, treatment: Treatment, now: datetime, age: int | None, at_risk: bool) -> Iterator[Point]:
    """The reviews of this treatment that still make sense now."""
    for point in schedule.points:
        if point.is_for(age, at_risk) and treatment.began + timedelta(weeks=point.week, days=schedule.late_days) >= now:
            yield point


def task(schedule: Schedule, point: Point, treatment: Treatment, person: str, now: str) -> Json:
    """The Task of one review. `person`: "Patient/id"; `now`: FHIR instant. It is the same one whenever it is made again."""
    on = treatment.began + timedelta(weeks=point.week)
    names = ", ".join(treatment.names) or "the medicine"
    return {
        "resourceType": "Task",
        "id": identity("treatment-review", person, treatment.ref, treatment.began.date().isoformat(), str(point.week)),
        "status": "requested",
        "intent": "proposal",
        "priority": "urgent" if point.suicide_risk else "routine",
        "code": concept(coding(OURS, CONCEPT["code"], CONCEPT["display"]), text=f"Review at week {point.week} of treatment with {names}"),
        "description": f"{point.text} Source: {', '.join(point.source)} (review points {schedule.version}).",
        "focus": {"reference": treatment.ref},
        "for": {"reference": person},
        "authoredOn": now,
        "restriction": {"period": {"start": on.date().isoformat(), "end": (on + timedelta(days=7)).date().isoformat()}},
    }


def at_risk(flags: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the open Flags (key, status) speaks of suicide or self-harm: keys such as "phq-9.suicidal-ideation"."""
    return any(status == "active" and ("suicid" in key or "self-harm" in key) for key, status in flags)
