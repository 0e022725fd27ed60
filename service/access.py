"""The token endpoint, and how bearer tokens of ours and of registered issuers are verified: security's decisions, wired to store and network."""

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.http import Outbound, OutboundError
from adapters.jose import PublicKey, TokenRefused, public_keys
from service.fhir.call import Call
from service.house import House
from service.keys import Keys
from service.registry import Client, Issuer, Registry
from service.security.access_token import TokenVerifier, TrustedIssuer, issue
from service.security.client_assertion import ASSERTION_TYPE, RegisteredClient, authenticated
from service.security.key_sets import KeySets
from service.security.principal import Principal
from service.security.scopes import granted, spelled
from service.settings import Settings
from service.store.opening import Store
from service.store.unit import Unavailable

MAX_FORM = 64_000
FETCH_S, FETCH_BYTES = 10.0, 256_000
REDISCOVER_S, RETRY_S = 3600.0, 30.0
LONGEST_GRANT = 4096
"""Characters of a granted scope: a longer one would make a token that is too long to be read again."""


class Access:
    """What one process needs to know whose token something is."""

    def __init__(self, settings: Settings, store: Store, registry: Registry, keys: Keys, outbound: Outbound, private: Outbound) -> None:
        self.settings, self._store, self._registry, self._keys = settings, store, registry, keys
        self._outbound, self._private = outbound, private
        self.key_sets = KeySets(self._fetch, time.time)
        self._own: tuple[float, tuple[PublicKey, ...]] = (0.0, ())
        self._discovered: dict[str, tuple[float, str | None]] = {}
        self._discovering = asyncio.Lock()
        self.verifier = TokenVerifier(self._trusted, time.time)

    async def _fetch(self, uri: str) -> bytes | None:
        """The bytes at a key address. Private addresses only where an issuer or client was allowed them."""
        outbound = self._private if await self._may_be_private(uri) else self._outbound
        try:
            answer = await outbound.request("GET", uri, deadline_s=FETCH_S, body_bytes=FETCH_BYTES)
        except OutboundError:
            return None
        return answer.body if answer.status == 200 else None

    async def _may_be_private(self, uri: str) -> bool:
        issuers = await self._registry.entries(Issuer)
        return any(
            issuer.allow_private and uri in (issuer.jwks_uri, self._discovered.get(issuer.iss, (0.0, None))[1], *_configurations(issuer.iss))
            for issuer in issuers
        )

    async def _trusted(self, iss: str) -> TrustedIssuer | None:
        """The issuer of this exact `iss`: ourselves, or one that an admin registered."""
        if iss == self.settings.fhir_base:
            return TrustedIssuer(iss, (iss,), self._own_keys, own=True)
        for entry in await self._registry.entries(Issuer):
            if entry.iss == iss:
                return TrustedIssuer(iss, (entry.audience,), lambda kid, entry=entry: self._issuer_keys(entry, kid))  # type: ignore[misc]
        return None

    async def _own_keys(self, kid: str | None) -> Sequence[PublicKey]:
        read, found = self._own
        age = time.monotonic() - read
        if age > 5 or (age > 1 and not any(key.kid == kid for key in found)):
            found = public_keys(await self._keys.jwks())
            self._own = (time.monotonic(), found)
        return found

    async def _issuer_keys(self, entry: Issuer, kid: str | None) -> Sequence[PublicKey]:
        if entry.jwks is not None:
            return public_keys(entry.jwks)
        uri = entry.jwks_uri or await self._jwks_uri(entry.iss)
        return await self.key_sets.keys(uri, kid) if uri else ()

    async def _jwks_uri(self, iss: str) -> str | None:
        """Discovered from the issuer's own configuration (OpenID Connect or SMART); asked again after an hour, and soon where there was none:
        a token that only names the issuer must not make us call it every time."""
        async with self._discovering:
            until, found = self._discovered.get(iss, (0.0, None))
            if time.monotonic() >= until:
                found = await self._discover(iss) or found
                self._discovered[iss] = (time.monotonic() + (REDISCOVER_S if found else RETRY_S), found)
        return found

    async def _discover(self, iss: str) -> str | None:
        for address in _configurations(iss):
            body = await self._fetch(address)
            found = _jwks_uri_in(body) if body else None
            if found:
                return found
        return None

    async def find_client(self, client_id: str) -> RegisteredClient | None:
        """The registered backend client of this id, unless it is disabled."""
        for entry in await self._registry.entries(Client):
            if entry.client_id == client_id and entry.enabled:
                return RegisteredClient(client_id, entry.scopes, entry.jwks, entry.jwks_uri, entry.may_state_reviewer)
        return None

    async def seen(self, issuer: str, jti: str, expires: float) -> bool:
        """Note an assertion; True when it was there already. Shared by every replica; old ones are swept now and then."""
        now = int(time.time())
        sql = "INSERT INTO replay (issuer, jti, expires) VALUES ($1, $2, $3) ON CONFLICT (issuer, jti) DO NOTHING RETURNING jti"
        rows = await self._store.execute(sql, (issuer, jti, int(expires) + 60))
        if now % 20 == 0:
            await self._store.execute("DELETE FROM replay WHERE expires < $1 RETURNING jti", (now,))
        return not rows

    async def token(self, form: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """The client of a token request, and the answer. Errors: TokenDenied."""
        if form.get("grant_type") != "client_credentials":
            raise TokenDenied("unsupported_grant_type")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenDenied("invalid_request")
        endpoint = self.settings.public_url.rstrip("/") + "/auth/token"
        try:
            client = await authenticated(form["client_assertion"], self.find_client, self.key_sets, (endpoint,), self.seen, time.time())
        except TokenRefused:
            raise TokenDenied("invalid_client", 401) from None
        if form.get("client_id", client.client_id) != client.client_id:  # RFC 7521, 4.2: where stated, it is the same client
            raise TokenDenied("invalid_client", 401)
        scopes = granted(form.get("scope", ""), client.scopes)
        if not scopes or len(spelled(scopes)) > LONGEST_GRANT:
            raise TokenDenied("invalid_scope")
        key, ttl = await self._keys.current("ES384"), self.settings.token_ttl_s
        token = issue(key, self.settings.fhir_base, client.client_id, scopes, time.time(), ttl, str(uuid4()), client.may_state_reviewer)
        return client.client_id, {"access_token": token, "token_type": "bearer", "expires_in": ttl, "scope": spelled(scopes)}


class TokenDenied(Exception):
    """A token request that is refused; `code` as RFC 6749, 5.2 has it."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


def _configurations(iss: str) -> tuple[str, str]:
    """Where an issuer may state where its keys are."""
    return iss.rstrip("/") + "/.well-known/openid-configuration", iss.rstrip("/") + "/.well-known/smart-configuration"


def _jwks_uri_in(body: bytes) -> str | None:
    try:
        found = json.loads(body).get("jwks_uri")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


async def token_endpoint(request: Request) -> Response:
    """POST /auth/token: SMART Backend Services. Grants and refusals are audited; a refused client is nobody, whatever it said it was."""
    house: House = request.app.state.house
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if house.access is None:
        return JSONResponse({"error": "invalid_request", "error_description": "this is an open installation"}, 400, headers)
    call = Call(house, request.scope, request.receive, [], secrets.token_hex(8))
    try:
        client_id, answer = await house.access.token(await _form(request))
    except TokenDenied as denied:
        await house.audit.refused(call, "token", denied.status)
        return JSONResponse({"error": denied.code}, denied.status, headers)
    except Unavailable:
        return JSONResponse({"error": "temporarily_unavailable"}, 503, headers | {"Retry-After": "5"})
    call.principal = Principal(client_id, "system")
    await house.audit.seen(call, "token", "", None, None)
    return JSONResponse(answer, 200, headers)


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise TokenDenied("invalid_request")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise TokenDenied("invalid_request", 413)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise TokenDenied("invalid_request") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise TokenDenied("invalid_request")
    return dict(pairs)
