"""A clinician's decision, carried from the sandbox to the service's `CarePlan/{id}/$review` with the sandbox's own token."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from adapters.sandbox.authorisation import clinician_token
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.outbound import CallFailed
from adapters.sandbox.refusal import Json, Refused

DECISIONS: Final = ("accept", "modify", "decline")


@dataclass(frozen=True, slots=True)
class Review:
    """One decision. The plan is named by its id at the service or by `identifier` ("system|value"); `plan` is the changed CarePlan.

    For modify without `plan`, the service's plan is taken and only the activities in `keep` (positions) stay, with `note` added.
    """

    service: str
    decision: str
    reason: str
    practitioner: str
    plan_id: str | None = None
    identifier: str | None = None
    plan: Json | None = None
    keep: tuple[int, ...] | None = None
    note: str | None = None
    audience: str | None = None

    @property
    def base(self) -> str:
        """The service's FHIR base."""
        base = self.service.rstrip("/")
        return base if base.endswith("/fhir") else f"{base}/fhir"


def review(data: Any) -> Review:
    """From JSON {service, plan | identifier, decision, reason, reviewer, modified, keep, note, audience}. Errors: Refused 422."""
    if not isinstance(data, dict) or data.get("decision") not in DECISIONS:
        raise Refused(422, "invalid", "decision is accept, modify or decline")
    texts = {name: data.get(name) for name in ("service", "plan", "identifier", "reason", "reviewer", "note", "audience")}
    if not all(value is None or isinstance(value, str) for value in texts.values()) or not texts["service"]:
        raise Refused(422, "invalid", "service, plan, identifier, reason, reviewer, note and audience are texts; service is needed")
    if bool(texts["plan"]) == bool(texts["identifier"]):
        raise Refused(422, "invalid", "Either plan or identifier is needed")
    keep = data.get("keep")
    whole = keep is None or (isinstance(keep, list) and all(type(index) is int for index in keep))
    if not whole or not isinstance(data.get("modified", {}), dict):
        raise Refused(422, "invalid", "keep is a list of positions, modified a CarePlan")
    return Review(
        service=str(texts["service"]), decision=data["decision"], reason=texts["reason"] or "", practitioner=texts["reviewer"] or "sandbox-clinician",
        plan_id=texts["plan"], identifier=texts["identifier"], plan=data.get("modified"), note=texts["note"], audience=texts["audience"],
        keep=None if keep is None else tuple(keep),
    )  # fmt: skip


async def send(hospital: Hospital, decision: Review) -> Json:
    """Calls the service and gives {"status", "url", "answer"}. Errors: Refused 422 or 502 when it cannot be carried through."""
    token = clinician_token(hospital, decision.practitioner, decision.audience or decision.base)
    headers = {"authorization": f"Bearer {token['access_token']}", "accept": "application/fhir+json"}
    try:
        plan_id = decision.plan_id or await _plan_id(hospital, decision, headers)
        plan = await _modified(hospital, decision, plan_id, headers) if decision.decision == "modify" else None
        url = f"{decision.base}/CarePlan/{quote(plan_id, safe='')}/$review"
        body = parameters(decision, plan)
        status, answer = await hospital.outbound.call("POST", url, headers | {"content-type": "application/fhir+json"}, body)
    except CallFailed as error:
        raise Refused(502, "transient", f"The service was not reached: {error}") from None
    return {"status": status, "url": url, "answer": answer}


def parameters(decision: Review, plan: Json | None) -> Json:
    """The body of $review; the reviewer is left to the token's fhirUser."""
    parts: list[Json] = [{"name": "decision", "valueCode": decision.decision}]
    if decision.reason:
        parts.append({"name": "reason", "valueString": decision.reason})
    if plan is not None:
        parts.append({"name": "plan", "resource": plan})
    return {"resourceType": "Parameters", "parameter": parts}


async def _plan_id(hospital: Hospital, decision: Review, headers: dict[str, str]) -> str:
    url = f"{decision.base}/CarePlan?identifier={quote(decision.identifier or '', safe='')}"
    status, found = await hospital.outbound.call("GET", url, headers)
    entries = found.get("entry", []) if isinstance(found, dict) else []
    if status != 200 or len(entries) != 1:
        raise Refused(502, "not-found", f"The service answered {status} with {len(entries)} plans of this identifier")
    try:
        return str(entries[0]["resource"]["id"])
    except (KeyError, TypeError):
        raise Refused(502, "invalid", "The service answered with something that is not a searchset") from None


async def _modified(hospital: Hospital, decision: Review, plan_id: str, headers: dict[str, str]) -> Json:
    if decision.plan is not None:
        return decision.plan
    status, plan = await hospital.outbound.call("GET", f"{decision.base}/CarePlan/{quote(plan_id, safe='')}", headers)
    if status != 200 or not isinstance(plan, dict):
        raise Refused(502, "not-found", f"The service answered {status} for the plan")
    return changed(plan, decision)


def changed(plan: Json, decision: Review) -> Json:
    """The plan with the activities that stay and the clinician's note."""
    result = dict(plan)
    activities = [part for index, part in enumerate(plan.get("activity", [])) if decision.keep is None or index in decision.keep]
    result.pop("activity", None)
    if activities:
        result["activity"] = activities
    if decision.note:
        result["note"] = [*plan.get("note", []), {"text": decision.note}]
    return result
