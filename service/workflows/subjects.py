"""Which resources are part of a person's story."""

from mappings.baseline.fhir import codes_of
from mappings.baseline.stability import is_stable_period
from mappings.genes.genotype import genotypes_of
from mappings.questionnaires.extraction import extracts
from mappings.scales.recognition import is_scored, scale_of
from mappings.suggestions import history
from mappings.vocabulary import Json
from service.knowledge import Knowledge
from service.workflows.change import Change

ALWAYS = frozenset({"Patient", "MedicationRequest", "MedicationStatement", "Goal", "AllergyIntolerance", "Consent", "Flag", "CarePlan", "Task"})


def matters(knowledge: Knowledge, change: Change) -> bool:
    """Whether the story has to be asked: the resource, or what stood there before, says something about the person."""
    if change.kind in ALWAYS:
        return True
    if change.kind == "QuestionnaireResponse" and (change.previous is not None or (change.related is not None and extracts(change.related))):
        return True
    return any(_speaks(knowledge, change, resource) for resource in (change.resource, change.previous) if resource is not None)


def _speaks(knowledge: Knowledge, change: Change, resource: Json) -> bool:
    if change.kind == "QuestionnaireResponse":
        return is_scored(resource) and scale_of(resource, knowledge.scales, change.related) is not None
    if change.kind == "Observation" and (any(code in knowledge.priors_by_code for code in codes_of(resource)) or genotypes_of(resource)):
        return True
    if change.kind == "Observation" and is_stable_period(resource):
        return True
    return bool(history.said(knowledge.history, resource))
