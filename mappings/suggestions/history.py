"""A person's past, family and wishes as facts: from Conditions, family histories, earlier treatments and answers in the codes of the intake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mappings.suggestions.collect import instant
from mappings.suggestions.facts import FactValue
from mappings.vocabulary import OURS, SYSTEMS, Json

_NAMES: Final[Json] = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
_CODES: Final[Json] = {"type": "array", "items": {"type": "string", "pattern": f"^({'|'.join(SYSTEMS)})[|]"}}
_STATE: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["fact", "answers", "conditions", "true", "false", "source"],
    "properties": {"fact": {"type": "string"}, "answers": _CODES, "conditions": _CODES, "true": _CODES, "false": _CODES,
                   "lasts_days": {"type": "integer", "minimum": 1}, "source": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
}  # fmt: skip
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "answers", "conditions", "family", "results", "states"],
    "properties": {"about": {"type": "string"}, "answers": _NAMES, "conditions": _NAMES, "family": _NAMES, "results": _NAMES,
                   "states": {"type": "array", "items": _STATE}},
}  # fmt: skip
_OVER: Final = frozenset(("entered-in-error", "refuted", "cancelled"))

Code = tuple[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """Something that is so for a time: the newest word counts. `yes` and `no` are answers to Observations with a code in `answers`; an active
    Condition in `conditions` says yes. `lasts`: days after which it says nothing any more."""

    fact: str
    answers: frozenset[Code]
    conditions: frozenset[Code]
    yes: frozenset[Code]
    no: frozenset[Code]
    lasts: int | None


@dataclass(frozen=True, slots=True)
class History:
    """Code -> fact, for each kind of resource that may say it."""

    answers: Mapping[str, str]
    conditions: Mapping[str, str]
    family: Mapping[str, str]
    results: Mapping[str, str]
    states: tuple[State, ...] = ()


def build(data: Json) -> History:
    """The names in `data` (valid against SCHEMA)."""
    return History(data["answers"], data["conditions"], data["family"], data["results"], tuple(map(_state, data["states"])))


def _state(data: Json) -> State:
    codes = {name: frozenset(_code(each) for each in data[name]) for name in ("answers", "conditions", "true", "false")}
    return State(data["fact"], codes["answers"], codes["conditions"], codes["true"], codes["false"], data.get("lasts_days"))


def _code(text: str) -> Code:
    system, _, code = text.partition("|")
    return SYSTEMS[system], code


def said(history: History, resource: Json) -> dict[str, Any]:
    """What one resource says: fact -> true, false or a text. Empty for one that says nothing, or nothing any more."""
    kind = resource.get("resourceType")
    if resource.get("status") in _OVER or _codes(resource.get("verificationStatus"), "") & _OVER:
        return {}
    if kind == "Observation":
        names = [history.answers[code] for code in _codes(resource.get("code")) if code in history.answers]
        value = _value(resource)
        return {name: value for name in names if value is not None} | _states(history, resource)
    if kind == "Condition":
        return _states(history, resource) | {history.conditions[code]: True for code in _codes(resource.get("code")) if code in history.conditions}
    if kind == "FamilyMemberHistory":
        conditions = [each.get("code") for each in resource.get("condition", ()) if isinstance(each, dict)]
        return {history.family[code]: True for each in conditions for code in _codes(each) if code in history.family}
    if kind == "MedicationStatement":
        medicine = resource.get("medicationCodeableConcept")
        name = _words(medicine) if isinstance(medicine, dict) else None
        return {history.results[code]: name for each in resource.get("statusReason", ()) for code in _codes(each) if code in history.results and name}
    return {}


def _states(history: History, resource: Json) -> dict[str, Any]:
    """State facts with the time of the word: {"is": true or false, "at": ISO}."""
    found: dict[str, Any] = {}
    codes = _pairs(resource.get("code"))
    for state in history.states:
        if resource["resourceType"] == "Observation" and codes & state.answers:
            said = _pairs(resource.get("valueCodeableConcept"))
            if said & (state.yes | state.no):
                found[state.fact] = {"is": bool(said & state.yes), "at": str(resource.get("effectiveDateTime") or resource.get("issued") or "")}
        elif resource["resourceType"] == "Condition" and codes & state.conditions:
            over = _codes(resource.get("clinicalStatus"), "") & {"inactive", "remission", "resolved"} or "abatementDateTime" in resource
            found[state.fact] = {"is": not over, "at": str(resource.get("onsetDateTime") or resource.get("recordedDate") or "")}
    return found


def facts(history: History, rows: Iterable[tuple[str, Mapping[str, Any]]], now: str) -> dict[str, FactValue]:
    """Facts of (ref, what it says) at `now` (ISO). A true outweighs a false, texts of several are joined; of a state the newest word counts,
    as long as it lasts."""
    found: dict[str, FactValue] = {}
    newest: dict[str, tuple[str, str, bool]] = {}
    for ref, row in rows:
        for name, value in row.items():
            if isinstance(value, dict):
                newest[name] = max(newest.get(name, ("", "", False)), (value["at"], ref, value["is"]))
                continue
            before = found.get(name)
            if before is None:
                found[name] = FactValue(value, (ref,))
            elif isinstance(value, bool):
                found[name] = FactValue(bool(before.value) or value, (*before.refs, ref))
            else:
                parts = [*str(before.value).split(", "), value]
                found[name] = FactValue(", ".join(dict.fromkeys(parts)), (*before.refs, ref))
    lasts = {state.fact: state.lasts for state in history.states}
    today = instant(now)
    for name, (at, ref, holds) in newest.items():
        since, days = instant(at), lasts.get(name)
        if days is None or since is None or today is None or (today - since).days <= days:
            found[name] = FactValue(holds, (ref,), at or None)
    return found


def _codes(concept: Any, system: str = OURS) -> set[str]:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return {str(each.get("code")) for each in codings if isinstance(each, dict) and system in ("", each.get("system"))}


def _pairs(concept: Any) -> set[Code]:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return {(str(each.get("system")), str(each.get("code"))) for each in codings if isinstance(each, dict)}


def _value(observation: Json) -> Any:
    if isinstance(observation.get("valueBoolean"), bool):
        return observation["valueBoolean"]
    concept = observation.get("valueCodeableConcept")
    return _words(concept) if isinstance(concept, dict) else None


def _words(concept: Json) -> str | None:
    texts = [concept.get("text"), *(each.get("display") for each in concept.get("coding", ()) if isinstance(each, dict))]
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)
