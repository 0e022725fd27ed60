"""Genotypes as laboratories send them in FHIR Observations (Genomics Reporting 3.0.0 genotype, older and gene-specific LOINC)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mappings.genes.diplotype import parse
from mappings.genes.gene import Gene
from mappings.vocabulary import HGNC, LOINC, Json

GENOTYPE: Final = "84413-4"
GENE_STUDIED: Final = "48018-6"
NOT_REPORTED: Final = "Diplotype not reported"
"""What our own genotype Observation says where the laboratory gave a phenotype only."""
METABOLISM: Final = "53040-2"
"""Genetic variation effect on drug metabolism: the phenotype component of STU1, STU2 and of HL7 v2."""
GENE_SPECIFIC: Final = {"79715-9": "CYP2D6", "40425-1": "CYP2D6", "79714-2": "CYP2C19", "79716-7": "CYP2C9"}
HGNC_GENES: Final = {
    "HGNC:2625": "CYP2D6",
    "HGNC:2621": "CYP2C19",
    "HGNC:2623": "CYP2C9",
    "HGNC:2615": "CYP2B6",
    "HGNC:2638": "CYP3A5",
    "HGNC:4931": "HLA-A",
    "HGNC:4932": "HLA-B",
}
METABOLISER_ANSWERS: Final = {
    "LA10315-2": "Ultrarapid Metabolizer",
    "LA25390-8": "Rapid Metabolizer",
    "LA25391-6": "Normal Metabolizer",
    "LA10317-8": "Intermediate Metabolizer",
    "LA9657-3": "Poor Metabolizer",
}
# A preliminary, cancelled or withdrawn result is not yet, or no longer, a result.
_RESULT: Final = frozenset({"final", "amended", "corrected"})
_IMPLICATION: Final = "therapeutic-implication"
# 3.0.0 names the system without "geneId"; older files carry it.
_HGNC_SYSTEMS: Final = frozenset({HGNC, f"{HGNC}/geneId"})


@dataclass(frozen=True, slots=True)
class Genotype:
    """One gene's result as sent.

    `diplotype` is in one writing (`*1/*4`) where it can be read, else as sent; `phenotype` is the laboratory's.
    `source_ref` is "Observation/id" or ""; `specimen_date` an ISO date or time or None.
    """

    gene: str
    diplotype: str | None
    phenotype: str | None = None
    source_ref: str = ""
    specimen_date: str | None = None
    activity_score: str | None = None


def genotype(gene: str, text: str, source_ref: str = "", specimen_date: str | None = None) -> Genotype:
    """The genotype that a plain text states for a gene: a diplotype, an HLA allele or, where it holds no star, a phenotype.

    A gene written with its allele, `HLA-B*15:02`, is the gene, and the text (`positive`) is about that allele.
    """
    gene, star, allele = gene.partition("*")
    if star and parse(gene, allele):
        text = f"*{allele} {text}" if "*" not in text else text
    found = parse(gene, text)
    if found or ("*" in text and not gene.startswith("HLA")):
        return Genotype(gene, str(found) if found else text, None, source_ref, specimen_date)
    return Genotype(gene, None, text, source_ref, specimen_date)


def genotypes_of(observation: Json, genes: Mapping[str, Gene] | None = None) -> list[Genotype]:
    """The genotypes in one Observation: none, when it is another type, withdrawn, not final, or not about a gene's alleles.

    `genes` are the knowledge files: their LOINC and HGNC codes are known beside the usual ones.
    """
    if observation.get("resourceType") != "Observation" or observation.get("status") not in _RESULT:
        return []
    codes = _codes(observation.get("code"), LOINC)
    files = (genes or {}).values()
    specific = GENE_SPECIFIC | {loinc: gene.gene for gene in files for loinc in gene.loinc}
    by_code = next((specific[code] for code in codes if code in specific), None)
    if by_code is None and GENOTYPE not in codes and METABOLISM not in codes:
        return []
    text = _text(observation.get("valueCodeableConcept")) or _string(observation.get("valueString"))
    hgnc = HGNC_GENES | {gene.hgnc: gene.gene for gene in files if gene.hgnc}
    name = by_code or _gene_studied(observation, hgnc) or _gene_in(text)
    return list(_found(observation, codes, name, text)) if name else []


def _found(observation: Json, codes: list[str], gene: str, text: str | None) -> Iterator[Genotype]:
    ref = f"Observation/{observation['id']}" if observation.get("id") else ""
    date = _date(observation)
    phenotype = _phenotype_component(observation)
    if METABOLISM in codes:
        phenotype, text = _metaboliser(observation.get("valueCodeableConcept")) or text, None
    if text is None or text == NOT_REPORTED:
        if phenotype:
            yield Genotype(gene, None, phenotype, ref, date)
        return
    read = genotype(gene, text, ref, date)
    yield Genotype(gene, read.diplotype, read.phenotype or phenotype, ref, date)


def _codes(concept: object, system: str) -> list[str]:
    if not isinstance(concept, dict):
        return []
    return [str(coding.get("code")) for coding in concept.get("coding", []) if coding.get("system") == system]


def _string(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _text(concept: object) -> str | None:
    """The words of a concept: its text, else a coding's display, else a coding's code."""
    if not isinstance(concept, dict):
        return None
    said = [concept.get("text")]
    said += [coding.get("display") for coding in concept.get("coding", [])]
    said += [coding.get("code") for coding in concept.get("coding", [])]
    return next((text for text in map(_string, said) if text), None)


def _gene_in(text: str | None) -> str | None:
    """The gene a value names itself, as in `CYP2D6*1/*4`."""
    found = re.match(r"(CYP[0-9][A-Z][0-9]+|HLA-[A-Z])(?=[ *])", text or "")
    return found[1] if found else None


def _gene_studied(observation: Json, hgnc: Mapping[str, str]) -> str | None:
    for component in observation.get("component", []):
        if GENE_STUDIED in _codes(component.get("code"), LOINC):
            value = component.get("valueCodeableConcept")
            for coding in value.get("coding", []) if isinstance(value, dict) else []:
                if coding.get("system") in _HGNC_SYSTEMS and coding.get("code") in hgnc:
                    return hgnc[coding["code"]]
            return _text(value) or _string(component.get("valueString"))
    return None


def _metaboliser(concept: object) -> str | None:
    return next((METABOLISER_ANSWERS[code] for code in _codes(concept, LOINC) if code in METABOLISER_ANSWERS), _text(concept))


def _phenotype_component(observation: Json) -> str | None:
    for component in observation.get("component", []):
        code = component.get("code")
        coded = isinstance(code, dict) and any(coding.get("code") in (METABOLISM, _IMPLICATION) for coding in code.get("coding", []))
        if coded:
            return _metaboliser(component.get("valueCodeableConcept")) or _string(component.get("valueString"))
    return None


def _date(observation: Json) -> str | None:
    period = observation.get("effectivePeriod")
    start = period.get("start") if isinstance(period, dict) else None
    return _string(observation.get("effectiveDateTime") or start or observation.get("issued"))
