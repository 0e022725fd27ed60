"""The CapabilityStatement: https://hl7.org/fhir/R4/capabilitystatement.html"""

from adapters.sandbox.definitions import ResourceType, types
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.interactions import instant
from adapters.sandbox.refusal import Json

NOTICE = "Sandbox EHR with synthetic data only. Not for patient care."
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def capabilities(hospital: Hospital) -> Json:
    """What this sandbox offers in its present mode."""
    rest: Json = {"mode": "server", "documentation": hospital.mode.title}
    if not hospital.open_access:
        rest["security"] = _security(hospital)
    rest["resource"] = [_resource(hospital, kind) for kind in types().values()]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(hospital.clock()),
        "kind": "instance",
        "description": NOTICE,
        "software": {"name": "Setpoint sandbox EHR"},
        "implementation": {"description": NOTICE, "url": hospital.fhir_base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    }


def _security(hospital: Hospital) -> Json:
    uris = [{"url": "token", "valueUri": hospital.token_endpoint}, {"url": "register", "valueUri": f"{hospital.base_url}/auth/register"}]
    return {
        "extension": [{"url": _OAUTH_URIS, "extension": uris}],
        "service": [{"coding": [{"system": _SERVICES, "code": "SMART-on-FHIR"}], "text": "SMART Backend Services"}],
    }


def _resource(hospital: Hospital, kind: ResourceType) -> Json:
    mode = hospital.mode
    offered = ["read", "vread", "history-instance", "search-type"]
    offered += [name for name in ("create", "update", "delete") if mode.takes(name, kind.name)]
    entry: Json = {"type": kind.name, "interaction": [{"code": code} for code in offered], "versioning": "versioned", "readHistory": True}
    entry |= {"updateCreate": mode.takes("update", kind.name), "conditionalCreate": mode.conditional_create and mode.takes("create", kind.name)}
    return entry | {"searchParam": [{"name": item.name, "type": item.kind} for item in kind.search.values()]}
