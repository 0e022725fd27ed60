"""The SMART authorisation server: registration, SMART Backend Services tokens, and whom a bearer token stands for.

https://hl7.org/fhir/smart-app-launch/STU2.1/backend-services.html and .../client-confidential-asymmetric.html
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from adapters.sandbox import scopes
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.outbound import CallFailed
from adapters.sandbox.refusal import AuthorisationRefused, Json, Refused
from adapters.sandbox.scopes import Access
from adapters.sandbox.tokens import TokenRefused, algorithm_of, claimed, verified

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_LIFE_S: Final = 300
LONGEST_ASSERTION_S: Final = 300
LONGEST_JTI: Final = 151
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLINICIAN_SCOPE: Final = "user/CarePlan.cruds user/*.rs"


def smart_configuration(hospital: Hospital) -> Json:
    """The document at .well-known/smart-configuration."""
    return {
        "issuer": hospital.base_url,
        "jwks_uri": f"{hospital.base_url}/auth/jwks",
        "token_endpoint": hospital.token_endpoint,
        "registration_endpoint": f"{hospital.base_url}/auth/register",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": ["system/*.rs", "system/*.cruds", "system/*.read", "system/*.write", "system/CarePlan.cruds", "patient/*.rs"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def jwks(hospital: Hospital) -> Json:
    """The sandbox's public key."""
    return {"keys": [hospital.key.public]}


# Registration


def register(hospital: Hospital, asked: Json) -> Json:
    """Registers a client (RFC 7591, plus `patient`: the one patient whose record it may use). Errors: AuthorisationRefused."""
    keys: Json = {name: asked[name] for name in ("jwks", "jwks_uri") if name in asked}
    if len(keys) != 1:
        raise AuthorisationRefused("invalid_client_metadata", "Exactly one of jwks and jwks_uri is needed")
    _check_keys(hospital, keys)
    scope = _scope_text(asked.get("scope", asked.get("scopes", "")))
    if not scopes.parse(scope):
        raise AuthorisationRefused("invalid_client_metadata", "scope must hold at least one resource scope")
    client = {
        "client_id": _client_id(asked.get("client_id")),
        "client_name": str(asked.get("client_name", asked.get("name", "unnamed"))),
        "client_id_issued_at": int(hospital.clock()),
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": scope,
        **keys,
        **({"patient": _patient_id(asked["patient"])} if asked.get("patient") else {}),
    }
    hospital.storage.put_client(client)
    return client


def _check_keys(hospital: Hospital, keys: Json) -> None:
    if "jwks_uri" in keys:
        if not isinstance(keys["jwks_uri"], str) or not hospital.outbound.allowed(keys["jwks_uri"]):
            raise AuthorisationRefused("invalid_client_metadata", "jwks_uri must be https, or http on loopback")
        return
    found = keys["jwks"].get("keys") if isinstance(keys["jwks"], dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(key, dict) and isinstance(key.get("kid"), str) for key in found):
        raise AuthorisationRefused("invalid_client_metadata", "jwks must hold keys, each with a kid")
    try:
        for key in found:
            algorithm_of(key)
    except TokenRefused as error:
        raise AuthorisationRefused("invalid_client_metadata", str(error)) from None


def _scope_text(scope: Any) -> str:
    return " ".join(map(str, scope)) if isinstance(scope, list) else str(scope)


def _client_id(wanted: Any) -> str:
    if wanted is None:
        return str(uuid4())
    if not _CLIENT_ID.fullmatch(str(wanted)):
        raise AuthorisationRefused("invalid_client_metadata", "client_id may hold letters, digits and . _ -")
    return str(wanted)


def _patient_id(patient: Any) -> str:
    return str(patient).removeprefix("Patient/")


# Tokens for registered clients


async def give_token(hospital: Hospital, form: Mapping[str, str]) -> Json:
    """Answers a token request. Errors: AuthorisationRefused."""
    if form.get("grant_type") != "client_credentials":
        raise AuthorisationRefused("unsupported_grant_type", "Only client_credentials is offered")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise AuthorisationRefused("invalid_client", "A client assertion is needed")
    client = await _authenticated(hospital, form["client_assertion"], form.get("client_id"))
    scope = scopes.granted(form.get("scope", ""), client["scope"])
    if not scope:
        raise AuthorisationRefused("invalid_scope", "None of these scopes is registered for this client")
    patient = {"patient": client["patient"]} if "patient" in client else {}
    claims = {"sub": client["client_id"], "client_id": client["client_id"], "aud": hospital.fhir_base, "scope": scope} | patient
    return {"access_token": _signed(hospital, claims), "token_type": "bearer", "expires_in": TOKEN_LIFE_S, "scope": scope} | patient


