"""capabilities: https://hl7.org/fhir/R4/http.html#capabilities - states what works, from the same file as the routes."""

import orjson

from mappings.vocabulary import CANONICAL, Json
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.house import House
from service.release import release

RELEASED = "2026-11-25"
_DEFINED = {"validate": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}
"""Operations that R4 itself defines (operationslist.html)."""


async def capabilities(call: Call) -> Answer:
    """The CapabilityStatement of this installation."""
    return Answer(200, orjson.dumps(statement(call.house)), [FHIR_JSON])


def statement(house: House) -> Json:
    """The CapabilityStatement (R4 capabilitystatement.html)."""
    rest: Json = {
        "mode": "server",
        "documentation": "Patient-facing and clinical data in, reviewable suggestions out. It proposes, and never orders.",
        "resource": [_resource(house, name) for name in sorted(house.types.kept)],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
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
        "interaction": [{"code": code} for code in ("read", "vread", "update", "delete", "history-instance", "create", "search-type") if code in offered],
        "versioning": "versioned-update" if "update" in offered else "versioned",
        "readHistory": "vread" in offered,
        "updateCreate": "update" in offered,
        "conditionalCreate": "create" in offered and name != "AuditEvent",
        "conditionalRead": "full-support",
        "conditionalDelete": "not-supported",
        "searchParam": [{"name": parameter.name, "type": parameter.type} for parameter in kept.parameters.values() if parameter.name != "_id"],
    }
    body["searchParam"].insert(0, {"name": "_id", "type": "token"})
    references = [parameter.name for parameter in kept.parameters.values() if parameter.type == "reference"]
    if references:
        body["searchInclude"] = [f"{name}:{reference}" for reference in references]
    if kept.note:
        body["documentation"] = kept.note
    if kept.operations:
        body["operation"] = [{"name": each, "definition": _DEFINED.get(each, f"{CANONICAL}/OperationDefinition/{name}-{each}")} for each in kept.operations]
    return body
