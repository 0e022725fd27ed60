"""`setpoint clients`: backend clients of our token endpoint."""

import json
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from service.commands.console import AsJson, fail, show, show_one, with_store
from service.registry import Client, Registry

app = typer.Typer(no_args_is_help=True)


@app.command("add")
def add(
    name: str,
    scope: Annotated[str, typer.Option(help="scopes the client may ask for, e.g. 'system/*.cruds'")] = "system/*.cruds",
    jwks: Annotated[Path | None, typer.Option(help="file with the client's public JWKS")] = None,
    jwks_uri: Annotated[str | None, typer.Option("--jwks-uri", help="address of the client's public JWKS")] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", help="made by us when not given")] = None,
    may_state_reviewer: Annotated[bool, typer.Option("--may-state-reviewer", help="may name the reviewer of a suggestion")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a backend client (SMART Backend Services, private_key_jwt)."""
    if (jwks is None) == (jwks_uri is None):
        fail("give either --jwks FILE or --jwks-uri URL", 2)
    keys = _read_jwks(jwks) if jwks else None
    entry = Client(name=name, client_id=client_id or str(uuid4()), scopes=scope, jwks=keys, jwks_uri=jwks_uri, may_state_reviewer=may_state_reviewer)
    with_store(lambda settings, store: Registry(store).put(entry))
    show_one({"name": name, "client_id": entry.client_id, "scopes": scope}, as_json)


def _read_jwks(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        fail("the JWKS file cannot be read as JSON", 2)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list) or any("d" in key for key in found["keys"]):
        fail("the file must be a JWKS of public keys", 2)
    return found


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All clients."""
    found = with_store(lambda settings, store: Registry(store).entries(Client))
    show([{"name": each.name, "client_id": each.client_id, "scopes": each.scopes, "enabled": each.enabled} for each in found], as_json)


@app.command("disable")
def disable(name: str, as_json: AsJson = False) -> None:
    """Refuse a client from now on; tokens it holds end with their life."""

    async def work(settings, store):  # type: ignore[no-untyped-def]
        registry = Registry(store)
        for each in await registry.entries(Client):
            if name in (each.name, each.client_id):
                await registry.put(each.model_copy(update={"enabled": False}))
                return each
        return None

    found = with_store(work)
    if found is None:
        fail("no client of this name")
    show_one({"name": found.name, "client_id": found.client_id, "enabled": False}, as_json)
