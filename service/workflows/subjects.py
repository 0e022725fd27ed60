"""Which resources are part of a person's story."""

from mappings.baseline.fhir import codes_of
from mappings.genes.genotype import genotypes_of
from mappings.scales.recognition import is_scored, scale_of
from mappings.vocabulary import Json
from service.knowledge import Knowledge
from service.workflows.change import Change

ALWAYS = frozenset({"Patient", "MedicationRequest", "MedicationStatement", "Goal", "AllergyIntolerance", "Consent", "Flag", "CarePlan"})


def matters(knowledge: Knowledge, change: Change) -> bool:
    """Whether the story has to be asked: the resource, or what stood there before, says something about the person."""
    if change.kind in ALWAYS:
        return True
    return any(_speaks(knowledge, change.kind, resource) for resource in (change.resource, change.previous) if resource is not None)


def _speaks(knowledge: Knowledge, kind: str, resource: Json) -> bool:
    if kind == "QuestionnaireResponse":
        return is_scored(resource) and scale_of(resource, knowledge.scales) is not None
    if kind == "Observation":
        return any(code in knowledge.priors_by_code for code in codes_of(resource)) or bool(genotypes_of(resource))
    return False
