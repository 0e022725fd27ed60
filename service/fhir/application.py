"""The ASGI application mounted at /fhir: finds the route, knows who asks, answers every error in one place."""

import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from service.errors import Kind, Refusal
from service.fhir.answer import Answer, refused
from service.fhir.call import Call
from service.fhir.routes import Route, find, is_open
from service.fhir.shaping import asked_of, shaped
from service.house import House
from service.log import event, where
from service.store.unit import Unavailable
from service.store.writer import Overloaded

log = logging.getLogger("setpoint.fhir")


class FhirApplication:
    """Pure ASGI: no middleware between the server and an interaction. `routes` finds what answers below `mount`."""

    def __init__(self, house: House, routes: Callable[[str, list[str]], Route] = find, mount: bytes = b"/fhir") -> None:
        self.house, self._routes, self._mount = house, routes, mount
        self._in_hand = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request_id = secrets.token_hex(8)
        if self._in_hand >= self.house.settings.max_requests:
            answer = refused(Refusal(Kind.TOO_MANY, "Too many requests are in hand; come back later"))
        else:
            self._in_hand += 1
            try:
                answer = await self._answer(scope, receive, request_id)
            finally:
                self._in_hand -= 1
        self.house.metrics.answered(answer.status)
        headers = [*answer.headers, (b"x-request-id", request_id.encode()), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
                   (b"content-length", b"%d" % len(answer.body))]  # fmt: skip
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: Any, receive: Any, request_id: str) -> Answer:
        call: Call | None = None
        route: Route | None = None
        try:
            call = Call(self.house, scope, receive, _parts(scope, self._mount), request_id)
            route = self._routes(call.method, call.parts)
            if not route.draws:
                call.check_format()
            if not is_open(route):
                call.principal = await self.house.gate.principal(call.headers)
            call.shape = asked_of(call)
            answer = await route.handler(call)
            return shaped(self.house, call.shape, answer) if call.shape else answer
        except Refusal as refusal:
            await self._audit_refusal(call, route, refusal)
            return refused(refusal)
        except Overloaded:
            return refused(Refusal(Kind.TOO_MANY, "Too many requests are waiting; come back later"))
        except Unavailable:
            return refused(Refusal(Kind.UNAVAILABLE, "The database does not answer; come back later"))
        except Exception as error:
            event(log, "request-failed", request=request_id, error=type(error).__name__, where=where(error))
            return refused(Refusal(Kind.UNKNOWN, f"Something went wrong on our side; the request id is {request_id}"))

    async def _audit_refusal(self, call: Call | None, route: Route | None, refusal: Refusal) -> None:
        if call is not None and route is not None:
            await self.house.audit.refused(call, route.interaction, refusal.kind.status)


def _parts(scope: Any, mount: bytes) -> list[str]:
    """Path segments after the mount. Errors: 400 for NUL, bad UTF-8 or an encoded slash."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.split(b"?")[0].removeprefix(scope.get("root_path", "").encode()).removeprefix(mount).strip(b"/")
    if not path:
        return []
    if b"%" in path:
        try:
            parts = [unquote_to_bytes(part).decode("utf-8") for part in path.split(b"/")]
        except UnicodeDecodeError:
            raise Refusal(Kind.INVALID, "The address is not UTF-8") from None
        if any("\x00" in part or "/" in part for part in parts):
            raise Refusal(Kind.INVALID, "The address holds a character that none may")
        return parts
    return path.decode("ascii", "replace").split("/")
