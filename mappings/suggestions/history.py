"""A person's past, family and wishes as facts: from Conditions, family histories, earlier treatments and answers in the codes of the intake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mappings.suggestions.facts import FactValue
from mappings.vocabulary import OURS, Json

_NAMES: Final[Json] = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "answers", "conditions", "family", "results"],
    "properties": {"about": {"type": "string"}, "answers": _NAMES, "conditions": _NAMES, "family": _NAMES, "results": _NAMES},
}
_OVER: Final = frozenset(("entered-in-error", "refuted", "cancelled"))


@dataclass(frozen=True, slots=True)
class History:
    """Code -> fact, for each kind of resource that may say it."""

    answers: Mapping[str, str]
    conditions: Mapping[str, str]
    family: Mapping[str, str]
    results: Mapping[str, str]


def build(data: Json) -> History:
    """The names in `data` (valid against SCHEMA)."""
    return History(data["answers"], data["conditions"], data["family"], data["results"])


def said(history: History, resource: Json) -> dict[str, Any]:
    """What one resource says: fact -> true, false or a text. Empty for one that says nothing, or nothing any more."""
    kind = resource.get("resourceType")
    if resource.get("status") in _OVER or _codes(resource.get("verificationStatus"), "") & _OVER:
        return {}
    if kind == "Observation":
        names = [history.answers[code] for code in _codes(resource.get("code")) if code in history.answers]
        value = _value(resource)
        return {name: value for name in names if value is not None}
    if kind == "Condition":
        return {history.conditions[code]: True for code in _codes(resource.get("code")) if code in history.conditions}
    if kind == "FamilyMemberHistory":
        conditions = [each.get("code") for each in resource.get("condition", ()) if isinstance(each, dict)]
        return {history.family[code]: True for each in conditions for code in _codes(each) if code in history.family}
    if kind == "MedicationStatement":
        medicine = resource.get("medicationCodeableConcept")
        name = _words(medicine) if isinstance(medicine, dict) else None
        return {history.results[code]: name for each in resource.get("statusReason", ()) for code in _codes(each) if code in history.results and name}
    return {}


def facts(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, FactValue]:
    """Facts of (ref, what it says). A true outweighs a false; texts of several are joined."""
    found: dict[str, FactValue] = {}
    for ref, row in rows:
        for name, value in row.items():
            before = found.get(name)
            if before is None:
                found[name] = FactValue(value, (ref,))
            elif isinstance(value, bool):
                found[name] = FactValue(bool(before.value) or value, (*before.refs, ref))
            else:
                parts = [*str(before.value).split(", "), value]
                found[name] = FactValue(", ".join(dict.fromkeys(parts)), (*before.refs, ref))
    return found


def _codes(concept: Any, system: str = OURS) -> set[str]:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return {str(each.get("code")) for each in codings if isinstance(each, dict) and system in ("", each.get("system"))}


def _value(observation: Json) -> Any:
    if isinstance(observation.get("valueBoolean"), bool):
        return observation["valueBoolean"]
    concept = observation.get("valueCodeableConcept")
    return _words(concept) if isinstance(concept, dict) else None


def _words(concept: Json) -> str | None:
    texts = [concept.get("text"), *(each.get("display") for each in concept.get("coding", ()) if isinstance(each, dict))]
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)
