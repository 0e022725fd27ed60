"""Between the socket and the application: notes everything received and makes the faults happen.

A fault that drops a connection needs uvicorn's transport. It is reached through the bound `receive` that uvicorn passes
in; without a socket (in-process tests) `Dropped` is raised to the caller instead.
"""

import asyncio
import json
import socket
import struct
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.sandbox import faults
from adapters.sandbox.faults import Fault
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.refusal import Json, outcome
from adapters.sandbox.tokens import unsigned

LARGEST_BODY = 10_000_000
_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Dropped(ConnectionError):
    """A request that ended without an answer: a fault said so, or the client left."""


class Wire:
    """ASGI middleware around the whole application; notes and faults concern /fhir and /auth only."""

    def __init__(self, app: ASGIApp, hospital: Hospital) -> None:
        self._app = app
        self._hospital = hospital

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body, whole = await _body(receive)
        except Dropped:
            return
        noted = scope["path"].startswith(("/fhir", "/auth"))
        number = self._note(scope, body) if noted else 0
        if not whole:
            self._hospital.storage.settle(number, 413, "too large")
            await _answer(send, 413, outcome("too-costly", "The body is over 10 MB"), {})
        elif noted:
            await self._handle(scope, body, receive, send, number)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _handle(self, scope: Scope, body: bytes, receive: Receive, send: Send, number: int) -> None:
        """Passes the request on, or does what the next fault for it says."""
        fault = self._fault(scope)
        if fault is None:
            await self._app(scope, _replay(body, receive), self._settling(send, number, "answered"))
        elif fault.dropped:
            await self._drop(fault, scope, body, receive, number)
        else:
            status, content, headers = fault.answer()
            if scope["path"].startswith("/auth") and content is not None:
                content = {"error": "temporarily_unavailable" if status != 401 else "invalid_client"}
            self._hospital.storage.settle(number, status, f"fault {fault.kind}")
            await _answer(send, status, content, headers)

    async def _drop(self, fault: Fault, scope: Scope, body: bytes, receive: Receive, number: int) -> None:
        """timeout-after: all but the answer; timeout-before and reset: nothing."""
        if fault.kind == "timeout-after":
            await self._app(scope, _replay(body, receive), self._settling(_nowhere, number, "handled, then no answer (timeout-after)"))
        else:
            self._hospital.storage.settle(number, None, f"dropped unhandled ({fault.kind})")
        reset = fault.kind == "reset"
        await _cut(receive, 0 if reset else fault.hold_s, reset)

    def _settling(self, send: Send, number: int, label: str) -> Send:
        """A `send` that notes the outcome before the last part of the answer leaves."""
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                self._hospital.storage.settle(number, status, label)
            await send(message)

        return watched

    def _fault(self, scope: Scope) -> Fault | None:
        type_ = _type(scope["path"])
        taken = self._hospital.storage.take_fault(lambda data: faults.stored(data).wanted(scope["method"], type_))
        return faults.stored(taken) if taken else None

    def _note(self, scope: Scope, body: bytes) -> int:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        shown = {name: value for name, value in headers.items() if name not in _HIDDEN_HEADERS}
        query = scope["query_string"].decode("latin-1")
        url = scope["path"] + (f"?{query}" if query else "")
        return self._hospital.storage.receive(self._hospital.clock(), scope["method"], url, shown, _noted_body(scope["path"], body))


async def _nowhere(message: Message) -> None:
    return None


def _type(path: str) -> str | None:
    """`CarePlan` of /fhir/CarePlan/1; "token" for the token endpoint."""
    parts = path.strip("/").split("/")
    if parts[0] == "auth":
        return parts[-1]
    return parts[1] if len(parts) > 1 else None


def _noted_body(path: str, body: bytes) -> str:
    """The body as text; a client assertion loses its signature, so that nothing shown here can be used."""
    text = body.decode("utf-8", "replace")
    if path != "/auth/token":
        return text
    pairs = [(key, unsigned(value) if key == "client_assertion" else value) for key, value in parse_qsl(text)]
    return urlencode(pairs)


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """The request body, and whether it was small enough. Errors: Dropped when the client left before it was whole."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Dropped("the client left")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return b"", False
        if not message.get("more_body"):
            return bytes(body), True


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _answer(send: Send, status: int, content: Json | None, headers: dict[str, str]) -> None:
    body = b"" if content is None else json.dumps(content).encode()
    kind = {"content-type": "application/fhir+json" if content and "resourceType" in content else "application/json"} if body else {}
    sent = {**kind, "content-length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _cut(receive: Receive, hold_s: float, reset: bool) -> None:
    """Holds the request (until the client gives up), then cuts the connection."""
    transport = _transport(receive)
    if transport is None:
        raise Dropped("the request was dropped")
    gone = asyncio.ensure_future(receive())
    await asyncio.wait({gone}, timeout=hold_s)
    if reset and (raw := transport.get_extra_info("socket")) is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await gone


def _transport(receive: Any) -> Any:
    return getattr(getattr(receive, "__self__", None), "transport", None)
