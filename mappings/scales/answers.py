"""Reading the answers of a QuestionnaireResponse for one scale, in whatever form they come.

An answer may be a Coding (by its code, by an ordinalValue or itemWeight extension, by its display), an integer, a decimal, a
text of a number, a boolean or a Quantity; items may be nested, repeated, unknown, or named by linkId, definition or code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mappings.scales.assembly import ORDINAL, whole
from mappings.scales.condition import Number
from mappings.scales.parts import Item, Option, Rule
from mappings.scales.scale import Scale
from mappings.vocabulary import Json

WEIGHTS = frozenset((
    ORDINAL,
    "http://hl7.org/fhir/StructureDefinition/itemWeight",
    "http://hl7.org/fhir/StructureDefinition/questionnaire-ordinalValue",
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/itemWeight",
))  # fmt: skip
_NUMERIC = re.compile(r"\s*[+-]?\d{1,9}(\.\d{1,9})?\s*")


class Given(NamedTuple):
    """One usable answer: its score (None for "not assessed") and the option it chose, where the item has options.

    `by`: what it was read by, where its code is none of the item's.
    """

    score: Number | None
    option: Option | None
    by: str | None = None


@dataclass(slots=True)
class Answers:
    """What a response says about a scale. `given`: one answer per item; `stated`: totals it claims; `unusable`: items whose
    answers are not in the list; `unknown`: answered questions that are not part of the scale."""

    given: dict[str, Given] = field(default_factory=dict)
    stated: dict[str, Number | None] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    unknown: int = 0
    notes: list[str] = field(default_factory=list)


def read(scale: Scale, response: Json, questionnaire: Json | None = None) -> Answers:
    """The answers to this scale. `questionnaire`: the one that was answered, if known, for the codes of its items."""
    nodes = [node for node in walk(response) if node.get("answer")]
    codes = item_codes(response, questionnaire)
    found, answers = dict[str, list[Json]](), Answers()
    numbered: list[tuple[Item, Json]] = []
    for node in nodes:
        link = str(node.get("linkId", "")).strip()
        item = scale.by_key.get(link) or scale.by_key.get(link.rsplit("/", 1)[-1])
        if item is not None:
            found.setdefault(item.id, []).extend(node["answer"])
            continue
        item, rule = _otherwise(scale, node, link, codes)
        if item is not None:
            found.setdefault(item.id, []).extend(node["answer"])
        elif rule is not None:
            answers.stated[rule.code] = _stated(rule, node["answer"])
        elif link.rsplit("/", 1)[-1] in scale.numbers:
            numbered.append((scale.numbers[link.rsplit("/", 1)[-1]], node))
        else:
            answers.unknown += 1
    _take_numbered(scale, numbered, found, answers)
    for item in scale.items:
        if item.id in found:
            _settle(scale, item, found[item.id], answers)
    return answers


def walk(response: Json) -> Iterator[Json]:
    """Every item of a response or Questionnaire, also those nested under groups and under answers."""
    stack: list[Any] = [response.get("item")]
    while stack:
        level = stack.pop()
        for node in level if isinstance(level, list) else ():
            if isinstance(node, dict):
                yield node
                if "item" in node:
                    stack.append(node["item"])
                answers = node.get("answer")
                for answer in answers if isinstance(answers, list) else ():
                    if isinstance(answer, dict) and "item" in answer:
                        stack.append(answer["item"])


def _otherwise(scale: Scale, node: Json, link: str, codes: dict[str, list[str]]) -> tuple[Item | None, Rule | None]:
    """The item or the stated total that a node means, by its own codes, its definition or the codes of its Questionnaire."""
    names = [coding.get("code", "") for coding in node.get("code", ()) if isinstance(coding, dict)] + codes.get(link, [])
    definition = node.get("definition")
    if isinstance(definition, str):
        tail = re.split(r"[/#]", definition)[-1]
        names += [tail, tail.rsplit(".", 1)[-1]]
    for name in names:
        if name in scale.by_key:
            return scale.by_key[name], None
    for name in (link, link.rsplit("/", 1)[-1], *names):
        if name in scale.score_keys:
            return None, scale.score_keys[name]
    return None, None


def item_codes(response: Json, questionnaire: Json | None) -> dict[str, list[str]]:
    """linkId -> the codes and the end of the definition of its item, in the Questionnaires contained in the response and the one that was answered."""
    contained = [each for each in response.get("contained", ()) if isinstance(each, dict) and each.get("resourceType") == "Questionnaire"]
    codes: dict[str, list[str]] = {}
    for source in [*contained, *([questionnaire] if questionnaire else [])]:
        for node in walk(source):
            named = [coding["code"] for coding in node.get("code", ()) if "code" in coding]
            definition = node.get("definition")
            tail = [re.split(r"[/#]", definition)[-1]] if isinstance(definition, str) else []
            codes.setdefault(str(node.get("linkId", "")).strip(), []).extend(named + tail)
    return codes


def _take_numbered(scale: Scale, numbered: list[tuple[Item, Json]], found: dict[str, list[Json]], answers: Answers) -> None:
    """A bare number names an item that has LOINC only where the response names none by LOINC: "1" may be anything else there."""
    coded = any(scale.by_id[name].link != name for name in found)
    for item, node in numbered:
        if coded and item.link != item.id:
            answers.unknown += 1
        else:
            found.setdefault(item.id, []).extend(node["answer"])


def _settle(scale: Scale, item: Item, raw: list[Json], answers: Answers) -> None:
    """One answer out of what was given for an item. Of two that differ the less favourable counts, whatever their order."""
    if len(raw) == 1 and isinstance(raw[0], dict) and (only := _given(item, raw[0])) is not None:
        _take(item, only, answers)
        return
    tried = [_given(item, each) for each in raw if isinstance(each, dict) and any(key.startswith("value") for key in each)]
    read_ = [given for given in tried if given is not None]
    usable = [given for given in read_ if given.score is not None]
    if len(read_) < len(tried):
        if not usable:
            answers.unusable.append(item.id)
        answers.notes.append(f"Item {item.id}: an answer is not in the list of this scale and was not used.")
    if not usable:
        if read_:
            _take(item, read_[0], answers)
        return
    worst = (min if scale.higher_is_better else max)(usable, key=lambda given: given.score or 0)
    _take(item, worst, answers)
    if len(usable) > 1:
        same = all(given.score == worst.score for given in usable)
        rule = "the same each time, counted once" if same else "with different scores; the less favourable one counts"
        answers.notes.append(f"Item {item.id}: answered {len(usable)} times, {rule}.")


def _take(item: Item, given: Given, answers: Answers) -> None:
    """The answer that counts; what had to be decided to read it is noted."""
    answers.given[item.id] = given
    if given.by is not None:
        answers.notes.append(f"Item {item.id}: the answer's code is not in the list of this scale; it was read by its {given.by}.")


def _given(item: Item, answer: Json) -> Given | None:
    """The answer's score on this item, or None where it is not one of the item's answers."""
    coding = answer.get("valueCoding")
    if coding is not None:
        return _coded(item, coding) if isinstance(coding, dict) else None
    if "valueBoolean" in answer:
        return _boolean(item, answer["valueBoolean"])
    return _numeric(item, _number(answer), answer.get("valueString"))


def _coded(item: Item, coding: Json) -> Given | None:
    option = item.by_code.get(coding.get("code", ""))
    if option is not None and coding.get("system", option.system) == option.system:
        return Given(option.score, option)
    weight = _weight(coding)
    if weight is not None:
        return _read_by(_numeric(item, weight, None), "stated score")
    return _read_by(_numeric(item, None, coding.get("display")), "words")


def _read_by(given: Given | None, what: str) -> Given | None:
    return None if given is None else Given(given.score, given.option, what)


def _weight(coding: Json) -> Number | None:
    for extension in coding.get("extension", ()):
        if extension.get("url") in WEIGHTS:
            return _number(extension)
    return None


def _boolean(item: Item, value: Any) -> Given | None:
    for option in item.options:
        if option.boolean is value:
            return Given(option.score, option)
    return None


def _numeric(item: Item, number: Number | None, text: Any) -> Given | None:
    """By score; or by the printed words of an option."""
    if number is None:
        for option in item.options if isinstance(text, str) else ():
            if option.text.casefold() == text.strip().casefold():
                return Given(option.score, option)
        return None
    if item.options:
        scored = item.by_score.get(number)
        return Given(scored.score, scored) if scored else None
    if not item.low <= number <= item.high or (item.whole and not isinstance(number, int)):
        return None
    return Given(number, None)


def _number(answer: Json) -> Number | None:
    """The number an answer or extension carries, in any of the forms a number takes."""
    quantity = answer.get("valueQuantity")
    if isinstance(quantity, dict):
        return _plain(quantity.get("value"))
    for key in ("valueInteger", "valueDecimal"):
        if key in answer:
            return _plain(answer[key])
    text = answer.get("valueString")
    return whole(float(text)) if isinstance(text, str) and _NUMERIC.fullmatch(text) else None


def _plain(value: Any) -> Number | None:
    return whole(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _stated(rule: Rule, raw: list[Json]) -> Number | None:
    """The result that the response claims, as the number a Total would carry; None where it is no such thing."""
    for each in (each for each in raw if isinstance(each, dict)):
        if "valueBoolean" in each and rule.kind == "boolean":
            return int(each["valueBoolean"])
        code = each.get("valueCoding", {}).get("code")
        for place, level in enumerate(reversed(rule.levels)):
            if code in (level.loinc, f"{rule.code}.{level.code}"):
                return place
        number = _number(each)
        if number is not None:
            return number
    return None
