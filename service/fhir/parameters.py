"""Parameters of an operation: in the address of a GET, or in a Parameters body of a POST (https://hl7.org/fhir/R4/operations.html#executing)."""

from collections.abc import Sequence
from typing import Any

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.call import Call
from service.fhir.intake import parsed
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


def _simple(parameters: Json) -> list[tuple[str, str]]:
    found = []
    for each in parameters.get("parameter", ()):
        value: Any = next((value for key, value in each.items() if key.startswith("value")), None) if isinstance(each, dict) else None
        if isinstance(value, dict):
            value = value.get("reference") or value.get("value")
        if isinstance(each, dict) and isinstance(each.get("name"), str) and value is not None:
            found.append((each["name"], ("true" if value else "false") if isinstance(value, bool) else str(value)))
    return found
