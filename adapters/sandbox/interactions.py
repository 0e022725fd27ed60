"""The FHIR interactions of the sandbox, over parsed requests and answers: https://hl7.org/fhir/R4/http.html"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from adapters.sandbox import document, intake, search
from adapters.sandbox.definitions import ResourceType, types
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.refusal import Json, Refused
from adapters.sandbox.scopes import Access
from adapters.sandbox.storage import Condition, Version

MOST_PER_PAGE = 200
_RESULT_PARAMETERS = ("_count", "_sort", "_format", "_after", "_summary", "_total")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: status, JSON text (empty: no body) and headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request. `headers` has lower-case names."""

    hospital: Hospital
    access: Access
    kind: ResourceType
    headers: Mapping[str, str]


def kind_of(type_: str) -> ResourceType:
    """Errors: Refused 404 for a type that is not kept."""
    if type_ not in types():
        raise Refused(404, "not-supported", "This resource type is not kept here")
    return types()[type_]


# Reading


def read(call: Call, id_: str) -> Answer:
    """The current version; 404, 410."""
    call.access.require("read", call.kind.name)
    return _shown(call, call.hospital.storage.read(call.kind.name, id_))


def vread(call: Call, id_: str, version: str) -> Answer:
    """One version; 404, 410 for the version that deleted it."""
    call.access.require("vread", call.kind.name)
    number = int(version) if version.isdecimal() and len(version) < 10 else 0
    return _shown(call, call.hospital.storage.vread(call.kind.name, id_, number))


def history(call: Call, id_: str) -> Answer:
    """All versions of one resource as a Bundle, newest first."""
    call.access.require("history", call.kind.name)
    versions = [version for version in call.hospital.storage.history(call.kind.name, id_) if _reachable(call, version)]
    if not versions:
        raise _unknown()
    return _bundle("history", len(versions), [_history_entry(call, version) for version in versions], [])


def _history_entry(call: Call, version: Version) -> Json:
    status = {"POST": "201", "PUT": "201" if version.version == 1 else "200", "DELETE": "204"}[version.method]
    url = version.type if version.method == "POST" else f"{version.type}/{version.id}"
    entry: Json = {"fullUrl": f"{call.hospital.fhir_base}/{version.type}/{version.id}"}
    if version.body is not None:
        entry["resource"] = document.parse(version.body.encode())
    return entry | {"request": {"method": version.method, "url": url},
                    "response": {"status": status, "etag": f'W/"{version.version}"', "lastModified": instant(version.at)}}  # fmt: skip


def _shown(call: Call, version: Version | None) -> Answer:
    if version is None or not _reachable(call, version):
        raise _unknown()
    if version.body is None:
        raise Refused(410, "deleted", "This resource was deleted", headers={"ETag": f'W/"{version.version}"'})
    return Answer(200, version.body, _version_headers(version))


def _unknown() -> Refused:
    return Refused(404, "not-found", "No such resource")


def _reachable(call: Call, version: Version) -> bool:
    """Whether a caller bound to one patient may see this; others see all. A deletion is judged by the version before."""
    if call.access.patient is None or version.type == "Practitioner":
        return True
    if version.body is None:
        before = call.hospital.storage.vread(version.type, version.id, version.version - 1)
        return before is not None and _reachable(call, before)
    return _about(call, document.parse(version.body.encode())) == f"Patient/{call.access.patient}"


def _about(call: Call, resource: Json) -> str | None:
    """The patient a resource is about, as a relative reference."""
    person = types()[resource["resourceType"]].person
    if person is None:
        return None
    if person == "id":
        return f"Patient/{resource.get('id')}"
    reference = resource.get(person, {}).get("reference")
    return search.relative(reference, call.hospital.fhir_base) if reference else None


# Searching


