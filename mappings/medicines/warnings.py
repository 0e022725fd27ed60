"""Warnings that hang on the person: age, sex, pregnancy. The rules are data (warnings.json)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from mappings.medicines.drug import Drugs, members
from mappings.medicines.interactions import Interaction, Severity
from mappings.medicines.prescription import Medicine
from mappings.vocabulary import Json

_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_AGE: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 130}
_WHEN: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "pregnant": {"const": True},
        "sex": {"enum": ["female", "male"]},
        "age_from": _AGE,
        "age_below": _AGE,
        "above_mg_per_day": {"type": "number", "exclusiveMinimum": 0},
    },
}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "version", "warnings"],
    "properties": {
        "about": _TEXT,
        "version": _TEXT,
        "warnings": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "when", "severity", "title", "text", "mitigation", "source", "mark"],
                "anyOf": [{"required": ["drugs"]}, {"required": ["groups"]}],
                "properties": {
                    "id": {"type": "string", "pattern": "^[a-z0-9-]+$"}, "drugs": _TEXTS, "groups": _TEXTS, "when": _WHEN,
                    "severity": {"enum": ["high", "moderate", "low"]}, "title": _TEXT, "text": _TEXT, "mitigation": _TEXT, "source": _TEXTS,
                    "mark": {"enum": ["V", "L"]},
                },
            },
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Who is to take it, as far as it is known. `age` in whole years; `sex` as Patient.gender; `pregnant` None: not known."""

    age: int | None = None
    sex: str | None = None
    pregnant: bool | None = None
    smoker: bool = False
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Warning_:
    """One warning. `drugs` are ids, those of its groups among them; the rest are its conditions, all of which must hold."""

    id: str
    drugs: frozenset[str]
    pregnant: bool
    sex: str | None
    age_from: int | None
    age_below: int | None
    above: float | None
    severity: Severity
    title: str
    text: str
    mitigation: str
    source: str

    def holds(self, person: Person, mg_per_day: float | None) -> bool:
        """Whether it is for this person. What is not known never excuses: an unknown pregnancy leaves the warning for child-bearing age."""
        if self.pregnant and person.pregnant is not True:
            return False
        if self.sex is not None and (person.sex != self.sex or person.pregnant is True):
            return False
        if self.age_from is not None and (person.age is None or person.age < self.age_from):
            return False
        if self.age_below is not None and (person.age is None or person.age >= self.age_below):
            return False
        return self.above is None or (mg_per_day is not None and mg_per_day > self.above)


def build(data: Json, drugs: Drugs) -> tuple[Warning_, ...]:
    """The warnings in `data` (valid against SCHEMA). Errors: KnowledgeError for a drug or a group that is not known."""
    return tuple(_warning(each, ("warnings", at), drugs) for at, each in enumerate(data["warnings"]))


def _warning(data: Json, path: tuple[str | int, ...], drugs: Drugs) -> Warning_:
    when: dict[str, Any] = data["when"]
    return Warning_(
        data["id"], members(data, path, drugs), when.get("pregnant", False), when.get("sex"), when.get("age_from"), when.get("age_below"),
        when.get("above_mg_per_day"), data["severity"], data["title"], data["text"], data["mitigation"], "; ".join(data["source"]),
    )  # fmt: skip


def warnings_for(known: Iterable[Warning_], medicine: Medicine, person: Person, mg_per_day: float | None) -> list[Interaction]:
    """The warnings that hold for this medicine and this person."""
    found = []
    for warning in known:
        named = [drug for drug in medicine.ingredients if drug in warning.drugs]
        if named and warning.holds(person, mg_per_day):
            found.append(
                Interaction(
                    code=f"warning|{warning.id}", kind="warning", severity=warning.severity, title=warning.title, text=warning.text,
                    mitigation=warning.mitigation, drugs=tuple(named), refs=(medicine.ref, *person.refs), source=warning.source,
                )
            )  # fmt: skip
    return found
