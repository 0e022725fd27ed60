"""The sandbox's own controls under /sandbox: JSON in, JSON out, and nothing that another web page could call.

They have no login: the sandbox is a tool on a developer's machine and holds synthetic data.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from adapters.sandbox import authorisation, faults, intake, interactions, review
from adapters.sandbox.definitions import modes, types
from adapters.sandbox.document import check, parse
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.outbound import is_loopback
from adapters.sandbox.refusal import Json, Refused


def check_origin(request: Request, hospital: Hospital) -> None:
    """Errors: Refused 403 for a request that a browser sends on behalf of another site."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    if site not in ("none", "same-origin") or (origin is not None and not _own(origin, hospital)):
        raise Refused(403, "forbidden", "Not from another web page")


def _own(origin: str, hospital: Hospital) -> bool:
    if origin == hospital.base_url:
        return True
    try:
        ours, theirs = urlsplit(hospital.base_url), urlsplit(origin)
        return is_loopback(ours.hostname or "") and is_loopback(theirs.hostname or "") and ours.port == theirs.port
    except ValueError:
        return False


async def json_body(request: Request) -> Any:
    """The JSON body of a control request. Errors: Refused 400, 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "invalid", "The body must be application/json")
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refused(400, "structure", "The body is not JSON") from None
    check(found)
    return found


def add_faults(hospital: Hospital, data: Any) -> list[Json]:
    """Adds one fault or a list of them; gives all that wait."""
    added = [faults.fault(item).as_json() for item in (data if isinstance(data, list) else [data])]
    hospital.storage.add_faults(added)
    return hospital.storage.faults()


def set_mode(hospital: Hospital, data: Any) -> Json:
    """{"mode": name}. Errors: Refused 422 for an unknown one."""
    name = data.get("mode") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in modes():
        raise Refused(422, "invalid", f"mode is one of {', '.join(modes())}")
    hospital.set_mode(name)
    return mode(hospital)


def mode(hospital: Hospital) -> Json:
    """The mode in force and the choice."""
    return {"mode": hospital.mode.name, "title": hospital.mode.title, "modes": {name: entry.title for name, entry in modes().items()}}


def load(hospital: Hospital, body: bytes) -> Json:
    """Stores resources as if entered at the hospital: {"resources": [...]} or a Bundle; ids are kept, modes do not matter.

    All or nothing. Errors: Refused 422 for a resource that has no id, is not kept here, or is not valid.
    """
    data = parse(body)
    listed = data.get("resources", data.get("entry"))
    if not isinstance(listed, list):
        raise Refused(422, "invalid", "resources or entry must be a list")
    resources = listed if "resources" in data else [entry.get("resource") if isinstance(entry, dict) else None for entry in listed]
    stored = []
    with hospital.storage.transaction():
        for resource in resources:
            stored.append(_loaded(hospital, resource))
    return {"stored": stored}


def _loaded(hospital: Hospital, resource: Any) -> str:
    type_ = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(type_, str) or type_ not in types():
        raise Refused(422, "not-supported", "A resource of a type that is not kept here")
    kind = types()[type_]
    intake.check(resource, kind.name)
    if "id" not in resource:
        raise Refused(422, "required", "A loaded resource needs an id", f"{kind.name}.id")
    version = interactions.store(hospital, resource, resource["id"], "PUT")
    return f"{version.type}/{version.id}"


def clinician_token(hospital: Hospital, data: Any) -> Json:
    """{"practitioner", "audience"?, "scope"?}: a user token. Errors: Refused 422."""
    allowed = {"practitioner", "audience", "scope"}
    if not isinstance(data, dict) or not set(data) <= allowed or not all(isinstance(value, str) for value in data.values()):
        raise Refused(422, "invalid", "practitioner, audience and scope are texts")
    practitioner = data.get("practitioner", "sandbox-clinician")
    scope = data.get("scope", authorisation.CLINICIAN_SCOPE)
    return authorisation.clinician_token(hospital, practitioner, data.get("audience"), scope)


async def send_review(hospital: Hospital, data: Any) -> Json:
    """A decision, carried to the service; see review.review for the form."""
    decision = review.review(data)
    hospital.storage.put_setting("service", decision.service)
    return await review.send(hospital, decision)


def received(hospital: Hospital, query: Any) -> list[Json]:
    """Everything received in order; `after` (a number), `method` and `type` narrow it. A JSON body is shown parsed."""
    after = query.get("after", "0")
    found = hospital.storage.received(int(after) if after.isdecimal() else 0)
    return [_shown(item) for item in found if _wanted(item, query.get("method"), query.get("type"))]


def _wanted(item: Json, method: str | None, type_: str | None) -> bool:
    path = str(item["url"]).partition("?")[0].split("/")
    return method in (None, item["method"]) and (type_ is None or type_ in path[2:3])


def _shown(item: Json) -> Json:
    try:
        return item | {"at": interactions.instant(item["at"]), "body": json.loads(item["body"]) if item["body"] else None}
    except (ValueError, RecursionError):
        return item | {"at": interactions.instant(item["at"])}
