"""Finding our person among an EHR's patients: by identifier, then compared. Never a guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.ehr.document import objects
from mappings.vocabulary import Json

_SEXES: Final = ("male", "female", "other")


@dataclass(frozen=True, slots=True)
class MatchedPatient:
    """The one patient; `ref` is "Patient/id" at the EHR."""

    ref: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody was matched."""

    reason: str


def identifier_value(patient: Json, system: str) -> str | None:
    """The value by which a Patient is known in a system; None when it has none, or several that are in use."""
    values = _values(patient, system)
    return next(iter(values)) if len(values) == 1 else None


def find_patient(found: Sequence[Json], ours: Json, system: str) -> MatchedPatient | Refusal:
    """Matches our Patient with the resources of a search for its identifier. What does not carry the identifier is not considered."""
    value = identifier_value(ours, system)
    if value is None:
        return Refusal("the person carries no single identifier of this EHR's patient system")
    candidates = {str(each.get("id")): each for each in found if each.get("resourceType") == "Patient" and value in _values(each, system)}
    if not candidates:
        return Refusal("no patient at the EHR has this identifier")
    if len(candidates) > 1:
        return Refusal("several patients at the EHR have this identifier")
    id_, theirs = candidates.popitem()
    problem = _standing(theirs) or _difference(ours, theirs)
    return Refusal(problem) if problem else MatchedPatient(f"Patient/{id_}")


def _values(patient: Json, system: str) -> set[str]:
    identifiers = [each for each in objects(patient, "identifier") if each.get("use") != "old"]
    return {str(each["value"]).strip() for each in identifiers if each.get("system") == system and each.get("value")}


def _standing(theirs: Json) -> str | None:
    if theirs.get("active") is False:
        return "the patient is inactive at the EHR"
    if any(link.get("type") == "replaced-by" for link in objects(theirs, "link")):
        return "the patient was replaced by another at the EHR"
    return None


def _difference(ours: Json, theirs: Json) -> str | None:
    here, there = str(ours.get("birthDate") or ""), str(theirs.get("birthDate") or "")
    if not here or not there:
        return "the birth date is not known on both sides"
    if not (here.startswith(there) or there.startswith(here)):
        return "the birth date differs"
    sexes = {str(patient.get("gender")) for patient in (ours, theirs)} & set(_SEXES)
    return "the sex differs" if len(sexes) > 1 else None
