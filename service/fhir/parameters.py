"""Parameters of an operation: in the address of a GET, or in a Parameters body of a POST (https://hl7.org/fhir/R4/operations.html#executing)."""

from collections.abc import Sequence
from typing import Any

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.call import Call
from service.fhir.intake import check, parsed
from service.house import House
from service.search.query import pairs


async def asked_of(call: Call, names: Sequence[str] | None) -> dict[str, str]:
    """The simple parameters by name, those of a repeated one joined by commas. `names`: the ones that the operation has (None: any).

    Errors: 400 naming one that it does not have.
    """
    listed = pairs(call.query)
    if call.method == "POST":
        body = await call.fhir_body()
        listed += [(name, value) for name, value in _simple(parameters_of(body))] if body else []
    found: dict[str, str] = {}
    for name, value in listed:
        if names is not None and name not in names:
            shown = name if name.isascii() and name.isprintable() and len(name) < 64 else None
            raise Refusal(Kind.INVALID, "This operation has no such parameter", shown, code="not-supported")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def parameters_of(body: bytes) -> Json:
    """The Parameters resource. Errors: 400."""
    parameters = parsed(body)
    if parameters.get("resourceType") != "Parameters" or not isinstance(parameters.get("parameter", []), list):
        raise Refusal(Kind.INVALID, "The body must be a Parameters resource", "Parameters")
    return parameters


def parts_of(parameter: Json, at: str = "parameter") -> list[Json]:
    """The parameters of a Parameters resource that have a name; with `at` "part" those within one of them."""
    listed = parameter.get(at)
    return [each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)] if isinstance(listed, list) else []


def resources_in(body: Json) -> dict[str, Any]:
    """What stands as `resource` under each name of a Parameters body, the last one of a name; nothing for another resource."""
    return {each["name"]: each.get("resource") for each in parts_of(body)} if body.get("resourceType") == "Parameters" else {}


def resource_of(house: House, body: Json, kind: str, *names: str) -> Json:
    """The valid resource of this type that an operation is about: the body itself, or in Parameters the first of `names` that is there.
    Errors: 400 where it is missing, of another type or not valid."""
    named = resources_in(body)
    found = next((named[name] for name in names if name in named), None) if body.get("resourceType") == "Parameters" else body
    if not isinstance(found, dict):
        raise Refusal(Kind.INVALID, f"{'An' if kind[0] in 'AEIO' else 'A'} {kind} is needed", "Parameters.parameter", code="required")
    check(house, kind, found)
    return found


def _simple(parameters: Json) -> list[tuple[str, str]]:
    found = []
    for each in parts_of(parameters):
        value: Any = next((value for key, value in each.items() if key.startswith("value")), None)
        if isinstance(value, dict):
            value = value.get("reference") or value.get("value")
        if value is not None:
            found.append((each["name"], ("true" if value else "false") if isinstance(value, bool) else str(value)))
    return found
