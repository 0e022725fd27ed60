"""Client assertions at our token endpoint (private_key_jwt): https://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters import jose
from adapters.jose import PublicKey, TokenRefused, public_keys
from service.security.key_sets import KeySets

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_S: Final = 300.0
LEEWAY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A backend client: one of `jwks` (inline) and `jwks_uri`."""

    client_id: str
    scopes: str
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    may_state_reviewer: bool = False


Find = Callable[[str], Awaitable[RegisteredClient | None]]
Seen = Callable[[str, str, float], Awaitable[bool]]
"""seen(iss, jti, exp): notes an assertion and answers whether it was there already; one atomic step."""


async def authenticated(token: str, find: Find, key_sets: KeySets, audiences: Iterable[str], seen: Seen, now: float) -> RegisteredClient:
    """The client that made this assertion. `audiences` are the spellings of our token endpoint; `find` leaves out disabled clients.

    Errors: TokenRefused; the endpoint answers invalid_client whatever the reason.
    """
    header = jose.read_header(token)
    client_id = jose.unverified_claims(token).get("iss")
    client = await find(client_id) if isinstance(client_id, str) else None
    if client is None:
        raise TokenRefused("client")
    if header.kid is None or header.alg not in jose.SIGNING:
        raise TokenRefused("header")
    claims = jose.verify(token, await _keys(client, header.kid, key_sets))
    jose.require_equal(claims, "iss", client.client_id)
    jose.require_equal(claims, "sub", client.client_id)
    jose.require_audience(claims, audiences)
    jose.require_begun(claims, now, LEEWAY_S)
    exp = jose.require_expiry(claims, now, LONGEST_S, LEEWAY_S)
    jti = jose.require_id(claims)
    if not jti.isprintable():  # NUL and lone surrogates fit in no database
        raise TokenRefused("jti")
    if await seen(client.client_id, jti, exp):
        raise TokenRefused("replay")
    return client


async def _keys(client: RegisteredClient, kid: str, key_sets: KeySets) -> tuple[PublicKey, ...]:
    if client.jwks is not None:
        return public_keys(client.jwks, jose.SIGNING)
    return await key_sets.keys(client.jwks_uri, kid) if client.jwks_uri else ()
