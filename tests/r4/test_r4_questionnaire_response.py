"""A QuestionnaireResponse against its Questionnaire: one row a sentence of R4 questionnaire.html / questionnaireresponse.html."""

import json
from typing import Any

import pytest

from mappings.r4.questionnaire_response import MOST, check, codes_of
from mappings.r4.release import Release

Json = dict[str, Any]
QR = "QuestionnaireResponse.item"
CORE = "http://hl7.org/fhir/StructureDefinition/"
A: Json = {"system": "urn:c", "code": "a"}
B: Json = {"system": "urn:c", "code": "b"}


def form(*items: Json, **more: Any) -> Json:
    return {"resourceType": "Questionnaire", "status": "active", "item": list(items)} | more


def ask(link: str = "1", kind: str = "string", **more: Any) -> Json:
    return {"linkId": link, "type": kind} | more


def limited(name: str, **value: Any) -> list[Json]:
    return [{"url": CORE + name} | value]


def given(*items: Json, **more: Any) -> Json:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": list(items)} | more


def say(link: str = "1", *answers: Json, **more: Any) -> Json:
    return {"linkId": link} | ({"answer": list(answers)} if answers else {}) | more


def text(value: str) -> Json:
    return {"valueString": value}


def yes(value: bool = True) -> Json:
    return {"valueBoolean": value}


def when(question: str = "1", operator: str = "=", **answer: Any) -> list[Json]:
    return [{"question": question, "operator": operator} | answer]


def coded(value: Json) -> Json:
    return {"valueCoding": value}


CHOICE = ask(kind="choice", answerOption=[{"valueCoding": A | {"display": "shown"}}])
OPEN = ask(kind="open-choice", answerOption=[{"valueCoding": A}])
IN_SET = ask(kind="choice", answerValueSet="#v")
SET = {"resourceType": "ValueSet", "id": "v", "status": "active", "compose": {"include": [{"system": "urn:c", "concept": [{"code": "a"}]}]}}
GATED = (ask(kind="boolean"), ask("2", enableWhen=when(answerBoolean=True), required=True))
NUMBER = ask(kind="integer")
GROUP = ask("g", "group", item=[ask()])

