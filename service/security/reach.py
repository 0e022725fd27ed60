"""How far a granted request reaches: everybody, or one person (patient-bound tokens, SMART App Launch 2.0 scopes)."""

from dataclasses import dataclass

SHARED = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Questionnaire", "PlanDefinition", "CodeSystem", "ValueSet",
                    "SearchParameter"})  # fmt: skip
"""Types that speak of no person: a patient-bound token may read them."""
KEPT_FROM_PERSONS = SHARED | {"Patient", "Group", "Bundle", "Provenance", "AuditEvent"}
"""Types that a patient-bound token never writes: they speak of others too, or say who somebody is (a Patient's identifiers are what
links tokens and incoming data to the record)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """`person`: the one Patient ref this request may touch, None for all; `shared`: the type speaks of no person."""

    person: str | None = None
    shared: bool = False

    def covers(self, person: str | None) -> bool:
        """Whether a resource about this person (None: about nobody) is within reach."""
        return self.person is None or person == self.person or (person is None and self.shared)

    @property
    def only(self) -> str | None:
        """The person to whom a search is bound; None for everybody, and where the type speaks of no person."""
        return None if self.shared else self.person


EVERYBODY = Reach()
