"""A pharmacogenomic report by HL7 Genomics Reporting 3.0.0: genotype, phenotype, implication, proposal, DiagnosticReport."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mappings.genes.gene import Gene
from mappings.genes.genotype import GENE_STUDIED, GENOTYPE, METABOLISER_ANSWERS, METABOLISM, NOT_REPORTED
from mappings.genes.guidance import Finding
from mappings.genes.phenotype import Interpreted
from mappings.medicines.drug import Drugs
from mappings.vocabulary import DERIVED_ID, HGNC, LOINC, OBSERVATION_CATEGORY, RXNORM, Json, coding, concept, identity

GUIDE: Final = "http://hl7.org/fhir/uv/genomics-reporting"
TBD_CODES: Final = f"{GUIDE}/CodeSystem/tbd-codes-cs"
PANEL: Final = "51969-4"
MEDICATION_ASSESSED: Final = "51963-7"
EVIDENCE_LEVEL: Final = "93044-6"
_SECTION: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
_RELATED: Final = "http://hl7.org/fhir/StructureDefinition/workflow-relatedArtifact"
_RECOMMENDED: Final = f"{GUIDE}/StructureDefinition/recommended-action"
_ANSWERS: Final = {phenotype: code for code, phenotype in METABOLISER_ANSWERS.items()}
# Answers of LL4049-4 that a source shows; an action without one becomes no Task.
_PROPOSALS: Final = (
    ("LA26421-0", "Consider alternative medication", frozenset({"AVOID", "DO_NOT_USE", "ALTERNATIVE"})),
    ("LA26422-8", "Decrease dose", frozenset({"REDUCE", "REDUCE_START", "REDUCE_MAINTENANCE", "LOWER_START", "LOWER_MAINTENANCE"})),
    ("LA26423-6", "Increase dose", frozenset({"INCREASE", "HIGHER_TARGET", "HIGHER_MAINTENANCE"})),
)


@dataclass(frozen=True, slots=True)
class Study:
    """One report's frame. `person` is "Patient/id"; `source` names the report for identity; times are ISO (`issued` with zone).

    `effective` is a date or time or None; `laboratory` the performer's name or None.
    """

    person: str
    source: str
    effective: str | None
    issued: str
    laboratory: str | None = None


def report(
    study: Study, genes: Mapping[str, Gene], interpreted: Sequence[Interpreted], findings: Sequence[Finding], drugs: Drugs
) -> list[Json]:
    """Every resource of the report, the DiagnosticReport last. Genotypes that are already stored (`source_ref`) are only referred to."""
    made: list[Json] = []
    sources: dict[str, list[str]] = {}
    for one in interpreted:
        ref = one.source_ref
        if not ref:
            made.append(genotype_observation(study, one, genes.get(one.gene)))
            ref = _ref(made[-1])
        sources.setdefault(one.gene, []).append(ref)
        if one.keys and one.gene in genes:
            made.append(phenotype_observation(study, one, ref, genes[one.gene]))
    tasks = []
    for finding in findings:
        implication = implication_observation(study, finding, _used(finding, sources), drugs)
        made.append(implication)
        tasks += list(_tasks(study, finding, _ref(implication)))
    return [*made, *tasks, diagnostic_report(study, made, tasks, interpreted)]


def genotype_observation(study: Study, one: Interpreted, gene: Gene | None) -> Json:
    """The genotype (84413-4) of one gene, its text as read, or as sent where it was not understood."""
    studied = concept(*([coding(HGNC, gene.hgnc)] if gene and gene.hgnc else []), text=one.gene)
    body = _observation(study, concept(coding(LOINC, GENOTYPE)), "genotype", one.gene, one.diplotype or one.reported or "")
    body["valueCodeableConcept"] = concept(text=one.diplotype or NOT_REPORTED)
    body["component"] = [{"code": concept(coding(LOINC, GENE_STUDIED)), "valueCodeableConcept": studied}]
    if one.reported or (one.diplotype is None and (one.phenotype or one.statuses)):
        said = one.reported or one.phenotype or ", ".join(one.statuses)
        body["component"].append(_component(coding(LOINC, METABOLISM), _metaboliser(one.gene, said) | {"text": said}))
    return body


def phenotype_observation(study: Study, one: Interpreted, genotype_ref: str, gene: Gene) -> Json:
    """The phenotype or allele status of one gene, an implication without a drug. The laboratory's own phenotype stands in a note."""
    said = one.phenotype or ", ".join(one.statuses)
    body = _implication(study, "phenotype", one.gene, genotype_ref)
    body["derivedFrom"] = [{"reference": genotype_ref}]
    score = f", activity score {one.activity_score}" if one.activity_score else ""
    body["component"] = [
        _component(coding(TBD_CODES, "therapeutic-implication"), _metaboliser(one.gene, said)),
        _conclusion(f"{one.gene}: {said}{score}. Allele table {gene.version}."),
    ]
    notes = [*one.notes, *([f"Laboratory: {one.reported}"] if one.reported else [])]
    return body | ({"note": [{"text": note} for note in notes]} if notes else {})


