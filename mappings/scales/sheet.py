"""Answers written down plainly - one score an item, or code to answer - as the QuestionnaireResponse that a form would have sent."""

import re
from collections.abc import Mapping
from typing import Any

from mappings.scales.parts import Item
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, Json

_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{1,9})?")
_MISSING = frozenset(("", "-"))


class BadSheet(ValueError):
    """What was written down is no set of answers; the text says why."""


def in_order(scale: Scale, text: str) -> Json:
    """`1,2,-,3`: a score for each item in the published order, `-` or nothing for a missing one. Fewer than the items: the rest is missing.

    Errors: BadSheet for more answers than items, or one that is no number.
    """
    given = [each.strip() for each in text.split(",")]
    if len(given) > len(scale.items):
        raise BadSheet(f"{scale.id} has {len(scale.items)} items, and {len(given)} answers are given")
    for place, each in enumerate(given, 1):
        if each not in _MISSING and not _NUMBER.fullmatch(each):
            raise BadSheet(f"answer {place} is neither a number nor -")
    return _response(scale, [(item.link, {"valueString": each}) for item, each in zip(scale.items, given, strict=False) if each not in _MISSING])


def keyed(scale: Scale, answers: Mapping[str, Any]) -> Json:
    """Item (its LOINC code, our code or its number) -> answer: an answer code, a score, true or false, or the words of an option.

    An item that is not of the scale is passed on: the scorer says so. Errors: BadSheet for an answer that is a list or an object.
    """
    return _response(scale, [(name, _answer(scale, name, value)) for name, value in answers.items() if value is not None])


def _answer(scale: Scale, name: str, value: Any) -> Json:
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int | float):
        return {"valueDecimal": value}
    if not isinstance(value, str):
        raise BadSheet("an answer is a code, a number, a word, true or false")
    item = scale.by_key.get(name) or scale.numbers.get(name)
    option = _option(item, value.strip()) if item else None
    return {"valueCoding": option} if option else {"valueString": value}


def _option(item: Item, code: str) -> Json | None:
    found = item.by_code.get(code)
    return {"system": found.system, "code": code} if found else None


def _response(scale: Scale, answers: list[tuple[str, Json]]) -> Json:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": f"{CANONICAL}/Questionnaire/{scale.id}",
        "item": [{"linkId": link, "answer": [answer]} for link, answer in answers],
    }
