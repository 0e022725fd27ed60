"""The paths of the OpenAPI document: one block of FHIR interactions a kept type, then what stands beside FHIR."""

from collections.abc import Mapping
from typing import Any

from service.openapi_examples import EXAMPLES

Json = dict[str, Any]
_FHIR = "application/fhir+json"
_OUTCOME = {"description": "OperationOutcome", "content": {_FHIR: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}}
_COUNT = {"name": "_count", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 1000}}
_COUNT_ABOVE = {"name": "_count", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}
_SINCE = {"name": "_since", "in": "query", "schema": {"type": "string", "format": "date-time"}}
_TYPE = {"name": "_type", "in": "query", "schema": {"type": "string"}}


def paths(capability: Mapping[str, Any]) -> Json:
    """All paths. `capability` is the capability file."""
    found: Json = {"/fhir/metadata": {"get": _operation("capabilities", "What this service can do", "CapabilityStatement", security=[])}}
    found["/fhir"] = {
        "post": _operation("transaction", "Run a batch or transaction", "Bundle", body="Bundle"),
        "get": _operation("searchSystem", "Search several types at once", "Bundle", [_TYPE, _COUNT]),
    }
    found["/fhir/_history"] = {"get": _operation("historySystem", "Every version of everything", "Bundle", [_SINCE, _COUNT_ABOVE])}
    for name, entry in capability["types"].items():
        found |= _of_type(name, set(entry.get("interactions", capability["interactions"])))
    return found | _operations() | _ingest() | _beside()


def _operations() -> Json:
    """The operations, whose parameters stand in docs/api.md."""
    person = {"name": "patient", "in": "query", "required": True, "schema": {"type": "string"}}
    measure = {"name": "measure", "in": "query", "required": True, "schema": {"type": "string"}}
    review = _operation("review", "Review a suggestion: accept, modify or decline", "CarePlan", [_ID], body="Parameters", example="review")
    return {
        "/fhir/CarePlan/{id}/$review": {"post": review},
        "/fhir/Patient/{id}/$baseline": {"get": _operation("baseline", "A person's trajectory in one measure", "Parameters", [_ID, measure])},
        "/fhir/Patient/{id}/$everything": {"get": _operation("everything", "All of a person's record", "Bundle", [_ID, _SINCE, _TYPE, _COUNT])},
        "/fhir/Patient/{id}/*": {"get": _operation("searchCompartment", "Search a person's compartment", "Bundle", [_ID, _TYPE, _COUNT])},
        "/fhir/Observation/$lastn": {"get": _operation("lastn", "The newest Observations of each code", "Bundle", [person])},
        "/fhir/QuestionnaireResponse/$extract": {
            "post": _operation("extract", "All that storing a response would create, as a transaction", "Bundle", body="QuestionnaireResponse", example="none")
        },
        "/fhir/QuestionnaireResponse/{id}/$extract": {"get": _operation("extractStored", "The same of a stored response", "Bundle", [_ID])},
        "/fhir/Questionnaire/$populate": {"post": _operation("populate", "A response filled with what is known", "Parameters", body="Parameters")},
        "/fhir/Questionnaire/$next-question": {
            "post": _operation("nextQuestion", "The next question of an adaptive session", "QuestionnaireResponse",
                               body="QuestionnaireResponse", example="none")
        },
        "/fhir/MedicationRequest/$check": {
            "post": _operation("check", "What stands against a prescription, before it is stored", "Bundle", body="MedicationRequest", example="none")
        },
        "/fhir/Observation/$stats": {"get": _operation("stats", "Statistics of a code's values", "Parameters", [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}} for name in ("subject", "code", "statistic")])},
        "/fhir/Observation/$deviation": {
            "post": _operation("deviation", "A value against the person's own baseline", "Observation", body="Observation", example="none")
        },
        "/fhir/$meta": {"get": _operation("metaSystem", "The tags, labels and profiles in use", "Parameters")},
    }