def find(call: Call, query: str) -> Answer:
    """A searchset with total, paged by `_count` and next links."""
    call.access.require("search", call.kind.name)
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    controls = {key: value for key, value in pairs if key in _RESULT_PARAMETERS}
    conditions = _conditions(call, [pair for pair in pairs if pair[0] not in _RESULT_PARAMETERS])
    count = _number(controls.get("_count", "50"))
    total = call.hospital.storage.count(call.kind.name, conditions)
    links = [{"relation": "self", "url": f"{call.hospital.fhir_base}/{call.kind.name}?{urlencode(pairs)}"}]
    if count == 0 or controls.get("_summary") == "count":
        return _bundle("searchset", total, [], links)
    found = _page(call, conditions, controls, min(count, MOST_PER_PAGE) + 1)
    shown = found[: min(count, MOST_PER_PAGE)]
    if len(found) > len(shown):
        kept = [pair for pair in pairs if pair[0] != "_after"]
        kept.append(("_after", str(shown[-1].seq)))
        links.append({"relation": "next", "url": f"{call.hospital.fhir_base}/{call.kind.name}?{urlencode(kept)}"})
    return _bundle("searchset", total, [_match(call, version) for version in shown], links)


def _page(call: Call, conditions: Sequence[Condition], controls: Mapping[str, str], limit: int) -> list[Version]:
    order = controls.get("_sort", "_lastUpdated")
    if order not in ("_lastUpdated", "-_lastUpdated"):
        raise Refused(400, "not-supported", "Only _lastUpdated can be sorted by")
    sign, direction = ("<", "DESC") if order.startswith("-") else (">", "ASC")
    after = [Condition(f"v.seq {sign} ?", (_number(controls["_after"]),))] if "_after" in controls else []
    return call.hospital.storage.select(call.kind.name, [*conditions, *after], f"ORDER BY v.seq {direction}", limit)


def _conditions(call: Call, pairs: list[tuple[str, str]]) -> list[Condition]:
    found = search.conditions(call.kind, pairs, call.hospital.fhir_base)
    if call.access.patient is None or call.kind.name == "Practitioner":
        return found
    if call.kind.person is None:
        raise Refused(403, "forbidden", "Not for a caller who is bound to one patient")
    own = ("_id", call.access.patient) if call.kind.name == "Patient" else ("patient", call.access.patient)
    return [*found, *search.conditions(call.kind, [own], call.hospital.fhir_base)]


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Refused(400, "invalid", "Not a count")
    return int(text)


def _match(call: Call, version: Version) -> Json:
    body = document.parse((version.body or "{}").encode())
    return {"fullUrl": f"{call.hospital.fhir_base}/{version.type}/{version.id}", "resource": body, "search": {"mode": "match"}}


def _bundle(kind: str, total: int, entries: list[Json], links: list[Json]) -> Answer:
    parts = {"link": links, "entry": entries}
    bundle = {"resourceType": "Bundle", "type": kind, "total": total} | {name: part for name, part in parts.items() if part}
    return Answer(200, document.text(bundle))


# Writing


def create(call: Call, body: bytes) -> Answer:
    """A new resource, or with If-None-Exist the one that is there; the whole decision is one transaction."""
    _offered(call, "create")
    resource = _taken_in(call, body)
    criteria = call.headers.get("if-none-exist")
    with call.hospital.storage.transaction():
        if criteria is not None and call.hospital.mode.conditional_create:
            found = call.hospital.storage.select(call.kind.name, _criteria(call, criteria), limit=2)
            if len(found) > 1:
                raise Refused(412, "multiple-matches", "Several resources meet If-None-Exist")
            if found:
                return _written(call, 200, found[0])
        return _written(call, 201, store(call.hospital, resource, str(uuid4()), "POST"))


def _criteria(call: Call, text: str) -> list[Condition]:
    pairs = parse_qsl(text.lstrip("?"), keep_blank_values=True)
    if not pairs or any(key in _RESULT_PARAMETERS for key, _ in pairs):
        raise Refused(412, "invalid", "If-None-Exist holds no search criteria")
    return _conditions(call, pairs)


def update(call: Call, id_: str, body: bytes) -> Answer:
    """A new version; creates where there is none. If-Match: 412 when stale, 400 when malformed."""
    _offered(call, "update")
    if not _ID.fullmatch(id_):
        raise Refused(400, "invalid", "Not an id")
    resource = _taken_in(call, body)
    if resource.get("id") != id_:
        raise Refused(400, "invalid", "The id of the body is not that of the URL", f"{call.kind.name}.id")
    with call.hospital.storage.transaction():
        current = call.hospital.storage.read(call.kind.name, id_)
        if current is not None and not _reachable(call, current):
            raise _unknown()
        _check_match(call, current)
        return _written(call, 200 if current and current.body is not None else 201, store(call.hospital, resource, id_, "PUT"))


