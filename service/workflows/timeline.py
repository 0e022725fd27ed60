"""Loading what a replay needs: the stored values of a measure, the bodies they came from, the content derived from them."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mappings.vocabulary import Json
from service.store.unit import Reading
from service.workflows import questionnaires
from service.workflows.change import Change
from service.workflows.telling import Telling
from service.workflows.trajectory import COLUMNS, entries_of, reading

if TYPE_CHECKING:
    from service.house import House

JUDGED = ("QuestionnaireResponse", "Observation")


async def earlier_readings(store: Any, changes: Sequence[Change]) -> list[Reading]:
    """The values that the changed resources gave before. A resource with an id of our making, or one where nothing may stand, gave none."""
    refs = [change.ref for change in changes if change.kind in JUDGED and change.given_id and change.expected != 0]
    if not refs:
        return []
    marks = ", ".join(f"${number}" for number in range(1, len(refs) + 1))
    return [reading(row) for row in await store.fetch(f"SELECT {COLUMNS} FROM reading WHERE source IN ({marks})", refs)]


async def load_series(house: "House", telling: Telling, before: Sequence[Reading]) -> None:
    """For each measure that cannot simply be appended to: all its values, then the resources that its replay needs."""
    person, needed = telling.story.person, set[str]()
    loaded = {measure: await entries_of(house, person, measure) for measure in telling.replays(before)}
    loaded |= {measure: await entries_of(house, person, measure) for measure in telling.shared_anew(loaded)}
    for measure, entries in loaded.items():
        needed |= telling.settle(measure, entries)
        await asyncio.sleep(0)  # a replay of thousands of values lets others in between
    stored = await house.store.read_many(sorted(needed)) if needed else {}
    bodies = {ref: house.parse_stored(found.body) for ref, found in stored.items() if not found.deleted}
    telling.load(bodies, await _answered(house, bodies))


async def _answered(house: "House", bodies: dict[str, Json]) -> dict[str, Json]:
    """The Questionnaires of the responses that do not name one of our scales."""
    found: dict[str, Json] = {}
    for ref, body in bodies.items():
        questionnaire = await questionnaires.foreign(house, body) if ref.startswith("QuestionnaireResponse/") else None
        if questionnaire is not None:
            found[ref] = questionnaire
    return found
