"""A clinician's decision about a suggestion: accept, modify, decline. Pure transitions of a CarePlan."""

from dataclasses import dataclass
from typing import Any, Final

from mappings.outcome import Issue
from mappings.suggestions import narrative
from mappings.vocabulary import SUGGESTION_ID, Json

DECISIONS: Final = ("accept", "modify", "decline")
_PARAMETERS: Final = ("decision", "reason", "plan", "reviewer")
_FIXED: Final = ("resourceType", "id", "identifier", "instantiatesCanonical", "subject", "intent", "created", "replaces", "supportingInfo", "encounter")
"""What a clinician's own version cannot change: whose it is, which suggestion it is, what it rests on."""
_GUARDED: Final = ("id", "subject", "identifier", "instantiatesCanonical", "intent", "replaces")
"""Stating these otherwise is refused and not passed over: it would be another plan, another person's, or an order."""
_REFUSED: Final = ("implicitRules", "modifierExtension")
"""What could turn the meaning of the whole plan."""


class ReviewError(Exception):
    """A review that cannot be done. `conflict`: the plan is not (any more) one that can be reviewed."""

    def __init__(self, issue: Issue, conflict: bool = False) -> None:
        super().__init__(issue.text)
        self.issue, self.conflict = issue, conflict


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """What the Parameters ask for. `reviewer`: a Reference, where the caller states one; `plan`: with modify only."""

    decision: str
    reason: str | None
    plan: Json | None
    reviewer: Json | None


def _wrong(code: str, text: str, expression: str, conflict: bool = False) -> ReviewError:
    return ReviewError(Issue("error", code, text, expression), conflict)


def _at(name: str) -> str:
    return f"Parameters.parameter.where(name='{name}')"


def read_parameters(parameters: Json) -> ReviewRequest:
    """The review that a Parameters resource asks for. Errors: ReviewError naming the parameter."""
    if parameters.get("resourceType") != "Parameters":
        raise _wrong("structure", "A review is sent as Parameters", "Parameters")
    found = _named(parameters.get("parameter", []))
    decision = _text(found.get("decision"))
    if decision not in DECISIONS:
        raise _wrong("required" if decision is None else "value", "decision must be accept, modify or decline", _at("decision"))
    reason = _text(found.get("reason"))
    if reason is None and "reason" in found:
        raise _wrong("value", "reason is a text", _at("reason"))
    if decision == "decline" and reason is None:
        raise _wrong("required", "decline needs a reason", _at("reason"))
    return ReviewRequest(decision, reason, _plan(found.get("plan"), decision), _reviewer(found.get("reviewer")))


def _named(parameters: Any) -> dict[str, Json]:
    if not isinstance(parameters, list):
        raise _wrong("structure", "parameter is a list", "Parameters.parameter")
    found: dict[str, Json] = {}
    for at, parameter in enumerate(parameters):
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if name not in _PARAMETERS or name in found:
            raise _wrong("invalid", "The parameters are decision, reason, plan and reviewer, each once", f"Parameters.parameter[{at}].name")
        found[name] = parameter
    return found


def _plan(parameter: Json | None, decision: str) -> Json | None:
    plan = (parameter or {}).get("resource")
    if decision != "modify":
        if parameter is not None:
            raise _wrong("invalid", "A plan is only taken with modify", _at("plan"))
        return None
    if not isinstance(plan, dict) or plan.get("resourceType") != "CarePlan":
        raise _wrong("required", "modify needs the plan as it shall be, a CarePlan", _at("plan"))
    return plan


def _text(parameter: Json | None) -> str | None:
    for name in ("valueCode", "valueString", "valueMarkdown"):
        value = (parameter or {}).get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    concept = (parameter or {}).get("valueCodeableConcept")
    text = concept.get("text") if isinstance(concept, dict) else None
    return text.strip() if isinstance(text, str) and text.strip() else None


def _reviewer(parameter: Json | None) -> Json | None:
    if parameter is None:
        return None
    reference = parameter.get("valueReference")
    if isinstance(reference, dict) and any(isinstance(reference.get(name), str) for name in ("reference", "display")) | ("identifier" in reference):
        return reference
    text = _text(parameter)
    if text is None:
        raise _wrong("value", "reviewer is a Reference or a text", _at("reviewer"))
    return {"reference": text} if "/" in text and " " not in text else {"display": text}


def is_suggestion(plan: Json) -> bool:
    """Whether the CarePlan is one of ours."""
    return any(identifier.get("system") == SUGGESTION_ID for identifier in plan.get("identifier", ()))


def reviewed_plan(plan: Json, request: ReviewRequest) -> Json:
    """The plan after the decision. accept: active, still a proposal. modify: the clinician's version, active. decline: revoked.

    Errors: ReviewError (conflict) for a plan that is not an open suggestion of ours, or a version that changes what is fixed.
    """
    if not is_suggestion(plan) or plan.get("intent") != "proposal":
        raise _wrong("business-rule", "Only a suggestion of this service can be reviewed", "CarePlan.identifier", True)
    if plan.get("status") != "draft":
        raise _wrong("conflict", "This suggestion is not open (any more)", "CarePlan.status", True)
    if request.decision == "decline":
        return plan | {"status": "revoked"}
    if request.decision == "accept":
        return plan | {"status": "active"}
    return _merged(plan, request.plan or {})


def _merged(plan: Json, own: Json) -> Json:
    """What the clinician states replaces what we said; what is fixed stays; what is not mentioned stays."""
    for name in _GUARDED:
        if name in own and own[name] != plan.get(name):
            raise _wrong("business-rule", f"{name} of a suggestion cannot be changed", f"{_at('plan')}.resource.{name}")
    for name in _REFUSED:
        if name in own:
            raise _wrong("not-supported", f"{name} is not taken in a review", f"{_at('plan')}.resource.{name}")
    taken = {name: value for name, value in own.items() if name not in _FIXED and name not in ("meta", "status")}
    # Our words would tell the old proposal; a clinician's own words stand.
    words = {} if "text" in own else {"text": _changed(plan, plan | taken)}
    return plan | taken | words | {"status": "active"}


def _changed(plan: Json, merged: Json) -> Json:
    """A narrative that says what is planned now, and below it the proposal as it was."""
    planned = [line for line in map(_activity_line, merged.get("activity", ())) if line]
    head = [narrative.paragraph("Changed at review.", bold=True), *narrative.section("Planned now", planned)]
    old = plan.get("text", {}).get("div", "")
    inside = old[old.find(">") + 1 : old.rfind("</div>")] if old.startswith("<div") else ""
    return narrative.generated([*head, narrative.paragraph("The proposal as it was made:", bold=True) if inside else "", inside])


def _activity_line(activity: Any) -> str:
    detail = activity.get("detail", {}) if isinstance(activity, dict) else {}
    text = detail.get("description") or detail.get("code", {}).get("text") if isinstance(detail, dict) else None
    return text if isinstance(text, str) else ""
