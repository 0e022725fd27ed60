"""`setpoint outbox`: what waits, what is dead, what is withheld."""

from typing import Annotated

import typer

from service.commands.console import AsJson, moment, show, show_one, with_store
from service.store.outbox import Outbox

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(status: Annotated[str | None, typer.Option(help="due, leased, delivered, dead or withheld")] = None, as_json: AsJson = False) -> None:
    """Deliveries, newest first."""
    rows = with_store(lambda settings, store: Outbox(store).rows(status))
    show(
        [
            {"id": row.id, "ehr": row.ehr, "ref": row.ref, "version": row.version, "safety": row.safety, "status": row.status, "attempts": row.attempts,
             "due": moment(row.due), "reason": row.reason}
            for row in rows
        ],
        as_json,
    )  # fmt: skip


@app.command("retry")
def retry(ids: Annotated[list[int] | None, typer.Argument(help="rows; all dead ones when none is named")] = None, as_json: AsJson = False) -> None:
    """Make dead or withheld rows due again."""
    show_one({"retried": with_store(lambda settings, store: Outbox(store).again(ids or None))}, as_json)
