"""From two alleles to a phenotype, by the gene's own rule. What is not known stays not known: never negative, never normal."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from mappings.genes.diplotype import Diplotype, hybrid_key, parse
from mappings.genes.gene import INDETERMINATE, PHENOTYPES, Gene, Score
from mappings.genes.genotype import Genotype

NO_RESULT: Final = "No Result"
NOT_ASSIGNED: Final = "n/a"
"""The key of an indeterminate gene in tables that are keyed by activity score."""
_SHORT: Final = {
    "UM": "Ultrarapid Metabolizer",
    "RM": "Rapid Metabolizer",
    "NM": "Normal Metabolizer",
    "IM": "Intermediate Metabolizer",
    "PM": "Poor Metabolizer",
}
# Wording before the terms were standardised: "extensive" is today's "normal".
_OLDER: Final = {"extensive metabolizer": "Normal Metabolizer", "ultra-rapid metabolizer": "Ultrarapid Metabolizer"}
_WORDS: Final = {word.lower(): word for word in (*PHENOTYPES, NO_RESULT)} | _OLDER
_STATUS: Final = re.compile(r"(\*[0-9]{2,3}:[0-9]{2,4})\s+(positive|negative)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What one genotype means.

    `phenotype` None: not understood or not interpreted (notes say why). `activity_score` is the source's key (`1.0`, `≥3.0`, `n/a`).
    `allele_status` is the first HLA status (`*15:02 negative`), `statuses` all of them. `reported` is the laboratory's own phenotype.
    `keys` are what lookup tables may ask for; `possible_scores` every score of the band when the phenotype came without one.
    """

    gene: str
    diplotype: str | None
    phenotype: str | None = None
    activity_score: str | None = None
    allele_status: str | None = None
    notes: tuple[str, ...] = ()
    reported: str | None = None
    statuses: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    possible_scores: tuple[str, ...] = ()
    source_ref: str = ""


def phenotype_named(text: str) -> str | None:
    """The phenotype a text names, in CPIC's words (`Poor metaboliser` -> `Poor Metabolizer`); None when it names none."""
    plain = " ".join(text.split())
    return _SHORT.get(plain) or _WORDS.get(plain.lower().replace("metaboliser", "metabolizer"))


def interpret(genes: Mapping[str, Gene], genotype: Genotype) -> Interpreted:
    """The meaning of one genotype. `genes` are by name. Never raises on what a laboratory wrote."""
    base = Interpreted(genotype.gene, genotype.diplotype, reported=genotype.phenotype, source_ref=genotype.source_ref)
    gene = genes.get(genotype.gene)
    if gene is None:
        return replace(base, keys=frozenset({genotype.diplotype or ""}) - {""}, notes=("This gene is reported, not interpreted.",))
    if genotype.diplotype is None:
        return _by_presence_text(gene, base) if gene.kind == "presence" else _by_reported(gene, base)
    diplotype = parse(gene.gene, genotype.diplotype)
    if diplotype is None:
        return replace(base, notes=("The genotype is not written as two star alleles of this gene: not understood.",))
    base = replace(base, diplotype=str(diplotype))
    if gene.kind == "presence":
        return _by_presence(gene, base, diplotype)
    return _beside_reported(_by_score(gene, base, diplotype) if gene.kind == "activity" else _by_function(gene, base, diplotype))


def _by_score(gene: Gene, base: Interpreted, diplotype: Diplotype) -> Interpreted:
    notes: list[str] = []
    scores = [_activity(gene, allele, notes) for allele in diplotype.alleles]
    if scores[0] is None or scores[1] is None:
        return _understood(base, diplotype, INDETERMINATE, NOT_ASSIGNED, notes)
    total = scores[0] + scores[1]
    return _understood(base, diplotype, gene.phenotype_of(total), str(total), notes)


def _by_function(gene: Gene, base: Interpreted, diplotype: Diplotype) -> Interpreted:
    notes: list[str] = []
    names = [_listed(gene, allele, notes) for allele in diplotype.alleles]
    if names[0] is None or names[1] is None:
        return _understood(base, diplotype, INDETERMINATE, None, notes)
    pair = (gene.alleles[names[0]].function, gene.alleles[names[1]].function)
    return _understood(base, diplotype, gene.pairs[pair], None, notes)


