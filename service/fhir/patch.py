"""patch, also conditional: https://hl7.org/fhir/R4/http.html#patch - JSON Patch, or FHIRPath Patch as Parameters."""

from typing import Any

from mappings.r4 import exact_json, fhirpath_patch, json_patch
from mappings.r4.json_patch import BadPatch, PatchFails
from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import intake, parsed
from service.fhir.read import standing
from service.fhir.update import expected
from service.house import House
from service.store.unit import ANY, STANDS, Guard, Stored, pinned
from service.workflows.change import Change, Requester
from service.workflows.conditions import ATTEMPTS, look_up, until_it_holds
from service.workflows.receive import receive

JSON_PATCH = "application/json-patch+json"
FORMATS = (JSON_PATCH, "application/fhir+json")


async def patch(call: Call) -> Answer:
    """200 with the new version; 404 and 410 where there is nothing to patch, 412 for a stale If-Match, 422 where the patch does not fit."""
    kind, id_ = call.parts
    call.house.gate.authorise(call.principal, "patch", kind)
    call.house.types.check(kind, "patch", id_)
    document = await _document(call)
    return await _patched(call, f"{kind}/{id_}", document, None)


async def conditional_patch(call: Call) -> Answer:
    """PATCH [type]?criteria: 404 where nothing matches, 412 where several do."""
    kind = call.parts[0]
    house = call.house
    reach = house.gate.authorise(call.principal, "patch", kind)
    house.gate.authorise(call.principal, "search-type", kind)
    house.types.check(kind, "patch")
    criteria, document = call.criteria(), await _document(call)

    async def once() -> Answer:
        target = await look_up(house, kind, criteria, reach.person)
        if target.one is None:
            raise Refusal(Kind.NOT_FOUND, "Nothing matches the criteria")
        house.types.check(kind, "patch", target.one.split("/")[1])
        return await _patched(call, target.one, document, target.guard)

    return await until_it_holds(once)


async def _document(call: Call) -> bytes:
    """The patch as received, checked to be JSON of one of the two formats. Errors: 400, 415."""
    return await call.typed_body(FORMATS, b", ".join(each.encode() for each in FORMATS))


async def _patched(call: Call, ref: str, document: bytes, guard: Guard | None) -> Answer:
    """Patch what stands; when another was faster, patch what stands then."""
    house, kind = call.house, ref.split("/")[0]
    reach = house.gate.authorise(call.principal, "patch", kind)
    version = expected(call.headers.get(b"if-match"))
    for _ in range(ATTEMPTS):
        current = await standing(call, ref, reach)
        change = change_of(house, current, document, call.content_type())
        change.expected, change.guard = pinned(version, current.version), guard
        try:
            (stored,) = await receive(house, [change], Requester.of(call, reach, "patch"))
        except Refusal as refusal:
            if refusal.kind is Kind.PRECONDITION and version in (ANY, STANDS):
                continue
            raise
        return answer.written(stored, 200, house.base, call.prefer("return"))
    raise Refusal(Kind.CONFLICT, "This resource is being changed by others; try again")


def change_of(house: House, current: Stored, document: bytes, content_type: str) -> Change:
    """The update that a patch makes of the current version. Errors: 400 for what is no patch, 422 for one that does not fit or whose result is not valid."""
    kind, id_ = current.ref.split("/")
    resource = exact_json.loads(current.body)
    try:
        patched = _apply(house, resource, document, content_type)
    except BadPatch as bad:
        raise Refusal(Kind.INVALID, str(bad)) from None
    except PatchFails as fails:
        expression = f"Parameters.parameter[{fails.at}]" if content_type != JSON_PATCH else None
        raise Refusal(Kind.UNPROCESSABLE, str(fails), expression, code="processing") from None
    try:
        body = exact_json.dumps(patched)
    except TypeError:  # half of a surrogate pair, or nesting without end
        raise Refusal(Kind.INVALID, "The patch holds what no JSON text can") from None
    if not isinstance(patched, dict) or patched.get("resourceType") != kind or patched.get("id") != id_:
        raise Refusal(Kind.UNPROCESSABLE, "A patch changes neither the type nor the id of a resource", f"{kind}.id", code="business-rule")
    try:
        checked = intake(house, kind, body, id_)
    except Refusal as refusal:
        raise Refusal(Kind.UNPROCESSABLE, issues=refusal.issues) from None
    return Change("update", kind, id_, checked, body)


def _apply(house: House, resource: Any, document: bytes, content_type: str) -> Any:
    if content_type == JSON_PATCH:
        try:
            found = exact_json.loads(document)
        except (ValueError, RecursionError):
            raise BadPatch("The patch is not JSON") from None
        return json_patch.apply(found, resource, house.settings.max_body_mb * 1_048_576)
    if parsed(document).get("resourceType") != "Parameters":
        raise BadPatch("A FHIRPath Patch is a Parameters resource")
    try:
        return fhirpath_patch.apply(house.structures, exact_json.loads(document), resource)
    except (TypeError, AttributeError, RecursionError):  # parts of other shapes than a FHIRPath Patch has
        raise BadPatch("The Parameters are not a FHIRPath Patch") from None
