"""A prescription against everything that is known of the person: genes, the other medicines, allergies, age, sex, pregnancy, dose. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mappings.genes.gene import Gene
from mappings.genes.guidance import Finding, Guidance, find
from mappings.genes.inhibitors import Inhibitors
from mappings.genes.phenoconversion import adjust, notes
from mappings.genes.phenotype import Interpreted
from mappings.medicines.allergies import allergies
from mappings.medicines.dosage import above_ceilings
from mappings.medicines.drug import Drugs
from mappings.medicines.interactions import Interaction, Interactions, check
from mappings.medicines.monitoring import Monitoring, Value, beyond
from mappings.medicines.plug import External
from mappings.medicines.prescription import Medicine
from mappings.medicines.warnings import Person, Warning_, warnings_for
from mappings.vocabulary import Json


@dataclass(frozen=True, slots=True)
class Known:
    """What prescriptions are checked with. `external`: licensed interaction sources of the site."""

    genes: Mapping[str, Gene]
    guidance: Sequence[Guidance]
    inhibitors: Inhibitors
    drugs: Drugs
    interactions: Interactions
    warnings: Sequence[Warning_]
    monitoring: Monitoring
    external: Sequence[External] = ()


@dataclass(slots=True)
class Context:
    """The person now. `medicines`: everything prescribed or taken, the stopped among them; `allergies`: AllergyIntolerance resources; `on`: ISO day;
    `values`: the newest value of each measure."""

    medicines: Sequence[Medicine]
    interpreted: Sequence[Interpreted]
    allergies: Sequence[Json]
    person: Person
    on: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What stands against one medicine: guidance of its genes in each source's words, and everything else.
    `notes`: what acts on it and could not be calculated."""

    medicine: Medicine
    findings: tuple[Finding, ...]
    interactions: tuple[Interaction, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def standing(self) -> list[Finding | Interaction]:
        """Whatever asks for something to be done or looked at."""
        return [*(finding for finding in self.findings if finding.actionable), *self.interactions]


def checked(known: Known, medicine: Medicine, mg_per_day: float | None, context: Context) -> Checked:
    """Check one medicine. `mg_per_day`: its daily dose where the prescription says it, else None."""
    others = [other for other in context.medicines if not other.ref or other.ref != medicine.ref]
    findings = guidance(known, medicine, context)
    found = check((known.interactions,), known.drugs, medicine, others, context.on)
    found += allergies(known.drugs, medicine, context.allergies)
    found += warnings_for(known.warnings, medicine, context.person, mg_per_day)
    found += beyond(known.monitoring, medicine, context.values)
    found += above_ceilings(findings, medicine, mg_per_day, context.person.age)
    found += [each for source in known.external for each in source.ask(medicine, others, context.on)]
    found += _smoke(known, medicine, context)
    said = [note for drug in medicine.ingredients for note in notes(known.inhibitors, others, drug, context.on)]
    return Checked(medicine, tuple(findings), tuple(_once(found)), tuple(dict.fromkeys(said)))


def _smoke(known: Known, medicine: Medicine, context: Context) -> list[Interaction]:
    """What tobacco smoke does to the level: it falls, and rises when the person stops."""
    if not context.person.smoker:
        return []
    named = [(drug, modifiers) for drug in medicine.ingredients for modifiers in known.inhibitors.genes.values() if drug in modifiers.smoking]
    return [
        Interaction(
            code=f"smoking|{drug}", kind="warning", severity="low", title=f"Tobacco smoke lowers the level of {drug}",
            text=f"Smoke induces {modifiers.gene}; when the person stops smoking, the level rises. {modifiers.note or ''}".strip(),
            mitigation="Ask about smoking; look at dose and level when it changes.", drugs=(drug,), refs=(medicine.ref, *context.person.refs),
            source="mappings/genes/inhibitors.json",
        )
        for drug, modifiers in named
    ]  # fmt: skip


def guidance(known: Known, medicine: Medicine, context: Context) -> list[Finding]:
    """What the sources say with these genes; and, where another medicine changes what a gene does, what they say then, its rule in the notes."""
    found: dict[str, Finding] = {}
    for drug in medicine.ingredients if context.interpreted else ():
        for finding in find(known.guidance, context.interpreted, drug):
            found.setdefault(finding.code, finding)
        changes = [adjust(known.inhibitors, known.genes, one, context.medicines, drug, context.on) for one in context.interpreted]
        acting = {change.genetic.gene: change for change in changes if change}
        if not acting:
            continue
        counted = [change.interpreted if change else one for one, change in zip(context.interpreted, changes, strict=True)]
        for finding in find(known.guidance, counted, drug):
            by = [acting[gene] for gene in finding.lookup if gene in acting]
            said = replace(finding, notes=(*finding.notes, *(f"{change.rule}." for change in by)))
            found.setdefault(finding.code, replace(said, source_refs=(*finding.source_refs, *(change.inhibitor_ref for change in by))))
    return list(found.values())


def _once(found: Sequence[Interaction]) -> list[Interaction]:
    """Most severe first, each code once."""
    rank = {"high": 0, "moderate": 1, "low": 2}
    by_code: dict[tuple[str, tuple[str, ...]], Interaction] = {}
    for one in sorted(found, key=lambda each: (rank[each.severity], each.code, each.refs)):
        by_code.setdefault((one.code, one.refs), one)
    return list(by_code.values())
