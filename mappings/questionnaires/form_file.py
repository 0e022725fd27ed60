"""Questionnaires of our own that are no rating scale, one FHIR file each in library/; scales stand in them by subQuestionnaire (SDC modular.html)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mappings.knowledge import KnowledgeError, Path
from mappings.questionnaires.pairing import extension, listed
from mappings.scales.adaptive import link_of
from mappings.scales.questionnaire import question
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, OURS, Json

SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["resourceType", "id", "url", "version", "title", "status", "description", "copyright", "item"],
    "properties": {
        "resourceType": {"const": "Questionnaire"},
        "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "url": {"type": "string", "pattern": "/Questionnaire/"},
        "item": {"type": "array", "minItems": 1},
    },
}


def build(data: Json, scales: Mapping[str, Scale]) -> Json:
    """The Questionnaire with its scales put in. Errors: KnowledgeError for a scale that is not there or a linkId that stands twice."""
    if not data["url"].endswith(f"/Questionnaire/{data['id']}") or data["id"] in scales:
        raise KnowledgeError("the url must end in /Questionnaire/ and the id, which no scale may have", ("url",))
    notices: list[str] = []
    made = data | {"item": _assembled(data["item"], scales, ("item",), notices, set())}
    return made | {"copyright": " ".join([data["copyright"], *dict.fromkeys(notices)])}


def _assembled(items: list[Json], scales: Mapping[str, Scale], path: Path, notices: list[str], seen: set[str]) -> list[Json]:
    made = []
    for at, item in enumerate(items):
        canonical = extension(item, "subQuestionnaire")
        found = _group(item, _scale(canonical, scales, (*path, at)), notices) if canonical else item
        if found["linkId"] in seen:
            raise KnowledgeError("this linkId stands twice", (*path, at, "linkId"))
        seen.add(found["linkId"])
        if not canonical and "item" in item:
            found = item | {"item": _assembled(item["item"], scales, (*path, at, "item"), notices, seen)}
        made.append(found)
    return made


def _scale(canonical: Any, scales: Mapping[str, Scale], path: Path) -> Scale:
    scale = scales.get(str(canonical).removeprefix(f"{CANONICAL}/Questionnaire/"))
    if scale is None:
        raise KnowledgeError("there is no such scale", (*path, "extension"))
    return scale


def _group(item: Json, scale: Scale, notices: list[str]) -> Json:
    notices.append(scale.licence.notice)
    return {
        "linkId": item["linkId"],
        "type": "group",
        "text": item.get("text") or scale.title,
        "item": [question(each) | {"linkId": link_of(scale, each)} for each in scale.items],
    }


def concepts(questionnaire: Json) -> list[Json]:
    """The concepts of our CodeSystem that the Questionnaire itself brings: codes of items and answers that say what they are."""
    found: dict[str, Json] = {}
    for coding in _codings(questionnaire):
        if coding.get("system") == OURS and coding.get("display") and str(coding.get("code")).startswith(f"{questionnaire['id']}."):
            found.setdefault(coding["code"], {"code": coding["code"], "display": coding["display"]})
    return list(found.values())


def _codings(element: Json) -> Iterable[Json]:
    yield from listed(element.get("code"))
    yield from (each["valueCoding"] for each in listed(element.get("answerOption")) if "valueCoding" in each)
    for item in listed(element.get("item")):
        yield from _codings(item)
