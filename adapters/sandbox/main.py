"""Runs the sandbox EHR as a process: `setpoint sandbox --port N`."""

import socket
import sys
import time
from pathlib import Path

import uvicorn

from adapters.sandbox.app import create
from adapters.sandbox.outbound import is_loopback


def run(
    port: int,
    host: str = "127.0.0.1",
    database: str = ":memory:",
    *,
    mode: str | None = None,
    base_url: str | None = None,
    open_access: bool = False,
    plain_http: frozenset[str] = frozenset(),
) -> None:
    """Serves until SIGTERM or SIGINT. Port 0 takes a free one; the address is printed. See app.create for the rest."""
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)
    shown = f"[{host}]" if ":" in host else host
    base = base_url or f"http://{shown}:{listening.getsockname()[1]}"
    if database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    app = create(database, base, time.time, mode=mode, open_access=open_access, plain_http=plain_http)
    print(f"Sandbox EHR (synthetic data only): {base}/  FHIR base {base}/fhir", flush=True)
    if not is_loopback(host):
        print("Others can reach this address; the sandbox's controls have no login.", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])
