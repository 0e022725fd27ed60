"""Recorded allergies and intolerances that name a drug of a prescription."""

from collections.abc import Iterable

from mappings.medicines.drug import Drugs
from mappings.medicines.interactions import Interaction
from mappings.medicines.prescription import Medicine, map_concept
from mappings.vocabulary import Json


def allergies(drugs: Drugs, medicine: Medicine, recorded: Iterable[Json]) -> list[Interaction]:
    """AllergyIntolerance resources that name a drug of this medicine; refuted, mistaken and resolved ones are left out."""
    found = []
    for resource in recorded:
        if _status(resource, "verificationStatus") & {"refuted", "entered-in-error"} or _status(resource, "clinicalStatus") & {"resolved"}:
            continue
        concepts = [resource.get("code"), *(reaction.get("substance") for reaction in resource.get("reaction", []))]
        named = {drug for concept in concepts if isinstance(concept, dict) for drug in map_concept(concept, drugs)[2]}
        for drug in medicine.ingredients:
            if drug in named:
                found.append(_allergy(medicine, drug, resource))
    return found


def _status(resource: Json, name: str) -> set[str]:
    return {coding.get("code") for coding in (resource.get(name) or {}).get("coding", [])}


def _allergy(medicine: Medicine, drug: str, resource: Json) -> Interaction:
    intolerance = resource.get("type") == "intolerance"
    low = intolerance and resource.get("criticality") in (None, "low")
    ref = f"AllergyIntolerance/{resource['id']}" if resource.get("id") else ""
    return Interaction(
        code=f"allergy|{drug}|{ref}",
        kind="allergy",
        severity="moderate" if low else "high",
        title=f"Recorded {'intolerance' if intolerance else 'allergy'} to {drug}",
        text="The person's record names this drug.",
        mitigation="Consider another drug; if the record is wrong, correct it.",
        drugs=(drug,),
        refs=(medicine.ref, *([ref] if ref else [])),
        source="AllergyIntolerance of the person",
    )
