"""Whether an item of a Questionnaire is enabled for a response: enableWhen and enableBehavior (R4 questionnaire.html).

Three-valued: None where it cannot be told, and then nobody is blamed for an answer that is there or missing.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import reduce
from typing import Any

from mappings.r4 import comparison
from mappings.vocabulary import Json

Place = tuple[int, ...]
"""Where a response item stands: the index at each level, of items and answers in turn."""
LAST = 1 << 30
"""Stands for the end of a level: the place of an item that is missing."""
_EXPRESSION = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"


def listed(value: Any) -> list[Json]:
    """The objects of a list; nothing where it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def value_of(holder: Json, stem: str) -> tuple[str, Any] | None:
    """(type, value) of a choice such as value[x] or answer[x]; None without one."""
    for key, value in holder.items():
        if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper():
            return key[len(stem) :], value
    return None


class Given:
    """The answers of a response by linkId, in document order."""

    def __init__(self, response: Json) -> None:
        self._places: dict[str, list[Place]] = {}
        self._answers: dict[str, list[list[tuple[str, Any]]]] = {}
        for place, item in _items(response.get("item"), ()):
            link = str(item.get("linkId", ""))
            self._places.setdefault(link, []).append(place)
            self._answers.setdefault(link, []).append([found for each in listed(item.get("answer")) if (found := value_of(each, "value"))])

    def nearest(self, link: str, place: Place) -> list[tuple[str, Any]]:
        """The answers of the question's occurrence that is nearest: ancestors first, then before, then after (Questionnaire.item.enableWhen.question)."""
        places = self._places.get(link)
        if not places:
            return []
        at = bisect_left(places, place)
        near = [number for number in (at - 1, at) if 0 <= number < len(places)]
        best = max(near, key=lambda number: (_shared(places[number], place), -number))
        return self._answers[link][best]


def _items(level: Any, above: Place) -> Iterator[tuple[Place, Json]]:
    for at, item in enumerate(level if isinstance(level, list) else ()):
        if isinstance(item, dict):
            yield (*above, at), item
            yield from _items(item.get("item"), (*above, at, 0))
            for number, answer in enumerate(listed(item.get("answer"))):
                yield from _items(answer.get("item"), (*above, at, number))


def _shared(one: Place, other: Place) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length


def is_enabled(item: Json, given: Given, place: Place) -> bool | None:
    """Whether a Questionnaire item is enabled for the response item at `place`; None where it cannot be told."""
    if any(each.get("url") == _EXPRESSION for each in listed(item.get("extension"))):
        return None
    conditions = listed(item.get("enableWhen"))
    if not conditions:
        return True
    decided = [_holds(each, given.nearest(str(each.get("question", "")), place)) for each in conditions]
    behaviour = item.get("enableBehavior")
    if behaviour is None and len(set(decided)) > 1:
        return None
    return reduce(comparison.LOGIC["or" if behaviour == "any" else "and"], decided)


def _holds(condition: Json, answers: list[tuple[str, Any]]) -> bool | None:
    """One enableWhen (R4 valueset-questionnaire-enable-operator.html). Of != without any answer R4 does not say what it means."""
    wanted, operator = value_of(condition, "answer"), condition.get("operator")
    if wanted is None or not isinstance(operator, str):
        return None
    if operator == "exists":
        return bool(answers) is wanted[1]
    if not answers:
        return None if operator == "!=" else False
    if operator in ("=", "!="):
        equal = any(are_equal(value, wanted[1]) for _, value in answers)
        return equal == (operator == "=")
    compared = [comparison.ordered(operator, value, wanted[1]) for _, value in answers]
    return True if True in compared else None if None in compared else False


def are_equal(one: Any, other: Any) -> bool:
    """Equality of two answers: Codings by system and code, Quantities by value and unit, References by address, anything else as it is."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return comparison.identity(one) == comparison.identity(other)
    if "value" in one or "value" in other:
        return one.get("value") == other.get("value") and all(one.get(part) == other.get(part) for part in ("system", "code"))
    if "reference" in one or "reference" in other:
        return bool(one.get("reference") == other.get("reference"))
    if "code" not in one and "code" not in other:
        return one.get("display") == other.get("display")
    return one.get("code") == other.get("code") and one.get("system") == other.get("system")
