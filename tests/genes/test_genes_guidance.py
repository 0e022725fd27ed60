"""Guidance rows against facts: CPIC rows give themselves back; the three sources stand side by side."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mappings.genes.gene import Gene
from mappings.genes.gene import build as build_gene
from mappings.genes.genotype import genotype
from mappings.genes.guidance import SCHEMA, Finding, Guidance, build, find
from mappings.genes.phenotype import Interpreted, interpret
from mappings.knowledge import KnowledgeError

GENES = Path(__file__).parents[2] / "mappings" / "genes"


@cache
def library() -> dict[str, Gene]:
    return {gene.gene: gene for gene in (build_gene(json.loads(path.read_text())) for path in (GENES / "library").glob("*.json"))}


@cache
def guidances() -> tuple[Guidance, ...]:
    return tuple(build(json.loads(path.read_text())) for path in sorted((GENES / "guidance").glob("*.json")))


def told(drug: str, **genes: str) -> list[Finding]:
    interpreted = [interpret(library(), genotype(gene.replace("_", "-"), text)) for gene, text in genes.items()]
    return find(guidances(), interpreted, drug)


def sides(drug: str, **genes: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for finding in told(drug, **genes):
        found.setdefault(finding.source, []).append((finding.classification, finding.actions))
    return found


def test_citalopram_poor_metaboliser_three_sources_side_by_side() -> None:
    found = {finding.source: finding for finding in told("citalopram", CYP2C19="*2/*2")}
    assert set(found) == {"CPIC", "DPWG", "FDA"}
    assert found["CPIC"].classification == "Strong"
    assert found["CPIC"].dose == {"maintFactor": 0.5}
    assert found["DPWG"].dose == {"maxDoseMgPerDay": 20, "maxDoseMgPerDayAge65": 10}
    assert found["FDA"].actions == ("MAX_DOSE",)
    assert all(finding.actionable for finding in found.values())
    assert found["CPIC"].lookup == {"CYP2C19": "Poor Metabolizer"}


# (drug, genes, CPIC classification and actions): CPIC SRI 2023, TCA 2016, atomoxetine 2019, opioid 2021 as in facts/pgx-cpic.json
CPIC_ROWS = [
    ("escitalopram", {"CYP2C19": "*17/*17"}, ("Strong", ("ALTERNATIVE", "HIGHER_MAINTENANCE"))),
    ("citalopram", {"CYP2C19": "*38/*38"}, ("Strong", ("STANDARD",))),
    ("citalopram", {"CYP2C19": "*1/*9"}, ("Moderate", ("STANDARD", "SLOWER_TITRATION", "LOWER_MAINTENANCE"))),
    ("citalopram", {"CYP2C19": "*1/*999"}, ("No recommendation", ("NO_RECOMMENDATION",))),
    ("sertraline", {"CYP2C19": "*1/*1"}, ("Strong", ("STANDARD",))),
    ("sertraline", {"CYP2C19": "*2/*2", "CYP2B6": "*6/*6"}, ("Optional", ("ALTERNATIVE",))),
    ("paroxetine", {"CYP2D6": "*1x2/*1"}, ("Moderate", ("ALTERNATIVE",))),
    ("venlafaxine", {"CYP2D6": "*1/*4"}, ("No recommendation", ("NO_RECOMMENDATION",))),
    ("venlafaxine", {"CYP2D6": "*4/*4"}, ("Optional", ("ALTERNATIVE",))),
    ("codeine", {"CYP2D6": "*1x3/*1"}, ("Strong", ("AVOID", "ALTERNATIVE"))),
    ("oxcarbazepine", {"HLA_B": "*15:02/*40:01"}, ("Strong", ("DO_NOT_USE",))),
]


@pytest.mark.parametrize(("drug", "genes", "row"), CPIC_ROWS)
def test_published_cpic_rows(drug: str, genes: dict[str, str], row: tuple[str, tuple[str, ...]]) -> None:
    assert row in sides(drug, **genes)["CPIC"]


def test_sources_disagree_and_are_not_merged() -> None:
    found = sides("venlafaxine", CYP2D6="*1/*4")
    assert found["CPIC"] == [("No recommendation", ("NO_RECOMMENDATION",))]
    assert found["DPWG"] == [("Action", ("AVOID",))]
    assert found["FDA"] == [("Section 1: therapeutic management", ("NO_RECOMMENDATION",))]


def test_a_row_for_any_result_shows_the_persons_own_and_needs_one() -> None:
    fda = [finding for finding in told("venlafaxine", CYP2D6="*1/*4") if finding.source == "FDA"]
    assert [finding.lookup for finding in fda] == [{"CYP2D6": "Intermediate Metabolizer"}]
    assert told("venlafaxine", CYP2D6="No Result") == []


def test_every_population_is_told() -> None:
    assert {finding.population for finding in told("atomoxetine", CYP2D6="*1/*1") if finding.source == "CPIC"} == {"adults", "pediatrics"}


def test_phenotype_without_score_returns_every_row_of_the_band() -> None:
    cpic = [finding for finding in told("nortriptyline", CYP2D6="Intermediate Metabolizer") if finding.source == "CPIC"]
    assert {finding.classification for finding in cpic} == {"Moderate", "Optional"}
    assert all("activity score unknown" in " ".join(finding.notes) for finding in cpic)


def test_genes_not_given_are_no_result_and_nothing_known_tells_nothing() -> None:
    cpic = next(finding for finding in told("amitriptyline", CYP2D6="*4/*4") if finding.source == "CPIC")
    assert cpic.lookup == {"CYP2C19": "No Result", "CYP2D6": "0.0"}
    assert told("amitriptyline") == []
    assert told("citalopram", CYP2C19="*1x0/*2") == []


def test_a_gene_given_twice_keeps_both() -> None:
    twice = [interpret(library(), genotype("CYP2C19", text)) for text in ("*2/*2", "*1/*1")]
    cpic = [finding for finding in find(guidances(), twice, "citalopram") if finding.source == "CPIC"]
    assert {finding.lookup["CYP2C19"] for finding in cpic} == {"Poor Metabolizer", "Normal Metabolizer"}


def test_an_open_second_result_does_not_soften_a_positive_one() -> None:
    texts = (("HLA-B", "*15:02"), ("HLA-B", "*40:01"), ("HLA-A", "*01:01/*02:01"))
    found = find(guidances(), [interpret(library(), genotype(gene, text)) for gene, text in texts], "carbamazepine")
    naive = [finding for finding in found if finding.population == "CBZ naive"]
    assert [finding.actions for finding in naive] == [("DO_NOT_USE",)]
    assert naive[0].lookup == {"HLA-A": "*31:01 negative", "HLA-B": "*15:02 positive"}


def test_phenytoin_reads_the_diplotype_for_dpwg_and_the_carrier_for_fda() -> None:
    found = told("phenytoin", CYP2C9="*1/*3")
    assert [finding.dose for finding in found if finding.source == "DPWG"] == [{"factor": 0.75}]
    assert [finding.lookup for finding in found if finding.source == "FDA"] == [{"CYP2C9": "*3 carrier"}]


def _keyed(gene: str, key: str) -> Interpreted:
    return Interpreted(gene, None) if key == "No Result" else Interpreted(gene, None, keys=frozenset({key}))


def _cpic_cells() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Drug, row and one combination of keys, for every row of facts/pgx-cpic.json (copied beside this file as cpic_rows.json)."""
    for row in json.loads(Path(__file__).with_name("cpic_rows.json").read_text()):
        for drug, alternative in product(row["drugs"], row["lookup"]):
            for keys in product(*alternative.values()):
                yield drug, row, dict(zip(alternative, keys, strict=True))


