"""Files of assigning authorities: what CX.4 of an HL7 v2 identifier stands for as a FHIR identifier system."""

from collections.abc import Mapping
from typing import Any, Final

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["authorities", "source"],
    "properties": {
        "about": {"type": "string"},
        "authorities": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:"}},
        "source": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
}


def build(data: Mapping[str, Any]) -> dict[str, str]:
    """Authority (name or OID) -> identifier system."""
    return dict(data["authorities"])
