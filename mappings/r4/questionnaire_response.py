"""A QuestionnaireResponse against its Questionnaire (R4 questionnaireresponse.html, questionnaire.html).

For $validate and `setpoint validate` only: a person's answer is stored whenever it is valid R4. Findings name items by the
linkIds of the Questionnaire and never hold anything of the response.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mappings.outcome import Issue, Severity
from mappings.r4 import comparison, enabling
from mappings.r4.enabling import Given, Place, listed, value_of
from mappings.vocabulary import Json

MOST = 100
Members = Callable[[str], frozenset[tuple[str | None, str]] | None]
"""The (system, code) of a value set by its canonical address; None where it is not known."""
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_TYPES: Mapping[str, tuple[str, ...]] = {
    "boolean": ("Boolean",), "decimal": ("Decimal",), "integer": ("Integer",), "date": ("Date",), "dateTime": ("DateTime",), "time": ("Time",),
    "string": ("String",), "text": ("String",), "url": ("Uri",), "choice": ("Coding",), "open-choice": ("Coding", "String"),
    "attachment": ("Attachment",), "reference": ("Reference",), "quantity": ("Quantity",),
}  # fmt: skip
"""Which value[x] answers which kind of question (R4 codesystem-item-type.html)."""
_FINISHED = ("completed", "amended")


def check(response: Json, questionnaire: Json, members: Members | None = None) -> list[Issue]:
    """What is wrong with a response (valid R4) by its Questionnaire (valid R4); at most MOST findings."""
    found = _Check(response, questionnaire, members or (lambda _: None))
    found.subject()
    found.level(listed(questionnaire.get("item")), response.get("item"), "QuestionnaireResponse.item", ())
    return found.issues[:MOST]


def responses_in(resource: Json, path: str = "QuestionnaireResponse") -> Iterator[tuple[str, Json]]:
    """The QuestionnaireResponses of a document, each with its path: itself, or those in the entries of a Bundle."""
    if resource.get("resourceType") == "QuestionnaireResponse":
        yield path, resource
    elif resource.get("resourceType") == "Bundle":
        for at, entry in enumerate(resource.get("entry") or ()):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                yield from responses_in(entry["resource"], f"{path if path.startswith('Bundle') else 'Bundle'}.entry[{at}].resource")


def contained_questionnaire(response: Json) -> Json | None:
    """The Questionnaire that the response brings with it (`questionnaire` is "#id")."""
    address = response.get("questionnaire")
    for each in listed(response.get("contained")):
        if each.get("resourceType") == "Questionnaire" and address == f"#{each.get('id')}":
            return each
    return None


def not_checked(text: str = "The Questionnaire is not known here: the answers could not be checked against it.") -> Issue:
    """Says that nothing can be said."""
    return Issue("warning", "not-found", text, "QuestionnaireResponse.questionnaire")


class _Check:
    """One pass over one response."""

    def __init__(self, response: Json, questionnaire: Json, members: Members) -> None:
        self.response, self.questionnaire, self.members = response, questionnaire, members
        self.issues: list[Issue] = []
        self.given = Given(response)
        self.is_finished = response.get("status") in _FINISHED
        self.links = {str(item.get("linkId")) for item in _every(questionnaire.get("item"))}
        self.options: dict[int, frozenset[tuple[str | None, str]] | None] = {}
        self.patterns: dict[int, Any] = {}

    def report(self, code: str, text: str, path: str, severity: Severity = "error") -> None:
        if len(self.issues) < MOST:
            self.issues.append(Issue(severity, code, text, path))

    def subject(self) -> None:
        """Questionnaire.subjectType: the types of subjects of responses."""
        allowed, reference = self.questionnaire.get("subjectType"), (self.response.get("subject") or {}).get("reference")
        is_relative = isinstance(reference, str) and "/" in reference and ":" not in reference
        if isinstance(allowed, list) and is_relative and reference.split("/")[0] not in allowed:
            self.report("business-rule", "The Questionnaire is not meant for subjects of this type.", "QuestionnaireResponse.subject", "warning")

    def level(self, asked: list[Json], given: Any, path: str, above: Place) -> None:
        """The items of one level of the response against those of the same level of the Questionnaire."""
        by_link = {str(item.get("linkId")): (place, item) for place, item in enumerate(asked)}
        answered: dict[str, list[tuple[int, Json]]] = {}
        reached = -1
        for at, item in enumerate(listed(given)):
            link = str(item.get("linkId", ""))
            if link not in by_link:
                self.stray(link, f"{path}[{at}]")
                continue
            if by_link[link][0] < reached:
                self.report("business-rule", "This item stands after one that follows it in the Questionnaire.", f"{path}[{at}]", "warning")
            reached = max(reached, by_link[link][0])
            answered.setdefault(link, []).append((at, item))
        for link, (_, question) in by_link.items():
            self.question(question, answered.get(link, []), path, above)

    def stray(self, link: str, path: str) -> None:
        if link in self.links:
            self.report("structure", "The Questionnaire has this item at another place.", path)
        else:
            self.report("not-found", "The Questionnaire has no item with this linkId.", f"{path}.linkId")

    def question(self, question: Json, items: list[tuple[int, Json]], path: str, above: Place) -> None:
        """One item of the Questionnaire with what the response holds for it at this place."""
        enabled = enabling.is_enabled(question, self.given, (*above, items[0][0] if items else enabling.LAST))
        if enabled is False:
            for at, item in items:
                if _is_answered(item):
                    self.report("business-rule", "This item is answered, but by enableWhen it is not enabled.", f"{path}[{at}]")
            return
        kind = str(question.get("type"))
        self.count(question, kind, items, path, enabled is True)
        for at, item in items:
            here, place = f"{path}[{at}]", (*above, at)
            if kind in ("group", "display"):
                self.group(question, kind, item, here, place)
            else:
                self.answers(question, kind, item, here, place)

    def count(self, question: Json, kind: str, items: list[tuple[int, Json]], path: str, enabled: bool) -> None:
        """required, repeats, minOccurs, maxOccurs."""
        if kind == "display":
            return
        is_group, where = kind == "group", f"{path}[{items[0][0]}]" if items else path
        amount = sum(_is_answered(item) for _, item in items) if is_group else sum(len(listed(item.get("answer"))) for _, item in items)
        name = _named(question)
        if question.get("required") is True and not amount and enabled and self.is_finished:
            self.report("required", f"{name} is required in a response that is completed.", where)
        if question.get("repeats") is not True and (amount > 1 if not is_group else len(items) > 1):
            self.report("business-rule", f"{name} does not repeat, but is given more than once.", where)
        elif not is_group and len(items) > 1:
            self.report("structure", f"The answers to {name[0].lower()}{name[1:]} belong into one item.", where)
        least, most = _extension(question, "questionnaire-minOccurs"), _extension(question, "questionnaire-maxOccurs")
        if isinstance(least, int) and 0 < amount < least and self.is_finished:
            self.report("business-rule", f"{name} is given less often than the Questionnaire's minimum.", where)
        if isinstance(most, int) and amount > most:
            self.report("business-rule", f"{name} is given more often than the Questionnaire's maximum.", where)

    def group(self, question: Json, kind: str, item: Json, path: str, place: Place) -> None:
        if "answer" in item:
            self.report("structure", f"An item of type {kind} has no answer.", f"{path}.answer")
        if kind == "display" and "item" in item:
            self.report("structure", "An item of type display has no items.", f"{path}.item")
        elif kind == "group":
            self.level(listed(question.get("item")), item.get("item"), f"{path}.item", (*place, 0))

    def answers(self, question: Json, kind: str, item: Json, path: str, place: Place) -> None:
        if "item" in item:
            self.report("structure", "Items below a question stand in its answer.", f"{path}.item")
        for at, answer in enumerate(listed(item.get("answer"))):
            here = f"{path}.answer[{at}]"
            found = value_of(answer, "value")
            if found is not None:
                self.value(question, kind, found, f"{here}.value")
            if "item" in answer or question.get("item"):
                self.level(listed(question.get("item")), answer.get("item"), f"{here}.item", (*place, at))

    def value(self, question: Json, kind: str, found: tuple[str, Any], path: str) -> None:
        """The type of an answer, then whether it is one of those allowed, then its limits."""
        type_, value = found
        options = listed(question.get("answerOption"))
        listed_types = {option[0] for each in options if (option := value_of(each, "value"))}
        allowed = _TYPES.get(kind, ()) if kind not in ("choice", "open-choice") else tuple(dict.fromkeys((*_TYPES[kind], *sorted(listed_types))))
        if type_ not in allowed:
            self.report("value", f"{_named(question)} is of type {kind}: {' or '.join(f'value{each}' for each in allowed)} is expected.", path)
            return
        is_free = kind == "open-choice" and type_ == "String"
        if options and not is_free:
            if not any((option := value_of(each, "value")) and enabling.are_equal(option[1], value) for each in options):
                self.report("code-invalid", f"{_named(question)}: the answer is not one of the answerOptions.", path)
        elif isinstance(question.get("answerValueSet"), str) and type_ == "Coding":
            self.membership(question, value, path)
        self.limits(question, type_, value, path)

    def membership(self, question: Json, coding: Any, path: str) -> None:
        if id(question) not in self.options:
            self.options[id(question)] = self.expanded(str(question["answerValueSet"]))
        known = self.options[id(question)]
        if known is None:
            self.report("not-supported", f"{_named(question)}: its answerValueSet is not known here, the answer is not checked.", path, "information")
        elif not isinstance(coding, dict) or (coding.get("system"), coding.get("code")) not in known:
            self.report("code-invalid", f"{_named(question)}: the answer is not in the answerValueSet.", path)

    def expanded(self, address: str) -> frozenset[tuple[str | None, str]] | None:
        """The codes of a value set: one contained in the Questionnaire, or one that is known."""
        if not address.startswith("#"):
            return self.members(address)
        for each in listed(self.questionnaire.get("contained")):
            if each.get("resourceType") == "ValueSet" and each.get("id") == address[1:]:
                return codes_of(each)
        return None

    def limits(self, question: Json, type_: str, value: Any, path: str) -> None:
        """maxLength, minLength, minValue, maxValue, regex (R4 extensions of Questionnaire.item)."""
        name = _named(question)
        if isinstance(value, str) and type_ in ("String", "Uri"):
            longest, shortest = question.get("maxLength"), _extension(question, "minLength")
            if isinstance(longest, int) and len(value) > longest:
                self.report("too-long", f"{name}: the answer is longer than the Questionnaire allows.", path)
            if isinstance(shortest, int) and len(value) < shortest:
                self.report("value", f"{name}: the answer is shorter than the Questionnaire allows.", path)
        for limit, operator, said in (("minValue", "<", "less than the least"), ("maxValue", ">", "more than the greatest")):
            bound = _extension(question, limit)
            compared = value.get("value") if type_ == "Quantity" and isinstance(value, dict) and not isinstance(bound, dict) else value
            if bound is not None and comparison.ordered(operator, compared, bound) is True:
                self.report("value", f"{name}: the answer is {said} that the Questionnaire allows.", path)
        if isinstance(value, str) and not self.matches(question, value):
            self.report("value", f"{name}: the answer does not have the form that the Questionnaire asks for.", path)

    def matches(self, question: Json, text: str) -> bool:
        """The regex extension, by an engine whose time is linear. A pattern that it cannot read checks nothing."""
        pattern = _extension(question, "regex")
        if not isinstance(pattern, str):
            return True
        if id(question) not in self.patterns:
            try:
                rule = {"pattern": f"^(?:{pattern})$"}
                self.patterns[id(question)] = jsonschema_rs.Draft4Validator(rule, pattern_options=jsonschema_rs.RegexOptions())
            except ValueError:
                self.patterns[id(question)] = None
        compiled = self.patterns[id(question)]
        return compiled is None or bool(compiled.is_valid(text))


def codes_of(value_set: Json) -> frozenset[tuple[str | None, str]] | None:
    """The (system, code) of a ValueSet that lists its codes; None where it only describes them (valueset.html)."""
    expansion, compose = value_set.get("expansion"), value_set.get("compose")
    if isinstance(expansion, dict):
        return frozenset((each.get("system"), str(each["code"])) for each in _every(expansion.get("contains"), "contains") if "code" in each)
    includes = listed(compose.get("include")) if isinstance(compose, dict) else []
    if not includes or (compose or {}).get("exclude") or any("concept" not in each or "filter" in each or "valueSet" in each for each in includes):
        return None
    return frozenset((each.get("system"), str(concept.get("code"))) for each in includes for concept in listed(each.get("concept")))


def _every(level: Any, name: str = "item") -> Iterator[Json]:
    for item in listed(level):
        yield item
        yield from _every(item.get(name), name)


def _is_answered(item: Json) -> bool:
    """Whether the item or one below it has an answer."""
    return bool(item.get("answer")) or any(_is_answered(inner) for inner in listed(item.get("item")))


def _named(question: Json) -> str:
    link = str(question.get("linkId", ""))
    return f"Item {link}" if len(link) <= 64 else "This item"


def _extension(question: Json, name: str) -> Any:
    """The value of one of HL7's extensions on an item."""
    for each in listed(question.get("extension")):
        if each.get("url") == _CORE + name:
            found = value_of(each, "value")
            return None if found is None else found[1]
    return None
