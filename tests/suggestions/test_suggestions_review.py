"""A clinician's decision: what is read from Parameters, what becomes of the plan, and what nobody can change."""

from collections.abc import Callable
from typing import Any

import pytest

from mappings.suggestions.care_plan import care_plan
from mappings.suggestions.facts import Catalogue, FactValue
from mappings.suggestions.review import ReviewError, ReviewRequest, read_parameters, reviewed_plan
from mappings.suggestions.rule import Rule, evaluate

NOW = "2026-03-01T10:00:00Z"
OWN = {"resourceType": "CarePlan", "title": "As agreed", "activity": [{"detail": {"status": "scheduled", "description": "Call on Tuesday <b>"}}]}


@pytest.fixture
def plan(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue) -> Any:
    rule = rules["depression-worsening"]
    return care_plan(rule, evaluate(rule, worse), catalogue, "plan-1", "Patient/p1", NOW, NOW) | {"meta": {"versionId": "3"}}


def parameters(**given: Any) -> Any:
    kinds = {"decision": "valueCode", "reason": "valueString", "plan": "resource", "reviewer": "valueReference"}
    return {"resourceType": "Parameters", "parameter": [{"name": name, kinds.get(name, "valueString"): value} for name, value in given.items()]}


def test_reading_a_review() -> None:
    doctor = {"reference": "Practitioner/dr1"}
    assert read_parameters(parameters(decision="accept")) == ReviewRequest("accept", None, None, None)
    assert read_parameters(parameters(decision="decline", reason=" no ", reviewer=doctor)) == ReviewRequest("decline", "no", None, doctor)
    assert read_parameters(parameters(decision="modify", plan=OWN)) == ReviewRequest("modify", None, OWN, None)
    spoken = {
        "resourceType": "Parameters",
        "parameter": [{"name": "decision", "valueString": "accept"}, {"name": "reviewer", "valueString": "Practitioner/dr1"}],
    }
    assert read_parameters(spoken) == ReviewRequest("accept", None, None, doctor)


TWICE = {"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "accept"}, {"name": "decision", "valueCode": "decline"}]}
MALFORMED = [
    ({"resourceType": "CarePlan"}, "structure", "Parameters"),
    ({"resourceType": "Parameters"}, "required", "decision"),
    ({"resourceType": "Parameters", "parameter": "accept"}, "structure", "Parameters.parameter"),
    ({"resourceType": "Parameters", "parameter": ["accept"]}, "invalid", "Parameters.parameter[0].name"),
    (parameters(decision="approve"), "value", "decision"),
    (parameters(decision=["accept"]), "required", "decision"),
    (parameters(decision="accept", mood="x"), "invalid", "Parameters.parameter[1].name"),
    (TWICE, "invalid", "Parameters.parameter[1].name"),
    (parameters(decision="decline"), "required", "reason"),
    (parameters(decision="decline", reason="  "), "value", "reason"),
    (parameters(decision="modify"), "required", "plan"),
    (parameters(decision="modify", plan={"resourceType": "Task"}), "required", "plan"),
    (parameters(decision="accept", plan=OWN), "invalid", "plan"),
    (parameters(decision="accept", reviewer="x"), "value", "reviewer"),
    (parameters(decision="accept", reviewer={}), "value", "reviewer"),
]


@pytest.mark.parametrize(("body", "code", "where"), MALFORMED)
def test_malformed_parameters_say_where(body: Any, code: str, where: str) -> None:
    with pytest.raises(ReviewError) as error:
        read_parameters(body)
    assert not error.value.conflict
    assert (error.value.issue.severity, error.value.issue.code) == ("error", code)
    assert error.value.issue.expression in (where, f"Parameters.parameter.where(name='{where}')")
    assert "approve" not in error.value.issue.text


def test_accept_and_decline_change_the_status_alone(plan: Any, check_r4: Callable[[Any], None]) -> None:
    for decision, status in (("accept", "active"), ("decline", "revoked")):
        decided = reviewed_plan(plan, ReviewRequest(decision, "why", None, None))
        assert decided == plan | {"status": status}
        assert decided["intent"] == "proposal"
        check_r4(decided)


def test_modify_takes_the_clinicians_words(plan: Any, check_r4: Callable[[Any], None]) -> None:
    decided = reviewed_plan(plan, ReviewRequest("modify", None, OWN | {"meta": {"versionId": "9"}, "status": "draft", "supportingInfo": []}, None))
    check_r4(decided)
    assert (decided["status"], decided["intent"], decided["title"]) == ("active", "proposal", "As agreed")
    assert decided["activity"] == OWN["activity"]
    for name in ("id", "meta", "identifier", "subject", "instantiatesCanonical", "supportingInfo", "created", "contained", "goal"):
        assert decided[name] == plan[name]
    div = decided["text"]["div"]
    assert "Changed at review" in div
    assert "Call on Tuesday &lt;b&gt;" in div
    assert div.index("Planned now") < div.index("The proposal as it was made:") < div.index("What was seen")


def test_the_clinicians_own_narrative_stands(plan: Any) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Mine</div>'}
    assert reviewed_plan(plan, ReviewRequest("modify", None, OWN | {"text": text}, None))["text"] == text


CHANGED = {
    "subject": {"reference": "Patient/another"},
    "identifier": [{"system": "https://elsewhere.example", "value": "1"}],
    "instantiatesCanonical": ["https://elsewhere.example/PlanDefinition/x"],
    "intent": "order",
    "id": "plan-2",
    "replaces": [{"reference": "CarePlan/other"}],
    "implicitRules": "https://elsewhere.example/rules",
    "modifierExtension": [{"url": "https://elsewhere.example/not", "valueBoolean": True}],
}


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_what_nobody_can_change(plan: Any, name: str) -> None:
    with pytest.raises(ReviewError) as error:
        reviewed_plan(plan, ReviewRequest("modify", None, OWN | {name: CHANGED[name]}, None))
    assert error.value.issue.expression == f"Parameters.parameter.where(name='plan').resource.{name}"
    assert not error.value.conflict


def test_the_whole_plan_sent_back_is_taken(plan: Any) -> None:
    decided = reviewed_plan(plan, ReviewRequest("modify", None, plan | {"title": "As agreed", "text": plan["text"]}, None))
    assert decided == plan | {"title": "As agreed", "status": "active"}


CLOSED = [{"status": status} for status in ("active", "revoked", "completed", "entered-in-error", "on-hold")]
FOREIGN = [{"identifier": [{"system": "https://elsewhere.example", "value": "1"}]}, {"intent": "plan"}]


@pytest.mark.parametrize("change", [*CLOSED, *FOREIGN])
@pytest.mark.parametrize("decision", ["accept", "modify", "decline"])
def test_only_an_open_suggestion_of_ours_is_reviewed(plan: Any, change: dict[str, Any], decision: str) -> None:
    with pytest.raises(ReviewError) as error:
        reviewed_plan(plan | change, ReviewRequest(decision, "why", OWN if decision == "modify" else None, None))
    assert error.value.conflict
