"""A rule as it is served: a PlanDefinition with its condition as FHIRPath. Read-only: only files are rules."""

from typing import Final

from mappings.suggestions.condition import as_fhirpath, in_words
from mappings.suggestions.rule import Activity, Evidence, Rule
from mappings.vocabulary import OURS, Json, coding, concept

_TYPE: Final = "http://terminology.hl7.org/CodeSystem/plan-definition-type"
_RESOURCES: Final = "http://hl7.org/fhir/resource-types"
_UCUM_DAYS: Final = {"unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}


def plan_definition(rule: Rule) -> Json:
    """The R4 PlanDefinition of a rule. Its expressions read each fact as an environment variable of the fact's name."""
    return {
        "resourceType": "PlanDefinition",
        "id": rule.id,
        "url": rule.url,
        "version": rule.version,
        "name": rule.id.replace("-", " ").title().replace(" ", ""),
        "title": rule.title,
        "type": concept(coding(_TYPE, "eca-rule", "ECA Rule")),
        "status": "active",
        "experimental": False,
        "subjectCodeableConcept": concept(coding(_RESOURCES, "Patient", "Patient")),
        "publisher": "Setpoint",
        "description": rule.why,
        "purpose": "Proposes for review; orders nothing. " + in_words(rule.condition) + ".",
        "usage": _usage(rule),
        "relatedArtifact": [_artifact(each) for each in rule.evidence],
        "goal": [{"id": "goal", "description": concept(text=rule.goal)}],
        "action": [_action(rule)],
    }


def _usage(rule: Rule) -> str:
    trigger = f"The newest answer may be at most {rule.max_age_days} days old. " if rule.measure else ""
    return f"{trigger}After a decision it stays quiet for {rule.quiet_days} days unless the person is worse. Limits: " + " ".join(rule.limits)


def _artifact(evidence: Evidence) -> Json:
    body: Json = {"type": "citation", "display": f"{evidence.grade}: {evidence.supports}", "citation": evidence.citation}
    return body | ({"url": evidence.link} if evidence.link else {})


def _action(rule: Rule) -> Json:
    body: Json = {
        "title": rule.title,
        "description": rule.why,
        "trigger": [{"type": "data-added", "data": [{"type": kind} for kind in _trigger_types(rule)]}],
        "condition": [_condition(as_fhirpath(rule.condition))],
        "goalId": ["goal"],
        "action": [_activity(each) for each in rule.activities],
    }
    return ({"priority": "urgent"} if rule.priority == "safety" else {}) | body


def _trigger_types(rule: Rule) -> tuple[str, ...]:
    return ("QuestionnaireResponse", "Observation") if rule.measure else ("MedicationRequest", "MedicationStatement")


def _condition(expression: str) -> Json:
    return {"kind": "applicability", "expression": {"language": "text/fhirpath", "expression": expression}}


def _activity(activity: Activity) -> Json:
    body: Json = {"title": activity.text, "code": [concept(coding(OURS, f"activity.{activity.kind}"))]}
    if activity.alternatives:
        body["description"] = "Other ways: " + " ".join(f"{each.text}: {each.why_not}" for each in activity.alternatives)
    if activity.when is not None:
        # Left out only where this is known not to hold: what is unknown leaves the activity in.
        when = as_fhirpath(activity.when)
        body["condition"] = [_condition(f"({when}) or ({when}).exists().not()")]
    if activity.in_days is not None:
        body["timingDuration"] = {"value": activity.in_days, **_UCUM_DAYS}
    return body
