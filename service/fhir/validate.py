"""$validate: https://hl7.org/fhir/R4/resource-operation-validate.html - says what a write would say, and stores nothing."""

import orjson

from mappings.outcome import Issue
from mappings.r4 import form
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer, outcome_bytes
from service.fhir.call import Call
from service.fhir.intake import parsed, shown
from service.fhir.parameters import parts_of
from service.fhir.read import standing
from service.house import House
from service.search.query import pairs
from service.security.reach import Reach
from service.workflows import people, questionnaires
from service.workflows.receive import is_derived

MODES = ("create", "update", "delete", "profile")
_BASE = "http://hl7.org/fhir/StructureDefinition/"


async def validate(call: Call) -> Answer:
    """POST [type]/$validate and [type]/[id]/$validate with the resource, or Parameters of resource, mode and profile; GET of an instance checks
    what is stored. 200 with the findings whenever there was something to check."""
    kind = call.parts[0]
    id_ = call.parts[1] if len(call.parts) == 3 else None
    call.house.types.check(kind, "read")
    resource, mode, profile = await _asked(call, kind, id_)
    reach = _authorise(call, mode, id_)
    issues: list[Issue] = []
    if mode == "delete":
        issues += await _change(call.house, reach, "delete", f"{kind}/{id_}")
    elif resource is None:
        raise Refusal(Kind.INVALID, "A resource to validate is needed", "Parameters.parameter", code="required")
    else:
        issues += await _written(call, reach, id_, mode, resource)
    issues += _profiles(kind, resource, profile)
    await call.house.audit.seen(call, "operation", kind, f"{kind}/{id_}" if id_ else None, None)
    return Answer(200, outcome_bytes(*shown(issues)), [FHIR_JSON])


async def _asked(call: Call, kind: str, id_: str | None) -> tuple[Json | None, str | None, str | None]:
    """(resource, mode, profile). Errors: 400."""
    asked = dict(pairs(call.query))
    mode, profile, resource = asked.get("mode"), asked.get("profile"), None
    body = await call.fhir_body() if call.method == "POST" and (call.headers.get(b"content-length") != b"0") else b""
    if call.method in ("GET", "HEAD"):
        resource = await _stored(call, kind, str(id_))
    elif body:
        resource = parsed(body)
        if resource.get("resourceType") == "Parameters":
            named = {each["name"]: each for each in parts_of(resource)}
            mode = named.get("mode", {}).get("valueCode", mode)
            profile = named.get("profile", {}).get("valueUri", named.get("profile", {}).get("valueCanonical", profile))
            found = named.get("resource", {}).get("resource")
            resource = found if isinstance(found, dict) else None
    if mode is not None and mode not in MODES:
        raise Refusal(Kind.INVALID, f"mode must be one of {', '.join(MODES)}", "mode", code="value")
    if mode == "delete" and id_ is None:
        raise Refusal(Kind.INVALID, "A deletion is validated at the address of the resource", "mode", code="value")
    return resource, mode, profile


async def _stored(call: Call, kind: str, id_: str) -> Json:
    reach = call.house.gate.authorise(call.principal, "read", kind)
    found: Json = orjson.loads((await standing(call, f"{kind}/{id_}", reach)).body)
    return found


def _authorise(call: Call, mode: str | None, id_: str | None) -> Reach:
    """The right that the write would need, and how far it goes."""
    wanted = {"delete": "delete", "update": "update"}.get(mode or "", "update" if id_ else "create")
    return call.house.gate.authorise(call.principal, "read" if call.method in ("GET", "HEAD") else wanted, call.parts[0])


async def _change(house: House, reach: Reach, interaction: str, ref: str) -> list[Issue]:
    """Whether an update or deletion of what stands here would be accepted. Errors: 403 for a person whom the token does not speak for."""
    kind, id_ = ref.split("/", 1)
    try:
        house.types.check(kind, interaction, id_)
    except Refusal as refusal:
        return [Issue("error", issue.code, issue.text, kind) for issue in refusal.issues]
    stored = await house.store.read(ref)
    if not reach.covers(None) and (stored is None or not reach.covers(stored.person)):
        raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
    if stored is None or stored.deleted:
        return [Issue("warning", "not-found", "Nothing stands here; a deletion would change nothing.")] if interaction == "delete" else []
    if is_derived(kind, house.parse_stored(stored.body)):
        return [Issue("error", "business-rule", "This resource is derived: change what it rests on.")]
    return []


async def _written(call: Call, reach: Reach, id_: str | None, mode: str | None, resource: Json) -> list[Issue]:
    """What a create or update would say, and what only validation says. Errors: 403 for a person whom the token does not speak for."""
    kind = call.parts[0]
    if resource.get("resourceType") != kind:
        return [Issue("error", "invalid", "The resourceType is not the type of the address.", "resourceType")]
    issues = list(call.house.validator.validate(resource))
    updates = call.method == "POST" and mode in ("update", None if id_ is not None else "update")
    if updates and ("id" not in resource or id_ not in (None, resource.get("id"))):
        issues.append(Issue("error", "value", "The id of the resource must be there and equal the id of the address.", f"{kind}.id"))
    if any(issue.severity in ("error", "fatal") for issue in issues):
        return issues
    if updates:
        issues += await _change(call.house, reach, "update", f"{kind}/{resource['id']}")
    try:
        person = await people.resolve(call.house, kind, resource, frozenset(), call.house.store.read)
    except Refusal as refusal:
        if not reach.covers(None):
            raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only") from None
        issues += refusal.issues
        person = None
    if call.method not in ("GET", "HEAD") and not reach.covers(f"Patient/{id_}" if kind == "Patient" and id_ else person):
        raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
    if kind == "QuestionnaireResponse":
        issues += await _against_questionnaire(call.house, resource)
    return issues


async def _against_questionnaire(house: House, response: Json) -> list[Issue]:
    """The response against the Questionnaire that it names, if that is here."""
    canonical = response.get("questionnaire")
    if not isinstance(canonical, str):
        return [Issue("information", "informational", "No Questionnaire is named: the answers were not checked against one.", "QuestionnaireResponse")]
    found = await questionnaires.of_canonical(house, canonical)
    if found is None:
        text = "The Questionnaire is not known here: the answers were not checked against it."
        return [Issue("information", "not-found", text, "QuestionnaireResponse.questionnaire")]
    return form.findings(response, found)


def _profiles(kind: str, resource: Json | None, profile: str | None) -> list[Issue]:
    """Profiles are not checked: that is said, and never passed over."""
    claimed = (resource or {}).get("meta", {})
    names = claimed.get("profile", []) if isinstance(claimed, dict) else []
    others = [name for name in (profile, *(names if isinstance(names, list) else [])) if name is not None and name != _BASE + kind]
    if not others:
        return []
    text = "Only base R4 is checked here: the profile was not."
    if profile is not None and profile != _BASE + kind:
        return [Issue("error", "not-supported", text, "profile")]
    return [Issue("information", "not-supported", text, f"{kind}.meta.profile")]
