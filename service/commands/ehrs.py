"""`setpoint ehr`: the EHRs that suggestions are delivered to."""

import json
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from service.commands.console import AsJson, fail, show, show_one, with_store
from service.registry import Ehr, Registry

app = typer.Typer(no_args_is_help=True)
Base = Annotated[str, typer.Option(help="its FHIR base")]
OptionalText = Annotated[str | None, typer.Option()]


@app.command("add")
def add(
    name: str,
    base: Base,
    auth: Annotated[str, typer.Option(help="smart or none")] = "smart",
    client_id: Annotated[str | None, typer.Option("--client-id", help="what the EHR calls us")] = None,
    profile: Annotated[str, typer.Option(help="vendor profile")] = "general",
    patient_system: Annotated[str | None, typer.Option("--patient-system", help="identifier system of its patients")] = None,
    default: Annotated[bool, typer.Option("--default", help="chosen when a Patient fits several EHRs")] = False,
    allow_private: Annotated[bool, typer.Option("--allow-private", help="its address may be private")] = False,
    labels: Annotated[list[str] | None, typer.Option(help="security label it is cleared for (repeat)")] = None,
    scope: Annotated[str, typer.Option(help="scopes asked for")] = "system/*.cruds",
    as_json: AsJson = False,
) -> None:
    """Register an EHR."""
    if auth not in ("smart", "none"):
        fail("--auth is smart or none", 2)
    if urlsplit(base).scheme not in ("http", "https"):
        fail("--base must be an http or https address", 2)
    entry = Ehr(name=name, base=base.rstrip("/"), auth=auth, client_id=client_id, profile=profile, patient_system=patient_system, default=default,  # type: ignore[arg-type]
                allow_private=allow_private, labels=tuple(labels or ()), scope=scope)  # fmt: skip
    _known_profile(profile)
    with_store(lambda settings, store: Registry(store).put(entry))
    show_one(entry.model_dump(mode="json"), as_json)


def _known_profile(profile: str) -> None:
    from service.commands.console import read_settings
    from service.knowledge import load

    known = load(read_settings().knowledge_dir).profiles
    if profile not in known:
        fail(f"no vendor profile of this name; known: {', '.join(sorted(known))}", 2)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All EHRs."""
    show([each.model_dump(mode="json") for each in with_store(lambda settings, store: Registry(store).entries(Ehr))], as_json)


@app.command("set")
def set_(
    name: str,
    base: OptionalText = None,
    auth: OptionalText = None,
    client_id: Annotated[str | None, typer.Option("--client-id")] = None,
    profile: OptionalText = None,
    patient_system: Annotated[str | None, typer.Option("--patient-system")] = None,
    default: Annotated[bool | None, typer.Option("--default/--no-default")] = None,
    allow_private: Annotated[bool | None, typer.Option("--allow-private/--no-allow-private")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled")] = None,
    labels: Annotated[list[str] | None, typer.Option()] = None,
    scope: OptionalText = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given of an EHR."""
    given: dict[str, Any] = {
        "base": base, "auth": auth, "client_id": client_id, "profile": profile, "patient_system": patient_system, "default": default,
        "allow_private": allow_private, "enabled": enabled, "labels": tuple(labels) if labels else None, "scope": scope,
    }  # fmt: skip
    if profile:
        _known_profile(profile)

    async def work(settings, store):  # type: ignore[no-untyped-def]
        registry = Registry(store)
        for each in await registry.entries(Ehr):
            if each.name == name:
                changed = Ehr.model_validate(each.model_dump() | {key: value for key, value in given.items() if value is not None})
                await registry.put(changed)
                return changed
        return None

    found = with_store(work)
    if found is None:
        fail("no EHR of this name")
    show_one(found.model_dump(mode="json"), as_json)


@app.command("remove")
def remove(name: str) -> None:
    """Take an EHR out: what waits for it becomes dead and is listed."""
    if not with_store(lambda settings, store: Registry(store).remove(Ehr, name)):
        fail("no EHR of this name")


@app.command("check")
def check(name: str, as_json: AsJson = False) -> None:
    """Discovery, token, and what this EHR would accept from us and in which form. Exit code 1 when something does not work."""

    async def work(settings, store):  # type: ignore[no-untyped-def]
        from service.deliveries import Clients

        for each in await Registry(store).entries(Ehr):
            if each.name == name:
                client = await Clients.of(settings, store).client(each)
                return await client.check()
        return None

    found = with_store(work)
    if found is None:
        fail("no EHR of this name")
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        show_one(found, False)
    if not found.get("ok"):
        raise typer.Exit(1)
