"""Receive resources: read, think, write. The one path by which anything is stored.

Reads top to bottom: agree on ids and persons; load each person's story in one query; tell it what happened (pure);
store everything in one commit that checks the versions read; on conflict again from the load.
"""

from typing import TYPE_CHECKING
from uuid import uuid4

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.references import local
from service.security.reach import Reach
from service.store.clock import now_us
from service.store.unit import ANY, Audit, GuardFailed, Stale, StaleStory, Stored, Unit
from service.workflows import people
from service.workflows.change import Change, Matched, Requester
from service.workflows.conditions import guard_of
from service.workflows.story import Story
from service.workflows.telling import Telling
from service.workflows.timeline import earlier_readings, load_series
from service.workflows.writes import DERIVED_TAG, deletion, received_write

if TYPE_CHECKING:
    from service.house import House

ATTEMPTS = 40
_ACTIONS = {"create": "C", "update": "U", "delete": "D"}


async def receive(house: "House", changes: list[Change], who: Requester) -> list[Stored]:
    """Store these changes and all that follows from them, in one commit; answers their new versions, in order.

    Errors: Refusal (422 subject, 409/412 versions, 403 reach), Matched for a conditional create that found something.
    """
    await _agree(house, changes, who)
    changes = [change for change in changes if change.method != "delete" or change.previous is not None]
    if not changes:
        return []
    persons = {change.person for change in changes if change.person and house.matters(change)}
    async with house.turns.of(persons):
        return await _in_turn(house, changes, persons, who)


async def rehearse(house: "House", change: Change, who: Requester) -> None:
    """Everything for which receive() would refuse this change before it stores anything ($validate). Errors: Refusal."""
    await _agree(house, [change], who)


async def _in_turn(house: "House", changes: list[Change], persons: set[str], who: Requester) -> list[Stored]:
    """Think and commit; again when another process was faster."""
    for _ in range(ATTEMPTS):
        unit = await _think(house, changes, persons, who)
        try:
            await house.store.commit(unit)
        except StaleStory:
            continue
        except Stale as stale:
            raise _lost(stale) from None
        except GuardFailed as failed:
            raise Matched(failed.refs) from None
        return _stored(changes, unit)
    raise Refusal(Kind.CONFLICT, "This person's record is being changed by others; try again")


async def _agree(house: "House", changes: list[Change], who: Requester) -> None:
    """Give ids, find the persons, and refuse what the requester may not touch."""
    for change in changes:
        if change.method == "create" and not change.id:
            change.id, change.given_id = str(uuid4()), False
    new = [change.ref for change in changes if change.kind == "Patient" and change.method != "delete"]
    for change in changes:
        await _agree_one(house, change, who, new)
        change.related = await _medication(house, change, changes)


async def _agree_one(house: "House", change: Change, who: Requester, new: list[str]) -> None:
    if change.method != "create" or change.given_id:
        await _previous(house, change, who.reach)
    if change.method == "delete":
        return
    assert change.resource is not None
    try:
        change.person = change.ref if change.kind == "Patient" else await people.resolve(house, change.kind, change.resource, new)
    except Refusal:
        if who.reach.person is None:
            raise
        raise _one_person() from None
    if not who.reach.covers(change.person):
        raise _one_person()


def _one_person() -> Refusal:
    """The one answer to a patient-bound token, whether what it names is another's or nowhere."""
    return Refusal(Kind.FORBIDDEN, "This token speaks for one person only")


async def _medication(house: "House", change: Change, changes: list[Change]) -> Json | None:
    """The Medication that a prescription refers to, from this transaction or the store."""
    reference = (change.resource or {}).get("medicationReference")
    if not isinstance(reference, dict) or not isinstance(reference.get("reference"), str):
        return None
    ref = local(reference["reference"], house.base)
    if not ref.startswith("Medication/"):
        return None
    for other in changes:
        if other.ref == ref:
            return other.resource
    stored = await house.store.read(ref)
    return house.parse_stored(stored.body) if stored is not None and not stored.deleted else None


async def _previous(house: "House", change: Change, reach: Reach) -> None:
    """What stands there now: whose it is, and whether it is ours to derive."""
    current = await house.store.read(change.ref)
    if reach.person is not None and (current is None or not reach.covers(current.person)):
        raise _one_person()
    if current is None or current.deleted:
        change.revives = change.method == "update"
        return
    if reach.person is not None and change.expected == ANY:
        change.expected = current.version  # nobody moves it to another person before the commit
    previous = house.parse_stored(current.body)
    change.previous = previous
    if change.method == "delete":
        change.person = current.person
    if change.kind != "Flag" and DERIVED_TAG in previous.get("meta", {}).get("tag", []):
        raise Refusal(Kind.CONFLICT, "This resource is derived: change what it rests on, or use $review", change.kind, code="business-rule")


async def _think(house: "House", changes: list[Change], persons: set[str], who: Requester) -> Unit:
    """Steps 2 and 3: what is known is loaded, what follows is worked out; nothing is stored yet."""
    now, unit = now_us(), Unit()
    before = await earlier_readings(house.store, changes)
    stories = await _stories(house, persons | {reading.person for reading in before})
    if stories:
        await house.registry.ehrs()
    for change in changes:
        await _write(house, unit, change, who.reach.person)
        unit.audits.append(_audit(house, change, who, now))
    for person, story in stories.items():
        telling = Telling(house, story, now, who)
        telling.note(changes)
        await load_series(house, telling, before)
        telling.tell()
        telling.add_to(unit, is_new=story.version == 0 and _creates(changes, person))
    return unit


async def _stories(house: "House", persons: set[str]) -> dict[str, Story]:
    """The stories of everybody whom the changes touch; a Patient that is only now created has an empty one."""
    found: dict[str, Story] = {}
    for person in sorted(persons):
        rows = await house.store.story(person)
        found[person] = Story(person, rows or ())
    return found


def _creates(changes: list[Change], person: str) -> bool:
    return any(change.ref == person and change.method != "delete" for change in changes)


async def _write(house: "House", unit: Unit, change: Change, only: str | None) -> None:
    if change.method == "delete":
        unit.writes.append(deletion(change.kind, change.id, change.person, change.expected))
        return
    assert change.resource is not None
    if change.condition is not None:
        unit.guards.append(await guard_of(house, change.kind, change.condition, only))
    fresh = not change.given_id
    expected = 0 if fresh else change.expected
    unit.writes.append(received_write(house, change.kind, change.id, change.resource, change.body, change.person, expected, fresh))


def _audit(house: "House", change: Change, who: Requester, now: int) -> Audit:
    principal = who.principal
    interaction = who.interaction or change.method
    return Audit(house.store.mint(), now, _ACTIONS[change.method], interaction, 200, change.kind, change.ref, change.person, principal.client_id,
                 principal.fhir_user, who.request_id)  # fmt: skip


def _lost(stale: Stale) -> Refusal:
    """The refusal for a version that is not the one the client named."""
    if stale.found == 0:
        return Refusal(Kind.PRECONDITION, "Nothing stands at this address", "If-Match")
    return Refusal(Kind.PRECONDITION, "The resource has another version by now", "If-Match")


def _stored(changes: list[Change], unit: Unit) -> list[Stored]:
    by_ref = {write.ref: write for write in unit.writes}
    for change in changes:
        change.revives = change.revives or (change.method == "update" and by_ref[change.ref].version == 1)
    return [by_ref[change.ref].stored() for change in changes]
