"""The shape of a scale file (mappings/scales/library/<id>.json) as JSON Schema 2020-12.

Unknown names are refused: a typo stops the start.
"""

from typing import Any, Final

from mappings.vocabulary import Json

_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_NUMBER: Final[Json] = {"type": "number"}
_SOURCE: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_NAMES: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_EVIDENCE: Final[Json] = {"enum": ["V", "L", "U", "derived"]}
_CONDITION: Final[Json] = {"$ref": "#/$defs/condition"}
_LOINC: Final[Json] = {"type": "string", "pattern": "^[0-9]{1,7}-[0-9]$"}
_ANSWER_CODE: Final[Json] = {"type": "string", "pattern": "^LA[0-9]{1,7}-[0-9]$"}
_WORD: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$"}


def _object(required: str, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of, "minItems": 1}


_CODE = _object(
    "system code status source",
    system={"enum": ["LOINC", "SNOMED"]},
    code=_TEXT,
    status={"enum": ["verified", "unverified"]},
    source=_SOURCE,
)
_OPTION = _object("text score", loinc=_ANSWER_CODE, code=_WORD, text=_TEXT, score={"type": ["number", "null"]}, boolean={"type": "boolean"})
_OPTION["oneOf"] = [{"required": ["loinc"]}, {"required": ["code"]}]
_HISTORIC = _object("loinc score source", loinc=_ANSWER_CODE, text=_TEXT, score=_NUMBER, source=_SOURCE)
_ITEM = _object(
    "id",
    id=_WORD,
    loinc=_LOINC,
    wording=_TEXT,
    topic=_TEXT,
    answers=_WORD,
    reverse={"type": "boolean"},
    minimum=_NUMBER,
    maximum=_NUMBER,
    decimal={"type": "boolean"},
    historic_answers=_list(_HISTORIC),
    evidence=_EVIDENCE,
)
_ITEM["allOf"] = [
    {"oneOf": [{"required": ["wording"]}, {"required": ["topic"]}]},
    {"oneOf": [{"required": ["answers"]}, {"required": ["minimum", "maximum"]}]},
]
_PART = {
    "oneOf": [
        _TEXT,
        _object("item", item=_TEXT, weight=_NUMBER, minus=_NUMBER),
        _object("score", score=_TEXT, weight=_NUMBER),
        _object("max", max=_NAMES, need={"type": "integer", "minimum": 1}),
        _object("when points", when=_CONDITION, points=_NUMBER),
    ]
}
_RANGE = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_MISSING = _object(
    "allowed fill evidence source",
    allowed={"type": "integer", "minimum": 0},
    fill={"enum": ["none", "prorate"]},
    round={"enum": ["half-up", "none"]},
    note=_TEXT,
    evidence=_EVIDENCE,
    source=_SOURCE,
)
_BANDS = _object(
    "list source",
    list=_list(_object("low high text", low=_NUMBER, high=_NUMBER, text=_TEXT)),
    unnamed=_list(_RANGE),
    note=_TEXT,
    source=_SOURCE,
)
_CUTOFF = _object("met not_met source", min=_NUMBER, max=_NUMBER, met=_TEXT, not_met=_TEXT, group=_TEXT, evidence=_EVIDENCE, source=_SOURCE)
_CUTOFF["anyOf"] = [{"required": ["min"]}, {"required": ["max"]}]
_SCORE = _object(
    "id title source",
    id={"type": "string", "pattern": "^[a-z0-9-]+(\\.[A-Za-z0-9_-]+)?$"},
    title=_TEXT,
    codes=_list(_CODE),
    of=_list(_PART),
    multiply=_NUMBER,
    table={"type": "object", "additionalProperties": _NUMBER, "minProperties": 2},
    range=_RANGE,
    missing=_MISSING,
    bands=_BANDS,
    cutoffs=_list(_CUTOFF),
    screen=_object("when positive negative source", when=_CONDITION, positive=_TEXT, negative=_TEXT, source=_SOURCE),
    holds=_CONDITION,
    levels=_list(_object("code text", code=_WORD, text=_TEXT, when=_CONDITION, loinc=_ANSWER_CODE)),
    profile={"const": True},
    source=_SOURCE,
)
_SCORE["oneOf"] = [{"required": ["of", "range"]}, {"required": ["holds"]}, {"required": ["levels"]}, {"required": ["profile"]}]
_SAFETY = _object(
    "key level text source",
    key=_WORD,
    items=_NAMES,
    score=_TEXT,
    min=_NUMBER,
    level={"enum": ["low", "moderate", "high", "urgent"]},
    text=_TEXT,
    evidence=_EVIDENCE,
    source=_SOURCE,
)
_SAFETY["oneOf"] = [{"required": ["items", "min"]}, {"required": ["score", "min"]}]

