"""Calls to the outside: httpx, hardened in this one place.

No environment, no redirects, no cookies, no compression; the bytes of an answer are counted as they come; every call has
four timeouts and a deadline. A host name is resolved here and the connection goes to the very address that was checked,
while TLS still verifies the name. httpx's transports are used without its client, which would log addresses.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, cast

import httpcore
import httpx

from adapters import addresses

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, as texts."""
_TIMEOUTS: Final = {"connect": 5.0, "read": 15.0, "write": 15.0, "pool": 5.0}
_BEGUN: Final = ("http11.send_request_headers.started",)
_IDENTITY: Final = ("", "identity")
_HOST: Final = re.compile(r"[\w.:-]+")
_NAMES: Final = {
    "ConnectError": "no connection", "ConnectTimeout": "no connection in time", "PoolTimeout": "no free connection in time",
    "ProxyError": "the proxy refused", "ReadTimeout": "no answer in time", "WriteTimeout": "sending took too long",
    "TimeoutError": "not done before the deadline",
}  # fmt: skip
USER_AGENT: Final = f"setpoint/{version('setpoint')}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` have lower-case names (repeated ones joined by a comma); `body` is at most as long as was allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class OutboundError(Exception):
    """A call without an answer that can be used. The text holds no address and no content."""


class ForbiddenAddress(OutboundError):
    """The address must not be called; nothing was sent."""


class NotSent(OutboundError):
    """Nothing left this process: it may safely be sent again."""


class Unanswered(OutboundError):
    """It was sent, wholly or in part, and the outcome is unknown."""


class Unreadable(OutboundError):
    """It was answered, but the body cannot be used; `answer` has status and headers."""

    def __init__(self, text: str, answer: Answer) -> None:
        super().__init__(text)
        self.answer = answer


class TooLarge(Unreadable):
    """The body was longer than allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes. `deadline_s` is for a whole call; `timeouts` are connect, read, write, pool."""

    timeouts: Mapping[str, float]
    deadline_s: float = 30.0
    body_bytes: int = 10 * 1024 * 1024
    connections: int = 20


