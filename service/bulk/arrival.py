"""One resource as it arrived from a file: parsed and checked as the API checks it, with the id it gets here."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mappings.vocabulary import Json, identity
from service.bulk.order import is_derived
from service.errors import Kind, Refusal
from service.fhir.intake import check, parsed
from service.fhir.update import ID
from service.workflows.people import subject_of

if TYPE_CHECKING:
    from service.house import House

_CONDITIONAL = re.compile(rb'"reference"\s*+:\s*+"[A-Z][A-Za-z]++\?')


@dataclass(slots=True)
class Place:
    """Where it stands: the file by its place in the plan and by its name, the line or entry from 1."""

    file: int
    shown: str
    number: int


@dataclass(slots=True)
class Arrival:
    """A resource, or why it is none. `conditional`: it holds references that a search resolves; `stands`: it is there already under
    another id, as its ifNoneExist found. A line of a story file has only its body."""

    place: Place
    kind: str = ""
    id: str = ""
    body: bytes = b""
    resource: Json | None = None
    refusal: Refusal | None = None
    derived: bool = False
    conditional: bool = False
    stands: bool = False

    @property
    def ref(self) -> str:
        return f"{self.kind}/{self.id}"

    @property
    def person(self) -> str | None:
        """Whom it names as its subject, as the file has it: what is about one person is stored together."""
        if self.kind == "Patient" or self.resource is None:
            return self.ref
        reference, _ = subject_of(self.kind, self.resource)
        return str(reference.get("reference")) if reference else None


def arrive(house: "House", place: Place, source: str, body: bytes, id_: str | None = None, requests: bool = False) -> Arrival:
    """Parse and check. `id_`: the id it gets where it names none itself; `requests`: it may hold conditional references."""
    arrival = Arrival(place, body=body)
    try:
        if len(body) > house.settings.max_body_mb * 1_048_576:
            raise Refusal(Kind.TOO_LARGE, f"The resource is larger than {house.settings.max_body_mb} MB")
        _check(house, arrival, id_ or identity("import", source, f"{place.shown}#{place.number}"))
    except Refusal as refusal:
        arrival.refusal = refusal
    arrival.conditional = requests and _CONDITIONAL.search(body) is not None
    return arrival


def _check(house: "House", arrival: Arrival, id_: str) -> None:
    resource = parsed(arrival.body)
    kind = resource.get("resourceType")
    if not isinstance(kind, str):
        raise Refusal(Kind.INVALID, "A resource says what it is", "resourceType", code="required")
    arrival.kind = kind if kind in house.types.names else ""
    house.types.check(kind, "create")
    if kind == "AuditEvent":
        raise Refusal(Kind.NOT_ALLOWED, "The audit trail of another system is not imported")
    check(house, kind, resource)
    arrival.id = resource.get("id", id_)
    if not ID.fullmatch(arrival.id):
        raise Refusal(Kind.INVALID, "The id is not a FHIR id", f"{kind}.id", code="value")
    arrival.resource, arrival.derived = resource, is_derived(resource)
