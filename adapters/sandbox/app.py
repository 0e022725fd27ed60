"""The sandbox as an ASGI application: `create` makes one; the table of routes is the whole of its HTTP face."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from adapters.sandbox import authorisation, capabilities, control, interactions, page
from adapters.sandbox.hospital import Clock, Hospital, stored_key
from adapters.sandbox.interactions import Answer, Call
from adapters.sandbox.outbound import Outbound
from adapters.sandbox.refusal import AuthorisationRefused, Json, Refused, outcome
from adapters.sandbox.storage import Storage
from adapters.sandbox.wire import Wire

CLINICIAN: Json = {
    "resourceType": "Practitioner", "id": "sandbox-clinician", "active": True,
    "identifier": [{"system": "urn:setpoint:sandbox", "value": "sandbox-clinician"}], "name": [{"text": "Dr Sandbox (synthetic)", "family": "Sandbox"}],
}  # fmt: skip
_FHIR_JSON = "application/fhir+json; charset=utf-8"
_JSON_TYPES = ("application/fhir+json", "application/json")
Handler = Callable[[Request], Awaitable[Response]]


def create(
    database: str,
    base_url: str,
    clock: Clock,
    mode: str | None = None,
    open_access: bool = False,
    plain_http: frozenset[str] = frozenset(),
    transport: httpx.AsyncBaseTransport | None = None,
) -> Starlette:
    """A sandbox EHR.

    `database` is a path or ":memory:"; `base_url` the address clients use, without /fhir; `clock` gives seconds since 1970 UTC.
    `mode` (general, no-careplan, no-conditional) replaces the stored one; `open_access` asks for no token at /fhir; `plain_http`
    names hosts besides loopback that may be called by http; `transport` stands in for the network. The parts are at `app.state.hospital`.
    """
    storage = Storage(database)
    secret = storage.setting("form-secret", lambda: secrets.token_urlsafe(32))
    hospital = Hospital(base_url.rstrip("/"), storage, clock, Outbound(plain_http, transport), stored_key(storage), secret, open_access)
    if mode is not None:
        hospital.set_mode(mode)
    if storage.read("Practitioner", CLINICIAN["id"]) is None:
        interactions.store(hospital, CLINICIAN, CLINICIAN["id"], "PUT")
    app = Starlette(routes=_routes(hospital), exception_handlers=_handlers())
    app.state.hospital = hospital
    app.add_middleware(Wire, hospital=hospital)
    return app


def _routes(hospital: Hospital) -> list[Route]:
    fhir, own = _Fhir(hospital), _Control(hospital)
    smart = _document(lambda: authorisation.smart_configuration(hospital))
    return [
        Route("/fhir/metadata", _document(lambda: capabilities.capabilities(hospital), _FHIR_JSON)),
        Route("/fhir/.well-known/smart-configuration", smart),
        Route("/.well-known/smart-configuration", smart),
        Route("/.well-known/openid-configuration", smart),
        Route("/fhir/{type}", fhir.search),
        Route("/fhir/{type}", fhir.create, methods=["POST"]),
        Route("/fhir/{type}/_search", fhir.search, methods=["POST"]),
        Route("/fhir/{type}/{id}", fhir.read),
        Route("/fhir/{type}/{id}", fhir.update, methods=["PUT"]),
        Route("/fhir/{type}/{id}", fhir.delete, methods=["DELETE"]),
        Route("/fhir/{type}/{id}/_history", fhir.history),
        Route("/fhir/{type}/{id}/_history/{version}", fhir.vread),
        Route("/auth/register", own.register, methods=["POST"]),
        Route("/auth/token", own.token, methods=["POST"]),
        Route("/auth/jwks", _document(lambda: authorisation.jwks(hospital))),
        Route("/sandbox/faults", own.faults, methods=["GET", "POST", "DELETE"]),
        Route("/sandbox/received", own.received, methods=["GET", "DELETE"]),
        Route("/sandbox/mode", own.mode, methods=["GET", "POST"]),
        Route("/sandbox/load", own.load, methods=["POST"]),
        Route("/sandbox/clinician-token", own.clinician_token, methods=["POST"]),
        Route("/sandbox/review", own.review, methods=["POST"]),
        Route("/review", own.review_form, methods=["POST"]),
        Route("/style.css", _style),
        Route("/", own.page),
    ]


class _Fhir:
    """The FHIR routes: content checks, authorisation, then the interaction."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital

    def _call(self, request: Request) -> Call:
        access = authorisation.access(self._hospital, request.headers.get("authorization"))
        if request.query_params.get("_format", "json") not in ("json", *_JSON_TYPES):
            raise Refused(406, "not-supported", "Only JSON is offered")
        return Call(self._hospital, access, interactions.kind_of(request.path_params["type"]), request.headers)

    async def search(self, request: Request) -> Response:
        call = self._call(request)
        query = request.url.query
        if request.method == "POST":
            query = "&".join(part for part in (query, (await request.body()).decode("utf-8", "replace")) if part)
        return _answer(interactions.find(call, query))

    async def create(self, request: Request) -> Response:
        return _answer(interactions.create(self._call(request), await _fhir_body(request)))

    async def read(self, request: Request) -> Response:
        return _answer(interactions.read(self._call(request), request.path_params["id"]))

    async def vread(self, request: Request) -> Response:
        return _answer(interactions.vread(self._call(request), request.path_params["id"], request.path_params["version"]))

    async def history(self, request: Request) -> Response:
        return _answer(interactions.history(self._call(request), request.path_params["id"]))

    async def update(self, request: Request) -> Response:
        return _answer(interactions.update(self._call(request), request.path_params["id"], await _fhir_body(request)))

    async def delete(self, request: Request) -> Response:
        return _answer(interactions.delete(self._call(request), request.path_params["id"]))