# what, Questionnaire, response, (severity, code, expression) of every finding
TABLE: list[tuple[str, Json, Json, list[tuple[str, str, str]]]] = [
    ("as asked", form(ask()), given(say("1", text("x"))), []),
    ("unknown linkId", form(ask()), given(say("9", text("x"))), [("error", "not-found", f"{QR}[0].linkId")]),
    ("known, but elsewhere", form(GROUP), given(say("1", text("x"))), [("error", "structure", f"{QR}[0]")]),
    ("order", form(ask(), ask("2")), given(say("2", text("x")), say("1", text("x"))), [("warning", "business-rule", f"{QR}[1]")]),
    ("wrong type", form(NUMBER), given(say("1", text("x"))), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("decimal for integer", form(NUMBER), given(say("1", {"valueDecimal": 1.5})), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("url is a uri", form(ask(kind="url")), given(say("1", {"valueUri": "urn:x"})), []),
    ("required and missing", form(ask(required=True)), given(), [("error", "required", QR)]),
    ("required and without an answer", form(ask(required=True)), given(say("1")), [("error", "required", f"{QR}[0]")]),
    ("required, but not completed", form(ask(required=True)), given(status="in-progress"), []),
    ("required, and amended", form(ask(required=True)), given(status="amended"), [("error", "required", QR)]),
    ("required group needs a child", form(GROUP | {"required": True}), given(say("g")), [("error", "required", f"{QR}[0]")]),
    ("required below a group that is absent", form(ask("g", "group", item=[ask(required=True)])), given(), []),
    ("does not repeat", form(ask()), given(say("1", text("x"), text("y"))), [("error", "business-rule", f"{QR}[0]")]),
    ("repeats", form(ask(repeats=True)), given(say("1", text("x"), text("y"))), []),
    ("answers in two items", form(ask(repeats=True)), given(say("1", text("x")), say("1", text("y"))), [("error", "structure", f"{QR}[0]")]),
    ("group twice", form(GROUP), given(say("g"), say("g")), [("error", "business-rule", f"{QR}[0]")]),
    ("maxLength", form(ask(maxLength=2)), given(say("1", text("xyz"))), [("error", "too-long", f"{QR}[0].answer[0].value")]),
    ("maxLength met", form(ask(maxLength=2)), given(say("1", text("xy"))), []),
    ("answerOption", form(CHOICE), given(say("1", coded(A))), []),
    ("not an answerOption", form(CHOICE), given(say("1", coded(B))), [("error", "code-invalid", f"{QR}[0].answer[0].value")]),
    ("another system", form(CHOICE), given(say("1", coded({"code": "a"}))), [("error", "code-invalid", f"{QR}[0].answer[0].value")]),
    ("free text in a choice", form(CHOICE), given(say("1", text("x"))), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("free text in an open choice", form(OPEN), given(say("1", text("x"))), []),
    ("code outside an open choice", form(OPEN), given(say("1", coded(B))), [("error", "code-invalid", f"{QR}[0].answer[0].value")]),
    ("option of another type", form(ask(kind="choice", answerOption=[{"valueInteger": 1}])), given(say("1", {"valueInteger": 1})), []),
    ("contained value set", form(IN_SET, contained=[SET]), given(say("1", coded(A))), []),
    ("not in it", form(IN_SET, contained=[SET]), given(say("1", coded(B))), [("error", "code-invalid", f"{QR}[0].answer[0].value")]),
    ("unknown value set", form(IN_SET), given(say("1", coded(B))), [("information", "not-supported", f"{QR}[0].answer[0].value")]),
    ("group with an answer", form(GROUP), given(say("g", text("x"))), [("error", "structure", f"{QR}[0].answer")]),
    ("display with an answer", form(ask(kind="display")), given(say("1", text("x"))), [("error", "structure", f"{QR}[0].answer")]),
    ("items below a question", form(ask(item=[ask("2")])), given(say("1", item=[say("2", text("x"))])), [("error", "structure", f"{QR}[0].item")]),
    ("items below an answer", form(ask(item=[ask("2")])), given(say("1", text("x") | {"item": [say("2", text("y"))]})), []),
    (
        "unknown below an answer", form(ask(item=[ask("2")])), given(say("1", text("x") | {"item": [say("9", text("y"))]})),
        [("error", "not-found", f"{QR}[0].answer[0].item[0].linkId")],
    ),
    ("enabled and required", form(*GATED), given(say("1", yes())), [("error", "required", QR)]),
    ("disabled: not required", form(*GATED), given(say("1", yes(False))), []),
    ("disabled, and answered", form(*GATED), given(say("1", yes(False)), say("2", text("x"))), [("error", "business-rule", f"{QR}[1]")]),
    ("exists", form(ask(), ask("2", enableWhen=when(operator="exists", answerBoolean=False))), given(say("1", text("x")), say("2", text("x"))),
     [("error", "business-rule", f"{QR}[1]")]),
    ("greater", form(NUMBER, ask("2", enableWhen=when(operator=">", answerInteger=3))), given(say("1", {"valueInteger": 4}), say("2", text("x"))), []),
    ("not greater", form(NUMBER, ask("2", enableWhen=when(operator=">", answerInteger=3))), given(say("1", {"valueInteger": 3}), say("2", text("x"))),
     [("error", "business-rule", f"{QR}[1]")]),
    ("all", form(ask(kind="boolean"), ask("2", enableBehavior="all", enableWhen=[*when(answerBoolean=True), *when("9", answerBoolean=True)])),
     given(say("1", yes()), say("2", text("x"))), [("error", "business-rule", f"{QR}[1]")]),
    ("any", form(ask(kind="boolean"), ask("2", enableBehavior="any", enableWhen=[*when(answerBoolean=True), *when("9", answerBoolean=True)])),
     given(say("1", yes()), say("2", text("x"))), []),
    ("!= without an answer is open", form(ask(kind="boolean"), ask("2", enableWhen=when(operator="!=", answerBoolean=True), required=True)), given(), []),
    (
        "the nearest occurrence counts", form(ask("g", "group", repeats=True, item=list(GATED))),
        given(say("g", item=[say("1", yes()), say("2", text("x"))]), say("g", item=[say("1", yes(False)), say("2", text("x"))])),
        [("error", "business-rule", f"{QR}[1].item[1]")],
    ),
    ("minValue", form(NUMBER | {"extension": limited("minValue", valueInteger=0)}), given(say("1", {"valueInteger": -1})), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("maxValue", form(NUMBER | {"extension": limited("maxValue", valueInteger=3)}), given(say("1", {"valueInteger": 4})), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("maxValue of a date", form(ask(kind="date", extension=limited("maxValue", valueDate="2026-01-01"))), given(say("1", {"valueDate": "2026-01-02"})),
     [("error", "value", f"{QR}[0].answer[0].value")]),
    ("regex", form(ask(extension=limited("regex", valueString="[0-9]{3}"))), given(say("1", text("12x"))), [("error", "value", f"{QR}[0].answer[0].value")]),
    ("regex met", form(ask(extension=limited("regex", valueString="[0-9]{3}"))), given(say("1", text("123"))), []),
    ("a pattern that is none", form(ask(extension=limited("regex", valueString="("))), given(say("1", text("123"))), []),
    ("minOccurs", form(ask(repeats=True, extension=limited("questionnaire-minOccurs", valueInteger=2))), given(say("1", text("x"))), [("error", "business-rule", f"{QR}[0]")]),
    ("maxOccurs", form(ask(repeats=True, extension=limited("questionnaire-maxOccurs", valueInteger=1))), given(say("1", text("x"), text("y"))),
     [("error", "business-rule", f"{QR}[0]")]),
    ("subjectType", form(ask(), subjectType=["Patient"]), given(say("1", text("x")), subject={"reference": "Location/1"}),
     [("warning", "business-rule", "QuestionnaireResponse.subject")]),
]  # fmt: skip


@pytest.mark.parametrize(("questionnaire", "response", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_findings(release: Release, questionnaire: Json, response: Json, wanted: list[tuple[str, str, str]]) -> None:
    found = check(response, questionnaire)
    assert [(issue.severity, issue.code, issue.expression) for issue in found] == wanted
    assert all(issue.text for issue in found)


def test_no_finding_holds_an_answer_or_a_linkid_of_the_response() -> None:
    secret = "Zaphod-secret"
    for _, questionnaire, response, _ in TABLE:
        spoiled = json.loads(json.dumps(response).replace('"x"', f'"{secret}"').replace('"9"', f'"{secret}"'))
        assert secret not in json.dumps([issue.as_fhir() for issue in check(spoiled, questionnaire)])


def test_a_value_set_of_r4(release: Release) -> None:
    gender = "http://hl7.org/fhir/administrative-gender"
    asked = form(ask(kind="choice", answerValueSet="http://hl7.org/fhir/ValueSet/administrative-gender"))
    right, wrong = ({"system": gender, "code": code} for code in ("female", "x"))
    assert check(given(say("1", coded(right))), asked, release.validator.members) == []
    assert [issue.code for issue in check(given(say("1", coded(wrong))), asked, release.validator.members)] == ["code-invalid"]


def test_codes_of_a_value_set() -> None:
    assert codes_of(SET) == {("urn:c", "a")}
    assert codes_of({"expansion": {"contains": [{"abstract": True, "contains": [{"system": "urn:c", "code": "b"}]}]}}) == {("urn:c", "b")}
    assert codes_of({"compose": {"include": [{"system": "urn:c"}]}}) is None
    assert codes_of({"compose": SET["compose"] | {"exclude": [{"system": "urn:c"}]}}) is None


def test_findings_are_bounded() -> None:
    assert len(check(given(*(say("9", text("x")) for _ in range(5000))), form(ask()))) == MOST
