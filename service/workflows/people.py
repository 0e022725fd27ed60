"""Who a resource is about. A subject may be relative, absolute at our base or at a registered EHR, or by identifier."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.references import local
from service.store.unit import Stored

if TYPE_CHECKING:
    from service.house import House

Read = Callable[[str], Awaitable[Stored | None]]
PATHS = {
    "RelatedPerson": "patient", "FamilyMemberHistory": "patient", "AllergyIntolerance": "patient", "DetectedIssue": "patient", "Consent": "patient",
    "Device": "patient", "Task": "for",
}  # fmt: skip
"""The element that names the person, where it is not `subject` (R4 resource definitions)."""
WITHOUT = {"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Questionnaire", "Medication", "PlanDefinition", "Group", "Bundle",
           "CodeSystem", "ValueSet", "SearchParameter", "Provenance", "AuditEvent"}  # fmt: skip


def subject_of(kind: str, resource: Json) -> tuple[Json | None, str]:
    """The Reference that names the person, and where it stands."""
    if kind in WITHOUT:
        return None, ""
    element = PATHS.get(kind, "subject")
    reference = resource.get(element)
    if isinstance(reference, list):
        reference = reference[0] if reference else None
    return (reference if isinstance(reference, dict) else None), f"{kind}.{element}"


async def resolve(house: "House", kind: str, resource: Json, new: Iterable[str] = (), read: Read | None = None) -> str | None:
    """The Patient ref the resource is about, or None when it names none. Errors: 422 when what it names cannot be found.

    `new`: Patients that the same transaction creates; `read`: answers what stands under a ref.
    """
    reference, expression = subject_of(kind, resource)
    if reference is None:
        return None
    if str(reference.get("reference", "")).startswith("#"):
        return None  # a contained subject is somebody without a record of their own: kept, and judged for nobody
    if "reference" in reference:
        return await _by_reference(house, str(reference["reference"]), expression, frozenset(new), read or house.store.read)
    if "identifier" in reference:
        return await _by_identifier(house, reference["identifier"], expression)
    return None


async def was_about(house: "House", version: Stored, person: str) -> bool:
    """Whether an older version spoke of this person too; one of which that cannot be told is not shown to a patient-bound token."""
    kind = version.ref.split("/")[0]
    if kind == "Patient" or version.deleted:
        return True
    try:
        return await resolve(house, kind, house.parse_stored(version.body)) == person
    except Refusal:
        return False


def _unknown(expression: str) -> Refusal:
    return Refusal(Kind.UNPROCESSABLE, "This reference leads to no person known here", expression, code="not-found")


async def _by_reference(house: "House", text: str, expression: str, new: frozenset[str], read: Read) -> str | None:
    ref = local(text, house.base)
    if ref in new:
        return ref
    parts = ref.split("/")
    if len(parts) == 2 and parts[0] in house.types.names:
        stored = await read(ref)
        if stored is not None and not stored.deleted:
            return ref if parts[0] == "Patient" else None
    elif len(parts) > 2 and parts[-2] == "Patient":
        return await _at_ehr(house, text.split("/_history/")[0], expression)
    raise _unknown(f"{expression}.reference")


async def _at_ehr(house: "House", url: str, expression: str) -> str:
    """An absolute reference at a registered EHR: the Patient of ours that carries that EHR's patient id."""
    base, _, foreign = url.rpartition("/Patient/")
    for ehr in await house.registry.ehrs():
        if ehr.base.rstrip("/") == base and ehr.patient_system:
            found = await house.patients_with(ehr.patient_system, foreign)
            if len(found) == 1:
                return found[0]
    raise _unknown(f"{expression}.reference")


async def _by_identifier(house: "House", identifier: Json, expression: str) -> str:
    system, value = identifier.get("system"), identifier.get("value")
    found = await house.patients_with(system, value) if isinstance(value, str) and value else []
    if len(found) != 1:
        raise _unknown(f"{expression}.identifier")
    return found[0]
