"""What a use case is asked to do, and by whom."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mappings.vocabulary import Json
from service.store.unit import ANY, Expected, Guard

if TYPE_CHECKING:
    from service.fhir.call import Call
    from service.security.principal import Principal
    from service.security.reach import Reach


@dataclass(slots=True)
class Change:
    """One resource to create, update or delete. `body` holds the received bytes of `resource`.

    `related`: the Medication that a prescription refers to, the Questionnaire that a response answers where it is none of our scales'.
    `was_about`: the person that what stands there is about. `guard`: what must hold inside the commit for a conditional write.
    After the commit `revives` says that nothing stood there before.
    """

    method: str
    kind: str
    id: str = ""
    resource: Json | None = None
    body: bytes = b""
    expected: Expected = ANY
    guard: Guard | None = None
    person: str | None = None
    was_about: str | None = None
    given_id: bool = True
    revives: bool = False
    previous: Json | None = None
    related: Json | None = None

    @property
    def ref(self) -> str:
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked: for the audit, for Provenance, and for what a patient-bound token may touch.
    `quiet`: an import; what it raises stands here, and none of it is queued for an EHR."""

    principal: "Principal"
    reach: "Reach"
    request_id: str
    interaction: str | None = None
    quiet: bool = False

    @classmethod
    def of(cls, call: "Call", reach: "Reach", interaction: str | None = None) -> "Requester":
        return cls(call.principal, reach, call.request_id, interaction)


@dataclass
class Matched(Exception):
    """The criteria of a conditional write find these resources by now; nothing was stored."""

    refs: tuple[str, ...] = field(default=())