def delete(call: Call, id_: str) -> Answer:
    """204, also when it is deleted already; 404 when there never was one."""
    _offered(call, "delete")
    with call.hospital.storage.transaction():
        current = call.hospital.storage.read(call.kind.name, id_)
        if current is None or not _reachable(call, current):
            raise _unknown()
        _check_match(call, current)
        if current.body is not None:
            gone = Version(0, call.kind.name, id_, current.version + 1, call.hospital.clock(), "DELETE", None)
            current = call.hospital.storage.add(gone, [])
    return Answer(204, "", {"ETag": f'W/"{current.version}"'})


def store(hospital: Hospital, resource: Json, id_: str, method: str) -> Version:
    """Keeps a checked resource as the next version of `id_`."""
    type_ = resource["resourceType"]
    with hospital.storage.transaction():
        current = hospital.storage.read(type_, id_)
        number, at = (current.version if current else 0) + 1, hospital.clock()
        meta = resource.get("meta", {}) | {"versionId": str(number), "lastUpdated": instant(at)}
        kept = {"resourceType": type_, "id": id_, "meta": meta}
        kept |= {key: value for key, value in resource.items() if key not in kept}
        return hospital.storage.add(Version(0, type_, id_, number, at, method, document.text(kept)), search.terms(types()[type_], kept, hospital.fhir_base))


def _offered(call: Call, interaction: str) -> None:
    call.access.require(interaction, call.kind.name)
    if not call.hospital.mode.takes(interaction, call.kind.name):
        raise Refused(405, "not-supported", f"{interaction} of {call.kind.name} is not offered")


def _taken_in(call: Call, body: bytes) -> Json:
    resource = document.parse(body)
    intake.check(resource, call.kind.name)
    intake.check_house_rules(resource, call.hospital.mode)
    about = _about(call, resource)
    if call.access.patient is not None and about != f"Patient/{call.access.patient}":
        raise Refused(403, "forbidden", "Not about the patient this caller is bound to")
    if call.kind.person not in (None, "id"):
        _check_person(call, about)
    return resource


def _check_person(call: Call, about: str | None) -> None:
    """The patient must be one the sandbox has."""
    type_, _, id_ = (about or "").partition("/")
    found = call.hospital.storage.read(type_, id_) if type_ == "Patient" else None
    if found is None or found.body is None:
        raise Refused(422, "not-found", "The patient is not known here", f"{call.kind.name}.{call.kind.person}")


def _check_match(call: Call, current: Version | None) -> None:
    wanted = call.headers.get("if-match")
    if wanted is None:
        return
    match = re.fullmatch(r'\s*(?:W/)?"([^"]+)"\s*', wanted)
    if match is None:
        raise Refused(400, "invalid", "If-Match is malformed")
    if current is None or match[1] != str(current.version):
        raise Refused(412, "conflict", "The resource has another version by now")


def _written(call: Call, status: int, version: Version) -> Answer:
    """Location, ETag and body as the mode and the Prefer header have it."""
    mode = call.hospital.mode
    preference = re.search(r"return=(\w+)", call.headers.get("prefer", ""))
    wanted = preference[1] if preference else mode.answer
    base = f"{call.hospital.fhir_base}/" if mode.location == "absolute" else ""
    headers = {"Location": f"{base}{version.type}/{version.id}/_history/{version.version}"} | _version_headers(version)
    if not mode.etag:
        headers.pop("ETag")
    if wanted == "OperationOutcome":
        text = '{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","diagnostics":"Stored"}]}'
        return Answer(status, text, headers)
    return Answer(status, "" if wanted == "minimal" else version.body or "", headers)


def _version_headers(version: Version) -> dict[str, str]:
    modified = datetime.fromtimestamp(version.at, UTC)
    return {"ETag": f'W/"{version.version}"', "Last-Modified": format_datetime(modified, usegmt=True)}


def instant(at: float) -> str:
    """Seconds since 1970 as a FHIR instant."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
