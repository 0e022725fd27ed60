"""capabilities: https://hl7.org/fhir/R4/http.html#capabilities - states what works, from the same file as the routes."""

import orjson

from mappings.vocabulary import CANONICAL, Json
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.patch import FORMATS
from service.house import House
from service.release import release

_INTERACTIONS = ("read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type")
_EVERYWHERE = (("_id", "token"), ("_lastUpdated", "date"), ("_profile", "uri"), ("_security", "token"), ("_source", "uri"), ("_tag", "token"))
_SDC = {("QuestionnaireResponse", "extract"), ("Questionnaire", "populate"), ("Questionnaire", "next-question")}
_STANDARD = {
    ("Patient", "everything"), ("Observation", "lastn"), ("Observation", "stats"), ("Resource", "meta"), ("Resource", "meta-add"),
    ("Resource", "meta-delete"), ("Resource", "validate"),
}  # fmt: skip
RELEASED = "2026-11-25"


async def capabilities(call: Call) -> Answer:
    """The CapabilityStatement of this installation."""
    return Answer(200, orjson.dumps(statement(call.house)), [FHIR_JSON])


def statement(house: House) -> Json:
    """The CapabilityStatement (R4 capabilitystatement.html)."""
    rest: Json = {
        "mode": "server",
        "documentation": "Patient-facing and clinical data in, reviewable suggestions out. It proposes, and never orders.",
        "resource": [_resource(house, name) for name in sorted(house.types.kept)],
        "interaction": [{"code": "transaction"}, {"code": "batch"}, {"code": "history-system"}, {"code": "search-system"}],
        "searchParam": [{"name": name, "type": kind} for name, kind in _EVERYWHERE],
        "operation": [_operation("Resource", "meta")],
    }
    if house.settings.auth == "smart":
        rest["security"] = _security(house.settings.public_url.rstrip("/"))
    return {
        "resourceType": "CapabilityStatement",
        "id": "setpoint",
        "url": f"{CANONICAL}/CapabilityStatement/setpoint",
        "version": release(),
        "name": "Setpoint",
        "title": "Setpoint, a FHIR R4 service for personalised psychiatry",
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": {"name": "Setpoint", "version": release()},
        "implementation": {"description": "Setpoint", "url": house.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": list(FORMATS),
        "rest": [rest],
    }


def _security(public: str) -> Json:
    uris = {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": [{"url": "token", "valueUri": f"{public}/auth/token"}]}
    service = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}]}
    return {"extension": [uris], "service": [service], "description": "SMART Backend Services: client_credentials with private_key_jwt."}


def _resource(house: House, name: str) -> Json:
    kept = house.types.kept[name]
    offered = kept.interactions
    body: Json = {
        "type": name,
        "interaction": [{"code": code} for code in _INTERACTIONS if code in offered],
        "versioning": "versioned-update" if "update" in offered else "versioned",
        "readHistory": "vread" in offered,
        "updateCreate": "update" in offered,
        "conditionalCreate": "create" in offered and name != "AuditEvent",
        "conditionalRead": "full-support",
        "conditionalUpdate": "update" in offered,
        "conditionalDelete": house.settings.conditional_delete if "delete" in offered else "not-supported",
        "searchParam": [{"name": parameter.name, "type": parameter.type} for parameter in kept.parameters.values() if parameter.name != "_id"],
    }
    body["searchParam"].insert(0, {"name": "_id", "type": "token"})
    references = [parameter.name for parameter in kept.parameters.values() if parameter.type == "reference"]
    if references:
        body["searchInclude"] = [f"{name}:{reference}" for reference in references]
    if kept.note:
        body["documentation"] = kept.note
    pointing = sorted(
        f"{other}:{each.name}" for other, known in house.types.kept.items() for each in known.parameters.values()
        if each.type == "reference" and (name in each.targets or not each.targets) and "search-type" in known.interactions and other != "AuditEvent"
    )  # fmt: skip
    if pointing:
        body["searchRevInclude"] = pointing
    common = [each for each in house.capability["operations"] if _NEEDS.get(each, "read") in offered]
    body["operation"] = [*(_operation(name, each) for each in kept.operations), *(_operation("Resource", each) for each in common)]
    return body


_NEEDS = {"meta-add": "update", "meta-delete": "update", "meta": "vread"}
"""Operations of every type, and the interaction without which a type has them not."""


def _operation(kind: str, name: str) -> Json:
    """One operation: HL7's own where R4 or SDC defines it, else ours."""
    stem = "http://hl7.org/fhir" if (kind, name) in _STANDARD else "http://hl7.org/fhir/uv/sdc" if (kind, name) in _SDC else CANONICAL
    return {"name": name, "definition": f"{stem}/OperationDefinition/{kind}-{name}"}
