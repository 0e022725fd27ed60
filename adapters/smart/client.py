"""Access tokens at one EHR: SMART Backend Services (https://hl7.org/fhir/smart-app-launch/STU2/backend-services.html).

No token and no assertion ever stands in a log or an error text.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.http import Answer, Outbound, OutboundError, Unreadable
from adapters.jose import PrivateKey, sign
from adapters.retry_after import retry_after
from adapters.smart import assertion
from adapters.smart.discovery import DiscoveryFailed, Endpoints, discover

KeyFor = Callable[[str], Awaitable[PrivateKey]]
"""Our current key for an algorithm."""
_ENDPOINTS_FRESH_S: Final = 3600.0
_OAUTH_ERRORS: Final = frozenset({"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})


class NoToken(Exception):
    """No token was had. `after_s`: when the server said to come back, None when it did not."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after_s = reason, after_s


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `renew` is when to ask for the next one (seconds, our clock); `scope` as granted, None when not said."""

    value: str = field(repr=False)
    renew: float
    expires_in: float
    scope: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    """Who we are at the EHR. `algorithms`: what its vendor takes for assertions."""

    base: str
    client_id: str
    scope: str
    algorithms: Sequence[str] = assertion.PREFERRED


class TokenSource:
    """Keeps one token for one EHR and renews it before it ends; callers at once wait for one request."""

    def __init__(self, outbound: Outbound, registration: Registration, key_for: KeyFor, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._outbound, self._registration, self._key_for = outbound, registration, key_for
        self._clock, self._new_id = clock, new_id
        self._token: Token | None = None
        self._found: tuple[float, Endpoints] | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> Token:
        """A token with life left. Errors: NoToken."""
        async with self._lock:
            if self._token is None or self._clock() >= self._token.renew:
                self._token = await self._ask()
            return self._token

    def refused(self, token: Token) -> None:
        """The EHR did not take this token: forget it (unless another is here already), and look where tokens come from once more."""
        if self._token is token:
            self._token = self._found = None

    async def endpoints(self) -> Endpoints:
        """What discovery says, at most an hour old. Errors: DiscoveryFailed."""
        if self._found is None or self._clock() - self._found[0] > _ENDPOINTS_FRESH_S:
            self._found = (self._clock(), await discover(self._outbound, self._registration.base))
        return self._found[1]

    async def _ask(self) -> Token:
        try:
            endpoints = await self.endpoints()
        except DiscoveryFailed as error:
            raise NoToken(error.reason) from None
        body = assertion.form(await self._assertion(endpoints), self._registration.scope)
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            answer = await self._outbound.request("POST", endpoints.token_endpoint, headers, body, body_bytes=256 * 1024)
        except Unreadable as error:
            answer = error.answer
        except OutboundError as error:
            raise NoToken(f"token endpoint: {error}") from None
        return self._read(answer)

    async def _assertion(self, endpoints: Endpoints) -> str:
        algorithm = assertion.algorithm(endpoints.algorithms, self._registration.algorithms)
        if algorithm is None:
            raise NoToken("no signature algorithm in common")
        try:
            key = await self._key_for(algorithm)
        except LookupError:
            raise NoToken(f"no {algorithm} signing key was made here") from None
        return sign(key, assertion.claims(self._registration.client_id, endpoints.token_endpoint, self._new_id(), self._clock()))

    def _read(self, answer: Answer) -> Token:
        document = _object(answer.body)
        if answer.status == 200:
            return self._granted(document)
        if answer.status in (429, 503):
            raise NoToken(f"token endpoint answers {answer.status}", retry_after(answer.headers.get("retry-after"), self._clock()))
        error = document.get("error")
        known = f" {error}" if isinstance(error, str) and error in _OAUTH_ERRORS else ""
        raise NoToken(f"token endpoint answers {answer.status}{known}")

    def _granted(self, document: dict[str, Any]) -> Token:
        value, kind, scope = document.get("access_token"), document.get("token_type", "bearer"), document.get("scope")
        if not isinstance(value, str) or not _sendable(value) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise NoToken("the token endpoint's answer holds no bearer token")
        life = document.get("expires_in", 60)
        life = float(life) if isinstance(life, int | float | str) and str(life).replace(".", "", 1).isdigit() else 60.0
        return Token(value, self._clock() + life - min(30.0, life / 4), life, scope if isinstance(scope, str) else None)


def _sendable(token: str) -> bool:
    """Visible ASCII only: it goes into a header."""
    return 0 < len(token) <= 65536 and token.isascii() and token.isprintable() and " " not in token


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
