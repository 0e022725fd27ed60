"""What is to be delivered, and how an attempt ended. Reasons are our own words: no address, no value from a record."""

from dataclasses import dataclass

from mappings.vocabulary import Json


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery. `resource` is our CarePlan or Flag with id; `patient` our Patient; `patient_system` the identifier system of the EHR's patients;
    `unknown`: an earlier attempt may have reached the EHR; `remote`, `etag`, `form`: what stands there by our ledger ("" or None: nothing known);
    `encounter`: our Encounter it belongs to, found there by its identifier."""

    resource: Json
    patient: Json
    patient_system: str
    safety: bool = False
    unknown: bool = False
    remote: str | None = None
    etag: str | None = None
    form: str | None = None
    encounter: Json | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """It stands there. `remote_ref` is "Type/id", "" where the EHR does not say; `form` the resource type it was given."""

    remote_ref: str
    etag: str | None
    form: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, after `after_s` seconds where the EHR said so. `unknown`: the EHR may have it already."""

    after_s: float | None
    reason: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """A person has to look at it."""

    reason: str


Settlement = Delivered | Retry | Dead


@dataclass(frozen=True, slots=True)
class Refused:
    """Inside the delivery: this form is not taken. `offered` False: the EHR does not do this at all, whatever the content."""

    reason: str
    offered: bool = True


class Settled(Exception):
    """Ends an attempt from within."""

    def __init__(self, settlement: Settlement) -> None:
        super().__init__(type(settlement).__name__)
        self.settlement = settlement
