"""Review a suggestion: read the plan, apply the clinician's decision, store plan, Provenance and the story's memory of it in one commit."""

from typing import TYPE_CHECKING
from uuid import uuid4

from mappings.suggestions import provenance
from mappings.suggestions.review import ReviewError, ReviewRequest, read_parameters, reviewed_plan
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.intake import check
from service.security.principal import is_clinician
from service.store.clock import now_us
from service.store.unit import Audit, Stale, Stored, Unit
from service.workflows.change import Requester
from service.workflows.clinical_time import iso
from service.workflows.pushing import pushes
from service.workflows.story import Story
from service.workflows.writes import derived_write

if TYPE_CHECKING:
    from service.house import House

_STATUS = {"accept": "accepted", "modify": "accepted", "decline": "declined"}
ATTEMPTS = 20


async def review(house: "House", id_: str, parameters: Json, who: Requester) -> Stored:
    """Decide on CarePlan/[id]; answers it as it stands then. Errors: 400 parameters, 404, 403 reviewer, 409 not open (any more)."""
    try:
        request = read_parameters(parameters)
    except ReviewError as error:
        raise Refusal(Kind.INVALID, issues=(error.issue,)) from None
    reviewer = _reviewer(request, who)
    for _ in range(ATTEMPTS):
        try:
            return await _once(house, f"CarePlan/{id_}", request, reviewer, who)
        except Stale:
            continue
    raise Refusal(Kind.CONFLICT, "This person's record is being changed by others; try again")


def _reviewer(request: ReviewRequest, who: Requester) -> Json:
    """The token's clinician; a backend client may state one where it was allowed to."""
    stated: Json | None = {"reference": who.principal.fhir_user} if who.principal.fhir_user else None
    if stated is None and who.principal.may_state_reviewer:
        stated = request.reviewer
    if stated is None or not _is_clinician(stated.get("reference")):
        raise Refusal(
            Kind.FORBIDDEN,
            "A review needs a clinician: a token with fhirUser, or a client that may state the reviewer",
            "Parameters.parameter.where(name='reviewer')",
        )
    return stated


def _is_clinician(reference: str | None) -> bool:
    """Whether a reference names a clinician; a reviewer that is stated by name or identifier only has none."""
    return reference is None or is_clinician(reference)


async def _once(house: "House", ref: str, request: ReviewRequest, reviewer: Json, who: Requester) -> Stored:
    stored = await house.store.read(ref)
    if stored is None or stored.deleted or not who.reach.covers(stored.person):
        raise Refusal(Kind.NOT_FOUND, "No such suggestion")
    plan = house.parse_stored(stored.body)
    try:
        decided = reviewed_plan(plan, request)
    except ReviewError as error:
        raise Refusal(Kind.CONFLICT if error.conflict else Kind.INVALID, issues=(error.issue,)) from None
    check(house, "CarePlan", decided)
    unit = await _unit(house, stored, decided, request, reviewer, who)
    await house.store.commit(unit)
    return unit.writes[0].stored()


async def _unit(house: "House", stored: Stored, decided: Json, request: ReviewRequest, reviewer: Json, who: Requester) -> Unit:
    now, person = now_us(), stored.person or ""
    story = Story(person, await house.store.story(person) or ())
    _remember(story, stored.ref, request.decision, now, decided)
    security = decided.get("meta", {}).get("security", [])
    write = derived_write(house, decided | {"id": stored.ref.split("/")[1]}, stored.person, security)
    write.expected = stored.version
    made = provenance.reviewed(str(uuid4()), stored.ref, stored.version, reviewer, request.decision, request.reason, iso(now))
    check(house, "Provenance", made)
    await house.registry.ehrs()
    return Unit(
        writes=[write, derived_write(house, made, stored.person, security, fresh=True)], persons={person: story.version}, story_puts=story.puts,
        pushes=pushes(house, story, {stored.ref: security}, {stored.ref: False}),
        audits=[Audit(house.store.mint(), now, "E", "review", 200, "CarePlan", stored.ref, stored.person, who.principal.client_id, who.principal.fhir_user,
                      who.request_id)],
    )  # fmt: skip


def _remember(story: Story, ref: str, decision: str, now: int, decided: Json) -> None:
    """The rule keeps quiet about what was decided, until its quiet period ends or the facts worsen."""
    for rule, row in story.all("suggestion"):
        if row["ref"] == ref:
            story.put("suggestion", rule, row | {"status": _STATUS[decision], "decided_at": now, "body": decided})