DEFAULT_LIMITS: Final = Limits(_TIMEOUTS)


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's resolver. Errors: OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Outbound:
    """The hardened client. `ca_file`: certificate authorities beside the usual ones; `proxy`: an http(s) proxy URL, which then resolves
    names in our place (loopback never goes through it); `allow_private`: private and loopback addresses may be called; `transport`
    stands in for the network (tests), and then no address is checked."""

    def __init__(
        self,
        ca_file: str | None = None,
        proxy: str | None = None,
        allow_private: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        resolve: Resolve = resolve,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._ca_file, self._proxy, self._limits = ca_file, proxy, limits
        self._allow_private, self._resolve = allow_private, resolve
        self._given = transport
        self._made: dict[str, httpx.AsyncBaseTransport] = {}
        self._tls: ssl.SSLContext | None = None

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline_s: float | None = None,
        body_bytes: int | None = None,
    ) -> Answer:
        """One call. Errors: ForbiddenAddress and NotSent (nothing was sent), Unanswered, Unreadable with TooLarge."""
        target = _checked(url)
        sent = _Sent()
        request = httpx.Request(
            method, target, content=body, headers={"accept-encoding": "identity", "user-agent": USER_AGENT, **(headers or {})},
            extensions={"timeout": dict(self._limits.timeouts), "trace": sent.note},
        )  # fmt: skip
        transport = self._transport(target)
        try:
            async with asyncio.timeout(deadline_s or self._limits.deadline_s):
                return await self._exchange(transport, request, body_bytes or self._limits.body_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise NotSent(_named(error)) from None
        except (httpx.TransportError, TimeoutError) as error:
            raise (Unanswered if sent.begun or self._given else NotSent)(_named(error)) from None

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        for transport in self._made.values():
            await transport.aclose()
        self._made.clear()

    async def _exchange(self, transport: httpx.AsyncBaseTransport, request: httpx.Request, most: int) -> Answer:
        response = await transport.handle_async_request(request)
        async with contextlib.aclosing(response):
            answer = Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()})
            if answer.headers.get("content-encoding", "").strip().lower() not in _IDENTITY:
                raise Unreadable("the answer is compressed, though it was asked not to be", answer)
            received = bytearray()
            async for chunk in cast(httpx.AsyncByteStream, response.stream):
                received += chunk
                if len(received) > most:
                    raise TooLarge("the answer is longer than allowed", answer)
            return Answer(answer.status, answer.headers, bytes(received))

    # Connections

    def _transport(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        if self._given is not None:
            return self._given
        loopback = is_loopback(url.host)
        if url.scheme == "http" and not loopback:
            raise ForbiddenAddress("plain http is for loopback only")
        literal = addresses.read(url.host)
        if literal is not None:
            self._check([literal])
        way = "proxy" if self._proxy and not loopback else "direct"
        if way not in self._made:
            self._made[way] = _Transport(self._pool(way, self._proxy))
        return self._made[way]

    def _pool(self, way: str, proxy: str | None) -> httpcore.AsyncConnectionPool:
        self._tls = self._tls or _tls(self._ca_file)
        common: dict[str, Any] = {"ssl_context": self._tls, "max_connections": self._limits.connections, "keepalive_expiry": 15.0}
        if way == "direct" or proxy is None:
            return httpcore.AsyncConnectionPool(network_backend=_CheckedNetwork(self._resolve, self._check), **common)
        parsed = httpx.Proxy(proxy)
        address = httpcore.URL(scheme=parsed.url.raw_scheme, host=parsed.url.raw_host, port=parsed.url.port, target=parsed.url.raw_path)
        # The proxy is the admin's own choice, in the house's network as a rule: its address is not checked.
        tls = self._tls if parsed.url.scheme == "https" else None
        return httpcore.AsyncHTTPProxy(proxy_url=address, proxy_auth=parsed.raw_auth, proxy_ssl_context=tls, **common)

    def _check(self, found: Iterable[addresses.Address]) -> list[addresses.Address]:
        """Those that may be called. Errors: ForbiddenAddress when there is none."""
        places = [(each, addresses.place(each)) for each in found]
        allowed = ("public", "private", "loopback") if self._allow_private else ("public",)
        passed = [each for each, where in places if where in allowed]
        if not passed and any(where in ("private", "loopback") for _, where in places):
            raise ForbiddenAddress("the address is private: an admin may allow it (--allow-private)")
        if not passed:
            raise ForbiddenAddress("the address is link-local, a metadata service or reserved: it is never called")
        return passed


class _Sent:
    """Whether a request began to leave, told by the transport."""

    def __init__(self) -> None:
        self.begun = False

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        self.begun = self.begun or event in _BEGUN


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool of our own making."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address, connects to one that passed: a name cannot answer one thing to the check and another to
    the connection."""

    def __init__(self, resolve: Resolve, check: Callable[[Iterable[addresses.Address]], list[addresses.Address]]) -> None:
        self._resolve, self._check = resolve, check
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._check(await self._addresses(host, port, timeout)):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int, timeout: float | None) -> list[addresses.Address]:
        try:
            async with asyncio.timeout(timeout):
                texts = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name cannot be resolved") from None
        found = [address for address in map(addresses.read, texts) if address is not None]
        if not found:
            raise httpcore.ConnectError("the name has no address")
        if is_loopback(host):
            found = [each for each in found if addresses.place(each) == "loopback"] or found[:0]
        return list(dict.fromkeys(found))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def is_loopback(host: str) -> bool:
    """Whether a URL's host says by itself that it is this machine: localhost, or a loopback address written out."""
    literal = addresses.read(host.strip("[]"))
    return host.lower() == "localhost" if literal is None else addresses.place(literal) == "loopback"


def _checked(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, TypeError, ValueError):
        raise ForbiddenAddress("the address is not a URL") from None
    if target.scheme not in ("http", "https") or not _HOST.fullmatch(target.host) or target.userinfo:
        raise ForbiddenAddress("the address is not a plain http or https URL")
    return target.copy_with(fragment=None)


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """httpx's authorities (Mozilla's list), the system's and the file's."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _named(error: Exception) -> str:
    """What happened, without the library's text, which may hold addresses."""
    return _NAMES.get(type(error).__name__, "the connection broke")
