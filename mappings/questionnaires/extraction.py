"""All that a response becomes by its Questionnaire's own marks: definition-based resources, then observation-based Observations."""

from collections.abc import Container

from mappings.questionnaires import defined, observed
from mappings.questionnaires.observed import Source
from mappings.questionnaires.pairing import answered
from mappings.r4.structures import Structures
from mappings.vocabulary import Json

__all__ = ["Source", "extract", "extracts"]


def extracts(questionnaire: Json) -> bool:
    """Whether its author asks for anything to be extracted."""
    return defined.marked(questionnaire) or observed.marked(questionnaire)


def extract(source: Source, questionnaire: Json, structures: Structures, scored: Container[str] = ()) -> list[Json]:
    """The resources that stand on this response. Pure: the same response and Questionnaire always give the same.
    `scored`: item codes of the rating scales in it, whose Observations are made by the scale."""
    items = answered(questionnaire, source.response)
    made = defined.resources(source, questionnaire, items, structures)
    return made + (observed.observations(source, questionnaire, items, scored) if observed.marked(questionnaire) else [])
