"""The ASGI application: FHIR at /fhir, tokens at /auth/token, health, metrics, OpenAPI."""

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.routing import Mount, Route

from service import shelf
from service.access import token_endpoint
from service.entry import open_house
from service.fhir.application import FhirApplication
from service.house import House
from service.ingest import routes
from service.log import configure, event
from service.openapi import document
from service.release import release
from service.settings import Settings, load
from service.store.outbox import Outbox
from service.store.unit import Unavailable

log = logging.getLogger("setpoint")


def create(settings: Settings, house: House | None = None) -> "Front":
    """The application of one process. With `house` given, its owner closes it (tests)."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = house or await open_house(settings)
        app.state.house = opened
        fhir.house = ingest.house = opened
        await shelf.stock(opened)
        await opened.filling.settle()
        watching = asyncio.ensure_future(opened.filling.watch())
        if settings.auth == "smart":
            await opened.keys.ensure()
        # what was built at the start stays: the collector need not walk it with every full round, which stopped requests for tens of milliseconds
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        event(log, "service-started", workers=os.getpid(), auth=settings.auth, version=release())
        yield
        watching.cancel()
        if house is None:
            await opened.close()

    app = FastAPIOffline(title="Setpoint", version=release(), lifespan=lifespan, openapi_url="/openapi.json", docs_url="/docs", redoc_url=None)
    fhir = FhirApplication(house)  # type: ignore[arg-type]
    ingest = FhirApplication(house, routes.find, b"/ingest")  # type: ignore[arg-type]
    app.openapi = document  # type: ignore[method-assign]
    _routes(app, settings)
    app.router.routes.append(Mount("/fhir", app=fhir))
    return Front(app, fhir, ingest)


class Front:
    """The door: requests for FHIR and /ingest go straight there, everything else, and the lifespan, to FastAPI. FastAPI's layers of middleware cost a
    read as much as the read itself, and none of them does anything for it."""

    def __init__(self, app: FastAPI, fhir: FhirApplication, ingest: FhirApplication) -> None:
        self._app, self._fhir, self._ingest = app, fhir, ingest
        self.router, self.state = app.router, app.state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/fhir") and not scope["path"].startswith("/fhir/.well-known/"):
            await self._fhir(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/ingest/"):
            await self._ingest(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _routes(app: FastAPI, settings: Settings) -> None:
    router = app.router.routes
    router.append(Route("/health/live", _live))
    router.append(Route("/health/ready", _ready))
    router.append(Route("/metrics", _metrics))
    router.append(Route("/.well-known/jwks.json", _jwks))
    router.append(Route("/auth/token", token_endpoint, methods=["POST"]))
    router.append(Route("/fhir/.well-known/smart-configuration", _smart_configuration))


async def _live(request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    """Ready when the database answers; dead safety rows are said aloud, but do not take the service away from its users."""
    house: House = request.app.state.house
    try:
        seconds = await house.store.ready()
        dead = await Outbox(house.store).dead_safety()
    except Unavailable:
        return _away()
    detail: dict[str, Any] = {"status": "ready", "database_ms": round(seconds * 1000, 1), "dead_safety_rows": dead}
    if dead:
        detail["warning"] = "safety rows could not be delivered: setpoint outbox list --status dead"
    return JSONResponse(detail)


def _away() -> Response:
    """The answer while the database is away."""
    return JSONResponse({"status": "unavailable", "database": "does not answer"}, 503, {"Retry-After": "5"})


async def _metrics(request: Request) -> Response:
    house: House = request.app.state.house
    try:
        return PlainTextResponse(await house.metrics.text(house.store), media_type="text/plain; version=0.0.4")
    except Unavailable:
        return _away()


async def _jwks(request: Request) -> Response:
    house: House = request.app.state.house
    try:
        return JSONResponse(await house.keys.jwks(), headers={"Cache-Control": "public, max-age=300"})
    except Unavailable:
        return _away()


async def _smart_configuration(request: Request) -> Response:
    """SMART App Launch 2.0, conformance.html: what a backend client needs to know."""
    house: House = request.app.state.house
    public = house.settings.public_url.rstrip("/")
    return JSONResponse(
        {
            "issuer": house.settings.fhir_base,
            "jwks_uri": f"{public}/.well-known/jwks.json",
            "token_endpoint": f"{public}/auth/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read", "system/*.write"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )


def factory() -> Front:
    """For uvicorn workers: settings from the environment."""
    settings = load()
    configure(settings.log_level)
    return create(settings)
