"""A response filled with what is known already (SDC populate.html): by initialExpression, from recent Observations, by fixed initial values.

What is filled in is a draft for the person to look at: the response is in progress. Nothing is filled in where nothing is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mappings.questionnaires.pairing import extension, listed
from mappings.vocabulary import Json

LONGEST: Final = 1000
"""Characters of an expression."""
_UCUM_DAYS: Final = {"h": 1 / 24, "d": 1, "wk": 7, "mo": 30.4375, "a": 365.25, "min": 1 / 1440}
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "boolean": ("valueBoolean",), "decimal": ("valueDecimal",), "integer": ("valueInteger",), "date": ("valueDate",), "dateTime": ("valueDateTime",),
    "time": ("valueTime",), "string": ("valueString",), "text": ("valueString",), "url": ("valueUri",), "choice": ("valueCoding",),
    "open-choice": ("valueCoding", "valueString"), "reference": ("valueReference",), "quantity": ("valueQuantity",),
}  # fmt: skip


@dataclass(slots=True)
class Filling:
    """What the filling goes by. `context`: resources by variable name (%patient ...); `newest`: item -> the newest fitting Observation."""

    context: Mapping[str, Json]
    newest: Mapping[str, Json] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def linked(questionnaire: Json) -> Iterator[tuple[str, list[Json], float]]:
    """(linkId, codes, days) of each item that is filled from Observations (observationLinkPeriod, also of a group around it)."""
    yield from _linked(listed(questionnaire.get("item")), extension(questionnaire, "observationLinkPeriod"))


def _linked(items: list[Json], around: Any) -> Iterator[tuple[str, list[Json], float]]:
    for item in items:
        period = extension(item, "observationLinkPeriod") or around
        codes = listed(item.get("code"))
        unit = _UCUM_DAYS.get(str(period.get("code") or period.get("unit"))) if isinstance(period, dict) else None
        if unit is not None and codes and item.get("type") not in ("group", "display") and isinstance(period.get("value"), int | float):
            yield str(item.get("linkId")), codes, period["value"] * unit
        yield from _linked(listed(item.get("item")), period)


def items(questionnaire: Json, filling: Filling) -> list[Json]:
    """The items of the response, in the Questionnaire's order: groups with what is in them, questions with or without an answer."""
    return _level(listed(questionnaire.get("item")), filling)


def _level(defined: list[Json], filling: Filling) -> list[Json]:
    made = []
    for item in defined:
        if item.get("type") == "display":
            continue
        node: Json = {"linkId": item.get("linkId")} | ({"text": item["text"]} if item.get("text") else {})
        answers = [] if item.get("type") == "group" else _answers(item, filling)
        below = _level(listed(item.get("item")), filling)
        if answers:
            node["answer"] = answers
            if below and any("answer" in each for each in below):
                node["answer"][0]["item"] = below
        elif below and item.get("type") == "group":
            node["item"] = below
        made.append(node)
    return made


def _answers(item: Json, filling: Filling) -> list[Json]:
    kind, link = str(item.get("type")), str(item.get("linkId"))
    values: list[Any] = []
    expression = extension(item, "initialExpression")
    if isinstance(expression, dict):
        values = _evaluated(link, expression, filling)
    if not values and link in filling.newest:
        values = [value for key, value in filling.newest[link].items() if key.startswith("value")]
    found = [answer for answer in (_answer(kind, value) for value in values) if answer]
    if len(found) < len(values):
        filling.notes.append(f"Item {link}: what is known does not fit an answer of type {kind} and was left out.")
    if not found:
        found = [{key: value} for each in listed(item.get("initial")) for key, value in each.items() if key.startswith("value")]
        found += [{"valueCoding": each["valueCoding"]} for each in listed(item.get("answerOption")) if each.get("initialSelected") and "valueCoding" in each]
    return found if item.get("repeats") else found[:1]


def _evaluated(link: str, expression: Json, filling: Filling) -> list[Any]:
    text = expression.get("expression")
    if expression.get("language") != "text/fhirpath" or not isinstance(text, str) or len(text) > LONGEST:
        filling.notes.append(f"Item {link}: only FHIRPath of at most {LONGEST} characters is worked out; the item was left empty.")
        return []
    import fhirpathpy  # takes as long to load as the rest of the service: only where it is asked for
    from fhirpathpy.models import models

    root = filling.context.get("patient", {})
    try:
        found: list[Any] = fhirpathpy.evaluate(root, text, dict(filling.context), models["r4"])
    except Exception:  # the engine raises bare errors for what it cannot read; the expression is the Questionnaire's
        filling.notes.append(f"Item {link}: its expression could not be worked out; the item was left empty.")
        return []
    return [value for value in found if value is not None]


def _answer(kind: str, value: Any) -> Json | None:
    """The value as an answer of this item type, or None."""
    for key in _KEYS.get(kind, ()):
        fitted = _FITTED[key](value)
        if fitted is not None:
            return {key: fitted}
    return None


def _coding(value: Any) -> Any:
    if isinstance(value, dict):
        codings = listed(value.get("coding"))
        return codings[0] if codings else value if "code" in value and "value" not in value else None
    return {"code": value} if isinstance(value, str) and " " not in value else None


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("text") or next((each.get("display") for each in listed(value.get("coding")) if each.get("display")), None)
    return None if isinstance(value, bool) else str(value) if isinstance(value, str | int | float) else None


def _number(value: Any) -> Any:
    value = value.get("value") if isinstance(value, dict) else value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> Any:
    number = _number(value)
    return int(number) if number is not None and float(number).is_integer() else None


def _time(length: int) -> Callable[[Any], Any]:
    def fitted(value: Any) -> Any:
        text = str(value) if not isinstance(value, bool | int | float | dict) else ""
        return (text[:length] if length else text) if text[:4].isdigit() else None

    return fitted


_FITTED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "valueBoolean": lambda value: value if isinstance(value, bool) else None,
    "valueDecimal": _number,
    "valueInteger": _whole,
    "valueDate": _time(10),
    "valueDateTime": _time(0),
    "valueTime": lambda value: value if isinstance(value, str) and value[2:3] == ":" else None,
    "valueString": _text,
    "valueUri": lambda value: value if isinstance(value, str) else None,
    "valueCoding": _coding,
    "valueReference": lambda value: value if isinstance(value, dict) and "reference" in value else None,
    "valueQuantity": lambda value: value if isinstance(value, dict) and "value" in value else None,
}
