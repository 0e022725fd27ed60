"""Every diplotype of the listed alleles against the rules as the sources state them, written out plainly (facts/pgx-alleles.json, `rule`).

A slow, obvious second implementation that shares only the allele lists: for CYP2D6, bands of the sum; for the others, functions counted.
"""

import json
from collections import Counter
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

from mappings.genes.gene import build
from mappings.genes.genotype import genotype
from mappings.genes.phenotype import interpret

LIBRARY = Path(__file__).parents[2] / "mappings" / "genes" / "library"
DIPLOTYPES = [("CYP2D6", 15051), ("CYP2C19", 666), ("CYP2B6", 1176), ("CYP2C9", 2850), ("CYP3A4", 78), ("CYP3A5", 21)]


def by_sum(gene: str, one: dict[str, str], two: dict[str, str]) -> tuple[str, str]:
    values = one["activity"], two["activity"]
    if "n/a" in values:
        return "Indeterminate", "n/a"
    total = sum(float(value.removeprefix("≥")) for value in values)
    if gene == "CYP2C9":
        phenotype = "Poor" if total <= 0.5 else "Intermediate" if total <= 1.5 else "Normal"
    else:
        phenotype = "Poor" if total == 0 else "Intermediate" if total <= 1 else "Normal" if total <= 2.25 else "Ultrarapid"
    return f"{phenotype} Metabolizer", ("≥" if any("≥" in value for value in values) else "") + str(total)


def by_function(gene: str, one: dict[str, str], two: dict[str, str]) -> str:
    count = Counter(entry["function"].split()[0] for entry in (one, two))
    if count["Uncertain"] + count["Unknown"]:
        return "Possible Intermediate Metabolizer" if gene == "CYP3A5" and count["Normal"] else "Indeterminate"
    lowered = count["Decreased"] + count["No"]
    if gene == "CYP2C19" and count["Decreased"]:
        return "Likely Poor Metabolizer" if count["No"] else "Likely Intermediate Metabolizer"
    if lowered:
        return "Poor Metabolizer" if lowered == 2 else "Intermediate Metabolizer"
    return ("Ultrarapid" if count["Increased"] == 2 else "Rapid" if count["Increased"] else "Normal") + " Metabolizer"


@pytest.mark.parametrize(("gene", "count"), DIPLOTYPES)
def test_every_diplotype_of_the_source(gene: str, count: int) -> None:
    data: dict[str, Any] = json.loads((LIBRARY / f"{gene.lower()}.json").read_text())
    library, alleles = {gene: build(data)}, data["alleles"]
    pairs = list(combinations_with_replacement(alleles, 2))
    assert len(pairs) == count  # as many as the source's table has
    for one, two in pairs:
        found = interpret(library, genotype(gene, f"{two}/{one}"))
        if data["kind"] == "activity":
            assert (found.phenotype, found.activity_score) == by_sum(gene, alleles[one], alleles[two]), (one, two)
        else:
            assert found.phenotype == by_function(gene, alleles[one], alleles[two]), (one, two)