def test_every_cpic_row_of_a_psychiatric_pair_gives_its_row_back() -> None:
    cells = list(_cpic_cells())
    assert len(cells) == 1458  # what the facts count
    for drug, row, keys in cells:
        found = find(guidances(), [_keyed(gene, key) for gene, key in keys.items()], drug)
        cpic = [f for f in found if f.source == "CPIC" and f.population == row["population"]]
        assert [(f.classification, list(f.actions)) for f in cpic] == [(row["classification"], row["actions"])], (
            drug,
            row["population"],
            keys,
        )


def test_every_guidance_file_fits_its_schema_and_its_name() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    validator = jsonschema_rs.validator_for(SCHEMA)
    for path in (GENES / "guidance").glob("*.json"):
        data = json.loads(path.read_text())
        assert validator.is_valid(data), path.name
        assert path.stem == "-".join([*(gene.lower() for gene in data["genes"]), data["drug"].replace(" ", "-")])


def test_a_broken_guidance_file_says_where() -> None:
    data = json.loads((GENES / "guidance" / "cyp2c19-citalopram.json").read_text())
    data["sources"][1]["rows"][0]["when"][0]["CYP2D6"] = ["0.0"]
    with pytest.raises(KnowledgeError) as caught:
        build(data)
    assert caught.value.path == ("sources", 1, "rows", 0, "when", 0)
