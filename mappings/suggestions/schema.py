"""The shape of a rule file (rules/<id>.json) as JSON Schema 2020-12. Unknown names are refused: a typo stops the start."""

from typing import Any, Final

from mappings.suggestions.condition import OPERATIONS
from mappings.vocabulary import Json

KINDS: Final = ("medicine-review", "psychotherapy", "sleep", "activity", "follow-up", "safety-review", "monitoring")
_TEXT: Final[Json] = {"type": "string", "minLength": 1, "pattern": "\\S"}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_DAYS: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 3650}
_CONDITION: Final[Json] = {"$ref": "#/$defs/condition"}
_CONDITIONS: Final[Json] = {"type": "array", "items": _CONDITION, "minItems": 1}


def _object(required: str, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def _several(of: Json) -> Json:
    return {"type": "array", "items": of, "minItems": 1}


CONDITION: Final[Json] = {
    "oneOf": [
        _object("all", all=_CONDITIONS),
        _object("any", any=_CONDITIONS),
        {"type": "object", "properties": {"not": _CONDITION}, "required": ["not"], "additionalProperties": False},
        _object("fact op", fact=_TEXT, op={"enum": list(OPERATIONS)}, value={"type": ["number", "string", "boolean"]}, unit=_TEXT),
    ]
}
_WORSENING: Final[Json] = {
    "oneOf": [
        _object("fact rises unit", fact=_TEXT, rises={"type": "number", "exclusiveMinimum": 0}, unit=_TEXT),
        _object("fact falls unit", fact=_TEXT, falls={"type": "number", "exclusiveMinimum": 0}, unit=_TEXT),
        _object("fact becomes", fact=_TEXT, becomes={"type": ["string", "boolean"]}),
        _object("fact changes", fact=_TEXT, changes={"const": True}),
    ]
}
_ALTERNATIVE: Final[Json] = _object("text why_not", text=_TEXT, why_not=_TEXT)
_ACTIVITY: Final[Json] = _object(
    "kind text", kind={"enum": list(KINDS)}, text=_TEXT, in_days=_DAYS, when=_CONDITION, why_not=_TEXT, alternatives=_several(_ALTERNATIVE)
)
_ACTIVITY["dependentRequired"] = {"when": ["why_not"], "why_not": ["when"]}
_EVIDENCE: Final[Json] = _object(
    "citation grade supports",
    citation=_TEXT,
    url={"type": "string", "pattern": "^https?://\\S+$"},
    doi={"type": "string", "pattern": "^10\\.[0-9]{4,9}/\\S+$"},
    grade=_TEXT,
    supports=_TEXT,
)
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"condition": CONDITION},
    **_object(
        "id version title priority trigger max_age_days quiet_days why condition worsens worth_having activities goal evidence limits source",
        id={"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"},
        version={"type": "string", "pattern": "^[0-9]+(\\.[0-9]+){0,2}$"},
        title=_TEXT,
        priority={"enum": ["safety", "routine"]},
        trigger={"oneOf": [{"const": "prescription"}, _object("measure", measure=_TEXT)]},
        max_age_days=_DAYS,
        quiet_days=_DAYS,
        why=_TEXT,
        condition=_CONDITION,
        worsens=_several(_WORSENING),
        worth_having={"type": "array", "items": _TEXT, "uniqueItems": True},
        activities=_several(_ACTIVITY),
        goal=_TEXT,
        evidence=_several(_EVIDENCE),
        limits=_TEXTS,
        source=_TEXTS,
    ),
}