class _Control:
    """Authorisation server, controls and page."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital

    async def _data(self, request: Request) -> Any:
        control.check_origin(request, self._hospital)
        return await control.json_body(request)

    async def register(self, request: Request) -> Response:
        data = await self._data(request)
        if not isinstance(data, dict):
            raise AuthorisationRefused("invalid_client_metadata", "The body must be an object")
        return _json(authorisation.register(self._hospital, data), 201)

    async def token(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise AuthorisationRefused("invalid_request", "The body must be application/x-www-form-urlencoded")
        pairs = parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=20)
        if len(dict(pairs)) != len(pairs):
            raise AuthorisationRefused("invalid_request", "A parameter is repeated")
        return _json(await authorisation.give_token(self._hospital, dict(pairs)))

    async def faults(self, request: Request) -> Response:
        if request.method == "POST":
            return _json(control.add_faults(self._hospital, await self._data(request)), 201)
        if request.method == "DELETE":
            control.check_origin(request, self._hospital)
            self._hospital.storage.clear_faults()
        return _json(self._hospital.storage.faults())

    async def received(self, request: Request) -> Response:
        if request.method == "DELETE":
            control.check_origin(request, self._hospital)
            self._hospital.storage.forget_received()
        return _json(control.received(self._hospital, request.query_params))

    async def mode(self, request: Request) -> Response:
        if request.method == "POST":
            return _json(control.set_mode(self._hospital, await self._data(request)))
        return _json(control.mode(self._hospital))

    async def load(self, request: Request) -> Response:
        await self._data(request)
        return _json(control.load(self._hospital, await request.body()), 201)

    async def clinician_token(self, request: Request) -> Response:
        return _json(control.clinician_token(self._hospital, await self._data(request)))

    async def review(self, request: Request) -> Response:
        return _json(await control.send_review(self._hospital, await self._data(request)))

    async def review_form(self, request: Request) -> Response:
        control.check_origin(request, self._hospital)
        pairs = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
        try:
            result = await control.send_review(self._hospital, page.form_review(self._hospital, pairs))
            said = f"The service answered {result['status']}."
        except Refused as refused:
            said = refused.text
        self._hospital.storage.put_setting("said", said)
        return RedirectResponse("/#plans", 303)

    async def page(self, request: Request) -> Response:
        return Response(page.page(self._hospital), media_type="text/html", headers=page.HEADERS)


async def _style(request: Request) -> Response:
    return Response(page.style(), media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})


def _document(make: Callable[[], Json], media_type: str = "application/json") -> Handler:
    async def shown(request: Request) -> Response:
        return _json(make(), media_type=media_type)

    return shown


async def _fhir_body(request: Request) -> bytes:
    """Errors: Refused 415 for anything but JSON, which also keeps out what a web page may post without asking."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _JSON_TYPES:
        raise Refused(415, "not-supported", "The body must be application/fhir+json")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "not-supported", "The body must not be compressed")
    return await request.body()


def _answer(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
    return Response(answer.body.encode(), answer.status, headers, media_type=_FHIR_JSON if answer.body else None)


def _json(content: Any, status: int = 200, media_type: str = "application/json") -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(json.dumps(content).encode(), status, headers, media_type=media_type)


def _handlers() -> Any:
    async def refused(request: Request, error: Refused) -> Response:
        answer = _json(outcome(error.code, error.text, expression=error.expression), error.status, _FHIR_JSON)
        answer.headers.update(error.headers)
        return answer

    async def unauthorised(request: Request, error: AuthorisationRefused) -> Response:
        return _json({"error": error.error, "error_description": error.text}, error.status)

    async def other(request: Request, error: HTTPException) -> Response:
        code = "not-supported" if error.status_code == 405 else "not-found"
        return _json(outcome(code, "Nothing here answers that"), error.status_code, _FHIR_JSON)

    async def failed(request: Request, error: Exception) -> Response:
        return _json(outcome("exception", "The sandbox failed"), 500, _FHIR_JSON)

    return {Exception: failed, Refused: refused, AuthorisationRefused: unauthorised, HTTPException: other}
