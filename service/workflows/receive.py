"""Receive resources: read, think, write. The one path by which anything is stored.

Reads top to bottom: agree on ids and persons; load each person's story in one query; tell it what happened (pure);
store everything in one commit that checks the versions read; on conflict again from the load.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from mappings.baseline.stability import is_stable_period
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.references import local
from service.security.principal import is_clinician
from service.security.reach import Reach
from service.store.clock import now_us
from service.store.unit import Audit, GuardFailed, Reading, Stale, StaleStory, Stored, Unit, pinned
from service.workflows import people, questionnaires
from service.workflows.change import Change, Matched, Requester
from service.workflows.standing import Standing
from service.workflows.story import Story
from service.workflows.telling import Telling
from service.workflows.timeline import earlier_readings, load_series
from service.workflows.writes import DERIVED_TAG, deletion, received_write

if TYPE_CHECKING:
    from service.house import House

ATTEMPTS = 40
PERSONS_OWN = frozenset(("Flag", "Task"))
"""Types that we raise and a person settles: a Flag is resolved, a review Task completed, by updating it."""
_ACTIONS = {"create": "C", "update": "U", "delete": "D"}


async def receive(house: "House", changes: list[Change], who: Requester) -> list[Stored]:
    """Store these changes and all that follows from them, in one commit; answers their new versions, in order.

    Errors: Refusal (422 subject, 409/412 versions, 403 reach), Matched where the criteria of a conditional write find something else by now.
    """
    await _agree(house, changes, who)
    changes = [change for change in changes if change.method != "delete" or change.previous is not None]
    return await store(house, changes, who) if changes else []


async def store(house: "House", changes: list[Change], who: Requester, begin: Callable[[], Unit] = Unit, untold: Container[str] = ()) -> list[Stored]:
    """Store changes whose ids and persons are agreed, as `receive` does. `begin` makes the unit that everything is added to;
    the stories of the persons in `untold` hear nothing of it."""
    work = _work(house, changes, [change for change in changes if change.person not in untold], who, begin)
    async with house.turns.of(work.persons):
        return await _in_turn(house, work)


def _work(house: "House", changes: list[Change], told: list[Change], who: Requester, begin: Callable[[], Unit]) -> "Work":
    persons = {person for change in told for person in (change.person, change.was_about) if person and house.matters(change)}
    return Work(changes, told, persons, who, begin)


class Work(NamedTuple):
    """One use case: all its changes, those of them that a story hears, and whose stories these are."""

    changes: list[Change]
    told: list[Change]
    persons: set[str]
    who: Requester
    begin: Callable[[], Unit]


async def _in_turn(house: "House", work: Work) -> list[Stored]:
    """Think and commit; again when another process was faster."""
    for _ in range(ATTEMPTS):
        unit = await _think(house, work)
        try:
            await house.store.commit(unit)
        except StaleStory:
            continue
        except Stale as stale:
            raise _lost(stale) from None
        except GuardFailed as failed:
            raise Matched(failed.refs) from None
        return _stored(work.changes, unit)
    raise Refusal(Kind.CONFLICT, "This person's record is being changed by others; try again")


async def _agree(house: "House", changes: list[Change], who: Requester) -> None:
    """Give ids, find the persons, and refuse what the requester may not touch."""
    for change in changes:
        if change.method == "create" and not change.id:
            change.id, change.given_id = str(uuid4()), False
    new = frozenset(change.ref for change in changes if change.kind == "Patient" and change.method != "delete")
    standing = await Standing.of(house, changes)
    medications = {change.ref: change.resource for change in changes if change.kind == "Medication" and change.resource is not None}
    for change in changes:
        await agree_one(house, change, who, new, standing)
        change.related = change.related or await related(house, change, medications, standing, changes)
    _refuse_about_the_gone(changes)


def _refuse_about_the_gone(changes: list[Change]) -> None:
    """Refuse what is about a Patient that the same use case deletes. Errors: 422."""
    gone = {change.ref for change in changes if change.kind == "Patient" and change.method == "delete"}
    for change in changes if gone else ():
        if change.method != "delete" and change.person in gone:
            raise Refusal(Kind.UNPROCESSABLE, "The person that this is about is deleted together with it", people.subject_of(change.kind, {})[1] or change.kind)


async def agree_one(house: "House", change: Change, who: Requester, new: frozenset[str], standing: Standing) -> None:
    """Find what the change replaces and whom it is about. `new`: Patients of the same use case. Errors: 403, 409, 422."""
    if change.method != "create" or change.given_id:
        await _previous(house, change, who.reach, standing)
    _refuse_confirming_oneself(change, who)
    if change.method == "delete":
        return
    assert change.resource is not None
    try:
        change.person = change.ref if change.kind == "Patient" else await people.resolve(house, change.kind, change.resource, new, standing.read)
    except Refusal:
        if who.reach.person is None:
            raise
        raise _one_person() from None
    if not who.reach.covers(change.person):
        raise _one_person()


def _refuse_confirming_oneself(change: Change, who: Requester) -> None:
    """A stable period is what later change is measured from, and a clinician's word. Errors: 403 to a patient-bound token of anybody else."""
    if change.kind != "Observation" or who.reach.person is None or is_clinician(who.principal.fhir_user):
        return
    if any(is_stable_period(each) for each in (change.resource, change.previous) if each is not None):
        raise Refusal(Kind.FORBIDDEN, "A stable period is confirmed by a clinician", "Observation.code")


