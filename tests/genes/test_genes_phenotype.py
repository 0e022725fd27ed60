"""Alleles to phenotypes, against published assignments (CPIC tables as carried by PharmCAT; facts/pgx-alleles.json)."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.genes.diplotype import parse
from mappings.genes.gene import SCHEMA, Gene, build
from mappings.genes.genotype import Genotype, genotype, genotypes_of
from mappings.genes.phenotype import Interpreted, interpret
from mappings.knowledge import KnowledgeError

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
LIBRARY = Path(__file__).parents[2] / "mappings" / "genes" / "library"


@cache
def library() -> dict[str, Gene]:
    return {gene.gene: gene for gene in (build(json.loads(path.read_text())) for path in LIBRARY.glob("*.json"))}


def read(gene: str, text: str) -> Interpreted:
    return interpret(library(), genotype(gene, text))


PUBLISHED = [
    # CPIC CYP2D6 diplotype-phenotype table (activity score system of 2019, *9 and *41 lowered in 2022)
    ("CYP2D6", "*1/*4", "Intermediate Metabolizer", "1.0"),
    ("CYP2D6", "*1/*1", "Normal Metabolizer", "2.0"),
    ("CYP2D6", "*1x2/*1", "Ultrarapid Metabolizer", "3.0"),
    ("CYP2D6", "*1/*2x2", "Ultrarapid Metabolizer", "3.0"),
    ("CYP2D6", "*4/*4", "Poor Metabolizer", "0.0"),
    ("CYP2D6", "*4/*5", "Poor Metabolizer", "0.0"),
    ("CYP2D6", "*10/*10", "Intermediate Metabolizer", "0.5"),
    ("CYP2D6", "*41/*41", "Intermediate Metabolizer", "0.5"),
    ("CYP2D6", "*9/*41", "Intermediate Metabolizer", "0.5"),
    ("CYP2D6", "*1/*9", "Normal Metabolizer", "1.25"),
    ("CYP2D6", "*1/*41", "Normal Metabolizer", "1.25"),
    ("CYP2D6", "*1/*10", "Normal Metabolizer", "1.25"),
    ("CYP2D6", "*4/*10", "Intermediate Metabolizer", "0.25"),
    ("CYP2D6", "*17/*41", "Intermediate Metabolizer", "0.75"),
    ("CYP2D6", "*1x2/*10", "Normal Metabolizer", "2.25"),
    ("CYP2D6", "*1x2/*17", "Ultrarapid Metabolizer", "2.5"),
    ("CYP2D6", "*1x3/*4", "Ultrarapid Metabolizer", "≥3.0"),
    ("CYP2D6", "*1x≥3/*10", "Ultrarapid Metabolizer", "≥3.25"),
    ("CYP2D6", "*4x3/*1", "Intermediate Metabolizer", "1.0"),
    ("CYP2D6", "*41x3/*1", "Normal Metabolizer", "1.75"),
    ("CYP2D6", "*17x3/*1", "Indeterminate", "n/a"),
    ("CYP2D6", "*41x7/*1", "Indeterminate", "n/a"),
    ("CYP2D6", "*1xN/*4", "Indeterminate", "n/a"),
    ("CYP2D6", "*1/*22", "Indeterminate", "n/a"),
    ("CYP2D6", "*1/*999", "Indeterminate", "n/a"),
    ("CYP2D6", "*1/*14A", "Indeterminate", "n/a"),
    ("CYP2D6", "*36+*10/*1", "Normal Metabolizer", "1.25"),
    ("CYP2D6", "*36 + *10/*36 + *10", "Intermediate Metabolizer", "0.5"),
    ("CYP2D6", "*10+*36/*10", "Intermediate Metabolizer", "0.5"),
    ("CYP2D6", "*68+*4/*1", "Intermediate Metabolizer", "1.0"),
    ("CYP2D6", "*68+*2/*4", "Intermediate Metabolizer", "1.0"),
    ("CYP2D6", "*13+*1/*4", "Intermediate Metabolizer", "1.0"),
    ("CYP2D6", "*36+*41/*1", "Indeterminate", "n/a"),
    ("CYP2D6", "*57/*1", "Intermediate Metabolizer", "1.0"),
    # CPIC CYP2C19 diplotype-phenotype table
    ("CYP2C19", "*1/*1", "Normal Metabolizer", None),
    ("CYP2C19", "*38/*38", "Normal Metabolizer", None),
    ("CYP2C19", "*1/*2", "Intermediate Metabolizer", None),
    ("CYP2C19", "*2/*17", "Intermediate Metabolizer", None),
    ("CYP2C19", "*2/*2", "Poor Metabolizer", None),
    ("CYP2C19", "*2/*3", "Poor Metabolizer", None),
    ("CYP2C19", "*1/*17", "Rapid Metabolizer", None),
    ("CYP2C19", "*17/*17", "Ultrarapid Metabolizer", None),
    ("CYP2C19", "*2/*9", "Likely Poor Metabolizer", None),
    ("CYP2C19", "*1/*9", "Likely Intermediate Metabolizer", None),
    ("CYP2C19", "*9/*17", "Likely Intermediate Metabolizer", None),
    ("CYP2C19", "*1/*12", "Indeterminate", None),
    ("CYP2C19", "*1/*99", "Indeterminate", None),
    # CPIC CYP2B6, CYP2C9; ClinPGx CYP3A4; CPIC CYP3A5
    ("CYP2B6", "*1/*6", "Intermediate Metabolizer", None),
    ("CYP2B6", "*6/*6", "Poor Metabolizer", None),
    ("CYP2B6", "*1/*4", "Rapid Metabolizer", None),
    ("CYP2B6", "*4/*4", "Ultrarapid Metabolizer", None),
    ("CYP2B6", "*4/*6", "Intermediate Metabolizer", None),
    ("CYP2B6", "*1/*3", "Indeterminate", None),
    ("CYP2C9", "*1/*1", "Normal Metabolizer", "2.0"),
    ("CYP2C9", "*1/*2", "Intermediate Metabolizer", "1.5"),
    ("CYP2C9", "*1/*3", "Intermediate Metabolizer", "1.0"),
    ("CYP2C9", "*2/*3", "Poor Metabolizer", "0.5"),
    ("CYP2C9", "*3/*3", "Poor Metabolizer", "0.0"),
    ("CYP2C9", "*1/*7", "Indeterminate", "n/a"),
    ("CYP3A4", "*1/*22", "Intermediate Metabolizer", None),
    ("CYP3A4", "*22/*22", "Poor Metabolizer", None),
    ("CYP3A5", "*1/*3", "Intermediate Metabolizer", None),
    ("CYP3A5", "*3/*3", "Poor Metabolizer", None),
    ("CYP3A5", "*1/*8", "Possible Intermediate Metabolizer", None),
    ("CYP3A5", "*3/*8", "Indeterminate", None),
]


@pytest.mark.parametrize(("gene", "text", "phenotype", "score"), PUBLISHED)
def test_published_phenotypes(gene: str, text: str, phenotype: str, score: str | None) -> None:
    found = read(gene, text)
    assert (found.phenotype, found.activity_score) == (phenotype, score)


REFUSED = [
    "*1/*4/*10",
    "*1x0/*4",
    "*4",
    "1/4",
    "cyp2d6*1/*4",
    "*1a/*4",
    "*1 4/*2",
    "CYP2C19*1/*2",
    "*1/",
    "",
    "rs16947 C/T",
    "*١/*4",
    "*1//*4",
]


@pytest.mark.parametrize("text", REFUSED)
def test_not_understood_has_no_phenotype_and_says_why(text: str) -> None:
    found = read("CYP2D6", text)
    assert found.phenotype is None
    assert found.notes
    assert not found.keys
    assert not text or text not in " ".join(found.notes)


@pytest.mark.parametrize("text", ["*1/*4", "CYP2D6*1/*4", "*1 | *4", "*4/*1", "CYP2D6*4/CYP2D6*1", "*1.001/*4.024", "CYP2D6 *1/*4"])
def test_laboratories_write_the_same_diplotype_in_many_ways(text: str) -> None:
    assert str(parse("CYP2D6", text)) == "*1/*4"


@settings(max_examples=100 * ROUNDS, deadline=None)
@given(gene=st.sampled_from(["CYP2D6", "CYP2C19", "CYP2B6", "CYP2C9", "CYP3A4", "CYP3A5"]), data=st.data())
def test_order_of_alleles_never_matters(gene: str, data: st.DataObject) -> None:
    names = [*library()[gene].alleles, *library()[gene].hybrids, "*998", "*1xN"]
    one, two = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    assert read(gene, f"{one}/{two}") == read(gene, f"{two}|{one}")


@settings(max_examples=200 * ROUNDS, deadline=None)
@given(text=st.text(alphabet="*/|+x0123456789≥N.: CYPDabc", max_size=16))
def test_any_text_is_answered_and_only_listed_alleles_are_normal(text: str) -> None:
    found = read("CYP2D6", text)
    if found.phenotype == "Normal Metabolizer":
        assert found.activity_score in {"1.25", "1.5", "1.75", "2.0", "2.25"}


@pytest.mark.parametrize(
    ("gene", "text", "status"),
    [
        ("HLA-B", "*15:02/*40:01", "*15:02 positive"),
        ("HLA-B", "*15:02:01:01/*40:01:02", "*15:02 positive"),
        ("HLA-B", "HLA-B*07:02/HLA-B*40:01", "*15:02 negative"),
        ("HLA-B", "B*15:02", "*15:02 positive"),
        ("HLA-B", "*15:02 positive", "*15:02 positive"),
        ("HLA-B", "*15:02 Negative", "*15:02 negative"),
        ("HLA-B*15:02", "positive", "*15:02 positive"),
        ("HLA-B*15:02", "Negative", "*15:02 negative"),
        ("HLA-B", "positive", None),
        ("HLA-B", "*07:02", None),
        ("HLA-B", "*15/*40:01", None),
        ("HLA-B", "*15:02N/*40:01", None),
        ("HLA-B", "hla-b*15:02", None),
        ("HLA-A", "*31:01/*02:01", "*31:01 positive"),
        ("HLA-A", "*01:01/*02:01", "*31:01 negative"),
    ],
)
def test_hla_status_is_by_two_fields_and_never_negative_by_absence(gene: str, text: str, status: str | None) -> None:
    found = read(gene, text)
    assert found.allele_status == status
    assert bool(found.notes) == (status is None)


def test_a_phenotype_without_score_matches_its_whole_band() -> None:
    found = read("CYP2D6", "Intermediate metaboliser")
    assert found.phenotype == "Intermediate Metabolizer"
    assert found.activity_score is None
    assert found.possible_scores == ("0.25", "0.5", "0.75", "1.0")


@pytest.mark.parametrize("text", ["Indeterminate", "Likely Poor Metabolizer", "No Result", "Likely Intermediate Metabolizer"])
def test_what_the_laboratory_left_open_stays_open(text: str) -> None:
    assert read("CYP2C19", text).phenotype == text


def test_the_laboratory_phenotype_is_kept_beside_ours() -> None:
    found = interpret(library(), Genotype("CYP2D6", "*1/*41", "Intermediate Metabolizer"))
    assert (found.phenotype, found.reported) == ("Normal Metabolizer", "Intermediate Metabolizer")
    assert any("differs" in note for note in found.notes)


def test_other_genes_are_reported_not_interpreted() -> None:
    found = read("CYP1A2", "*1F/*1F")
    assert found.phenotype is None
    assert found.notes == ("This gene is reported, not interpreted.",)


def observation(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "g1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "84413-4"}]},
        "effectiveDateTime": "2026-01-05",
        "valueCodeableConcept": {"text": "*4/*1"},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "48018-6"}]},
                "valueCodeableConcept": {"coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:2625"}]},
            }
        ],
    } | changes


def test_genotype_observation_of_genomics_reporting() -> None:
    assert genotypes_of(observation()) == [Genotype("CYP2D6", "*1/*4", None, "Observation/g1", "2026-01-05")]


def test_gene_specific_loinc_with_prefixed_value() -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "79714-2"}]}
    (found,) = genotypes_of(observation(code=code, component=[], valueCodeableConcept={"text": "CYP2C19*2/*17"}))
    assert (found.gene, found.diplotype) == ("CYP2C19", "*2/*17")


def test_phenotype_component_is_the_laboratorys() -> None:
    component = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "53040-2"}]},
        "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA10317-8"}]},
    }
    (found,) = genotypes_of(observation(component=[*observation()["component"], component]))
    assert (found.diplotype, found.phenotype) == ("*1/*4", "Intermediate Metabolizer")


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "preliminary", "registered"])
def test_no_result_from_what_is_not_final(status: str) -> None:
    assert genotypes_of(observation(status=status)) == []


def test_a_gene_file_brings_its_own_codes() -> None:
    tpmt = build(
        {"gene": "TPMT", "kind": "presence", "presence": ["*1:01"], "loinc": ["79713-4"], "version": "1", "source": ["a"], "licence": "b"}
    )
    tpmt_result = observation(code={"coding": [{"system": "http://loinc.org", "code": "79713-4"}]}, component=[])
    assert genotypes_of(tpmt_result) == []
    assert [found.gene for found in genotypes_of(tpmt_result, {"TPMT": tpmt})] == ["TPMT"]


def test_other_resources_hold_no_genotype() -> None:
    assert genotypes_of(observation(resourceType="DiagnosticReport")) == []
    assert genotypes_of(observation(code={"coding": [{"system": "http://loinc.org", "code": "44261-6"}]})) == []


def test_every_gene_file_fits_its_schema() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    validator = jsonschema_rs.validator_for(SCHEMA)
    for path in LIBRARY.glob("*.json"):
        data = json.loads(path.read_text())
        assert validator.is_valid(data)
        assert path.stem == data["gene"].lower()
    assert not validator.is_valid(json.loads((LIBRARY / "cyp2c19.json").read_text()) | {"alelles": {}})


def broken(change: str, value: Any, gene: str = "cyp2d6") -> dict[str, Any]:
    data: dict[str, Any] = json.loads((LIBRARY / f"{gene}.json").read_text())
    return data | {change: value}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (broken("bands", [{"phenotype": "Poor Metabolizer", "from": 0, "to": 0}]), ("bands",)),
        (
            broken("bands", [{"phenotype": "Poor Metabolizer", "from": 0, "to": 1}, {"phenotype": "Normal Metabolizer", "from": 1}]),
            ("bands", 1),
        ),
        (broken("aliases", {"*57": "*999"}), ("aliases", "*57")),
        (broken("open_counts", ["*10"]), ("open_counts", 0)),
        (broken("rules", [], "cyp2c19"), ("rules",)),
        (broken("bands", [], "cyp2c19"), ("bands",)),
        (broken("alleles", {"*1": {"function": "Normal function"}}, "cyp2c9"), ("alleles", "*1")),
    ],
)
def test_a_broken_gene_file_says_where(data: dict[str, Any], path: tuple[str | int, ...]) -> None:
    with pytest.raises(KnowledgeError) as caught:
        build(data)
    assert caught.value.path == path
