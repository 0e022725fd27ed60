"""A QuestionnaireResponse against its Questionnaire (R4 questionnaireresponse.html#notes, questionnaire.html#notes).

What is found never refuses a person's answer: it is said. Errors are what R4 says SHALL be so, warnings the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jsonschema_rs

from mappings.outcome import Issue, Severity
from mappings.vocabulary import Json

_HL7 = "http://hl7.org/fhir/StructureDefinition/"
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",), "decimal": ("valueDecimal",), "integer": ("valueInteger",), "date": ("valueDate",), "dateTime": ("valueDateTime",),
    "time": ("valueTime",), "string": ("valueString",), "text": ("valueString",), "url": ("valueUri",), "choice": ("valueCoding",),
    "open-choice": ("valueCoding", "valueString"), "attachment": ("valueAttachment",), "reference": ("valueReference",), "quantity": ("valueQuantity",),
}  # fmt: skip
"""Item type -> the forms that an answer may have (questionnaire.html, item types)."""
_DONE = ("completed", "amended")


def findings(response: Json, questionnaire: Json) -> list[Issue]:
    """What does not fit; expressions lead into the response, texts name items of the Questionnaire only."""
    form = _Form(response.get("status") in _DONE, _answers_by_link(response))
    form.level(_items(questionnaire), _items(response), "QuestionnaireResponse", True)
    return form.issues


def _items(holder: Any) -> list[Json]:
    found = holder.get("item") if isinstance(holder, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _given(node: Json) -> list[Json]:
    found = node.get("answer")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _answers_by_link(holder: Json) -> dict[str, list[Any]]:
    """linkId -> the values of its answers, wherever it stands."""
    found: dict[str, list[Any]] = {}
    todo = _items(holder)
    while todo:
        node = todo.pop(0)
        values = [_value(answer)[1] for answer in _given(node)]
        found.setdefault(str(node.get("linkId")), []).extend(value for value in values if value is not None)
        todo += [*_items(node), *(inner for answer in _given(node) for inner in _items(answer))]
    return found


def _value(answer: Json) -> tuple[str | None, Any]:
    """(value[x], the value)."""
    return next(((key, value) for key, value in answer.items() if key.startswith("value")), (None, None))


@dataclass(slots=True)
class _Form:
    """One response in the check. `is_done`: it says that it is complete."""

    is_done: bool
    answers: dict[str, list[Any]]
    issues: list[Issue] = field(default_factory=list)

    def say(self, severity: Severity, code: str, text: str, path: str) -> None:
        self.issues.append(Issue(severity, code, text, path))

    def level(self, defined: Sequence[Json], nodes: Sequence[Json], path: str, enabled: bool) -> None:
        """The items below one parent: known ones, in order, as often as they may, and what is missing."""
        known = {str(item.get("linkId")): (number, item) for number, item in enumerate(defined)}
        seen: dict[str, int] = {}
        last = -1
        for at, node in enumerate(nodes):
            here, link = f"{path}.item[{at}]", str(node.get("linkId"))
            if link not in known:
                self.say("error", "not-found", "The Questionnaire has no such item at this place.", f"{here}.linkId")
                continue
            number, item = known[link]
            if number < last:
                self.say("warning", "structure", "The items are not in the order of the Questionnaire.", here)
            last = max(last, number)
            seen[link] = seen.get(link, 0) + 1
            if seen[link] == 2 and not (item.get("type") == "group" and item.get("repeats")):
                self.say("error", "structure", "This item stands more than once; a question that repeats has several answers in one item.", here)
            self.node(item, node, here, enabled and self.is_enabled(item))
        for link, (_, item) in known.items():
            if enabled and self.is_done and item.get("required") and self.is_enabled(item) and not self.is_answered(item, nodes, link):
                self.say("error", "required", f"The required item {link} of the Questionnaire is not answered.", path)

    @staticmethod
    def is_answered(item: Json, nodes: Sequence[Json], link: str) -> bool:
        mine = [node for node in nodes if str(node.get("linkId")) == link]
        return bool(mine) if item.get("type") in ("group", "display") else any(_given(node) for node in mine)

    def node(self, item: Json, node: Json, path: str, enabled: bool) -> None:
        kind, answers = str(item.get("type")), _given(node)
        if not enabled and (answers or _items(node)):
            self.say("error", "business-rule", "The item is not enabled by the other answers, and may not be answered.", path)
        if kind in ("group", "display") and answers:
            self.say("error", "structure", f"A {kind} has no answer.", f"{path}.answer")
        if kind == "display" and _items(node):
            self.say("error", "structure", "A display has no items.", f"{path}.item")
        if kind == "group":
            self.level(_items(item), _items(node), path, enabled)
            return
        if kind == "display":
            return
        if _items(node):
            self.say("error", "structure", "Items of a question stand within its answer.", f"{path}.item")
        self.count(item, answers, path)
        for at, answer in enumerate(answers):
            self.answer(item, kind, answer, f"{path}.answer[{at}]")
            self.level(_items(item), _items(answer), f"{path}.answer[{at}]", enabled)

    def count(self, item: Json, answers: Sequence[Json], path: str) -> None:
        least, most = _extension(item, "questionnaire-minOccurs"), _extension(item, "questionnaire-maxOccurs")
        if len(answers) > 1 and not item.get("repeats"):
            self.say("error", "structure", "The item does not repeat, and has several answers.", f"{path}.answer")
        if self.is_done and isinstance(least, int) and answers and len(answers) < least:
            self.say("error", "required", "The item has fewer answers than the Questionnaire asks for.", f"{path}.answer")
        if isinstance(most, int) and len(answers) > most:
            self.say("error", "structure", "The item has more answers than the Questionnaire allows.", f"{path}.answer")

    def answer(self, item: Json, kind: str, answer: Json, path: str) -> None:
        key, value = _value(answer)
        if key is None:
            return
        options = item.get("answerOption") or []
        allowed = (*_ANSWERS.get(kind, ()), *({_value(option)[0] for option in options if isinstance(option, dict)} if options else ()))
        if allowed and key not in allowed:
            self.say("error", "value", f"An answer to an item of type {kind} is not given as {key}.", f"{path}.{key}")
            return
        if options and not _is_option(key, value, options) and not (kind == "open-choice" and key == "valueString"):
            self.say("error", "code-invalid", "The answer is not one of the options of the Questionnaire.", f"{path}.{key}")
        for text in _beyond(item, value):
            self.say("error", "value", text, f"{path}.{key}")

    def is_enabled(self, item: Json) -> bool:
        """enableWhen with enableBehavior (questionnaire.html)."""
        conditions = [each for each in item.get("enableWhen") or () if isinstance(each, dict)]
        if not conditions:
            return True
        met = [self.is_met(each) for each in conditions]
        return any(met) if item.get("enableBehavior") == "any" else all(met)

    def is_met(self, condition: Json) -> bool:
        found, operator = self.answers.get(str(condition.get("question")), []), condition.get("operator")
        wanted = next((value for key, value in condition.items() if key.startswith("answer")), None)
        if operator == "exists":
            return bool(found) == (wanted is True)
        if operator == "!=":
            return not any(_compare("=", value, wanted) for value in found)
        return any(_compare(str(operator), value, wanted) for value in found)


def _compare(operator: str, value: Any, wanted: Any) -> bool:
    if isinstance(value, dict) and isinstance(wanted, dict):
        if operator == "=" and "code" in wanted and "value" not in wanted:
            return value.get("code") == wanted["code"] and wanted.get("system") in (None, value.get("system"))
        if value.get("code") != wanted.get("code") or value.get("system") != wanted.get("system"):
            return False
        value, wanted = value.get("value"), wanted.get("value")
    if isinstance(value, bool) != isinstance(wanted, bool) or value is None or wanted is None:
        return False
    try:
        return bool({"=": value == wanted, ">": operator == ">" and value > wanted, "<": operator == "<" and value < wanted,
                     ">=": operator == ">=" and value >= wanted, "<=": operator == "<=" and value <= wanted}.get(operator))  # fmt: skip
    except TypeError:
        return False


def _is_option(key: str, value: Any, options: Sequence[Json]) -> bool:
    for option in options:
        named, each = _value(option)
        if named != key:
            continue
        if key != "valueCoding":
            if each == value:
                return True
        elif each.get("code") == value.get("code") and (each.get("system") is None or value.get("system") in (None, each.get("system"))):
            return True
    return False


def _beyond(item: Json, value: Any) -> Iterator[str]:
    """What the Questionnaire's limits say of a value."""
    longest, least = item.get("maxLength"), _extension(item, "minLength")
    if isinstance(value, str):
        if isinstance(longest, int) and len(value) > longest:
            yield "The answer is longer than the Questionnaire allows."
        if isinstance(least, int) and len(value) < least:
            yield "The answer is shorter than the Questionnaire asks for."
        pattern = _extension(item, "regex")
        if isinstance(pattern, str) and len(pattern) < 200 and not _fits(pattern, value):
            yield "The answer does not have the form that the Questionnaire asks for."
    low, high = _extension(item, "minValue"), _extension(item, "maxValue")
    if low is not None and _compare("<", value, low):
        yield "The answer is below the least value of the Questionnaire."
    if high is not None and _compare(">", value, high):
        yield "The answer is above the greatest value of the Questionnaire."


def _fits(pattern: str, value: str) -> bool:
    """By an engine whose time grows with the text only, whatever the pattern; one that it cannot read checks nothing."""
    compiled = _compiled(pattern)
    return compiled is None or bool(compiled.is_valid(value))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    try:
        return jsonschema_rs.Draft4Validator({"pattern": f"^(?:{pattern})$"}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return None


def _extension(item: Json, name: str) -> Any:
    for each in item.get("extension") or ():
        if isinstance(each, dict) and each.get("url") == _HL7 + name:
            return _value(each)[1]
    return None