def implication_observation(study: Study, finding: Finding, genotype_refs: Sequence[str], drugs: Drugs) -> Json:
    """What one source says about a drug for this person's genes (therapeutic-implication; no value, derived from the genotypes used)."""
    drug = drugs.by_id.get(finding.drug)
    codes = [coding(RXNORM, code) for code, mark in drug.rxnorm.items() if mark == "VERIFIED"] if drug else []
    level = " ".join([finding.source, *([f"level {finding.level}"] if finding.level else []), finding.classification])
    body = _implication(study, finding.code, *genotype_refs)
    body["extension"] = [
        {
            "url": _RELATED,
            "valueRelatedArtifact": {"type": "citation", "display": f"{finding.source} {finding.version}", "url": finding.url},
        }
    ]
    body["derivedFrom"] = [{"reference": ref} for ref in genotype_refs]
    said = "; ".join(f"{gene} {key}" for gene, key in finding.lookup.items())
    only = next(iter(finding.lookup.items())) if len(finding.lookup) == 1 else None
    body["component"] = [
        _component(coding(TBD_CODES, "therapeutic-implication"), _metaboliser(*only) if only else concept(text=said)),
        _component(coding(LOINC, MEDICATION_ASSESSED), concept(*codes[:1], text=finding.drug)),
        _component(coding(LOINC, EVIDENCE_LEVEL), concept(text=level)),
        _conclusion(_conclusion_text(finding)),
    ]
    return body


def diagnostic_report(study: Study, results: Sequence[Json], tasks: Sequence[Json], interpreted: Sequence[Interpreted]) -> Json:
    """The report (51969-4) over its observations and proposals, with one line per gene as its conclusion."""
    refs = [one.source_ref for one in interpreted if one.source_ref] + [_ref(result) for result in results]
    lines = [f"{one.gene} {one.diplotype or ''}: {one.phenotype or ', '.join(one.statuses) or 'not interpreted'}" for one in interpreted]
    body = _identified("DiagnosticReport", "report", study.person, study.source)
    if tasks:
        body["extension"] = [{"url": _RECOMMENDED, "valueReference": {"reference": _ref(task)}} for task in tasks]
    body["meta"] = {"profile": [f"{GUIDE}/StructureDefinition/genomic-report"]}
    body |= {"status": "final", "category": [concept(coding(_SECTION, "GE"))], "code": concept(coding(LOINC, PANEL))}
    body |= _frame(study)
    if refs:
        body["result"] = [{"reference": ref} for ref in dict.fromkeys(refs)]
    return body | ({"conclusion": "\n".join(line.replace(" :", ":") for line in lines)} if lines else {})


def _tasks(study: Study, finding: Finding, implication_ref: str) -> Iterator[Json]:
    """Proposals for what a source would have done, where the guide's answer list has a code for it."""
    if not finding.actionable:
        return
    for code, display, actions in _PROPOSALS:
        if actions.intersection(finding.actions):
            body = _identified("Task", "proposal", study.person, study.source, finding.code, code)
            yield body | {
                "meta": {"profile": [f"{GUIDE}/StructureDefinition/medication-recommendation"]},
                "status": "requested",
                "intent": "proposal",
                "code": concept(coding(LOINC, code, display)),
                "description": f"{finding.source} on {finding.drug}: {finding.text}",
                "for": {"reference": study.person},
                "authoredOn": study.issued,
                "reasonReference": {"reference": implication_ref},
            }


def _used(finding: Finding, sources: Mapping[str, Sequence[str]]) -> list[str]:
    """The genotypes a finding rests on: those it was found with, else every genotype of its genes."""
    refs = [ref for gene in finding.lookup for ref in sources.get(gene, ())]
    return [ref for ref in refs if not finding.source_refs or ref in finding.source_refs] or refs


def _conclusion_text(finding: Finding) -> str:
    population = "" if finding.population == "general" else f" For: {finding.population}."
    return " ".join([finding.text + population, *finding.notes])


def _metaboliser(gene: str, said: str) -> Json:
    return concept(*([coding(LOINC, _ANSWERS[said])] if said in _ANSWERS else []), text=f"{gene} {said}")


def _component(code: Json, value: Json) -> Json:
    return {"code": concept(code), "valueCodeableConcept": value}


def _conclusion(text: str) -> Json:
    return {"code": concept(coding(TBD_CODES, "conclusion-string")), "valueString": text}


def _implication(study: Study, *parts: str) -> Json:
    return _observation(study, concept(coding(TBD_CODES, "therapeutic-implication")), "implication", *parts)


def _observation(study: Study, code: Json, profile: str, *parts: str) -> Json:
    name = "therapeutic-implication" if profile == "implication" else profile
    body = _identified("Observation", profile, study.person, study.source, *parts)
    body |= {
        "meta": {"profile": [f"{GUIDE}/StructureDefinition/{name}"]},
        "status": "final",
        "category": [concept(coding(OBSERVATION_CATEGORY, "laboratory")), concept(coding(_SECTION, "GE"))],
        "code": code,
    }
    return body | _frame(study)


def _frame(study: Study) -> Json:
    frame: Json = {"subject": {"reference": study.person}, "issued": study.issued}
    frame |= {"effectiveDateTime": study.effective} if study.effective else {}
    return frame | ({"performer": [{"display": study.laboratory}]} if study.laboratory else {})


def _identified(kind: str, *parts: str) -> Json:
    id_ = identity(*parts)
    identifier = {"system": DERIVED_ID, "value": id_}
    return {"resourceType": kind, "id": id_, "identifier": [identifier]}


def _ref(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
