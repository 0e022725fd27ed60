"""`setpoint medicines stage`: how far a depression has resisted treatment."""

from typing import Annotated, Any

import typer

from mappings.medicines import staging
from service.commands.console import AsJson, fail, read_settings, show, show_one
from service.knowledge import BrokenKnowledge, load

app = typer.Typer(no_args_is_help=True)


@app.callback()
def medicines() -> None:
    """Medicines and the history of treatment."""


@app.command()
def stage(
    months: Annotated[float, typer.Option(help="length of the present episode in months")],
    severity: Annotated[str, typer.Option(help="subsyndromal, mild, moderate, severe without psychosis, severe with psychosis")],
    failed: Annotated[int, typer.Option(help="adequate trials of antidepressants without response")],
    augmentation: Annotated[bool, typer.Option("--augmentation", help="augmentation was used")] = False,
    ect: Annotated[bool, typer.Option("--ect", help="electroconvulsive therapy was used")] = False,
    psychotherapy: Annotated[bool, typer.Option("--psychotherapy", help="psychotherapy was used")] = False,
    as_json: AsJson = False,
) -> None:
    """Stage treatment resistance by the Maudsley method, and by others as far as counts decide them."""
    try:
        methods = load(read_settings().knowledge_dir).staging
        found = staging.stage(methods, staging.History(months, severity, failed, augmentation, ect, psychotherapy))
    except BrokenKnowledge as broken:
        fail("\n".join(broken.findings))
    except ValueError as problem:
        fail(str(problem), 2)
    if as_json:
        show_one(found, True)
        return
    show([_row(name, found[name]) for name in ("maudsley", "mgh-s", "thase-rush", "athf-sf")], False)
    for note in found["notes"]:
        print(f"note: {note}")


def _row(name: str, method: dict[str, Any]) -> dict[str, Any]:
    value = method.get("score", method.get("stage", method.get("adequate_trials")))
    items = ", ".join(f"{item} {points}" for item, points in method.get("items", {}).items())
    said = "; ".join(filter(None, [method.get("band"), items, *method.get("limits", ())]))
    return {"method": name, "result": "not staged" if value is None else value, "says": said, "source": "; ".join(method["source"])}
