"""$validate: https://hl7.org/fhir/R4/resource-operation-validate.html - what is wrong with a resource, and whether a write of it would be taken.

Nothing is stored. Validation that ran answers 200, whatever it found.
"""

import asyncio
from typing import NamedTuple
from urllib.parse import parse_qsl

from mappings.outcome import Issue
from mappings.r4.questionnaire_response import responses_in
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.batch import LARGE
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.fhir.update import ID
from service.security.reach import Reach
from service.workflows.change import Change, Requester
from service.workflows.questionnaires import findings
from service.workflows.receive import rehearse

_MODES = ("create", "update", "delete", "profile")
_TAKEN = ("resource", "mode", "profile")
_BASE = "http://hl7.org/fhir/StructureDefinition/"


class Asked(NamedTuple):
    """What is to be validated: None where the mode needs no resource."""

    resource: Json | None
    mode: str | None
    profile: str | None


async def validate_type(call: Call) -> Answer:
    """POST [type]/$validate with the resource, or with Parameters: resource, mode (create, update, delete, profile), profile."""
    return await _validate(call, await _asked(call), None)


async def validate_instance(call: Call) -> Answer:
    """POST [type]/[id]/$validate: the resource as it would become at this id."""
    return await _validate(call, await _asked(call), call.parts[1])


async def validate_stored(call: Call) -> Answer:
    """GET [type]/[id]/$validate: the resource as it stands. 404 unknown, 410 deleted."""
    kind, id_ = call.parts[:2]
    house = call.house
    mode, profile = _options(call, None)
    if mode not in (None, "profile"):
        raise Refusal(Kind.INVALID, "What is stored is validated without a mode; POST with mode to try a write", "mode", code="not-supported")
    reach = house.gate.authorise(call.principal, "read", kind)
    stored = await house.read(kind, id_)
    if stored is None or not reach.covers(stored.person):
        raise Refusal(Kind.NOT_FOUND, "No such resource")
    await house.audit.seen(call, "operation", kind, f"{kind}/{id_}", stored.person)
    if stored.deleted:
        raise Refusal(Kind.GONE, "This resource was deleted")
    resource = house.parse_stored(stored.body)
    return _answer([*_profile(kind, mode, profile), *await _content(call, resource, len(stored.body))])


async def _validate(call: Call, asked: Asked, id_: str | None) -> Answer:
    kind, house = call.parts[0], call.house
    mode = asked.mode
    reach = house.gate.authorise(call.principal, _interaction(mode, id_), kind)
    house.types.check(kind, "read")
    issues = _profile(kind, mode, asked.profile)
    if mode == "delete":
        issues += await _write(call, Change("delete", kind, _address(id_)), reach)
    else:
        resource = _given(asked)
        issues += await _resource(call, resource, id_, mode)
        if mode != "profile" and not any(issue.severity == "error" for issue in issues):
            issues += await _write(call, _change(kind, id_, mode, resource), reach)
    await house.audit.seen(call, "operation", kind, None if id_ is None else f"{kind}/{id_}"[:100], reach.person)
    return _answer(issues)


def _interaction(mode: str | None, id_: str | None) -> str:
    """The right that is needed: that of the write which is tried. A profile only looks."""
    if mode == "profile":
        return "read"
    return mode or ("create" if id_ is None else "update")


def _given(asked: Asked) -> Json:
    if asked.resource is None:
        raise Refusal(Kind.INVALID, "The resource is needed, unless mode is delete", "Parameters.parameter", code="required")
    return asked.resource


def _address(id_: str | None) -> str:
    if id_ is None:
        raise Refusal(Kind.INVALID, "mode delete is asked of one resource: [type]/[id]/$validate", "mode", code="not-supported")
    return id_


def _change(kind: str, id_: str | None, mode: str | None, resource: Json) -> Change:
    """The write that is tried: a create, or an update of what the resource or the address names."""
    if mode == "update" or id_ is not None:
        return Change("update", kind, id_ or str(resource.get("id", "")), resource)
    return Change("create", kind, resource=resource)


async def _resource(call: Call, resource: Json, id_: str | None, mode: str | None) -> list[Issue]:
    """The resource by itself: its type, its id, R4, its Questionnaire."""
    kind = call.parts[0]
    if resource.get("resourceType") != kind:
        return [Issue("error", "invalid", f"A {kind} is validated at this address; the resource has another type.", "resourceType")]
    issues = _identity(kind, resource, id_, mode)
    return [*issues, *await _content(call, resource, len(await call.body()))]


def _identity(kind: str, resource: Json, id_: str | None, mode: str | None) -> list[Issue]:
    """http.html#create: an id is ignored. http.html#update: it must be there and equal that of the address."""
    if id_ is not None and mode == "create":
        raise Refusal(Kind.INVALID, "mode create is asked of a type: [type]/$validate", "mode", code="not-supported")
    if mode == "create" and "id" in resource:
        return [Issue("information", "informational", "On create the id is ignored: the service gives one.", f"{kind}.id")]
    if (mode == "update" or (mode is None and id_ is not None)) and "id" not in resource:
        return [Issue("error", "required", "On update the id must be there.", f"{kind}.id")]
    if id_ is not None and mode != "profile" and resource.get("id") != id_:
        return [Issue("error", "value", "The id of the resource must equal the id of the address.", f"{kind}.id")]
    return []


