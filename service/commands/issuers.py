"""`setpoint issuers`: whose bearer tokens are accepted."""

from typing import Annotated

import typer

from service.commands.console import AsJson, fail, show, show_one, with_store
from service.registry import Issuer, Registry

app = typer.Typer(no_args_is_help=True)


@app.command("add")
def add(
    name: str,
    iss: Annotated[str, typer.Option(help="the iss claim of its tokens")],
    audience: Annotated[str, typer.Option(help="the aud claim that its tokens for us carry")],
    patient_system: Annotated[str | None, typer.Option("--patient-system", help="identifier system under which our Patients carry its patient ids")] = None,
    jwks_uri: Annotated[str | None, typer.Option("--jwks-uri", help="where its keys are; discovered from iss when not given")] = None,
    allow_private: Annotated[bool, typer.Option("--allow-private", help="its addresses may be private")] = False,
    as_json: AsJson = False,
) -> None:
    """Register an issuer."""
    entry = Issuer(name=name, iss=iss, audience=audience, patient_system=patient_system, jwks_uri=jwks_uri, allow_private=allow_private)
    with_store(lambda settings, store: Registry(store).put(entry))
    show_one(entry.model_dump(exclude={"jwks"}), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All issuers."""
    found = with_store(lambda settings, store: Registry(store).entries(Issuer))
    show([each.model_dump(exclude={"jwks"}) for each in found], as_json)


@app.command("remove")
def remove(name: str) -> None:
    """Take an issuer out: its tokens are refused within seconds."""
    if not with_store(lambda settings, store: Registry(store).remove(Issuer, name)):
        fail("no issuer of this name")
