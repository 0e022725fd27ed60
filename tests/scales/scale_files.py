"""Reading the scale files as the service does, and making responses for tests."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from mappings.knowledge import KnowledgeError
from mappings.scales.scale import SCHEMA, Scale, build

LIBRARY = Path(__file__).parents[2] / "mappings" / "scales" / "library"
VECTORS = Path(__file__).parent / "vectors"
LOINC = "http://loinc.org"


def checked(data: dict[str, Any]) -> Scale:
    """Schema, then build; both faults as KnowledgeError."""
    for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(data):
        raise KnowledgeError(error.message, tuple(error.instance_path))
    return build(data)


@cache
def library() -> dict[str, Scale]:
    return {path.stem: checked(raw(path.stem)) for path in sorted(LIBRARY.glob("*.json"))}


def raw(scale_id: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((LIBRARY / f"{scale_id}.json").read_text(encoding="utf-8"))
    return data


def response(answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response of linkId -> answer; a number becomes valueInteger or valueDecimal, a dict is taken as the answer itself."""
    items = [{"linkId": link, "answer": [_answer(value)]} for link, value in answers.items()]
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": items} | more


def numbered(scale: Scale, scores: list[Any]) -> dict[str, Any]:
    """A response of scores in item order; None leaves an item out."""
    pairs = zip(scale.items, scores, strict=False)
    return response({item.link: value for item, value in pairs if value is not None})


def _answer(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int):
        return {"valueInteger": value}
    return {"valueDecimal": value} if isinstance(value, float) else {"valueString": value}