async def _authenticated(hospital: Hospital, assertion: str, stated: str | None) -> Json:
    """The client that signed this assertion."""
    client = hospital.storage.client(_claimed_client(assertion))
    if client is None or (stated is not None and stated != client["client_id"]):
        raise AuthorisationRefused("invalid_client", "Unknown client")
    try:
        keys = client["jwks"] if "jwks" in client else await hospital.outbound.key_set(client["jwks_uri"])
        claims = verified(assertion, keys)
        _check_assertion(claims, client["client_id"], hospital)
    except (TokenRefused, CallFailed) as error:
        raise AuthorisationRefused("invalid_client", f"The client assertion is refused: {error}") from None
    if not hospital.storage.first_use(client["client_id"], claims["jti"], claims["exp"], hospital.clock()):
        raise AuthorisationRefused("invalid_client", "The client assertion is refused: its jti was used before")
    return client


def _claimed_client(assertion: str) -> str:
    """The `iss` an assertion claims, read only to find the client whose keys then decide."""
    try:
        issuer = str(claimed(assertion).get("iss"))
    except TokenRefused as error:
        raise AuthorisationRefused("invalid_client", f"The client assertion is refused: {error}") from None
    if not _CLIENT_ID.fullmatch(issuer):
        raise AuthorisationRefused("invalid_client", "Unknown client")
    return issuer


def _check_assertion(claims: Json, client_id: str, hospital: Hospital) -> None:
    now = hospital.clock()
    audience = claims.get("aud")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise TokenRefused("iss and sub must be the client_id")
    if hospital.token_endpoint not in (audience if isinstance(audience, list) else [audience]):
        raise TokenRefused("aud must be the token endpoint")
    if not _is_time(claims.get("exp")) or not now < claims["exp"] <= now + LONGEST_ASSERTION_S:
        raise TokenRefused("exp must lie in the next five minutes")
    if "nbf" in claims and not (_is_time(claims["nbf"]) and claims["nbf"] <= now):
        raise TokenRefused("nbf lies ahead")
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= LONGEST_JTI or not claims["jti"].isascii():
        raise TokenRefused("jti is needed")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _signed(hospital: Hospital, claims: Json, life: int = TOKEN_LIFE_S) -> str:
    now = int(hospital.clock())
    return hospital.key.sign({"iss": hospital.base_url, "iat": now, "exp": now + life, "jti": str(uuid4()), **claims})


# Tokens for a clinician


def clinician_token(hospital: Hospital, practitioner: str, audience: str | None = None, scope: str = CLINICIAN_SCOPE) -> Json:
    """A user token signed by the sandbox, for the service (`audience`) or, without one, for the sandbox itself.

    Errors: Refused 422 for a Practitioner that the sandbox does not have.
    """
    id_ = practitioner.removeprefix("Practitioner/")
    found = hospital.storage.read("Practitioner", id_)
    if found is None or found.body is None:
        raise Refused(422, "not-found", "No such Practitioner in the sandbox")
    aud = audience or hospital.fhir_base
    claims = {"sub": id_, "fhirUser": f"{hospital.fhir_base}/Practitioner/{id_}", "aud": aud, "scope": scope, "client_id": "sandbox-ehr"}
    token = {"access_token": _signed(hospital, claims), "token_type": "bearer", "expires_in": TOKEN_LIFE_S, "scope": scope}
    return token | {"fhirUser": claims["fhirUser"]}


# Bearer tokens at our FHIR base


def access(hospital: Hospital, header: str | None) -> Access:
    """Whom an Authorization header stands for. Errors: Refused 401."""
    if hospital.open_access:
        return Access("anyone", everything=True)
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "login", "A bearer token is needed", headers={"WWW-Authenticate": 'Bearer realm="sandbox"'})
    try:
        claims = verified(token.strip(), jwks(hospital))
        if claims.get("iss") != hospital.base_url or claims.get("aud") != hospital.fhir_base:
            raise TokenRefused("the token is not for this server")
        if not _is_time(claims.get("exp")) or claims["exp"] <= hospital.clock():
            raise TokenRefused("the token has expired")
    except TokenRefused as error:
        challenge = {"WWW-Authenticate": 'Bearer realm="sandbox", error="invalid_token"'}
        raise Refused(401, "login", f"The token is refused: {error}", headers=challenge) from None
    return Access(str(claims.get("client_id")), scopes.parse(str(claims.get("scope", ""))), claims.get("patient"))
