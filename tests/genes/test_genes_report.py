"""The report as Genomics Reporting 3.0.0 wants it (facts/pgx-ig.json), and valid R4."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from mappings.genes.gene import Gene
from mappings.genes.gene import build as build_gene
from mappings.genes.genotype import genotype
from mappings.genes.guidance import build, find
from mappings.genes.phenotype import interpret
from mappings.genes.report import Study, report
from mappings.medicines.drug import build as build_drugs
from mappings.r4 import structures
from mappings.r4.validate import Validator

MAPPINGS = Path(__file__).parents[2] / "mappings"
STUDY = Study("Patient/p1", "lab|42", "2026-01-05", "2026-01-06T10:00:00Z", "Laboratory")
LOINC = "http://loinc.org"
TBD = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"


@cache
def library() -> dict[str, Gene]:
    return {gene.gene: gene for gene in (build_gene(json.loads(p.read_text())) for p in (MAPPINGS / "genes" / "library").glob("*.json"))}


def made(genes: dict[str, str], drug: str, ref: str = "") -> list[dict[str, Any]]:
    guidances = [build(json.loads(path.read_text())) for path in (MAPPINGS / "genes" / "guidance").glob("*.json")]
    drugs = build_drugs(json.loads((MAPPINGS / "medicines" / "drugs.json").read_text()))
    interpreted = [interpret(library(), genotype(gene, text, ref)) for gene, text in genes.items()]
    return report(STUDY, library(), interpreted, find(guidances, interpreted, drug), drugs)


def codes(concept: dict[str, Any]) -> set[tuple[str, str]]:
    return {(coding["system"], coding["code"]) for coding in concept.get("coding", [])}


def component(resource: dict[str, Any], system: str, code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(part for part in resource["component"] if (system, code) in codes(part["code"]))
    return found


def test_every_resource_is_valid_r4() -> None:
    definitions = MAPPINGS / "r4" / "definitions"
    files = [json.loads((definitions / name).read_text()) for name in ("structures.json", "value_sets.json")]
    validator = Validator(structures.build(*files), ["Observation", "DiagnosticReport", "Task"])
    cases = [({"CYP2C19": "*2/*2", "CYP2D6": "*1/*4"}, "amitriptyline"), ({"HLA-B": "*15:02", "CYP1A2": "*1F/*1F"}, "carbamazepine")]
    for genes, drug in [*cases, ({"CYP2D6": "PM"}, "paroxetine"), ({"CYP2D6": "*1x0/*4"}, "paroxetine")]:
        for resource in made(genes, drug):
            assert validator.validate(resource) == []


def test_genotype_phenotype_and_implication() -> None:
    resources = made({"CYP2C19": "*2/*2"}, "citalopram")
    genotype_, phenotype, *rest = resources
    assert codes(genotype_["code"]) == {(LOINC, "84413-4")}
    assert genotype_["valueCodeableConcept"] == {"text": "*2/*2"}
    assert codes(component(genotype_, LOINC, "48018-6")["valueCodeableConcept"]) == {("http://www.genenames.org", "HGNC:2621")}
    assert codes(component(phenotype, TBD, "therapeutic-implication")["valueCodeableConcept"]) == {(LOINC, "LA9657-3")}
    implications = [one for one in rest if one["resourceType"] == "Observation"]
    assert len(implications) == 3  # CPIC, DPWG, FDA
    for one in (phenotype, *implications):
        assert codes(one["code"]) == {(TBD, "therapeutic-implication")}
        assert not [key for key in one if key.startswith("value")]
        assert one["derivedFrom"] == [{"reference": f"Observation/{genotype_['id']}"}]
        categories = {code for category in one["category"] for code in codes(category)}
        assert {code for _, code in categories} == {"laboratory", "GE"}
    assert codes(component(implications[0], LOINC, "51963-7")["valueCodeableConcept"]) == {
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "2556")
    }


def test_report_lists_every_observation_and_proposal() -> None:
    *others, last = made({"CYP2C19": "*2/*2"}, "citalopram")
    assert last["resourceType"] == "DiagnosticReport"
    assert codes(last["code"]) == {(LOINC, "51969-4")}
    assert [codes(category) for category in last["category"]] == [{("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")}]
    observations = {f"Observation/{one['id']}" for one in others if one["resourceType"] == "Observation"}
    tasks = {f"Task/{one['id']}" for one in others if one["resourceType"] == "Task"}
    assert {one["reference"] for one in last["result"]} == observations
    assert {one["valueReference"]["reference"] for one in last["extension"]} == tasks
    assert all((one["status"], one["intent"]) == ("requested", "proposal") for one in others if one["resourceType"] == "Task")


def test_no_code_for_what_has_none() -> None:
    _, phenotype, *_ = made({"CYP2C19": "*1/*9"}, "citalopram")
    assert component(phenotype, TBD, "therapeutic-implication")["valueCodeableConcept"] == {
        "text": "CYP2C19 Likely Intermediate Metabolizer"
    }


def test_stored_genotypes_are_referred_to_and_the_same_report_has_the_same_ids() -> None:
    first, second = made({"CYP2C19": "*2/*2"}, "citalopram", "Observation/g1"), made({"CYP2C19": "*2/*2"}, "citalopram", "Observation/g1")
    assert first == second
    assert first[0]["derivedFrom"] == [{"reference": "Observation/g1"}]
    assert {"reference": "Observation/g1"} in first[-1]["result"]
    assert len({one["id"] for one in first}) == len(first)
