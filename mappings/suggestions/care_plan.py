"""A suggestion as FHIR: a CarePlan, status draft, intent proposal. It proposes and never orders."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from mappings.suggestions import narrative
from mappings.suggestions.condition import in_words
from mappings.suggestions.facts import Catalogue, rounded
from mappings.suggestions.rule import Activity, Rule, Verdict
from mappings.vocabulary import OURS, SUGGESTION_ID, Json, coding, concept

_R4_KINDS: Final = {
    "medicine-review": "Task",
    "psychotherapy": "ServiceRequest",
    "sleep": "ServiceRequest",
    "activity": "Task",
    "follow-up": "Appointment",
    "safety-review": "Task",
    "monitoring": "ServiceRequest",
}
"""CarePlan.activity.detail.kind (required binding care-plan-activity-kind). Nothing of that type is ever made by us."""
_GOALS: Final = "goal.present"


def canonical(rule: Rule) -> str:
    """The versioned canonical of the rule's PlanDefinition."""
    return rule.canonical


def facts_digest(verdict: Verdict) -> str:
    """A digest of all that a suggestion would say: another one is new evidence. Reasons count with date and source, goals with their
    references, other context by value alone. Time that passes is no evidence: ages are left out, of a duration counts the date it began."""
    reasons, context = [], []
    for name, value in verdict.used.items():
        if name.endswith((".age-days", ".age-years")):
            continue
        shown = value.as_of if name.endswith(".weeks") else rounded(value.value)
        if name in verdict.reasons:
            reasons.append([name, shown, value.as_of, list(value.refs)])
        else:
            context.append([name, shown, list(value.refs) if name == _GOALS else []])
    content = [verdict.holds, reasons, context, list(verdict.missing), [each.text for each in verdict.planned]]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:32]


def care_plan(rule: Rule, verdict: Verdict, catalogue: Catalogue, id_: str, person: str, now: str, created: str, replaces: str | None = None,
              encounter: Json | None = None) -> Json:  # fmt: skip
    """The draft. `person` "Patient/id"; `id_` stays the same over the versions of one suggestion; `now` an instant, from which terms count;
    `created` when it was first raised; `replaces` "CarePlan/id" of a decided plan. The fixed times aside, it says what `facts_digest` covers."""
    body: Json = {
        "resourceType": "CarePlan",
        "id": id_,
        "text": narrative.narrative(rule, verdict, catalogue),
        "contained": [_goal(rule.goal, person)],
        "identifier": [{"system": SUGGESTION_ID, "value": id_}],
        "instantiatesCanonical": [rule.canonical],
        "status": "draft",
        "intent": "proposal",
        "category": [concept(coding(OURS, "suggestion", "Suggestion for review"), text="Suggestion for review")],
        "title": rule.title,
        "description": rule.why,
        "subject": {"reference": person},
        "created": created,
        "goal": [{"reference": "#goal"}, *_references(verdict.used[_GOALS].refs if _GOALS in verdict.used else ())],
        "activity": [_activity(each, now) for each in verdict.planned],
        "note": [{"text": text} for text in _notes(rule, verdict, catalogue)],
    }
    if replaces:
        body["replaces"] = [{"reference": replaces}]
    if encounter:
        body["encounter"] = encounter
    refs = verdict.refs
    conditions = [ref for ref in refs if ref.startswith("Condition/")]
    body |= {"addresses": _references(conditions)} if conditions else {}
    return body | ({"supportingInfo": _references(refs)} if refs else {})


def _references(refs: Iterable[str]) -> list[Json]:
    return [{"reference": ref} for ref in refs]


def _activity(activity: Activity, now: str) -> Json:
    detail: Json = {
        "kind": _R4_KINDS[activity.kind],
        "code": concept(coding(OURS, f"activity.{activity.kind}", activity.kind.replace("-", " ").capitalize()), text=activity.text),
        "status": "not-started",
        "doNotPerform": False,
        "description": activity.text,
    }
    if activity.in_days is not None:
        today = date.fromisoformat(now[:10])
        detail["scheduledPeriod"] = {"start": today.isoformat(), "end": (today + timedelta(days=activity.in_days)).isoformat()}
    return {"detail": detail}


def _goal(text: str, person: str) -> Json:
    return {"resourceType": "Goal", "id": "goal", "lifecycleStatus": "proposed", "description": {"text": text}, "subject": {"reference": person}}


def _notes(rule: Rule, verdict: Verdict, catalogue: Catalogue) -> Iterable[str]:
    """What an EHR shows that does not show the narrative."""
    seen = "; ".join(narrative.reasons(verdict, catalogue))
    yield " ".join([f"Rests on: {seen}.", *narrative.expectations(verdict, catalogue), narrative.sources(verdict)])
    if verdict.missing:
        yield "Not known: " + "; ".join(narrative.missing(verdict, catalogue)) + "."
    for line in narrative.alternatives(verdict):
        yield f"Other way, and why not first: {line}"
    for line in narrative.left_out(verdict):
        yield f"Not proposed for this person: {line}"
    yield f"Rule {rule.id}, version {rule.version}: {in_words(rule.condition)}."
    for line in narrative.evidence(rule):
        yield f"Evidence: {line}"
    yield "Limits: " + " ".join(rule.limits)
    yield narrative.PROPOSAL


def withdrawn(plan: Json, why: str) -> Json:
    """The plan revoked by new evidence, with the reason in a note. Only a draft is ever withdrawn."""
    return plan | {"status": "revoked", "note": [*plan.get("note", []), {"text": why}]}
