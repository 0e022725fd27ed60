"""Writing one resource to an EHR in one form, so that it stands there once, whatever happens on the way."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from adapters.ehr.answers import AlreadyThere, Remote, meaning, remote_of, standing
from adapters.ehr.capabilities import MESSAGES, Way
from adapters.ehr.document import carries, objects, part
from adapters.ehr.profile import Profile
from adapters.ehr.session import Session, Unusable, resource_of, token_value
from adapters.ehr.settlement import Dead, Delivered, Refused, Retry, Settlement
from adapters.http import Answer, ForbiddenAddress, NotSent, Unanswered, Unreadable
from mappings.vocabulary import Json

_CLOSED: Final = frozenset({"completed", "entered-in-error", "revoked", "cancelled", "rejected", "failed", "inactive"})
_PREFER: Final = {"prefer": "return=representation"}
_CLOSED_THERE: Final = Dead("it was closed at the EHR by somebody else")
Outcome = Settlement | Refused


@dataclass(frozen=True, slots=True)
class Writing:
    """`body`: the shaped resource without id; `identifier`: (system, value) that it carries; `patient`: "Patient/id" there; `now`: seconds;
    `withdrawn`: it says that it no longer holds."""

    session: Session
    way: Way
    profile: Profile
    body: Json
    identifier: tuple[str, str]
    patient: str
    now: float
    withdrawn: bool

    # What stands there already

    async def look(self) -> list[Json]:
        """What the EHR has of ours in this form, oldest first. Every result is checked: a server may ignore a parameter it does not know."""
        if not self.way.search:
            return []
        by = {"identifier": token_value(*self.identifier)} if self.way.by_identifier else {"patient": self.patient.partition("/")[2]}
        found = [each for each in await self.session.search(self.way.form, by) if self._ours(each)]
        return sorted(found, key=lambda each: (str(part(each, "meta").get("lastUpdated")), str(each.get("id"))))

    def _ours(self, resource: Json) -> bool:
        texts = [resource.get("description"), *(note.get("text") for note in objects(resource, "note"))]
        marked = self.way.form != "CarePlan" and any(self.identifier[1] in str(text) for text in texts)
        return carries(resource, *self.identifier) or marked

    # Something new

    async def first(self, unknown: bool) -> Outcome:
        """Create it, unless it stands there. `unknown`: an earlier attempt may have created it."""
        if unknown and not self.way.safe_to_repeat:
            return Dead("an earlier attempt may have arrived, and this EHR cannot be searched for it")
        if unknown or not self.way.conditional or self.withdrawn:
            found = await self.look()
            if found:
                return await self._adopt(found[0])
        if self.withdrawn:
            return Delivered("", None, self.way.form)  # it never arrived there: nothing has to be taken back
        return await self._create()

    async def _create(self) -> Outcome:
        condition = {"if-none-exist": f"identifier={quote(token_value(*self.identifier), safe='')}"} if self.way.conditional else {}
        try:
            answer = await self.session.call("POST", self.way.form, self.body, _PREFER | condition)
        except (NotSent, ForbiddenAddress) as error:
            return Retry(None, str(error))
        except Unanswered as error:
            return Retry(None, f"outcome unknown: {error}", unknown=True)
        except Unreadable as error:
            answer = error.answer
        if answer.status in (200, 201, 204):
            return await self._created(answer)
        if answer.status in (409, 412):
            return await self._there(Retry(None, f"the EHR answers {answer.status}: a conflict", unknown=True))
        said = meaning(answer, self.profile, self.now)
        return await self._there(Delivered("", None, self.way.form)) if isinstance(said, AlreadyThere) else said

    async def _created(self, answer: Answer) -> Outcome:
        remote = remote_of(answer, self.way.form)
        if answer.status == 200 and self.way.conditional and remote is not None:
            resource = resource_of(answer)
            whole = resource is not None and resource["resourceType"] == self.way.form
            return await self._adopt(resource if whole and resource is not None else await self.session.read(remote.ref))
        if remote is not None:
            return Delivered(remote.ref, remote.etag, self.way.form)
        if answer.status == 200:
            return await self._there(Refused("the EHR answers 200 without saying that anything was stored"))
        return await self._there(Delivered("", None, self.way.form))

    async def _there(self, otherwise: Outcome) -> Outcome:
        """Delivered if a search finds it."""
        try:
            found = await self.look()
        except (Unusable, NotSent, Unanswered, Unreadable):
            found = []
        return await self._adopt(found[0]) if found else otherwise

    async def _adopt(self, resource: Json) -> Outcome:
        """It stands there: done when it says what we say, else brought up to date."""
        remote = standing(resource)
        if remote is None:
            return Delivered("", None, self.way.form)
        if self.same(resource) or not self.way.update or (self.way.form in MESSAGES and not self.withdrawn):
            return Delivered(remote.ref, remote.etag, self.way.form)
        return _CLOSED_THERE if self._closed(resource) else await self.again(remote)

    def _closed(self, theirs: Json) -> bool:
        """Whether somebody there ended what we would open again."""
        return str(theirs.get("status")) in _CLOSED and theirs.get("status") != self.body.get("status") and not self.withdrawn

    def same(self, theirs: Json) -> bool:
        """Whether what stands there says what we say (servers add to id, meta and text)."""
        return all(theirs.get(name) == value for name, value in self.body.items() if name not in ("id", "meta", "text"))

    # A change of what stands there

    async def again(self, remote: Remote, conflicts: int = 0) -> Outcome:
        """Update it. A conflict is looked into once: what stands there may be our own earlier attempt."""
        etag = remote.etag
        if self.way.if_match == "required" and etag is None:
            etag = await self._current_etag(remote)
        condition = {"if-match": etag} if etag and self.way.if_match != "never" else {}
        try:
            answer = await self.session.call("PUT", remote.ref, self.body | {"id": remote.ref.partition("/")[2]}, _PREFER | condition)
        except Unanswered as error:
            return Retry(None, f"outcome unknown: {error}", unknown=True)
        except Unreadable as error:
            answer = error.answer
        if answer.status in (200, 201, 204):
            written = remote_of(answer, self.way.form)
            return Delivered(remote.ref, written.etag if written and written.ref == remote.ref else None, self.way.form)
        if answer.status in (409, 412):
            return await self._conflict(remote, answer, conflicts)
        return await self._not_updated(remote, answer)

    async def _current_etag(self, remote: Remote) -> str | None:
        current = standing(await self.session.read(remote.ref))
        return current.etag if current else None

    async def _conflict(self, remote: Remote, answer: Answer, conflicts: int) -> Outcome:
        theirs = await self.session.read(remote.ref)
        current = standing(theirs) or remote
        if self.same(theirs):
            return Delivered(remote.ref, current.etag, self.way.form)
        if self._closed(theirs):
            return _CLOSED_THERE
        if conflicts:
            return Retry(None, f"the EHR answers {answer.status}: a conflict", unknown=True)
        return await self.again(Remote(remote.ref, current.etag), conflicts + 1)

    async def _not_updated(self, remote: Remote, answer: Answer) -> Outcome:
        if answer.status in (404, 410) and self.withdrawn:
            return Delivered(remote.ref, None, self.way.form)
        if answer.status == 410:
            return Dead("it was deleted at the EHR")
        if answer.status == 404:
            return await self.first(unknown=True)
        said = meaning(answer, self.profile, self.now)
        return Delivered(remote.ref, None, self.way.form) if isinstance(said, AlreadyThere) else said


def unusable(error: Unusable, profile: Profile, now: float, unknown: bool) -> Settlement:
    """What a read or search that failed means for the attempt."""
    if error.answer.status == 200:
        return Retry(None, "the EHR answers a search with something else", unknown)
    said = meaning(error.answer, profile, now)
    if isinstance(said, Retry):
        return Retry(said.after_s, said.reason, unknown)
    return Dead(f"looking at the EHR failed: {said.reason}" if isinstance(said, Refused) else "looking at the EHR failed")


def settle(outcome: Outcome) -> Settlement:
    """A refusal of the last form is the end."""
    return Dead(outcome.reason) if isinstance(outcome, Refused) else outcome
