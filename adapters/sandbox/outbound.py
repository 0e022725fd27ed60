"""The sandbox's own calls to the outside: a client's jwks_uri, and the service that a review goes to."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

LARGEST_ANSWER = 1_000_000


class CallFailed(RuntimeError):
    """A call that was not made or not answered well; the text is fit for showing."""


class Outbound:
    """Calls without proxies, redirects or compression, with a time limit and a byte cap; plain http only on loopback.

    `plain_http` names further hosts (a compose network) for which http is allowed; `transport` stands in for the network in tests.
    """

    def __init__(self, plain_http: frozenset[str] = frozenset(), transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._plain_http = plain_http
        self._transport = transport

    def allowed(self, url: str) -> bool:
        """Whether this address may be called at all."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            int(parts.port or 0)
        except ValueError:
            return False
        if not host or parts.username or parts.password or parts.fragment:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and (host in self._plain_http or is_loopback(host)))

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> tuple[int, Any]:
        """Status and parsed JSON (None when the answer is not JSON). Errors: CallFailed."""
        if not self.allowed(url):
            raise CallFailed("The address must be https, or http on loopback")
        content = None if body is None else json.dumps(body).encode()
        sent = {"accept-encoding": "identity", **headers}
        try:
            async with (
                httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=10, transport=self._transport) as client,
                client.stream(method, url, headers=sent, content=content) as response,
            ):
                return response.status_code, _parsed(await _capped(response))
        except httpx.HTTPError as error:
            raise CallFailed(f"No answer ({type(error).__name__})") from None

    async def key_set(self, url: str) -> Any:
        """The JWKS at a client's jwks_uri. Errors: CallFailed."""
        status, found = await self.call("GET", url, {"accept": "application/json"})
        if status != 200 or not isinstance(found, dict):
            raise CallFailed("The jwks_uri does not answer with a key set")
        return found


def is_loopback(host: str) -> bool:
    """`localhost` or a literal loopback address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _capped(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise CallFailed("The answer is compressed")
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER:
            raise CallFailed("The answer is too large")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
