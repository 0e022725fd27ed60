"""Our CarePlan or Flag in the form that an EHR takes. Pure.

What the EHR cannot resolve never goes there as a reference: it becomes an identifier with a display (R4 references.html, "logical
references"). Our identifier always goes along: by it the thing is found again.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from adapters.ehr.profile import Profile
from adapters.ehr.text import WITHDRAWN, plain_text, title
from mappings.vocabulary import DERIVED_ID, FLAG_ID, SUGGESTION_ID, Json

_REFERENCE: Final = frozenset({"reference", "type", "identifier", "display", "id", "extension"})
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]+)?")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a form needs to know. `base`: the EHR's FHIR base; `patient`: "Patient/id" there; `our_patient`: the same person's ref here; `encounter`,
    `author`, `recipient`: references there, None when not known; `now`: a FHIR instant; `changed`: something stands there already;
    `identifier`: (system, value) of ours."""

    profile: Profile
    base: str
    patient: str
    our_patient: str
    identifier: tuple[str, str]
    now: str
    safety: bool = False
    changed: bool = False
    encounter: str | None = None
    author: str | None = None
    recipient: str | None = None


def our_identifier(resource: Json) -> tuple[str, str] | None:
    """(system, value) of the identifier that this service gave it."""
    for identifier in resource.get("identifier", ()):
        if identifier.get("system") in (SUGGESTION_ID, FLAG_ID) and identifier.get("value"):
            return str(identifier["system"]), str(identifier["value"])
    return None


def withdrawn(resource: Json) -> bool:
    """Whether it says that it no longer holds."""
    return resource.get("status") in WITHDRAWN


def shape(resource: Json, form: str, setting: Setting) -> Json:
    """The resource as `form`, without id. Errors: KeyError for a form that is not one of profile.FORMS."""
    if form == resource["resourceType"]:
        return _native(resource, setting)
    return _SHAPES[form](resource, setting) | _labels(resource)


def _native(resource: Json, setting: Setting) -> Json:
    body = {name: _moved(value, setting) for name, value in resource.items() if name not in ("id", "meta")}
    body["subject"] = {"reference": setting.patient}
    if "encounter" in body and setting.encounter:
        body["encounter"] = {"reference": setting.encounter}
    return body | _labels(resource)


def _labels(resource: Json) -> Json:
    labels = resource.get("meta", {}).get("security")
    return {"meta": {"security": labels}} if labels else {}


# References


def _moved(value: Any, setting: Setting) -> Any:
    if isinstance(value, list):
        return [_moved(item, setting) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("reference"), str) and value.keys() <= _REFERENCE:
        return moved_reference(value, setting)
    return {name: _moved(item, setting) for name, item in value.items()}


def moved_reference(reference: Json, setting: Setting) -> Json:
    """One Reference as the EHR can take it."""
    target = str(reference["reference"])
    if target.startswith(("#", "urn:")):
        return reference
    if target.startswith(setting.base + "/"):
        return reference | {"reference": target.removeprefix(setting.base + "/")}
    local = _LOCAL.fullmatch(target)
    if local and f"{local[1]}/{local[2]}" == setting.our_patient:
        return {"reference": setting.patient}
    if "identifier" in reference:
        return {name: value for name, value in reference.items() if name != "reference"}
    return _logical(reference, local)


def _logical(reference: Json, local: re.Match[str] | None) -> Json:
    """By identifier and display: "Type/id" here, or the foreign address as it is."""
    kind = local[1] if local else reference.get("type")
    value = f"{local[1]}/{local[2]}" if local else str(reference["reference"])
    display = reference.get("display") or f"{kind or 'Resource'} kept by Setpoint"
    found = {"identifier": {"system": DERIVED_ID if local else "urn:ietf:rfc:3986", "value": value}, "display": display}
    return found | ({"type": kind} if kind else {})


# Other forms


def _identifiers(setting: Setting) -> list[Json]:
    return [{"system": setting.identifier[0], "value": setting.identifier[1]}]


def _mark(setting: Setting) -> str:
    """Where an EHR drops identifiers, this text still lets us recognise what we sent."""
    return f"Setpoint {setting.identifier[1]}"


def _authored(resource: Json, setting: Setting) -> str:
    """An instant: documents and tasks need the time, not only the day."""
    for value in (resource.get("created"), resource.get("meta", {}).get("lastUpdated"), resource.get("period", {}).get("start")):
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return value
    return setting.now


def _reference(target: str) -> Json:
    return {"reference": target}


def _task(resource: Json, setting: Setting) -> Json:
    """R4 task.html. Goes to a work list: the description holds the whole text."""
    shape_, status = setting.profile.task, str(resource.get("status"))
    body: Json = {
        "resourceType": "Task", "identifier": _identifiers(setting), "status": shape_.statuses.get(status, shape_.statuses["other"]), "intent": shape_.intent,
        "priority": "urgent" if setting.safety else "routine", "code": {"text": title(resource)}, "description": plain_text(resource),
        "for": _reference(setting.patient), "authoredOn": _authored(resource, setting), "note": [{"text": _mark(setting)}],
    }  # fmt: skip
    body |= {"encounter": _reference(setting.encounter)} if setting.encounter else {}
    body |= {"requester": _reference(setting.author)} if setting.author else {}
    owned = setting.recipient is not None and not setting.recipient.startswith("Group/")  # R4: a Group cannot own a Task
    return body | ({"owner": _reference(str(setting.recipient))} if owned else {})


def _document(resource: Json, setting: Setting) -> Json:
    """R4 documentreference.html, one plain text attachment."""
    known, status, authored = setting.profile.document, str(resource.get("status")), _authored(resource, setting)
    stage = "draft" if status == "draft" and not setting.changed else "changed" if setting.changed else "other"
    text = base64.b64encode((plain_text(resource) + "\n").encode()).decode()
    body: Json = {
        "resourceType": "DocumentReference", "identifier": _identifiers(setting), "status": known.statuses.get(status, known.statuses["other"]),
        "docStatus": known.doc_status[stage], "type": {"coding": [dict(known.type)], "text": known.type["display"]}, "subject": _reference(setting.patient),
        "date": authored, "description": f"{title(resource)} ({_mark(setting)})",
        "content": [{"attachment": {"contentType": known.content_type, "data": text, "title": title(resource), "creation": authored}}],
    }  # fmt: skip
    context: Json = {"encounter": [_reference(setting.encounter)]} if setting.encounter else {}
    context |= {"period": {"start": authored, "end": authored}} if known.period_end else {}
    body |= {"context": context} if context else {}
    return body | ({"author": [_reference(setting.author)]} if setting.author else {})


def _communication(resource: Json, setting: Setting) -> Json:
    """R4 communication.html, one text payload."""
    body: Json = {
        "resourceType": "Communication", "identifier": _identifiers(setting), "status": "completed", "priority": "urgent" if setting.safety else "routine",
        "subject": _reference(setting.patient), "sent": _authored(resource, setting), "topic": {"text": title(resource)},
        "payload": [{"contentString": plain_text(resource)}], "note": [{"text": _mark(setting)}],
    }  # fmt: skip
    body |= {"encounter": _reference(setting.encounter)} if setting.encounter else {}
    body |= {"sender": _reference(setting.author)} if setting.author else {}
    return body | ({"recipient": [_reference(setting.recipient)]} if setting.recipient else {})


_SHAPES: Final[dict[str, Callable[[Json, Setting], Json]]] = {"Task": _task, "DocumentReference": _document, "Communication": _communication}
