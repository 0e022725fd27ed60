"""What a use case is asked to do, and by whom."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mappings.vocabulary import Json
from service.store.unit import ANY

if TYPE_CHECKING:
    from service.fhir.call import Call
    from service.security.principal import Principal
    from service.security.reach import Reach


@dataclass(slots=True)
class Change:
    """One resource to create, update or delete. `body` holds the received bytes of `resource`.

    `related`: the Medication that a prescription refers to. `condition`: search criteria of a conditional create.
    After the commit `revives` says that nothing stood there before.
    """

    method: str
    kind: str
    id: str = ""
    resource: Json | None = None
    body: bytes = b""
    expected: int = ANY
    condition: str | None = None
    person: str | None = None
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
    """A conditional create found these resources instead; nothing was stored."""

    refs: tuple[str, ...] = field(default=())
