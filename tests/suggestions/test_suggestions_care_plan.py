"""What is emitted: valid R4 by two readers, no order, every word escaped, a digest that moves with the evidence and not with time."""

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace as Part
from typing import Any

import fhirpathpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.r4.narrative import is_safe
from mappings.suggestions import condition, narrative, provenance
from mappings.suggestions.care_plan import care_plan, facts_digest, withdrawn
from mappings.suggestions.facts import Catalogue, FactValue
from mappings.suggestions.flag import safety_flag
from mappings.suggestions.plan_definition import plan_definition
from mappings.suggestions.rule import KINDS, Rule, evaluate

NOW = "2026-03-01T10:00:00Z"
ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
Check = Callable[[Any], None]


def made(rule: Rule, facts: dict[str, FactValue], catalogue: Catalogue, **other: Any) -> Any:
    return care_plan(rule, evaluate(rule, facts), catalogue, "plan-1", "Patient/p1", NOW, NOW, **other)


def words(resource: Any) -> str:
    return "\n".join(ET.fromstring(resource["text"]["div"]).itertext())


def test_the_plan_is_a_draft_proposal(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue, check_r4: Check) -> None:
    plan = made(rules["depression-worsening"], worse, catalogue, replaces="CarePlan/old", encounter={"reference": "Encounter/e1"})
    check_r4(plan)
    assert (plan["status"], plan["intent"], plan["subject"]) == ("draft", "proposal", {"reference": "Patient/p1"})
    assert plan["identifier"] == [{"system": "https://setpoint.example/fhir/NamingSystem/suggestion", "value": "plan-1"}]
    assert plan["instantiatesCanonical"] == ["https://setpoint.example/fhir/PlanDefinition/depression-worsening|1.1.0"]
    assert plan["replaces"] == [{"reference": "CarePlan/old"}]
    assert plan["supportingInfo"] == [{"reference": "QuestionnaireResponse/q1"}, {"reference": "Observation/total1"}]
    assert {"reference": "Goal/g1"} in plan["goal"]
    kinds = [(each["detail"]["code"]["coding"][0]["code"], each["detail"].get("scheduledPeriod", {}).get("end")) for each in plan["activity"]]
    assert kinds == [("activity.medicine-review", "2026-03-15"), ("activity.psychotherapy", "2026-03-29"), ("activity.follow-up", "2026-03-08")]
    assert {each["detail"]["status"] for each in plan["activity"]} == {"not-started"}


def test_no_plan_orders_a_medicine(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue, check_r4: Check) -> None:
    for rule in rules.values():
        for facts in (worse, {}):
            plan = made(rule, facts, catalogue)
            check_r4(plan)
            check_r4(withdrawn(plan, "Withdrawn."))
            assert "MedicationRequest" not in [plan["resourceType"], *(each["resourceType"] for each in plan["contained"])]
            assert all(each["detail"]["kind"] != "MedicationRequest" and "product" not in str(each) for each in plan["activity"])


