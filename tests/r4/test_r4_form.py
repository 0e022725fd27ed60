"""A QuestionnaireResponse against its Questionnaire. Each row is a rule of R4 questionnaire.html or questionnaireresponse.html, named in its first column."""

from typing import Any

import pytest

from mappings.r4.form import findings

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"


def item(link: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"linkId": link, "type": kind} | more


def limit(name: str, **value: Any) -> dict[str, Any]:
    return {"url": EXTENSION + name} | value


CODES = [{"valueCoding": {"system": "urn:c", "code": code}} for code in ("a", "b")]
FORM = {"resourceType": "Questionnaire", "item": [
    item("g", "group", item=[item("g1", "boolean", required=True), item("g2", "string", maxLength=3)]),
    item("i", "integer", extension=[limit("minValue", valueInteger=0), limit("maxValue", valueInteger=3)]),
    item("c", "choice", answerOption=CODES),
    item("o", "open-choice", answerOption=CODES),
    item("r", "decimal", repeats=True, extension=[limit("questionnaire-maxOccurs", valueInteger=2)]),
    item("w", "string", required=True, enableWhen=[{"question": "c", "operator": "=", "answerCoding": {"system": "urn:c", "code": "b"}}]),
    item("a", "string", enableBehavior="any", enableWhen=[
        {"question": "i", "operator": ">", "answerInteger": 1}, {"question": "g1", "operator": "exists", "answerBoolean": False}]),
    item("d", "display"),
    item("n", "string", extension=[limit("regex", valueString="[0-9]+"), limit("minLength", valueInteger=2)], item=[item("n1", "date")]),
]}  # fmt: skip


def said(link: str, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"linkId": link} | ({"answer": list(answers)} if answers else {}) | more


OK = said("g", item=[said("g1", {"valueBoolean": True})])
B = {"valueCoding": {"system": "urn:c", "code": "b"}}
QR = "QuestionnaireResponse"
ROWS = [
    ("all well", [OK], []),
    ("required, in a completed response", [said("g", item=[])], [("error", "required", f"{QR}.item[0]")]),
    ("required, the group is not there", [], []),
    ("linkId", [OK, said("zz", {"valueString": "x"})], [("error", "not-found", f"{QR}.item[1].linkId")]),
    ("linkId at its place", [OK, said("g2", {"valueString": "x"})], [("error", "not-found", f"{QR}.item[1].linkId")]),
    ("order", [said("i", {"valueInteger": 1}), OK], [("warning", "structure", f"{QR}.item[1]")]),
    ("type", [OK, said("i", {"valueString": "1"})], [("error", "value", f"{QR}.item[1].answer[0].valueString")]),
    ("maxLength", [said("g", item=[said("g1", {"valueBoolean": True}), said("g2", {"valueString": "long"})])],
     [("error", "value", f"{QR}.item[0].item[1].answer[0].valueString")]),
    ("minValue", [OK, said("i", {"valueInteger": -1})], [("error", "value", f"{QR}.item[1].answer[0].valueInteger")]),
    ("maxValue", [OK, said("i", {"valueInteger": 4})], [("error", "value", f"{QR}.item[1].answer[0].valueInteger")]),
    ("answerOption", [OK, said("c", {"valueCoding": {"system": "urn:c", "code": "x"}})], [("error", "code-invalid", f"{QR}.item[1].answer[0].valueCoding")]),
    ("open-choice takes a text", [OK, said("o", {"valueString": "x"})], []),
    ("repeats", [OK, said("i", {"valueInteger": 1}, {"valueInteger": 0})], [("error", "structure", f"{QR}.item[1].answer")]),
    ("repeats as items", [OK, said("r", {"valueDecimal": 1}), said("r", {"valueDecimal": 2})], [("error", "structure", f"{QR}.item[2]")]),
    ("maxOccurs", [OK, said("r", *({"valueDecimal": n} for n in range(3)))], [("error", "structure", f"{QR}.item[1].answer")]),
    ("enableWhen: a required item that is enabled", [OK, said("c", B)], [("error", "required", QR)]),
    ("enableWhen: answered where enabled", [OK, said("c", B), said("w", {"valueString": "x"})], []),
    ("enableWhen: answered where not enabled", [OK, said("w", {"valueString": "x"})], [("error", "business-rule", f"{QR}.item[1]")]),
    ("enableBehavior any", [OK, said("i", {"valueInteger": 2}), said("a", {"valueString": "x"})], []),
    ("enableBehavior any, none met", [OK, said("i", {"valueInteger": 1}), said("a", {"valueString": "x"})], [("error", "business-rule", f"{QR}.item[2]")]),
    ("a group has no answer", [OK | {"answer": [{"valueBoolean": True}]}], [("error", "structure", f"{QR}.item[0].answer")]),
    ("a display has no answer", [OK, said("d", {"valueString": "x"})], [("error", "structure", f"{QR}.item[1].answer")]),
    ("items of a question stand in its answer", [OK, said("n", {"valueString": "12", "item": [said("n1", {"valueDate": "2026-01-01"})]})], []),
    ("items of a question beside its answer", [OK, said("n", item=[said("n1")])], [("error", "structure", f"{QR}.item[1].item")]),
    ("regex and minLength", [OK, said("n", {"valueString": "x"})],
     [("error", "value", f"{QR}.item[1].answer[0].valueString"), ("error", "value", f"{QR}.item[1].answer[0].valueString")]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "items", "wanted"), ROWS)
def test_rules(rule: str, items: list[dict[str, Any]], wanted: list[tuple[str, str, str]]) -> None:
    found = findings({"resourceType": QR, "status": "completed", "item": items}, FORM)
    assert [(issue.severity, issue.code, issue.expression) for issue in found] == wanted, rule


def test_what_is_not_complete_misses_nothing() -> None:
    assert findings({"resourceType": QR, "status": "in-progress", "item": [said("g", item=[])]}, FORM) == []


def test_no_text_holds_an_answer() -> None:
    items = [OK, said("c", {"valueCoding": {"system": "urn:c", "code": "SECRET"}}), said("SECRET", {"valueString": "SECRET"})]
    assert "SECRET" not in str(findings({"resourceType": QR, "status": "completed", "item": items}, FORM))


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(a|a?)+b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    form = {"item": [item("x", "string", extension=[limit("regex", valueString=pattern)])]}
    assert len(findings({"status": "completed", "item": [said("x", {"valueString": "a" * 5000})]}, form)) == 1
    assert findings({"status": "completed", "item": [said("x", {"valueString": "a" * 5000 + "b"})]}, form) == []


def test_a_pattern_that_is_none_checks_nothing() -> None:
    form = {"item": [item("x", "string", extension=[limit("regex", valueString="(")])]}
    assert findings({"status": "completed", "item": [said("x", {"valueString": "a"})]}, form) == []
