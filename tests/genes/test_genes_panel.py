"""The panel of `setpoint genes interpret`: facts/pgx-*.json, read by hand."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mappings.genes.gene import build as build_gene
from mappings.genes.guidance import build as build_guidance
from mappings.genes.inhibitors import build as build_inhibitors
from mappings.genes.panel import Knowledge, medicine_named, panel, written
from mappings.medicines.drug import build as build_drugs

MAPPINGS = Path(__file__).parents[2] / "mappings"


def load(*parts: str) -> Any:
    return json.loads(MAPPINGS.joinpath(*parts).read_text())


@cache
def known() -> Knowledge:
    genes = [build_gene(json.loads(path.read_text())) for path in (MAPPINGS / "genes" / "library").glob("*.json")]
    guidances = [build_guidance(json.loads(path.read_text())) for path in sorted((MAPPINGS / "genes" / "guidance").glob("*.json"))]
    inhibitors, drugs = build_inhibitors(load("genes", "inhibitors.json")), build_drugs(load("medicines", "drugs.json"))
    return Knowledge({gene.gene: gene for gene in genes}, guidances, inhibitors, drugs)


def ask(*genes: str, drugs: tuple[str, ...] = (), taking: tuple[str, ...] = (), smoker: bool = False) -> dict[str, Any]:
    medicines = [medicine_named(name, known().drugs) for name in taking]
    return panel(known(), [written(gene) for gene in genes], drugs, medicines, "2026-03-01", smoker)


def test_genes_and_guidance() -> None:
    found = ask("CYP2D6=*1/*3", "CYP2C19=*38/*38", drugs=("sertraline",))
    assert [(gene["gene"], gene["phenotype"], gene["activity_score"]) for gene in found["genes"]] == [
        ("CYP2D6", "Intermediate Metabolizer", "1.0"),
        ("CYP2C19", "Normal Metabolizer", None),
    ]
    (row,) = [row for row in found["guidance"] if row["source"] == "CPIC"]
    assert row["lookup"] == {"CYP2B6": "No Result", "CYP2C19": "Normal Metabolizer"}
    assert row["actions"] == ["STANDARD"]


def test_taking_keeps_the_genetic_phenotype_and_shows_the_adjusted() -> None:
    found = ask("CYP2D6=*1/*1", drugs=("nortriptyline",), taking=("fluoxetine",))
    (gene,) = found["genes"]
    assert (gene["phenotype"], gene["activity_score"]) == ("Normal Metabolizer", "2.0")
    assert (gene["adjusted"]["phenotype"], gene["adjusted"]["activity_score"]) == ("Poor Metabolizer", "0.0")
    cpic = {row["basis"]: row["lookup"] for row in found["guidance"] if row["source"] == "CPIC"}
    assert cpic == {"genetic": {"CYP2D6": "2.0"}, "adjusted": {"CYP2D6": "0.0"}}


def test_a_drug_does_not_adjust_itself() -> None:
    found = ask("CYP2D6=*1/*1", drugs=("paroxetine",), taking=("paroxetine",))
    assert found["genes"][0]["adjusted"] is None
    assert {row["basis"] for row in found["guidance"]} == {"genetic"}


def test_without_a_drug_every_drug_of_the_genes() -> None:
    drugs = {row["drug"] for row in ask("HLA-A=*31:01")["guidance"]}
    assert drugs == {"carbamazepine"}
    assert {"citalopram", "sertraline", "amitriptyline"} <= {row["drug"] for row in ask("CYP2C19=*2/*2")["guidance"]}


def test_what_is_not_understood_says_why() -> None:
    found = ask("CYP2D6=*1x0/*4", "CYP2D6=*4/*4", drugs=("wonder pill", "paroxetine"), taking=("herbal mix",))
    assert [gene["phenotype"] for gene in found["genes"]] == [None, "Poor Metabolizer"]
    assert found["genes"][0]["notes"]
    assert len(found["notes"]) == 2
    assert ask("CYP1A2=*1F/*1F")["guidance"] != []


def test_smoking_is_said() -> None:
    assert any("smoke" in note for note in ask("CYP2D6=*1/*1", drugs=("clozapine",), smoker=True)["notes"])


@pytest.mark.parametrize("text", ["CYP2D6", "=*1/*4", ""])
def test_a_gene_needs_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="GENE=VALUE"):
        written(text)
