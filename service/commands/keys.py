"""`setpoint keys`: our signing keys."""

from typing import Annotated

import typer

from service.commands.console import AsJson, moment, show, with_store
from service.keys import ALGORITHMS, KeyRow, Keys

app = typer.Typer(no_args_is_help=True)


def _shown(rows: list[KeyRow]) -> list[dict[str, object]]:
    return [{"kid": row.kid, "alg": row.alg, "status": row.status, "created": moment(row.created)} for row in rows]


@app.command("new")
def new(alg: Annotated[str, typer.Option(help="RS384 or ES384")] = "ES384", as_json: AsJson = False) -> None:
    """Make a key; it becomes current where there was none, else next."""
    if alg not in ALGORITHMS:
        raise typer.BadParameter("RS384 or ES384", param_hint="--alg")

    async def work(settings, store):  # type: ignore[no-untyped-def]
        keys = Keys(store, settings.secret_bytes)
        taken = any(row.alg == alg and row.status == "current" for row in await keys.rows())
        return [await keys.new(alg, "next" if taken else "current")]

    show(_shown(with_store(work)), as_json)


@app.command("rotate")
def rotate(as_json: AsJson = False) -> None:
    """Next becomes current, current retires but stays published, a new next is made."""

    async def work(settings, store):  # type: ignore[no-untyped-def]
        return await Keys(store, settings.secret_bytes).rotate()

    show(_shown(with_store(work)), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All keys."""

    async def work(settings, store):  # type: ignore[no-untyped-def]
        return await Keys(store, settings.secret_bytes).rows()

    show(_shown(with_store(work)), as_json)
