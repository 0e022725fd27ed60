"""Resources that come from knowledge files - Questionnaires, PlanDefinitions, our CodeSystem, SearchParameters - put into the store at start.

They are served and found like any other resource; the API refuses to change them.
"""

import orjson

from mappings.baseline.fhir import CONCEPTS
from mappings.questionnaires import form_file
from mappings.scales.concepts import concepts
from mappings.scales.questionnaire import questionnaire
from mappings.suggestions.plan_definition import plan_definition
from mappings.vocabulary import OURS, Json
from service.house import House
from service.knowledge import Knowledge
from service.store.unit import Unit
from service.workflows.concepts import OWN_CONCEPTS
from service.workflows.writes import derived_write


def resources(house: House) -> list[Json]:
    """Every resource that knowledge files give, with its id."""
    knowledge = house.knowledge
    own: Json = {
        "resourceType": "CodeSystem", "id": "setpoint", "url": OURS, "name": "Setpoint", "title": "Setpoint codes", "status": "active", "content": "complete",
        "caseSensitive": True, "description": "Totals, subscales and items without LOINC codes, the deviation and its parts.",
        "concept": [*OWN_CONCEPTS, *CONCEPTS, *_measures(knowledge), *(concept for scale in knowledge.scales.values() for concept in concepts(scale)),
                    *(concept for form in knowledge.questionnaires for concept in form_file.concepts(form))],
    }  # fmt: skip
    forms = [*map(questionnaire, knowledge.scales.values()), *knowledge.questionnaires]
    return [*forms, *map(plan_definition, knowledge.rules), own, *(each.built for each in knowledge.search_parameters)]


def _measures(knowledge: Knowledge) -> list[Json]:
    """Measures that our own codes name and that are no scale."""
    return [
        {"code": code, "display": prior.title} for prior in knowledge.priors.values() for system, code in prior.codes
        if system == OURS and code not in knowledge.scales
    ]  # fmt: skip


async def stock(house: House) -> None:
    """Put them into the store where they changed, and reserve their ids. A resource whose file is gone stays as it was, no longer reserved."""
    wanted = {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources(house)}
    standing = await house.store.read_many(sorted(wanted))
    unit = Unit()
    for ref, resource in wanted.items():
        write = derived_write(house, resource, None)
        stored = standing.get(ref)
        if stored is None or stored.deleted or _bare(stored.body) != _bare(b"%b%b" % (write.head + b'"versionId":"0","lastUpdated":""', write.tail)):
            unit.writes.append(write)
    if unit.writes:
        await house.store.commit(unit)
    house.types.reserved = frozenset(wanted)


def _bare(body: bytes) -> Json:
    """The content without version and time."""
    resource: Json = orjson.loads(body)
    for key in ("versionId", "lastUpdated"):
        resource.get("meta", {}).pop(key, None)
    return resource
