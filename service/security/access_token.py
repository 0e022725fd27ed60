"""Bearer tokens: those this service issues, and those of the issuers an admin registered. No replay store: they are meant to be used often."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters import jose
from adapters.jose import Claims, PrivateKey, PublicKey, TokenRefused
from service.security.principal import CLINICIANS, Principal
from service.security.scopes import LONGEST, Scope, parse, spelled

REMEMBERED, REMEMBERED_S = 4096, 60.0
_REVIEWER: Final = "setpoint_states_reviewer"
_FHIR_USER: Final = re.compile(r"(?P<base>https?://\S+/)?(?P<type>Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/(?P<id>[A-Za-z0-9\-.]{1,64})")
"""Whom `fhirUser` may name (SMART App Launch 2.0, scopes-and-launch-context)."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens are taken. `keys` answers its keys for a key id; `own`: this service itself."""

    iss: str
    audiences: tuple[str, ...]
    keys: Callable[[str | None], Awaitable[Sequence[PublicKey]]]
    own: bool = False


Trusted = Callable[[str], Awaitable[TrustedIssuer | None]]
"""Finds the registered issuer by its exact `iss`."""


class TokenVerifier:
    """Turns bearer tokens into principals. A verified token is remembered for at most a minute, so that a registered change takes effect."""

    def __init__(self, trusted: Trusted, clock: Callable[[], float], remembered: int = REMEMBERED) -> None:
        self._trusted, self._clock, self._size = trusted, clock, remembered
        self._seen: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def verify(self, token: str | bytes) -> Principal | None:
        """Whose token this is; None, whatever is wrong with it."""
        try:
            return await self.verified(token)
        except TokenRefused:
            return None

    async def verified(self, token: str | bytes) -> Principal:
        """Whose token this is. Errors: TokenRefused with the reason, for tests and counters, not for the answer."""
        if len(token) > jose.LONGEST_TOKEN:
            raise TokenRefused("too-long")
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token).digest()
        known = self._seen.get(mark)
        if known is not None and known[0] > self._clock():
            self._seen.move_to_end(mark)
            return known[1]
        principal = await self._read(token)
        self._seen[mark] = (min(principal.expires, self._clock() + REMEMBERED_S), principal)
        while len(self._seen) > self._size:
            self._seen.popitem(last=False)
        return principal

    async def _read(self, token: str | bytes) -> Principal:
        header = jose.read_header(token)
        iss = jose.unverified_claims(token).get("iss")
        issuer = await self._trusted(iss) if isinstance(iss, str) else None
        if issuer is None or issuer.iss != iss:
            raise TokenRefused("iss")
        claims = jose.verify(token, await issuer.keys(header.kid))
        now = self._clock()
        jose.require_equal(claims, "iss", issuer.iss)
        jose.require_audience(claims, issuer.audiences)
        jose.require_begun(claims, now)
        return principal(claims, issuer, jose.require_expiry(claims, now))


def principal(claims: Claims, issuer: TrustedIssuer, expires: float) -> Principal:
    """The principal of checked claims. Where patient scopes stand, and where a patient or relative signed in, the whole token is bound to one
    patient; without one, those scopes bind to nobody and are dropped. Errors: TokenRefused with the claim's name."""
    scopes, user, patient = _scopes(claims), _text(claims, "fhirUser"), _text(claims, "patient")
    signed_in = _FHIR_USER.fullmatch(user or "")
    lay = signed_in is not None and signed_in["type"] not in CLINICIANS
    if lay and patient is None and signed_in is not None and signed_in["type"] == "Patient":
        patient = signed_in["id"]
    if patient is None:
        scopes = () if lay else tuple(scope for scope in scopes if scope.level != "patient")
    levels = {scope.level for scope in scopes}
    kind: Any = "patient" if "patient" in levels or (lay and patient) else "user" if "user" in levels else "system"
    client = _text(claims, "client_id") or _text(claims, "azp") or _text(claims, "sub") or issuer.iss
    if user is not None and signed_in is not None and not signed_in["base"]:
        user = f"{issuer.iss.rstrip('/')}/{user}"  # the issuer's own Practitioner/1, never ours
    return Principal(client, kind, scopes, issuer.iss, user, patient if kind == "patient" else None, None,
                     _text(claims, "jti"), expires, issuer.own and claims.get(_REVIEWER) is True)  # fmt: skip


def _scopes(claims: Claims) -> tuple[Scope, ...]:
    """`scope` as RFC 9068 has it, a text; some issuers send a list."""
    scope = claims.get("scope", "")
    text = " ".join(scope) if isinstance(scope, list) and all(isinstance(each, str) for each in scope) else scope
    if not isinstance(text, str) or len(text) > LONGEST:
        raise TokenRefused("scope")
    return parse(text)


def _text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 512 or not value.isprintable():  # NUL and lone surrogates fit in no database
        raise TokenRefused(name)
    return value


def issue(
    key: PrivateKey, iss: str, client_id: str, scopes: Iterable[Scope], now: float, ttl_s: int, token_id: str, may_state_reviewer: bool = False
) -> str:  # fmt: skip
    """An access token of ours for a backend client (RFC 9068): issuer and audience are our FHIR base `iss`."""
    claims: Claims = {
        "iss": iss, "sub": client_id, "client_id": client_id, "aud": iss, "iat": int(now), "exp": int(now) + ttl_s, "jti": token_id, "scope": spelled(scopes)
    }  # fmt: skip
    if may_state_reviewer:
        claims[_REVIEWER] = True
    return jose.sign(key, claims, {"typ": "at+jwt"})
