"""Where an EHR's authorisation server is: https://hl7.org/fhir/smart-app-launch/STU2/conformance.html"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.http import Answer, Outbound, OutboundError, Unreadable, is_loopback

_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_JSON: Final = {"accept": "application/json"}
_FHIR_JSON: Final = {"accept": "application/fhir+json"}


class DiscoveryFailed(Exception):
    """`reason` in our words; `transient`: it may well work later."""

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.transient = reason, transient


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a backend client needs. `algorithms`: what the server says it takes for assertions, () when it says nothing; `source`: the document."""

    token_endpoint: str
    algorithms: tuple[str, ...] = ()
    issuer: str | None = None
    scopes: tuple[str, ...] = ()
    source: str = "smart-configuration"


async def discover(outbound: Outbound, base: str) -> Endpoints:
    """Reads {base}/.well-known/smart-configuration, and where there is none the oauth-uris in {base}/metadata. Errors: DiscoveryFailed."""
    base = base.rstrip("/")
    answer = await _fetched(outbound, f"{base}/.well-known/smart-configuration", _JSON)
    if answer.status == 200:
        return from_configuration(_document(answer))
    if answer.status in (401, 403, 404, 405, 406, 410, 501):
        metadata = await _fetched(outbound, f"{base}/metadata", _FHIR_JSON)
        if metadata.status == 200:
            return from_capabilities(_document(metadata))
    raise DiscoveryFailed(f"smart-configuration answers {answer.status}", answer.status in (408, 429) or answer.status >= 500)


async def _fetched(outbound: Outbound, url: str, headers: Mapping[str, str]) -> Answer:
    try:
        return await outbound.request("GET", url, headers, body_bytes=4 * 1024 * 1024)
    except Unreadable as error:
        raise DiscoveryFailed(str(error)) from None
    except OutboundError as error:
        raise DiscoveryFailed(str(error), transient=True) from None


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise DiscoveryFailed("the discovery document is not JSON") from None
    if not isinstance(document, dict):
        raise DiscoveryFailed("the discovery document is not a JSON object")
    return document


def from_configuration(document: Mapping[str, Any]) -> Endpoints:
    """The endpoints of a smart-configuration document. Errors: DiscoveryFailed."""
    methods = _texts(document, "token_endpoint_auth_methods_supported")
    if methods and "private_key_jwt" not in methods:
        raise DiscoveryFailed("the server does not offer private_key_jwt")
    grants = _texts(document, "grant_types_supported")
    if grants and "client_credentials" not in grants:
        raise DiscoveryFailed("the server does not offer client_credentials")
    issuer = document.get("issuer")
    return Endpoints(
        _endpoint(document.get("token_endpoint")), _texts(document, "token_endpoint_auth_signing_alg_values_supported"),
        issuer if isinstance(issuer, str) else None, _texts(document, "scopes_supported"),
    )  # fmt: skip


def from_capabilities(statement: Mapping[str, Any]) -> Endpoints:
    """The endpoints in a CapabilityStatement's oauth-uris extension (SMART 1.0). Errors: DiscoveryFailed."""
    for uris in _extensions(statement):
        for each in _objects(uris.get("extension")):
            if each.get("url") == "token":
                return Endpoints(_endpoint(each.get("valueUri")), source="metadata")
    raise DiscoveryFailed("neither smart-configuration nor metadata name a token endpoint")


def _extensions(statement: Mapping[str, Any]) -> list[dict[str, Any]]:
    security = [each["security"] for each in _objects(statement.get("rest")) if isinstance(each.get("security"), dict)]
    found = [extension for each in security for extension in _objects(each.get("extension"))]
    return [extension for extension in found if extension.get("url") == _OAUTH_URIS]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _endpoint(value: Any) -> str:
    """Absolute https, or http on loopback. Errors: DiscoveryFailed."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        host = parts.hostname
    except ValueError:
        raise DiscoveryFailed("the token endpoint is not a URL") from None
    if not host or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise DiscoveryFailed("the token endpoint must be an https address")
    return str(value)


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = document.get(name)
    return tuple(each for each in values if isinstance(each, str)) if isinstance(values, list) else ()
