"""A whole panel at once: genes written as text, their meaning, the medicines counted in, and what the sources say. Plain data out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mappings.genes.gene import Gene
from mappings.genes.genotype import Genotype, genotype
from mappings.genes.guidance import Finding, Guidance, drugs_of, find
from mappings.genes.inhibitors import Inhibitors
from mappings.genes.phenoconversion import Adjusted, adjust, notes
from mappings.genes.phenotype import Interpreted, interpret
from mappings.medicines.drug import Drugs
from mappings.medicines.prescription import Medicine, map_concept


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a panel is read with."""

    genes: Mapping[str, Gene]
    guidances: Sequence[Guidance]
    inhibitors: Inhibitors
    drugs: Drugs


def written(text: str) -> Genotype:
    """A genotype written `GENE=VALUE`, as on the command line. Errors: ValueError without an equals sign or a gene."""
    gene, equals, value = text.partition("=")
    if not equals or not gene.strip():
        raise ValueError("a gene is written GENE=VALUE, for instance CYP2D6=*1/*4")
    return genotype(gene.strip().upper(), value.strip())


def medicine_named(name: str, drugs: Drugs) -> Medicine:
    """A medicine being taken, known by its name only."""
    how, sure, found, said = map_concept({"text": name}, drugs)
    return Medicine("", found[0] if found else None, how, True, None, name, sure, found, notes=said)


def panel(
    known: Knowledge, genotypes: Sequence[Genotype], drugs: Sequence[str], taking: Sequence[Medicine], on: str, smoker: bool = False
) -> dict[str, Any]:
    """`genes`, `guidance` and `notes` as JSON-ready data. `drugs` are names; none: every drug that these genes speak about.

    Guidance rows have `basis` genetic, or adjusted where a medicine being taken changes what is looked up. Nothing is merged.
    """
    interpreted = [interpret(known.genes, one) for one in genotypes]
    asked, said = _asked(known, drugs, interpreted)
    alone = asked[0] if len(asked) == 1 and drugs else None
    said += [f"{medicine.text}: {note}" for medicine in taking if medicine.how == "unmapped" for note in medicine.notes]
    said += [note for drug in asked for note in notes(known.inhibitors, taking, drug, on, smoker)] if drugs else []
    return {
        "genes": [_gene(one, adjust(known.inhibitors, known.genes, one, taking, alone, on), bool(taking)) for one in interpreted],
        "guidance": [row for drug in asked for row in _rows(known, interpreted, drug, taking, on)],
        "notes": list(dict.fromkeys(said)),
    }


def _asked(known: Knowledge, drugs: Sequence[str], interpreted: Sequence[Interpreted]) -> tuple[list[str], list[str]]:
    if not drugs:
        return drugs_of(known.guidances, interpreted), []
    asked: list[str] = []
    said: list[str] = []
    for name in drugs:
        found = known.drugs.named_in(name)
        asked += found
        if not found:
            said.append(f"{name}: not a drug that is known here.")
    return list(dict.fromkeys(asked)), said


def _rows(known: Knowledge, interpreted: Sequence[Interpreted], drug: str, taking: Sequence[Medicine], on: str) -> Iterator[dict[str, Any]]:
    for finding in find(known.guidances, interpreted, drug):
        yield _row(finding, "genetic", ())
    changes = [adjust(known.inhibitors, known.genes, one, taking, drug, on) for one in interpreted]
    rules = {change.genetic.gene: change.rule for change in changes if change}
    if rules:
        counted = [change.interpreted if change else one for one, change in zip(interpreted, changes, strict=True)]
        for finding in find(known.guidances, counted, drug):
            named = tuple(rules[gene] for gene in finding.lookup if gene in rules)
            if named:
                yield _row(finding, "adjusted", named)


def _gene(one: Interpreted, adjusted: Adjusted | None, taking: bool) -> dict[str, Any]:
    told = {
        "gene": one.gene,
        "diplotype": one.diplotype,
        "phenotype": one.phenotype,
        "activity_score": one.activity_score,
        "allele_status": one.allele_status,
        "reported": one.reported,
        "notes": list(one.notes),
    }
    if not taking:
        return told
    change = adjusted and {
        "phenotype": adjusted.interpreted.phenotype,
        "activity_score": adjusted.interpreted.activity_score,
        "rule": adjusted.rule,
        "notes": list(adjusted.interpreted.notes),
    }
    return told | {"adjusted": change}


def _row(finding: Finding, basis: str, rules: tuple[str, ...]) -> dict[str, Any]:
    return {
        "drug": finding.drug,
        "source": finding.source,
        "level": finding.level,
        "population": finding.population,
        "classification": finding.classification,
        "actions": list(finding.actions),
        "actionable": finding.actionable,
        "dose": dict(finding.dose),
        "text": finding.text,
        "lookup": dict(finding.lookup),
        "basis": basis,
        "version": finding.version,
        "date": finding.date,
        "url": finding.url,
        "notes": [*finding.notes, *rules],
    }