def _understood(base: Interpreted, diplotype: Diplotype, phenotype: str, score: str | None, notes: list[str]) -> Interpreted:
    carried = {f"{allele} carrier" for allele in diplotype.alleles}
    keys = frozenset({phenotype, str(diplotype)} | carried | ({score} if score else set()))
    return replace(base, phenotype=phenotype, activity_score=score, keys=keys, notes=tuple(dict.fromkeys(notes)))


def _listed(gene: Gene, allele: str, notes: list[str]) -> str | None:
    """The allele's name in the gene's list; None with a note when it is not there."""
    name = gene.aliases.get(allele, allele)
    if name != allele:
        notes.append(f"{allele} is now called {name}.")
    if name in gene.alleles:
        return name
    base, _, count = name.partition("x")
    if base in gene.open_counts and count.isdigit() and int(count) >= 3:
        return f"{base}x≥3"
    if count == "N":
        notes.append("The copy number is open (xN): ask the laboratory for x2 or at least 3.")
    elif count and base in gene.alleles:
        notes.append(f"This copy number has no entry in the allele list (version {gene.version}).")
    else:
        notes.append(f"An allele is not in the allele list (version {gene.version}).")
    return None


def _activity(gene: Gene, allele: str, notes: list[str]) -> Score | None:
    if "+" in allele:
        key = hybrid_key(allele)
        if key not in gene.hybrids:
            notes.append(f"This tandem arrangement is not in the allele list (version {gene.version}).")
        return gene.hybrids.get(key)
    name = _listed(gene, allele, notes)
    if name is None:
        return None
    if gene.alleles[name].activity is None:
        notes.append("The function of an allele is uncertain or unknown.")
    return gene.alleles[name].activity


def _by_reported(gene: Gene, base: Interpreted) -> Interpreted:
    """A phenotype that came without a diplotype."""
    phenotype = phenotype_named((base.reported or "").strip().removeprefix(gene.gene))
    if phenotype is None:
        return replace(base, notes=("Neither a diplotype nor a phenotype that is known: not understood.",))
    if phenotype == NO_RESULT:
        return replace(base, phenotype=NO_RESULT, notes=("The laboratory gave no result for this gene.",))
    if gene.kind == "activity":
        if phenotype == INDETERMINATE:
            return replace(base, phenotype=phenotype, activity_score=NOT_ASSIGNED, keys=frozenset({phenotype, NOT_ASSIGNED}))
        notes = ("The phenotype came without an activity score: every row of its band applies.",)
        return replace(base, phenotype=phenotype, keys=frozenset({phenotype}), possible_scores=gene.scores.get(phenotype, ()), notes=notes)
    return replace(base, phenotype=phenotype, keys=frozenset({phenotype}), notes=("The phenotype came without a diplotype.",))


def _beside_reported(found: Interpreted) -> Interpreted:
    """Says when the laboratory's phenotype differs from ours; both are kept."""
    if found.reported is None or phenotype_named(found.reported) == found.phenotype:
        return found
    return replace(found, notes=(*found.notes, "The laboratory's phenotype differs from the one by this allele list; both are kept."))


def _by_presence(gene: Gene, base: Interpreted, diplotype: Diplotype) -> Interpreted:
    two_fields = [re.fullmatch(r"\*[0-9]+:[0-9]+", allele) is not None for allele in diplotype.alleles]
    complete = len(diplotype.alleles) == 2 and all(two_fields)
    statuses = []
    for tracked in gene.presence:
        if tracked in diplotype.alleles:
            statuses.append(f"{tracked} positive")
        elif complete:
            statuses.append(f"{tracked} negative")
    return _present(gene, base, statuses)


def _by_presence_text(gene: Gene, base: Interpreted) -> Interpreted:
    text = " ".join((base.reported or "").split()).removeprefix(gene.gene).strip()
    found = _STATUS.fullmatch(text)
    if phenotype_named(text) == NO_RESULT:
        return replace(base, phenotype=NO_RESULT, notes=("The laboratory gave no result for this gene.",))
    if found is None or found[1] not in gene.presence:
        return replace(base, notes=("Neither alleles in two fields nor a status of an allele that matters here: not understood.",))
    return _present(gene, base, [f"{found[1]} {found[2].lower()}"])


def _present(gene: Gene, base: Interpreted, statuses: list[str]) -> Interpreted:
    notes = () if statuses else ("The other allele, or its second field, is not known: neither positive nor negative.",)
    first = next((status for status in statuses if status.startswith(f"{gene.presence[0]} ")), None)
    status = first or (statuses[0] if statuses else None)
    return replace(base, allele_status=status, statuses=tuple(statuses), keys=frozenset(statuses), notes=notes)