def _of_type(name: str, offered: set[str]) -> Json:
    base, one = f"/fhir/{name}", f"/fhir/{name}/{{id}}"
    found: Json = {base: {}, one: {}}
    if "create" in offered:
        found[base]["post"] = _operation(f"create{name}", f"Create a {name}", name, body=name, created=True)
    if "search-type" in offered:
        found[base]["get"] = _operation(f"search{name}", f"Search {name} by any parameter of the capability statement", "Bundle", [_COUNT])
        form = {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}}
        found[f"{base}/_search"] = {"post": _operation(f"searchByPost{name}", f"Search {name} with the parameters in the body", "Bundle") | form}
    if "read" in offered:
        found[one]["get"] = _operation(f"read{name}", f"Read a {name}", name, [_ID])
    if "update" in offered:
        found[one]["put"] = _operation(f"update{name}", f"Update a {name}, or create it under this id", name, [_ID], body=name, created=True)
    if "patch" in offered:
        found[one]["patch"] = _operation(f"patch{name}", f"Patch a {name}: JSON Patch, or FHIRPath Patch as Parameters", name, [_ID], body="Parameters")
        found[base]["put"] = _operation(f"updateBy{name}", f"Update the one {name} that the criteria in the address find", name, body=name, created=True)
        found[base]["patch"] = _operation(f"patchBy{name}", f"Patch the one {name} that the criteria find", name, body="Parameters")
        found[base]["delete"] = _operation(f"deleteBy{name}", f"Delete the {name} that the criteria find", None)
    if "delete" in offered:
        found[one]["delete"] = _operation(f"delete{name}", f"Delete a {name}; its versions stay", None, [_ID])
    if "history-instance" in offered:
        found[f"{one}/_history"] = {"get": _operation(f"history{name}", f"Every version of a {name}", "Bundle", [_ID, _SINCE, _COUNT_ABOVE])}
    if "history-type" in offered:
        found[f"{base}/_history"] = {"get": _operation(f"historyType{name}", f"Every version of every {name}", "Bundle", [_SINCE, _COUNT_ABOVE])}
        found[f"{one}/$meta"] = {"get": _operation(f"meta{name}", f"The tags, labels and profiles of a {name}", "Parameters", [_ID])}
    if "vread" in offered:
        found[f"{one}/_history/{{version}}"] = {"get": _operation(f"vread{name}", f"One version of a {name}", name, [_ID, _VERSION])}
    return found


def _operation(
    name: str,
    summary: str,
    answer: str | None,
    parameters: list[Json] | None = None,
    body: str | None = None,
    created: bool = False,
    security: list[Json] | None = None,
    example: str | None = None,
) -> Json:
    content = {"content": {_FHIR: {"schema": {"$ref": "#/components/schemas/Resource"}}}}
    done: Json = {"description": answer or "Done"} | (content if answer else {})
    responses: Json = {"200": done} | ({"201": done} if created else {}) | ({} if answer else {"204": {"description": "Done"}})
    made: Json = {"operationId": name, "summary": summary, "responses": responses | {"4XX": _OUTCOME, "5XX": _OUTCOME}}
    if parameters:
        made["parameters"] = parameters
    if body:
        shown = EXAMPLES.get(example or body)
        schema: Json = {"schema": {"$ref": "#/components/schemas/Resource"}}
        made["requestBody"] = {"required": True, "content": {_FHIR: schema | ({"examples": {"example": {"value": shown}}} if shown else {})}}
    if security is not None:
        made["security"] = security
    return made


def _ingest() -> Json:
    """Results as laboratories send them; every answer says row by row what became of it."""
    patient = {"name": "patient", "in": "query", "required": True, "schema": {"type": "string"}, "description": "system|value, or a value that one person has"}
    found: Json = {}
    for name, media, summary in (
        ("pharmcat", "application/json", "PharmCAT's report or phenotyper JSON, 2.0 to 3.1"),
        ("hl7v2", "application/hl7-v2", "An ORU^R01 in ER7, answered with an ACK in ER7"),
        ("csv", "text/csv", "patient,gene,diplotype,specimen_date,laboratory"),
    ):
        kind = {"type": "object"} if media == "application/json" else {"type": "string"}
        done = {media if name == "hl7v2" else "application/json": {"schema": {"type": "string"} if name == "hl7v2" else {"type": "object"}}}
        said = {"200": "Stood already, or taken", "201": "Created", "422": "Refused"}
        responses = {code: {"description": text, "content": done} for code, text in said.items()}
        operation: Json = {"operationId": f"ingest{name.capitalize()}", "summary": summary, "responses": responses | {"4XX": _OUTCOME, "5XX": _OUTCOME},
                           "requestBody": {"required": True, "content": {media: {"schema": kind}}}}  # fmt: skip
        found[f"/ingest/{name}"] = {"post": operation | ({"parameters": [patient]} if name == "pharmcat" else {})}
    return found


def _beside() -> Json:
    """Tokens, keys, health, metrics."""
    plain: Json = {"200": {"description": "Done"}}
    form = {
        "type": "object",
        "required": ["grant_type", "client_assertion_type", "client_assertion"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
            "client_assertion": {"type": "string"},
            "scope": {"type": "string"},
        },
    }
    return {
        "/auth/token": {
            "post": {
                "operationId": "token",
                "summary": "SMART Backend Services token (client_credentials, private_key_jwt)",
                "security": [],
                "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
                "responses": plain | {"400": {"description": "RFC 6749 error"}, "401": {"description": "invalid_client"}},
            }
        },
        "/fhir/.well-known/smart-configuration": {
            "get": {"operationId": "smartConfiguration", "summary": "SMART configuration", "security": [], "responses": plain}
        },
        "/.well-known/jwks.json": {"get": {"operationId": "jwks", "summary": "Our public keys, current and next", "security": [], "responses": plain}},
        "/health/live": {"get": {"operationId": "live", "summary": "The process runs", "security": [], "responses": plain}},
        "/health/ready": {
            "get": {
                "operationId": "ready",
                "summary": "The database answers; dead safety rows are named",
                "security": [],
                "responses": plain | {"503": {"description": "Not ready"}},
            }
        },
        "/metrics": {"get": {"operationId": "metrics", "summary": "Prometheus text", "security": [], "responses": plain}},
    }
