"""Adaptive assessment: a short screen first, the whole scale only where the screen is positive, and the questions one at a time.

What leads on stands in follow-up.json. A question that was refused (an item without an answer) is not asked again; a screen that it leaves
open leads on, for a missing answer must never spare a question.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from mappings.knowledge import KnowledgeError
from mappings.scales.answers import read, walk
from mappings.scales.arithmetic import Sheet
from mappings.scales.condition import Number
from mappings.scales.parts import Item
from mappings.scales.questionnaire import question
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, Json

ADAPTIVE: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-questionnaireAdaptive"
_TEXT: Final[Json] = {"type": "string", "minLength": 1}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "links"],
    "properties": {
        "about": _TEXT,
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["after", "min", "then", "source"],
                "oneOf": [{"required": ["score"]}, {"required": ["item"]}],
                "properties": {
                    "after": _TEXT,
                    "score": _TEXT,
                    "item": _TEXT,
                    "min": {"type": "number"},
                    "men_min": {"type": "number"},
                    "then": _TEXT,
                    "source": {"type": "array", "items": _TEXT, "minItems": 1},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Link:
    """After the scale `after`, ask `then` where `score` or `item` reaches `low` (`men_low` for men, where it is another)."""

    after: str
    score: str | None
    item: str | None
    low: Number
    men_low: Number
    then: str
    source: tuple[str, ...]


def build(data: Json, scales: Iterable[Scale]) -> tuple[Link, ...]:
    """The links in `data` (valid against SCHEMA). Errors: KnowledgeError for a scale, score or item that is not there."""
    by_id = {scale.id: scale for scale in scales}
    return tuple(_link(each, ("links", at), by_id) for at, each in enumerate(data["links"]))


def _link(data: Json, path: tuple[str | int, ...], scales: Mapping[str, Scale]) -> Link:
    for name in ("after", "then"):
        if data[name] not in scales:
            raise KnowledgeError("no such scale", (*path, name))
    after = scales[data["after"]]
    if data.get("score", after.id) not in after.by_rule or data.get("item", after.items[0].id) not in after.by_id:
        raise KnowledgeError("no such score or item in this scale", path)
    low: Number = data["min"]
    return Link(after.id, data.get("score"), data.get("item"), low, data.get("men_min") or low, data["then"], tuple(data["source"]))


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a session stands: its scales so far in order, the questions asked or answered, and the next one (None: it is done)."""

    scales: tuple[Scale, ...]
    questions: tuple[Item, ...]
    links: tuple[str, ...]
    next: str | None


def entry(links: Iterable[Link], scale_id: str) -> str:
    """The scale that a session begins with: the screen that leads to this one, where there is one."""
    screens = [link.after for link in links if link.then == scale_id and link.item is None]
    return screens[0] if screens else scale_id


def ask(scales: Mapping[str, Scale], links: Iterable[Link], start: str, response: Json, man: bool) -> Asked:
    """The next question after these answers, in a session that begins with the scale `start`.

    `response` holds what was answered, here or earlier this week; an item in it without an answer was refused.
    """
    listed = tuple(links)
    refused = {str(node.get("linkId")) for node in walk(response) if not node.get("answer") and not node.get("item")}
    order, questions, next_ = [start], dict[str, Item](), None
    for name in order:
        scale = scales[name]
        given = read(scale, response).given
        sheet = Sheet(scale, {item: each.score for item, each in given.items() if each.score is not None})
        asked = {link_of(scale, item): item for item in scale.items if item.id in given or sheet.lacks(item.id)}
        open_ = [link for link, item in asked.items() if item.id not in given and link not in refused]
        if open_:
            next_ = open_[0]
            questions |= {link: item for link, item in asked.items() if link not in open_[1:]}
            break
        questions |= asked
        order += [link.then for link in listed if link.after == name and link.then not in order and _leads_on(link, sheet, given, man)]
    return Asked(tuple(scales[name] for name in order), tuple(questions.values()), tuple(questions), next_)


def _leads_on(link: Link, sheet: Sheet, given: Mapping[str, Any], man: bool) -> bool:
    value = (given[link.item].score if link.item in given else None) if link.item is not None else sheet.number(link.score or link.after)
    return value is None or value >= (link.men_low if man else link.low)


def link_of(scale: Scale, item: Item) -> str:
    """The linkId of an item among those of other scales: its LOINC code, else its code in our CodeSystem."""
    return item.link if item.link == item.code else f"{scale.id}.{item.id}"


def contained(asked: Asked) -> Json:
    """The Questionnaire of the session so far, as it is contained in its response (SDC adaptive.html)."""
    first = asked.scales[0]
    items = [question(item) | {"linkId": link} for item, link in zip(asked.questions, asked.links, strict=True)]
    for made in items:
        made.pop("prefix", None)
    return {
        "resourceType": "Questionnaire",
        "id": "adaptive",
        "extension": [{"url": ADAPTIVE, "valueBoolean": True}],
        "derivedFrom": [f"{CANONICAL}/Questionnaire/{scale.id}" for scale in asked.scales],
        "title": f"Adaptive assessment, beginning with {first.short}",
        "status": "active",
        "subjectType": ["Patient"],
        "copyright": " ".join(dict.fromkeys(scale.licence.notice for scale in asked.scales)),
        "item": items,
    }


def earlier(response: Json, links: Set[str], scales: Iterable[Scale], before: Iterable[Json]) -> list[Json]:
    """Items for what was answered in the responses `before` (newest first) and not in this one; `links`: those already in it."""
    found: dict[str, Json] = {}
    for scale in scales:
        for other in before:
            for name, given in read(scale, other).given.items():
                item = scale.by_id[name]
                link = link_of(scale, item)
                if link not in links and link not in found and given.score is not None:
                    found[link] = {"linkId": link, "text": item.text, "answer": [_answer(item, given.option, given.score)]}
    return list(found.values())


def _answer(item: Item, option: Any, score: Number) -> Json:
    if option is not None:
        return {"valueCoding": {"system": option.system, "code": option.code} | ({"display": option.text} if option.text else {})}
    return {"valueInteger": score} if item.whole else {"valueDecimal": score}
