"""Who asks: what a verified token says, in our words."""

from dataclasses import dataclass, replace
from typing import Literal

from service.security.scopes import Scope

Kind = Literal["system", "user", "patient"]
CLINICIANS = ("Practitioner", "PractitionerRole")
"""Types of those who may see what their organisation sees, and who may review."""


def is_clinician(reference: str | None) -> bool:
    """Whether this reference, relative or absolute, is to one of them."""
    return reference is not None and len(parts := reference.split("/")) > 1 and parts[-2] in CLINICIANS


@dataclass(frozen=True, slots=True)
class Principal:
    """`patient` is the *issuer's* id of the patient a patient-bound token is about; `person` is the Patient ref of ours that it was linked to.
    `fhir_user` is the person who signed in, by the issuer's absolute reference. `expires` in seconds since 1970 UTC."""

    client_id: str
    kind: Kind
    scopes: tuple[Scope, ...] = ()
    issuer: str = ""
    fhir_user: str | None = None
    patient: str | None = None
    person: str | None = None
    token_id: str | None = None
    expires: float = 0.0
    may_state_reviewer: bool = False

    def speaking_for(self, person: str) -> "Principal":
        """The same, linked to a Patient of ours."""
        return replace(self, person=person)


OPEN = Principal("open installation", "system", may_state_reviewer=True)
"""Everybody, in an installation without authorisation."""
