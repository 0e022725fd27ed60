"""The OpenAPI document, made from the capability file and the table of routes."""

from typing import Any

from service.definitions import capability
from service.openapi_paths import paths


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of the whole service."""
    from service.release import release

    declared = capability()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Setpoint",
            "version": release(),
            "description": "FHIR R4 (4.0.1) service for personalised psychiatry. It proposes, and never orders.",
        },
        "servers": [{"url": "/"}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "SMART access token"}},
            "schemas": {
                "Resource": {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}},
                "OperationOutcome": {"type": "object", "properties": {"resourceType": {"const": "OperationOutcome"}}},
            },
        },
        "security": [{"bearer": []}],
        "paths": paths(declared),
    }
