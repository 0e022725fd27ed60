"""The code systems and canonical addresses this service speaks in. A code that no source shows is never added here."""

from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final
from uuid import NAMESPACE_URL

# Canonical base of everything we define. A site's own address never enters a canonical: it would change with the host.
CANONICAL: Final = "https://setpoint.example/fhir"
OURS: Final = f"{CANONICAL}/CodeSystem/setpoint"
"""Our CodeSystem: scale totals (`phq-9`), subscales (`pcl-5.B`), items without LOINC (`who-5.1`), `deviation` and its parts."""
SUGGESTION_ID: Final = f"{CANONICAL}/NamingSystem/suggestion"
FLAG_ID: Final = f"{CANONICAL}/NamingSystem/flag"
DERIVED_ID: Final = f"{CANONICAL}/NamingSystem/derived"

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = "http://www.whocc.no/atc"
HGNC: Final = "http://www.genenames.org"
PHARMVAR: Final = "http://www.pharmvar.org"
SYSTEMS: Final = {"LOINC": LOINC, "SETPOINT": OURS, "SNOMED": SNOMED}
"""The names by which knowledge files say a code system."""
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
REFERENCE_RANGE_MEANING: Final = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
DATA_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

Json = dict[str, Any]


def coding(system: str, code: str, display: str | None = None) -> Json:
    """One FHIR Coding; `display` only where the caller has it from a source."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: Json, text: str | None = None) -> Json:
    """One FHIR CodeableConcept."""
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


_SEED: Final = sha1(NAMESPACE_URL.bytes + f"{CANONICAL}|".encode(), usedforsecurity=False)


_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def identity(*parts: str) -> str:
    """A resource id (RFC 4122 v5 UUID) that the same parts always give: derived content keeps its identity on replay."""
    return identities(*parts[:-1])(parts[-1])


def identities(*parts: str) -> Callable[[str], str]:
    """`identity` for many that differ in their last part only."""
    shared = _SEED.copy()
    shared.update("".join([f"{part}|" for part in parts]).encode())

    def of(last: str) -> str:
        seed = shared.copy()
        seed.update(last.encode())
        text = seed.hexdigest()
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"

    return of
