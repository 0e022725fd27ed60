"""`setpoint genes interpret`: genotypes to phenotypes and guidance, the same interpretation that ingest and the checks use."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from mappings.genes.panel import Knowledge as Known
from mappings.genes.panel import medicine_named, panel, written
from service.commands.console import AsJson, fail, read_settings, show, show_one
from service.knowledge import BrokenKnowledge, load

app = typer.Typer(no_args_is_help=True)


@app.callback()
def genes() -> None:
    """Genotypes, phenotypes and what CPIC, DPWG and FDA say."""


@app.command()
def interpret(
    genotypes: Annotated[list[str], typer.Argument(metavar="GENE=DIPLOTYPE...", help="CYP2D6=*1/*4, HLA-B=*15:02, or a phenotype")],
    drug: Annotated[list[str] | None, typer.Option(help="a drug to look up; without one, every drug that these genes speak about")] = None,
    taking: Annotated[list[str] | None, typer.Option(help="a medicine that is taken and may change what a gene does")] = None,
    smoker: Annotated[bool, typer.Option("--smoker", help="tobacco is smoked")] = False,
    as_json: AsJson = False,
) -> None:
    """What the genes mean: phenotype, activity score, and the guidance of each source in its own words."""
    try:
        knowledge = load(read_settings().knowledge_dir)
        asked = [written(text) for text in genotypes]
    except BrokenKnowledge as broken:
        fail("\n".join(broken.findings))
    except ValueError as problem:
        fail(str(problem), 2)
    known = Known(knowledge.genes, knowledge.guidance, knowledge.inhibitors, knowledge.drugs)
    medicines = [medicine_named(name, knowledge.drugs) for name in taking or ()]
    found = panel(known, asked, drug or (), medicines, datetime.now(UTC).date().isoformat(), smoker)
    if as_json:
        show_one(found, True)
        return
    show([_gene(row) for row in found["genes"]], False)
    print()
    show([_guidance(row) for row in found["guidance"]], False, "no guidance on these")
    for note in found["notes"]:
        print(f"note: {note}")


def _gene(row: dict[str, Any]) -> dict[str, Any]:
    adjusted = row.get("adjusted") or {}
    shown = {name: row[name] for name in ("gene", "diplotype", "phenotype", "activity_score", "allele_status")}
    if "adjusted" in row:
        shown["with medicines"] = adjusted.get("phenotype")
    return shown | {"notes": " ".join([*row["notes"], *filter(None, [adjusted.get("rule")])])}


def _guidance(row: dict[str, Any]) -> dict[str, Any]:
    lookup = ", ".join(f"{gene} {key}" for gene, key in row["lookup"].items())
    head = {name: row[name] for name in ("drug", "source", "basis", "classification", "population")}
    return head | {"lookup": lookup, "actions": ", ".join(row["actions"]), "text": row["text"]}
