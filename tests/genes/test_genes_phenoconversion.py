"""Inhibitors and the activity score: CPIC opioid guideline 2021 rule (facts/pgx-phenoconversion.json), worked by hand."""

import json
from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest

from mappings.genes.gene import Gene
from mappings.genes.gene import build as build_gene
from mappings.genes.genotype import genotype
from mappings.genes.guidance import build as build_guidance
from mappings.genes.guidance import find
from mappings.genes.inhibitors import SCHEMA, Inhibitors, build
from mappings.genes.phenoconversion import Adjusted, adjust, notes
from mappings.genes.phenotype import interpret
from mappings.knowledge import KnowledgeError
from mappings.medicines.prescription import Medicine

GENES = Path(__file__).parents[2] / "mappings" / "genes"
TODAY = "2026-03-01"


@cache
def library() -> dict[str, Gene]:
    return {gene.gene: gene for gene in (build_gene(json.loads(path.read_text())) for path in (GENES / "library").glob("*.json"))}


@cache
def inhibitors() -> Inhibitors:
    return build(json.loads((GENES / "inhibitors.json").read_text()))


def taking(*names: str) -> list[Medicine]:
    return [Medicine(f"MedicationStatement/{name}", name, "rxnorm", True, "2026-01-01", name, "certain", (name,)) for name in names]


def adjusted(text: str, *names: str, drug: str | None = None, gene: str = "CYP2D6") -> Adjusted | None:
    return adjust(inhibitors(), library(), interpret(library(), genotype(gene, text)), taking(*names), drug, TODAY)


# score of the genotype, strength of the inhibitor -> phenotype and score
CASES = [
    ("*1/*1", "paroxetine", "Poor Metabolizer", "0.0"),
    ("*1x2/*1", "fluoxetine", "Poor Metabolizer", "0.0"),
    ("*1/*22", "quinidine", "Poor Metabolizer", "0.0"),
    ("Normal Metabolizer", "bupropion", "Poor Metabolizer", "0.0"),
    ("*1/*1", "duloxetine", "Intermediate Metabolizer", "1.0"),
    ("*1/*10", "duloxetine", "Intermediate Metabolizer", "0.625"),
    ("*1x2/*1", "duloxetine", "Normal Metabolizer", "1.5"),
    ("*1x2/*10", "mirabegron", "Intermediate Metabolizer", "1.125"),
    ("*4/*4", "duloxetine", "Poor Metabolizer", "0.0"),
    ("*1x3/*2x2", "duloxetine", "Ultrarapid Metabolizer", "≥2.5"),
    ("*1x3/*4", "duloxetine", "Indeterminate", "≥1.5"),
    ("*1/*22", "duloxetine", "Indeterminate", None),
    ("Normal Metabolizer", "duloxetine", "Intermediate Metabolizer", None),
    ("Intermediate Metabolizer", "duloxetine", "Intermediate Metabolizer", None),
    ("Ultrarapid Metabolizer", "duloxetine", "Indeterminate", None),
]


@pytest.mark.parametrize(("text", "inhibitor", "phenotype", "score"), CASES)
def test_the_score_rule(text: str, inhibitor: str, phenotype: str, score: str | None) -> None:
    found = adjusted(text, inhibitor)
    assert found is not None
    assert (found.interpreted.phenotype, found.interpreted.activity_score) == (phenotype, score)
    assert found.genetic == interpret(library(), genotype("CYP2D6", text))
    assert inhibitor in found.rule


@pytest.mark.parametrize("names", [["sertraline"], ["escitalopram", "cimetidine"], ["lamotrigine"], []])
def test_weak_and_unrelated_medicines_change_nothing(names: list[str]) -> None:
    assert adjusted("*1/*1", *names) is None


def test_the_strongest_counts_once() -> None:
    found = adjusted("*1/*1", "duloxetine", "paroxetine", "mirabegron")
    assert found is not None
    assert (found.inhibitor, found.interpreted.activity_score) == ("paroxetine", "0.0")


def test_a_drug_does_not_adjust_itself() -> None:
    assert adjusted("*1/*1", "paroxetine", drug="paroxetine") is None
    assert adjusted("*1/*1", "paroxetine", drug="nortriptyline") is not None


def test_outside_opioids_it_is_an_extrapolation_and_says_so() -> None:
    other, opioid = adjusted("*1/*1", "paroxetine", drug="nortriptyline"), adjusted("*1/*1", "paroxetine", drug="codeine")
    assert other is not None
    assert opioid is not None
    assert other.extrapolated
    assert "extrapolation" in other.rule
    assert not opioid.extrapolated
    assert "extrapolation" not in opioid.rule


def test_nothing_known_is_not_adjusted() -> None:
    assert adjusted("*1x0/*1", "paroxetine") is None
    assert adjusted("No Result", "paroxetine") is None
    assert adjusted("*1/*1", "fluvoxamine", gene="CYP2C19") is None


@pytest.mark.parametrize(("end", "acts"), [("2026-01-25", True), ("2026-01-24", False)])
def test_fluoxetine_acts_for_weeks_after_it_was_stopped(end: str, acts: bool) -> None:
    stopped = Medicine("MedicationStatement/f", "fluoxetine", "rxnorm", False, None, "", "certain", ("fluoxetine",), True, end)
    found = adjust(inhibitors(), library(), interpret(library(), genotype("CYP2D6", "*1/*1")), [stopped], "nortriptyline", TODAY)
    assert (found is not None) == acts
    assert found is None or found.until == "2026-03-01"


def test_an_adjusted_score_without_a_row_is_looked_up_by_its_band() -> None:
    found = adjusted("*1/*10", "duloxetine", drug="nortriptyline")
    assert found is not None
    guidances = [build_guidance(json.loads(path.read_text())) for path in (GENES / "guidance").glob("*-nortriptyline.json")]
    cpic = [one for one in find(guidances, [found.interpreted], "nortriptyline") if one.source == "CPIC"]
    assert {one.lookup["CYP2D6"] for one in cpic} == {"Intermediate Metabolizer"}
    assert any("by band" in note.lower() for note in found.interpreted.notes)


def test_what_has_no_rule_is_said_not_calculated() -> None:
    assert any("CYP2C19" in note for note in notes(inhibitors(), taking("fluvoxamine"), "citalopram", TODAY))
    assert any("Tobacco" in note for note in notes(inhibitors(), [], "clozapine", TODAY, smoker=True))
    assert notes(inhibitors(), [], "sertraline", TODAY, smoker=True) == ()


def test_the_file_fits_its_schema_and_a_double_entry_says_where() -> None:
    data = json.loads((GENES / "inhibitors.json").read_text())
    assert jsonschema_rs.validator_for(SCHEMA).is_valid(data)
    data["genes"]["CYP2D6"]["weak"].append("paroxetine")
    with pytest.raises(KnowledgeError) as caught:
        build(data)
    assert caught.value.path == ("genes", "CYP2D6", "weak", 8)