def _one_person() -> Refusal:
    """The one answer to a patient-bound token, whether what it names is another's or nowhere."""
    return Refusal(Kind.FORBIDDEN, "This token speaks for one person only")


async def related(house: "House", change: Change, medications: Mapping[str, Json], standing: Standing, beside: Sequence[Change] = ()) -> Json | None:
    """What the resource cannot be understood without: the Medication of a prescription, the Questionnaire of a response to another than our scales.
    From this use case (`medications` by ref, `beside`) or from the store."""
    resource = change.resource
    if resource is None:
        return None
    if change.kind == "QuestionnaireResponse":
        together = [each.resource for each in beside if each.kind == "Questionnaire" and each.resource is not None]
        return await questionnaires.foreign(house, resource, together)
    return await _medication(house, resource, medications, standing)


async def _medication(house: "House", resource: Json, medications: Mapping[str, Json], standing: Standing) -> Json | None:
    reference = resource.get("medicationReference")
    if not isinstance(reference, dict) or not isinstance(reference.get("reference"), str):
        return None
    ref = local(reference["reference"], house.base)
    if not ref.startswith("Medication/"):
        return None
    if ref in medications:
        return medications[ref]
    stored = await standing.read(ref)
    return house.parse_stored(stored.body) if stored is not None and not stored.deleted else None


async def _previous(house: "House", change: Change, reach: Reach, standing: Standing) -> None:
    """What stands there now: whose it is, and whether it is ours to derive."""
    current = await standing.read(change.ref)
    if reach.person is not None and (current is None or not reach.covers(current.person)):
        raise _one_person()
    if current is None or current.deleted:
        change.revives = change.method == "update"
        return
    if reach.person is not None:
        change.expected = pinned(change.expected, current.version)  # nobody moves it to another person before the commit
    previous = house.parse_stored(current.body)
    change.previous, change.was_about = previous, current.person
    if change.method == "delete":
        change.person = current.person
    if is_derived(change.kind, previous):
        raise Refusal(Kind.CONFLICT, "This resource is derived: change what it rests on, or use $review", change.kind, code="business-rule")


def is_derived(kind: str, resource: Json) -> bool:
    """Whether what stands is ours to make, and changes only with what it rests on."""
    return kind not in PERSONS_OWN and DERIVED_TAG in resource.get("meta", {}).get("tag", [])


async def _think(house: "House", work: Work) -> Unit:
    """Steps 2 and 3: what is known is loaded, what follows is worked out; nothing is stored yet."""
    now, unit = now_us(), work.begin()
    for number, change in enumerate(work.changes):
        if number % 50 == 49:
            await asyncio.sleep(0)  # a large transaction lets others in between
        _write(house, unit, change)
        unit.audits.append(_audit(house, change, work.who, now))
    new = {change.ref for change in work.told if change.kind == "Patient" and change.method != "delete"}
    async for telling in _tell(house, work, now):
        telling.add_to(unit, is_new=telling.story.version == 0 and telling.story.person in new)
    return unit


async def _tell(house: "House", work: Work, now: int) -> AsyncIterator[Telling]:
    """The story of each person that the changes concern, told what happened."""
    before = await earlier_readings(house.store, work.told)
    stories = await _stories(house, work.persons | {reading.person for reading in before})
    if stories:
        await house.registry.ehrs()
    concerns = _by_person(work.told, before)
    for person, story in stories.items():
        telling = Telling(house, story, now, work.who)
        telling.note(concerns[person])
        await load_series(house, telling, before)
        telling.tell()
        if len(stories) > 1:
            await asyncio.sleep(0)
        yield telling


async def foresee(house: "House", changes: list[Change], who: Requester) -> list[Telling]:
    """What `receive` would derive from these changes, each person's story told; nothing is stored. Errors: as those of `receive`."""
    await _agree(house, changes, who)
    return [telling async for telling in _tell(house, _work(house, changes, changes, who, Unit), now_us())]


def _by_person(changes: list[Change], before: list[Reading]) -> dict[str, list[Change]]:
    """The changes that concern each person: those about it, and those that gave it a value before."""
    gave: dict[str, list[str]] = {}
    for reading in before:
        gave.setdefault(reading.source, []).append(reading.person)
    found: dict[str, list[Change]] = {}
    for change in changes:
        for person in dict.fromkeys([each for each in (change.person, change.was_about, *gave.get(change.ref, ())) if each]):
            found.setdefault(person, []).append(change)
    return found


async def _stories(house: "House", persons: set[str]) -> dict[str, Story]:
    """The stories of everybody whom the changes touch; a Patient that is only now created has an empty one."""
    ordered = sorted(persons)
    return {person: Story(person, rows or ()) for person, rows in zip(ordered, await asyncio.gather(*map(house.store.story, ordered)), strict=True)}


def _write(house: "House", unit: Unit, change: Change) -> None:
    if change.guard is not None:
        unit.guards.append(change.guard)
    if change.method == "delete":
        unit.writes.append(deletion(change.kind, change.id, change.person, change.expected))
        return
    assert change.resource is not None
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