LEGAL_KINDS = {"Appointment", "CommunicationRequest", "DeviceRequest", "MedicationRequest", "NutritionOrder", "Task", "ServiceRequest", "VisionPrescription"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_activity_is_one_of_r4(rules: dict[str, Rule], catalogue: Catalogue, check_r4: Check, kind: str) -> None:
    """R4 care-plan-activity-kind, a required binding; cpl-3: a detail or a reference."""
    rule = rules["gene-drug-review"]
    plan = made(replace(rule, activities=(replace(rule.activities[0], kind=kind),)), {}, catalogue)
    check_r4(plan)
    (activity,) = plan["activity"]
    assert set(activity) == {"detail"}
    assert activity["detail"]["kind"] in LEGAL_KINDS - {"MedicationRequest"}
    assert (activity["detail"]["status"], activity["detail"]["doNotPerform"]) == ("not-started", False)


@pytest.mark.parametrize(
    ("place", "value"),
    [(("activity", 0, "detail", "kind"), "Procedure"), (("activity", 0, "detail", "status"), "proposed"), (("intent",), "suggestion"), (("subject",), None)],
)
def test_the_reader_refuses_what_r4_refuses(rules: dict[str, Rule], catalogue: Catalogue, check_r4: Check, place: Any, value: Any) -> None:
    plan = made(rules["gene-drug-review"], {}, catalogue)
    target = plan
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    with pytest.raises(AssertionError):
        check_r4(plan)


def test_the_narrative_says_what_a_clinician_asks(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue) -> None:
    told = words(made(rules["depression-worsening"], worse, catalogue))
    for said in (
        "Nothing has been ordered or changed.",
        "PHQ-9 total: 13 points, 2026-03-01",
        "Read from QuestionnaireResponse/q1, Observation/total1.",
        "From 10 earlier values, the next PHQ-9 of this person was expected around 5.1, between 2 and 8.9 points.",
        "recognised active medicines: citalopram",
        "See the person within a week and repeat the PHQ-9 (within 7 days)",
        "Change the medicine at once: one high value may be a bad fortnight",
        "Not proposed for this person",
        "GAD-7 total",
        "NICE guideline NG222",
        "A questionnaire measures symptoms and makes no diagnosis.",
        "Rule depression-worsening, version 1.1.0: PHQ-9 total at least 10 points; and",
    ):
        assert said in told


HOSTILE = [
    "<script>alert(1)</script>",
    "</div><img src=x onerror=alert(1)>",
    "&lt;b&gt; & \"quoted\" 'names'",
    "\x00\x0b\ud800 \ufffe",
    "]]><![CDATA[",
    "Ünïcødé 漢字 🙂",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue, check_r4: Check, text: str) -> None:
    hostile = worse | {"medicine.names": FactValue(text, (text,)), "phq-9.total": FactValue(13, (text,), text)}
    plan = made(rules["depression-worsening"], hostile, catalogue)
    assert is_safe(plan["text"]["div"])
    assert {element.tag.split("}")[1] for element in ET.fromstring(plan["text"]["div"]).iter()} <= {"div", "p", "b", "ul", "li"}


@settings(max_examples=100 * ROUNDS, deadline=None)
@given(st.text())
def test_any_text_comes_back_as_it_was(text: str) -> None:
    root = ET.fromstring(f"<p>{narrative.safe(text)}</p>")
    kept = "".join(letter for letter in text if letter in "\t\n\r" or letter >= " ").replace("\ufffe", "").replace("\uffff", "")
    assert len(root) == 0
    assert (root.text or "") == kept.replace("\r\n", "\n").replace("\r", "\n")


CHANGES = [
    ({"phq-9.total": FactValue(14, ("QuestionnaireResponse/q1",), "2026-03-01")}, True),
    ({"phq-9.total": FactValue(13, ("QuestionnaireResponse/q2", "Observation/total1"), "2026-03-01T09:00:00Z")}, True),
    ({"phq-9.total": FactValue(13, ("QuestionnaireResponse/q1", "Observation/total1"), "2026-03-08T09:00:00Z")}, True),
    ({"medicine.names": FactValue("sertraline")}, True),
    ({"gad-7.total": FactValue(4)}, True),
    ({"medicine.names": FactValue("citalopram", ("MedicationRequest/m2",))}, False),
    ({"goal.present": FactValue(True, ("Goal/g1", "Goal/g2"))}, True),
    ({"phq-9.total": FactValue(13.0, ("QuestionnaireResponse/q1", "Observation/total1"), "2026-03-01T09:00:00Z")}, False),
    ({"phq-9.age-days": FactValue(3.0)}, False),
    ({"phq-9.set-point": FactValue(5.1 + 1e-12)}, False),
    ({"a fact no rule asks for": FactValue(1)}, False),
]


@pytest.mark.parametrize(("change", "is_news"), CHANGES)
def test_the_digest_moves_with_what_the_plan_says(
    rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue, change: Any, is_news: bool
) -> None:
    rule = rules["depression-worsening"]
    assert (facts_digest(evaluate(rule, worse)) != facts_digest(evaluate(rule, worse | change))) is is_news
    assert (made(rule, worse, catalogue) != made(rule, worse | change, catalogue)) is is_news


def test_facts_that_were_stored_give_the_same_digest(rules: dict[str, Rule], worse: dict[str, FactValue]) -> None:
    stored = json.loads(json.dumps({name: [fact.value, list(fact.refs), fact.as_of] for name, fact in worse.items()}))
    read_back = {name: FactValue(value, tuple(refs), as_of) for name, (value, refs, as_of) in sorted(stored.items())}
    for rule in rules.values():
        assert facts_digest(evaluate(rule, read_back)) == facts_digest(evaluate(rule, worse))


def test_time_alone_is_no_evidence(rules: dict[str, Rule], worse: dict[str, FactValue]) -> None:
    began = FactValue(6.0, ("MedicationRequest/m1",), "2026-01-04")
    later = replace(began, value=7.0)
    rule = rules["depression-worsening"]
    assert facts_digest(evaluate(rule, worse | {"treatment.weeks": began})) == facts_digest(evaluate(rule, worse | {"treatment.weeks": later}))


def test_every_rule_is_served(rules: dict[str, Rule], check_r4: Check) -> None:
    for rule in rules.values():
        served = plan_definition(rule)
        check_r4(served)
        assert (served["id"], served["url"], served["version"], served["status"]) == (rule.id, rule.url, rule.version, "active")
        assert len(served["relatedArtifact"]) == len(rule.evidence)


@settings(max_examples=60 * ROUNDS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_the_served_condition_decides_as_we_do(rules: dict[str, Rule], catalogue: Catalogue, data: st.DataObject) -> None:
    rule = rules[data.draw(st.sampled_from(sorted(rules)))]
    kinds = {"number": st.integers(-30, 30), "text": st.sampled_from(["a", "b"]), "boolean": st.booleans()}
    known = data.draw(st.fixed_dictionaries({}, optional={fact.name: kinds[fact.type] for fact in rule.asked()}))
    facts = {name: FactValue(value) for name, value in known.items()}
    variables, verdict = condition.fhirpath_variables(catalogue, facts), evaluate(rule, facts)
    action = plan_definition(rule)["action"][0]
    assert _ask(action, variables) == ([] if verdict.holds is None else [verdict.holds])
    planned = [each["title"] for each in action["action"] if "condition" not in each or _ask(each, variables) == [True]]
    assert planned == [each.text for each in verdict.planned]


def _ask(action: Any, variables: dict[str, Any]) -> list[bool]:
    found: list[bool] = fhirpathpy.evaluate({}, action["condition"][0]["expression"]["expression"], variables)
    return found


HIT = Part(code="phq-9.suicidal-ideation", text="PHQ-9 item 9 was answered above zero: for professional review, whatever the total.", score=2)


def test_a_flag_asks_for_review_and_names_no_diagnosis(check_r4: Check) -> None:
    flag = safety_flag(HIT, "flag-1", "PHQ-9 <b>", "Patient/p1", ["QuestionnaireResponse/q1", "Observation/o1"], NOW, {"reference": "Encounter/e1"})
    check_r4(flag)
    assert flag["status"] == "active"
    assert flag["category"][0]["coding"][0] == {"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "safety", "display": "Safety"}
    assert "for professional review" in flag["code"]["text"]
    assert [each["valueReference"]["reference"] for each in flag["extension"]] == ["QuestionnaireResponse/q1", "Observation/o1"]
    assert "PHQ-9 <b>: PHQ-9 item 9" in words(flag)
    assert not {"depress", "disorder", "suicidal"} & set(json.dumps(flag["code"]["text"]).lower().split())


def test_a_flag_always_asks_for_review(check_r4: Check) -> None:
    flag = safety_flag(Part(code="cows.severe-withdrawal", text="COWS at 25 or more."), "flag-2", "COWS", "Patient/p1", [], NOW)
    check_r4(flag)
    assert flag["code"]["text"] == "COWS: COWS at 25 or more: for professional review."
    assert "extension" not in flag


def test_provenance_names_rule_version_and_sources(rules: dict[str, Rule], check_r4: Check) -> None:
    canonical = rules["depression-worsening"].canonical
    made = provenance.derived("prov-1", ["CarePlan/plan-1", "Observation/o1"], ["QuestionnaireResponse/q1"] * 2, [canonical] * 2, NOW, "0.1.0")
    check_r4(made)
    assert made["policy"] == [canonical]
    assert made["entity"] == [{"role": "source", "what": {"reference": "QuestionnaireResponse/q1"}}]
    assert made["agent"][0]["who"] == {"display": "Setpoint 0.1.0"}
    check_r4(provenance.derived("prov-2", ["Observation/o1"], [], [], NOW, "0.1.0"))


@pytest.mark.parametrize(("decision", "reason"), [("accept", None), ("decline", "Already agreed otherwise")])
def test_provenance_of_a_review(check_r4: Check, decision: str, reason: str | None) -> None:
    made = provenance.reviewed("prov-3", "CarePlan/plan-1", 2, {"reference": "Practitioner/dr1"}, decision, reason, NOW)
    check_r4(made)
    assert made["agent"][0]["who"] == {"reference": "Practitioner/dr1"}
    assert made["entity"][0]["what"]["reference"] == "CarePlan/plan-1/_history/2"
    assert made.get("reason", [{}])[0].get("text") == reason