async def _content(call: Call, resource: Json, size: int) -> list[Issue]:
    """R4, and for a response that is valid its Questionnaire. Large ones are judged beside the event loop."""
    house = call.house
    issues = await asyncio.to_thread(house.validator.validate, resource) if size > LARGE else house.validator.validate(resource)
    if not issues:
        for path, response in responses_in(resource):
            found = await findings(house, response, call.principal)
            issues += [_at(issue, path) for issue in found]
    return issues


def _at(issue: Issue, path: str) -> Issue:
    return Issue(issue.severity, issue.code, issue.text, path + (issue.expression or "").removeprefix("QuestionnaireResponse"))


async def _write(call: Call, change: Change, reach: Reach) -> list[Issue]:
    """Whether the write would be taken: offered for the type, and not refused for what it refers to or what stands there."""
    house = call.house
    try:
        house.types.check(change.kind, change.method, change.id or None)
        if change.method != "create" and not ID.fullmatch(change.id):
            raise Refusal(Kind.INVALID, "The id in the address is not a FHIR id", code="value")
        await rehearse(house, change, Requester.of(call, reach))
    except Refusal as refusal:
        if refusal.kind in (Kind.FORBIDDEN, Kind.UNKNOWN_TYPE):
            raise
        return [Issue("error", issue.code, issue.text, issue.expression or change.kind) for issue in refusal.issues]
    if change.method == "delete" and change.previous is None:
        return [Issue("information", "informational", "Nothing stands at this address: a delete would be taken and change nothing.", change.kind)]
    return []


def _profile(kind: str, mode: str | None, profile: str | None) -> list[Issue]:
    """The base definition is what everything is validated against; others are not known here."""
    if profile is None and mode == "profile":
        raise Refusal(Kind.INVALID, "mode profile needs the profile", "profile", code="required")
    if profile is None or profile.split("|")[0] == _BASE + kind:
        return []
    said = "The profile is not known here: the resource was validated against base R4 4.0.1 only."
    return [Issue("error" if mode == "profile" else "warning", "not-supported", said, kind)]


async def _asked(call: Call) -> Asked:
    """The body: the resource itself, or Parameters. Errors: 400, 415."""
    body = await call.body()
    if not body and "mode=delete" in call.query.decode("ascii", "replace"):
        return Asked(None, *_options(call, None))
    await call.fhir_body()
    given = await asyncio.to_thread(parsed, body) if len(body) > LARGE else parsed(body)
    if given.get("resourceType") != "Parameters":
        return Asked(given, *_options(call, None))
    return Asked(_parameters(given).get("resource"), *_options(call, given))


def _parameters(given: Json) -> dict[str, Json]:
    """The parameters by name: a resource, or the parameter that has the value."""
    found: dict[str, Json] = {}
    listed = given.get("parameter")
    for at, each in enumerate(listed if isinstance(listed, list) else []):
        here = f"Parameters.parameter[{at}]"
        name = each.get("name") if isinstance(each, dict) else None
        if name not in _TAKEN:
            raise Refusal(Kind.INVALID, "$validate takes resource, mode and profile", here, code="not-supported")
        if name in found:
            raise Refusal(Kind.INVALID, "This parameter may be given once", here, code="structure")
        value = each.get("resource") if name == "resource" else each
        if not isinstance(value, dict):
            raise Refusal(Kind.INVALID, "The parameter resource holds a resource", here, code="structure")
        found[name] = value
    return found


def _options(call: Call, given: Json | None) -> tuple[str | None, str | None]:
    """(mode, profile) of the body or the query. Errors: 400 for what $validate does not take."""
    asked: dict[str, str] = {}
    for name, value in parse_qsl(call.query.decode("ascii", "replace"), keep_blank_values=True):
        if not name.startswith("_"):
            if name not in ("mode", "profile") or name in asked:
                raise Refusal(Kind.INVALID, "$validate takes mode and profile, each once", code="not-supported")
            asked[name] = value
    for name, parameter in (_parameters(given) if given is not None else {}).items():
        values = [value for key, value in parameter.items() if key.startswith("value")]
        if name != "resource":
            if len(values) != 1 or not isinstance(values[0], str) or asked.get(name, values[0]) != values[0]:
                raise Refusal(Kind.INVALID, f"The parameter {name} holds one text, and not two that differ", "Parameters.parameter", code="value")
            asked[name] = values[0]
    mode = asked.get("mode")
    if mode is not None and mode not in _MODES:
        raise Refusal(Kind.INVALID, "mode is create, update, delete or profile", "mode", code="code-invalid")
    return mode, asked.get("profile")


def _answer(issues: list[Issue]) -> Answer:
    """An OperationOutcome: all findings, or that all is well. Warnings alone do not hide that no error was found."""
    return Answer(200, answer.outcome_bytes(*issues), [FHIR_JSON])
