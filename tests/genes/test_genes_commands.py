"""`setpoint genes interpret`. Expected: CPIC diplotype tables and guidelines as facts/pgx-*.json carry them, CPIC's rule for inhibitors of 2021."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app


def told(*words: str) -> Any:
    done = CliRunner().invoke(app, ["genes", "interpret", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def gene(value: str) -> Any:
    (row,) = told(value)["genes"]
    return row


@pytest.mark.parametrize(
    ("value", "phenotype", "score"),
    [
        ("CYP2D6=*1/*3", "Intermediate Metabolizer", "1.0"), ("CYP2D6=*4/*5", "Poor Metabolizer", "0.0"), ("CYP2D6=*1/*1x2", "Ultrarapid Metabolizer", "3.0"),
        ("CYP2D6=*9/*41", "Intermediate Metabolizer", "0.5"), ("cyp2d6=*1/*1", "Normal Metabolizer", "2.0"),
        ("CYP2C19=*38/*38", "Normal Metabolizer", None), ("CYP2C19=*17/*17", "Ultrarapid Metabolizer", None),
        ("CYP2C19=*1/*2", "Intermediate Metabolizer", None), ("CYP2C9=*2/*3", "Poor Metabolizer", "0.5"), ("CYP2B6=*6/*6", "Poor Metabolizer", None),
        ("CYP3A5=*3/*3", "Poor Metabolizer", None), ("CYP2D6=Intermediate Metabolizer", "Intermediate Metabolizer", None),
    ],
)  # fmt: skip
def test_phenotypes(value: str, phenotype: str, score: str | None) -> None:
    row = gene(value)
    assert (row["phenotype"], row["activity_score"]) == (phenotype, score)


@pytest.mark.parametrize("value", ["CYP2D6=*1x0/*4", "CYP2D6=*1/*4/*5", "CYP2D6=*a/*b", "CYP2D6=", "CYP2D6=rubbish", "HLA-A=negative", "CYP1A2=*1F/*1F"])
def test_what_is_not_understood_has_no_phenotype_and_says_why(value: str) -> None:
    row = gene(value)
    assert row["phenotype"] is None
    assert row["notes"]


def test_hla_is_an_allele_status() -> None:
    assert gene("HLA-B=*15:02")["allele_status"] == "*15:02 positive"
    assert gene("HLA-B=*07:02/*08:01")["allele_status"] == "*15:02 negative"
    found = told("HLA-B=*15:02", "--drug", "carbamazepine")["guidance"]
    assert {row["source"] for row in found} >= {"CPIC"}
    assert any("AVOID" in row["actions"] or "DO_NOT_USE" in row["actions"] for row in found)


def test_a_gene_given_twice_keeps_both_and_one_not_given_is_no_result() -> None:
    assert [row["phenotype"] for row in told("CYP2C19=*1/*1", "CYP2C19=*2/*2")["genes"]] == ["Normal Metabolizer", "Poor Metabolizer"]
    rows = told("CYP2C19=*2/*2", "--drug", "sertraline")["guidance"]
    assert next(row for row in rows if row["source"] == "CPIC")["lookup"] == {"CYP2C19": "Poor Metabolizer", "CYP2B6": "No Result"}


def test_sources_stand_side_by_side() -> None:
    rows = told("CYP2D6=*4/*4", "--drug", "amitriptyline", "--drug", "paroxetine")["guidance"]
    assert {(row["drug"], row["source"]) for row in rows} >= {("amitriptyline", "CPIC"), ("amitriptyline", "DPWG"), ("paroxetine", "CPIC")}
    assert all(row["version"] and row["date"] for row in rows)
    assert {row["drug"] for row in told("CYP2D6=*4/*4")["guidance"]} > {"atomoxetine", "aripiprazole", "venlafaxine"}


def test_medicines_that_are_taken_adjust_and_overwrite_nothing() -> None:
    """CPIC 2021: a strong inhibitor makes the score 0, a moderate one halves it; beyond opioids that is an extrapolation."""
    found = told("CYP2D6=*1/*1", "CYP2C19=*1/*1", "--taking", "paroxetine", "--drug", "atomoxetine")
    row, other = found["genes"]
    assert (row["phenotype"], row["adjusted"]["phenotype"], row["adjusted"]["activity_score"]) == ("Normal Metabolizer", "Poor Metabolizer", "0.0")
    assert "extrapolation" in row["adjusted"]["rule"]
    assert other["adjusted"] is None
    assert {row["basis"] for row in found["guidance"]} == {"genetic", "adjusted"}
    (moderate,) = told("CYP2D6=*1/*1", "--taking", "duloxetine")["genes"]
    assert (moderate["adjusted"]["activity_score"], moderate["adjusted"]["phenotype"]) == ("1.0", "Intermediate Metabolizer")
    untouched = told("CYP2D6=*1/*1", "CYP2C19=*1/*1", "--taking", "paroxetine", "--drug", "sertraline")["guidance"]
    assert {row["basis"] for row in untouched} == {"genetic"}, "sertraline is not looked up by CYP2D6"


def test_smoking_and_what_is_not_known_are_said() -> None:
    assert any("smoke" in note for note in told("CYP2D6=*1/*1", "--drug", "clozapine", "--smoker")["notes"])
    found = told("CYP2D6=*1/*1", "--drug", "nosuchdrug", "--taking", "mysterium")
    assert any("nosuchdrug" in note for note in found["notes"])
    assert any("mysterium" in note for note in found["notes"])
    assert CliRunner().invoke(app, ["genes", "interpret", "CYP2D6"]).exit_code == 2
    assert "Poor Metabolizer" in CliRunner().invoke(app, ["genes", "interpret", "CYP2D6=*4/*4"]).stdout
