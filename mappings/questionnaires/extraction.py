"""All that a response becomes by its Questionnaire's own marks: definition-based resources, then observation-based Observations."""

from collections.abc import Container
from dataclasses import dataclass

from mappings.questionnaires import defined, observed
from mappings.questionnaires.observed import Source
from mappings.questionnaires.pairing import answered
from mappings.r4.structures import Structures
from mappings.vocabulary import Json

__all__ = ["Extracted", "Source", "extract", "extracts"]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came out, and in words what could not be done."""

    resources: tuple[Json, ...]
    notes: tuple[str, ...]


def extracts(questionnaire: Json) -> bool:
    """Whether its author asks for anything to be extracted."""
    return defined.marked(questionnaire) or observed.marked(questionnaire)


def extract(source: Source, questionnaire: Json, structures: Structures, scored: Container[str] = ()) -> Extracted:
    """The resources that stand on this response. Pure: the same response and Questionnaire always give the same.
    `scored`: item codes of the rating scales in it, whose Observations are made by the scale."""
    items = answered(questionnaire, source.response)
    found = defined.resources(source, questionnaire, items, structures)
    made = [*found.resources, *(observed.observations(source, questionnaire, items, scored) if observed.marked(questionnaire) else [])]
    return Extracted(tuple(made), tuple(dict.fromkeys(found.notes)))
