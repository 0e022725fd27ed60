"""What a MedicationRequest or MedicationStatement prescribes: a known drug and how sure that is, or plainly unmapped."""

from dataclasses import dataclass
from typing import Final, Literal

from mappings.medicines.drug import Drugs
from mappings.vocabulary import ATC, RXNORM, Json

How = Literal["rxnorm", "atc", "text", "unmapped"]
Sure = Literal["certain", "likely", "uncertain", "unknown"]
_ACTIVE: Final = {"MedicationRequest": frozenset({"active"}), "MedicationStatement": frozenset({"active", "intended"})}
# On hold is not being taken, but was: wash-out counts.
_STOPPED: Final = frozenset({"completed", "stopped", "on-hold"})
_HOW_ORDER: Final[tuple[How, ...]] = ("rxnorm", "atc", "text")


@dataclass(frozen=True, slots=True)
class Medicine:
    """One prescribed or taken medicine.

    `drug` is our id, or None when unmapped; `ingredients` holds every drug of a combination (and both where code and text differ).
    `sure`: certain (verified code), likely (one source or an ATC code), uncertain (name only, or code against text), unknown.
    `active`: being taken by its status; `stopped`: was taken, is not now. `start` and `end` are ISO dates or times as sent.
    """

    ref: str
    drug: str | None
    how: How
    active: bool
    start: str | None
    text: str
    sure: Sure = "unknown"
    ingredients: tuple[str, ...] = ()
    stopped: bool = False
    end: str | None = None
    notes: tuple[str, ...] = ()


def medicine_of(resource: Json, drugs: Drugs, medication: Json | None = None) -> Medicine:
    """The medicine of a request or statement. `medication` is the Medication it refers to, where the caller has it."""
    concept = _concept(resource, medication)
    how, sure, found, notes = map_concept(concept, drugs)
    kind, status = resource.get("resourceType", ""), resource.get("status")
    forbidden = resource.get("doNotPerform") is True
    start, end = _period(resource)
    return Medicine(
        ref=f"{kind}/{resource['id']}" if resource.get("id") else "",
        drug=found[0] if found else None,
        how=how,
        active=status in _ACTIVE.get(kind, frozenset()) and not forbidden,
        start=start,
        text=words(concept),
        sure=sure,
        ingredients=found,
        stopped=status in _STOPPED and not forbidden,
        end=end,
        notes=notes,
    )


def map_concept(concept: Json, drugs: Drugs) -> tuple[How, Sure, tuple[str, ...], tuple[str, ...]]:
    """How a coded or written substance maps: (how, how sure, drug ids, notes). Product codes are not resolved; their words are read."""
    by_rxnorm = [(code, drugs.by_rxnorm[code].id) for code in _codes(concept, RXNORM) if code in drugs.by_rxnorm]
    by_atc = [drugs.by_atc[code].id for code in _codes(concept, ATC) if code in drugs.by_atc]
    by_text = drugs.named_in(words(concept))
    ways: dict[How, tuple[str, ...]] = {"rxnorm": tuple(drug for _, drug in by_rxnorm), "atc": tuple(by_atc), "text": by_text}
    how = next((way for way in _HOW_ORDER if ways[way]), None)
    if how is None:
        return "unmapped", "unknown", (), ("Known neither by code nor by name: not checked.",)
    found = tuple(dict.fromkeys(ways[how]))
    against = [drug for way in _HOW_ORDER for drug in ways[way] if drug not in found]
    if how == "text":
        return how, "uncertain", found, ("Mapped by name only.",)
    if against and not set(found) <= set(by_text):
        return how, "uncertain", tuple(dict.fromkeys([*found, *against])), ("Code and words name different drugs: both are checked.",)
    verified = how == "rxnorm" and all(drugs.by_id[drug].rxnorm[code] == "VERIFIED" for code, drug in by_rxnorm)
    return how, "certain" if verified else "likely", tuple(dict.fromkeys([*found, *against])), ()


def words(concept: Json) -> str:
    """The text and displays of a concept, joined."""
    said = [concept.get("text"), *(coding.get("display") for coding in concept.get("coding", []))]
    return " / ".join(dict.fromkeys(text for text in said if isinstance(text, str) and text))


def _codes(concept: Json, system: str) -> list[str]:
    return [
        coding["code"] for coding in concept.get("coding", []) if coding.get("system") == system and isinstance(coding.get("code"), str)
    ]


def _concept(resource: Json, medication: Json | None) -> Json:
    direct = resource.get("medicationCodeableConcept")
    if isinstance(direct, dict):
        return direct
    reference = resource.get("medicationReference")
    reference = reference if isinstance(reference, dict) else {}
    target = str(reference.get("reference", ""))
    if target.startswith("#"):
        medication = next((inside for inside in resource.get("contained", []) if inside.get("id") == target[1:]), None)
    if medication is None:
        return {"text": reference["display"]} if reference.get("display") else {}
    return _of_medication(medication)


def _of_medication(medication: Json) -> Json:
    """A Medication's own code and its ingredients as one concept, so that a combination shows all of its drugs."""
    concepts = [medication.get("code")]
    concepts += [part.get("itemCodeableConcept") for part in medication.get("ingredient", [])]
    found = [concept for concept in concepts if isinstance(concept, dict)]
    text = " / ".join(concept["text"] for concept in found if isinstance(concept.get("text"), str))
    codings = [coding for concept in found for coding in concept.get("coding", [])]
    return ({"text": text} if text else {}) | ({"coding": codings} if codings else {})


def _period(resource: Json) -> tuple[str | None, str | None]:
    """When taking starts and ends, as far as the resource says."""
    if resource.get("resourceType") == "MedicationStatement":
        period = resource.get("effectivePeriod") or {}
        return period.get("start") or resource.get("effectiveDateTime"), period.get("end")
    bounds = [
        dosage["timing"]["repeat"]["boundsPeriod"]
        for dosage in resource.get("dosageInstruction", [])
        if "boundsPeriod" in dosage.get("timing", {}).get("repeat", {})
    ]
    starts = sorted(bound["start"] for bound in bounds if "start" in bound)
    ends = sorted(bound["end"] for bound in bounds if "end" in bound)
    whole = len(ends) == len(resource.get("dosageInstruction", []))
    return (starts[0] if starts else resource.get("authoredOn")), (ends[-1] if ends and whole else None)
