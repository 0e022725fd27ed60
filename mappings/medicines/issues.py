"""DetectedIssue (R4): what stands against a prescription, with its evidence and a proposal. A clinician decides."""

from collections.abc import Sequence
from typing import Final

from mappings.genes.guidance import Finding
from mappings.medicines.interactions import Interaction
from mappings.medicines.prescription import Medicine
from mappings.vocabulary import DERIVED_ID, Json, concept, identity

_HIGH: Final = frozenset({"AVOID", "DO_NOT_USE"})
_WORDS: Final = {
    "AVOID": "avoid",
    "DO_NOT_USE": "do not use",
    "ALTERNATIVE": "consider another drug",
    "ALTERNATIVE_IF_NO_RESPONSE": "another drug if there is no response",
    "ALTERNATIVE_OR_REDUCE": "another drug or a lower dose",
    "WEIGH": "weigh benefit against risk",
    "REDUCE": "lower dose",
    "REDUCE_START": "lower starting dose",
    "REDUCE_MAINTENANCE": "lower maintenance dose",
    "REDUCE_IF_SIDE_EFFECTS": "lower dose on side effects",
    "LOWER_START": "lower starting dose",
    "LOWER_MAINTENANCE": "lower maintenance dose",
    "SLOWER_TITRATION": "slower titration",
    "STAY_LOW": "stay at the low dose",
    "MAX_DOSE": "keep below a maximum dose",
    "INCREASE": "higher dose",
    "INCREASE_BY_EFFECT": "higher dose by effect",
    "HIGHER_TARGET": "higher target dose",
    "HIGHER_MAINTENANCE": "higher maintenance dose",
    "TITRATE_TO_METABOLITE_MAX": "titrate up to the maximum of the metabolite",
    "TDM": "measure the drug level",
    "ALERT": "watch for poor effect",
    "USE_WITH_MONITORING": "use with closer monitoring",
    "CAUTIOUS_REUSE": "continue with caution",
}
# What a duplicate, an allergy or a gene does to a prescription; DetectedIssue.code has no code for most of them that a source shows.
_KINDS: Final = {
    "interaction": "Drug interaction",
    "washout": "Too soon after another drug",
    "duplicate": "Duplicate therapy",
    "allergy": "Recorded allergy or intolerance",
    "unmapped": "Medicine not recognised",
    "ceiling": "Dose above a limit",
    "warning": "Warning for this person",
    "limit": "Result at a limit for this medicine",
}


def detected_issue(found: Finding | Interaction, medicine: Medicine, person: str, evidence_refs: Sequence[str], now: str) -> Json:
    """One DetectedIssue, status preliminary. `person` is "Patient/id", `now` an instant with zone; `evidence_refs` are "Type/id".

    The id is the same for the same medicine and finding. Without a reference to the medicine, `implicated` is left out.
    """
    id_ = identity("detected-issue", medicine.ref, found.code)
    body: Json = {
        "resourceType": "DetectedIssue",
        "id": id_,
        "identifier": [{"system": DERIVED_ID, "value": id_}],
        "status": "preliminary",
        "code": concept(text=_code(found)),
        "severity": severity(found),
        "patient": {"reference": person},
        "identifiedDateTime": now,
    }
    implicated = [medicine.ref] if isinstance(found, Finding) else [ref for ref in found.refs if ref.startswith("Medication")]
    body |= _listed("implicated", [{"reference": ref} for ref in dict.fromkeys(implicated) if ref])
    body |= _listed("evidence", _evidence(found, medicine, evidence_refs))
    body["detail"] = _detail(found)
    if found.url:
        body["reference"] = found.url
    proposal = _proposal(found)
    return body | ({"mitigation": [{"action": concept(text=f"Proposed, not decided: {proposal}")}]} if proposal else {})


def severity(found: Finding | Interaction) -> str:
    """high, moderate or low. For genes: high where the source says avoid or do not use, moderate where anything else is to be done."""
    if isinstance(found, Interaction):
        return found.severity
    if not found.actionable:
        return "low"
    return "high" if _HIGH.intersection(found.actions) else "moderate"


def _listed(name: str, entries: list[Json]) -> Json:
    return {name: entries} if entries else {}


def _code(found: Finding | Interaction) -> str:
    return f"Gene-drug guidance ({found.source})" if isinstance(found, Finding) else _KINDS[found.kind]


def _evidence(found: Finding | Interaction, medicine: Medicine, evidence_refs: Sequence[str]) -> list[Json]:
    refs = list(dict.fromkeys([*evidence_refs, *(found.source_refs if isinstance(found, Finding) else found.refs)]))
    details = [{"reference": ref} for ref in refs if ref and ref != medicine.ref]
    said = "; ".join(f"{gene}: {key}" for gene, key in found.lookup.items()) if isinstance(found, Finding) else found.source
    return [{"code": [concept(text=said)]} | ({"detail": details} if details else {})] if said or details else []


def _detail(found: Finding | Interaction) -> str:
    if isinstance(found, Interaction):
        return " ".join([f"{found.title}.", found.text, *found.notes])
    genes = ", ".join(f"{gene} {key}" for gene, key in found.lookup.items())
    population = "" if found.population == "general" else f" For: {found.population}."
    head = f"{found.source} on {found.drug} with {genes} ({found.classification}): {found.text}{population}"
    return " ".join([head, *found.notes, f"Version {found.version}, {found.date}."])


def _proposal(found: Finding | Interaction) -> str:
    if isinstance(found, Interaction):
        return found.mitigation
    return ", ".join(_WORDS[action] for action in found.actions if action in _WORDS)
