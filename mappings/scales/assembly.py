"""Building items, their options and the skip rules of a scale from its file."""

from collections.abc import Mapping

from mappings.knowledge import KnowledgeError, Path
from mappings.scales.condition import Number, condition
from mappings.scales.parts import Item, Option, Skip
from mappings.vocabulary import LOINC, OURS, Json

ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"


def sources(data: Json) -> tuple[str, ...]:
    """The sources an element names."""
    return tuple(data.get("source", ()))


def whole(value: Number) -> Number:
    """The same number, as int where it has no fraction (JSON's 2.0 and 2 are one score)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def item_of(data: Json, path: Path, scale_id: str, answers: Mapping[str, list[Json]]) -> Item:
    """One item. Errors: KnowledgeError for an unknown answer list or a range the wrong way round."""
    options = _options(data, path, scale_id, answers)
    if options:
        scores = [option.score for option in options if option.score is not None]
        low, high = min(scores), max(scores)
    else:
        low, high = whole(data["minimum"]), whole(data["maximum"])
        if low >= high:
            raise KnowledgeError("minimum is not below maximum", (*path, "minimum"))
    system, code = (LOINC, data["loinc"]) if "loinc" in data else (OURS, f"{scale_id}.{data['id']}")
    text = data.get("wording") or data["topic"]
    return Item(
        id=data["id"], link=data["loinc"] if "loinc" in data else data["id"], system=system, code=code,
        text=text, wording="wording" in data,
        options=options, by_code=_by_code(data, path, options, low, high), by_score=_by_score(options),
        low=low, high=high, whole=not data.get("decimal", False),
        concept={"coding": [{"system": system, "code": code}], "text": text},
    )  # fmt: skip


def _options(data: Json, path: Path, scale_id: str, answers: Mapping[str, list[Json]]) -> tuple[Option, ...]:
    name = data.get("answers")
    if name is None:
        if data.get("reverse"):
            raise KnowledgeError("only an item with an answer list can be reversed", (*path, "reverse"))
        return ()
    if name not in answers:
        raise KnowledgeError(f"no answer list {name!r}", (*path, "answers"))
    listed = [each["score"] for each in answers[name] if each["score"] is not None]
    if len(set(listed)) < 2:
        raise KnowledgeError("an answer list needs two different scores", ("answers", name))
    ends = (min(listed), max(listed)) if data.get("reverse") else None
    return tuple(_option(each, scale_id, ends) for each in answers[name])


def _option(data: Json, scale_id: str, ends: tuple[Number, Number] | None) -> Option:
    score = data["score"]
    if score is not None:
        score = whole(reversed_score(score, *ends) if ends else score)
    system, code = (LOINC, data["loinc"]) if "loinc" in data else (OURS, f"{scale_id}.{data['code']}")
    return _answer(system, code, data["text"], score, data.get("boolean"))


def _answer(system: str, code: str, text: str, score: Number | None, boolean: bool | None = None) -> Option:
    coding: Json = {"system": system, "code": code} | ({"display": text} if text else {})
    if score is not None:
        coding["extension"] = [{"url": ORDINAL, "valueDecimal": score}]
    return Option(system, code, text, score, boolean, {"coding": [coding]} | ({"text": text} if text else {}))


def _by_code(data: Json, path: Path, options: tuple[Option, ...], low: Number, high: Number) -> dict[str, Option]:
    found: dict[str, Option] = {}
    for option in options:
        if option.code in found:
            raise KnowledgeError(f"answer code {option.code!r} stands twice", ("answers", data["answers"]))
        found[option.code] = option
    for at, each in enumerate(data.get("historic_answers", ())):
        if each["loinc"] in found or not low <= each["score"] <= high:
            raise KnowledgeError("a historic answer repeats a current one, or its score is out of range", (*path, "historic_answers", at))
        found[each["loinc"]] = _answer(LOINC, each["loinc"], each.get("text", ""), whole(each["score"]))
    return found


def _by_score(options: tuple[Option, ...]) -> dict[Number, Option]:
    found: dict[Number, Option] = {}
    for option in options:
        if option.score is not None:
            found.setdefault(option.score, option)
    return found


def skip_of(data: Json, path: Path, items: Mapping[str, Item]) -> Skip:
    """One skip rule. Errors: KnowledgeError for an item that is not there or a score it cannot have."""
    known = frozenset(items)
    for at, name in enumerate(data["items"]):
        if name not in known:
            raise KnowledgeError(f"item {name!r} is not in this scale", (*path, "items", at))
        if "score" in data and not items[name].low <= data["score"] <= items[name].high:
            raise KnowledgeError(f"item {name!r} cannot score this", (*path, "score"))
    when = condition(data["when"], (*path, "when"), known, frozenset())
    return Skip(when, tuple(data["items"]), data.get("score"), data.get("always", False), data["reason"])


def reversed_score(score: Number, low: Number, high: Number) -> Number:
    """The score on the reversed item; twice gives the score again."""
    return low + high - score
