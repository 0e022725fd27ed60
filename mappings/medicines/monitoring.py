"""What has to be measured under a medicine, when it is next due, and limits that call for action while it is taken. The rules are data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mappings.knowledge import KnowledgeError
from mappings.medicines.drug import Drugs, members
from mappings.medicines.interactions import Interaction, Severity
from mappings.medicines.prescription import Medicine
from mappings.vocabulary import OURS, Json, coding, concept, identity

CONCEPT: Final[Json] = {"code": "medicine-monitoring", "display": "Measurement that is due under a medicine"}
_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_WEEK: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 520}
_FOR: Final[Json] = {"id": {"type": "string", "pattern": "^[a-z0-9-]+$"}, "drugs": _TEXTS, "groups": _TEXTS, "source": _TEXTS, "mark": {"enum": ["V", "L"]}}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "version", "schedules", "limits"],
    "properties": {
        "about": _TEXT,
        "version": _TEXT,
        "schedules": {
            "type": "array",
            "items": {
                "type": "object", "additionalProperties": False, "required": ["id", "measures", "name", "weeks", "every", "text", "source", "mark"],
                "anyOf": [{"required": ["drugs"]}, {"required": ["groups"]}],
                "properties": _FOR | {"measures": _TEXTS, "name": _TEXT, "weeks": {"type": "array", "items": _WEEK, "minItems": 1},
                                      "every": {"type": "integer", "minimum": 1, "maximum": 520}, "text": _TEXT},
            },
        },
        "limits": {
            "type": "array",
            "items": {
                "type": "object", "additionalProperties": False, "required": ["id", "measure", "severity", "text", "mitigation", "source", "mark"],
                "allOf": [{"anyOf": [{"required": ["drugs"]}, {"required": ["groups"]}]}, {"anyOf": [{"required": ["below"]}, {"required": ["from"]}]}],
                "properties": _FOR | {"measure": _TEXT, "below": {"type": "number"}, "from": {"type": "number"},
                                      "severity": {"enum": ["high", "moderate", "low"]}, "text": _TEXT, "mitigation": _TEXT},
            },
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule. `measures`: any of them will do; `weeks` from the start, then `every` so many weeks after the last."""

    id: str
    drugs: frozenset[str]
    measures: tuple[str, ...]
    name: str
    weeks: tuple[int, ...]
    every: int
    text: str
    source: str

    def points(self, began: datetime) -> Iterator[tuple[datetime, timedelta]]:
        """(when it is due, how much earlier a result counts for it), without end."""
        before, week = 0, 0
        for week in self.weeks:
            yield began + timedelta(weeks=week), timedelta(days=28 if week == 0 else min(14.0, (week - before) * 3.5))
            before = week
        while True:
            week += self.every
            yield began + timedelta(weeks=week), timedelta(days=min(28.0, self.every * 3.5))

    def due(self, began: datetime, last: datetime | None) -> datetime:
        """When it is next due, by the last result."""
        return next(at for at, slack in self.points(began) if last is None or at - slack > last)


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that calls for action under a medicine: `low` or more, below `high`."""

    id: str
    drugs: frozenset[str]
    measure: str
    low: float | None
    high: float | None
    severity: Severity
    text: str
    mitigation: str
    source: str

    def met(self, value: float) -> bool:
        """Whether the value lies within it."""
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All schedules and limits; `measures` that any of them asks for."""

    version: str
    plans: tuple[Plan, ...]
    limits: tuple[Limit, ...]
    measures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Value:
    """The newest value of a measure, in its prior's unit, with its source "Type/id" and time."""

    value: float
    ref: str
    at: datetime


def build(data: Json, drugs: Drugs, measures: Iterable[str]) -> Monitoring:
    """The rules in `data` (valid against SCHEMA). Errors: KnowledgeError for an unknown drug, group or measure, or weeks that do not rise."""
    known = frozenset(measures)
    plans = tuple(_plan(each, ("schedules", at), drugs, known) for at, each in enumerate(data["schedules"]))
    limits = tuple(_limit(each, ("limits", at), drugs, known) for at, each in enumerate(data["limits"]))
    asked = frozenset(measure for plan in plans for measure in plan.measures) | {limit.measure for limit in limits}
    return Monitoring(data["version"], plans, limits, asked)


def _plan(data: Json, path: tuple[str | int, ...], drugs: Drugs, known: frozenset[str]) -> Plan:
    for at, measure in enumerate(data["measures"]):
        if measure not in known:
            raise KnowledgeError("no such measure", (*path, "measures", at))
    if data["weeks"] != sorted(set(data["weeks"])):
        raise KnowledgeError("the weeks must rise", (*path, "weeks"))
    drugs_ = members(data, path, drugs)
    return Plan(data["id"], drugs_, tuple(data["measures"]), data["name"], tuple(data["weeks"]), data["every"], data["text"], "; ".join(data["source"]))


def _limit(data: Json, path: tuple[str | int, ...], drugs: Drugs, known: frozenset[str]) -> Limit:
    if data["measure"] not in known:
        raise KnowledgeError("no such measure", (*path, "measure"))
    return Limit(data["id"], members(data, path, drugs), data["measure"], data.get("from"), data.get("below"), data["severity"], data["text"],
                 data["mitigation"], "; ".join(data["source"]))  # fmt: skip


def beyond(monitoring: Monitoring, medicine: Medicine, values: Mapping[str, Value]) -> list[Interaction]:
    """The limits that the newest values meet while this medicine is taken. They hold whatever is usual for the person."""
    found = []
    for limit in monitoring.limits:
        value, named = values.get(limit.measure), [drug for drug in medicine.ingredients if drug in limit.drugs]
        if value is None or not named or not limit.met(value.value):
            continue
        found.append(
            Interaction(
                code=f"limit|{limit.id}", kind="limit", severity=limit.severity, title=f"{named[0]}: {limit.measure} at a limit", text=limit.text,
                mitigation=limit.mitigation, drugs=tuple(named), refs=(medicine.ref, value.ref), source=limit.source,
            )
        )  # fmt: skip
    return found


def task(monitoring: Monitoring, plan: Plan, medicine: Medicine, person: str, due: datetime, now: str) -> Json:
    """The Task of one measurement that is due. It is the same one whenever it is made again."""
    day = due.date().isoformat()
    return {
        "resourceType": "Task",
        "id": identity("monitoring", person, medicine.ref, plan.id, day),
        "status": "requested",
        "intent": "proposal",
        "priority": "routine",
        "code": concept(coding(OURS, CONCEPT["code"], CONCEPT["display"]), text=f"Measure {plan.name}: due under {', '.join(medicine.ingredients)}"),
        "description": f"{plan.text} Source: {plan.source} (monitoring {monitoring.version}).",
        "focus": {"reference": medicine.ref},
        "for": {"reference": person},
        "authoredOn": now,
        "restriction": {"period": {"start": day}},
    }


def plans_for(monitoring: Monitoring, medicine: Medicine) -> Iterator[Plan]:
    """The schedules of a medicine."""
    return (plan for plan in monitoring.plans if plan.drugs.intersection(medicine.ingredients))


def values_of(rows: Iterable[tuple[str, Mapping[str, Any]]], measures: frozenset[str], instant: Any) -> dict[str, Value]:
    """The newest values among the `latest` rows of a story; `instant` reads an ISO time."""
    found: dict[str, Value] = {}
    for measure, row in rows:
        fact = row["facts"].get(f"{measure}.value") if measure in measures else None
        at = instant(fact[2]) if fact else None
        if fact and at is not None:
            found[measure] = Value(float(fact[0]), row["source"], at)
    return found