CHANGE_KINDS: Final = (
    "mcid", "mcid-improvement", "mcid-worsening", "mid", "sem", "rci", "response", "partial-response", "remission",
    "deterioration", "early-improvement", "moderate-improvement",
    "nhs-tt-reliable", "nhs-tt-caseness", "reliable", "cutoff", "reliability", "internal-consistency",
    "clinical-norm", "functional-norm", "practical",
)  # fmt: skip
_CHANGE = _object(
    "kind evidence source",
    kind={"enum": list(CHANGE_KINDS)},
    score=_TEXT,
    value=_NUMBER,
    min=_NUMBER,
    max=_NUMBER,
    percent={"type": "boolean"},
    floor=_NUMBER,
    r=_NUMBER,
    mean=_NUMBER,
    sd=_NUMBER,
    sample=_TEXT,
    note=_TEXT,
    evidence=_EVIDENCE,
    source=_SOURCE,
)
_LEAF = {"min": _NUMBER, "max": _NUMBER}
_CONDITIONS = {
    "condition": {
        "oneOf": [
            _object("item", item=_TEXT, **_LEAF),
            _object("score", score=_TEXT, **_LEAF),
            _object("all", all={"$ref": "#/$defs/conditions"}),
            _object("any", any={"$ref": "#/$defs/conditions"}),
            _object("not", **{"not": _CONDITION}),
            _object("of", of={"$ref": "#/$defs/conditions"}, at_least={"type": "integer", "minimum": 1}, at_most={"type": "integer"}),
        ]
    },
    "conditions": _list({"oneOf": [_CONDITION, _object("items", items=_NAMES, **_LEAF)]}),
}

SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": _CONDITIONS,
    **_object(
        "id title short version edition domain mode direction licence items scores source",
        id={"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        title=_TEXT,
        short=_TEXT,
        version={"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
        edition=_TEXT,
        domain=_TEXT,
        mode={"enum": ["self", "clinician", "both"]},
        recall=_TEXT,
        frequency=_TEXT,
        direction={"enum": ["higher-worse", "higher-better", "none"]},
        introduction=_TEXT,
        licence=_object(
            "state wording notice source",
            state={"enum": ["public-domain", "free", "free-with-conditions", "permission", "paid", "unclear"]},
            wording={"enum": ["ships", "site"]},
            notice=_TEXT,
            source=_SOURCE,
        ),
        codes=_list(_CODE),
        panel=_list(_CODE),
        answers={"type": "object", "propertyNames": _WORD, "additionalProperties": _list(_OPTION), "minProperties": 1},
        items=_list(_ITEM),
        skips=_list(
            _object(
                "when items reason source",
                when=_CONDITION,
                items=_NAMES,
                score=_NUMBER,
                always={"type": "boolean"},
                reason=_TEXT,
                source=_SOURCE,
            )
        ),
        scores=_list(_SCORE),
        safety=_list(_SAFETY),
        change=_list(_CHANGE),
        notes=_list(_TEXT),
        source=_SOURCE,
    ),
}
