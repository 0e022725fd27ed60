"""A safety Flag: a finding that a professional must see, whatever the total. Raised by us, resolved by a person only. No diagnosis."""

from collections.abc import Sequence
from typing import Final, Protocol

from mappings.suggestions import narrative
from mappings.vocabulary import FLAG_ID, OURS, Json, coding, concept

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
_DETAIL: Final = "http://hl7.org/fhir/StructureDefinition/flag-detail"
REVIEW: Final = "professional review"


class Hit(Protocol):
    """A safety finding (mappings/scales/scoring.py): `code` our stable key, `text` plain wording from the scale's file."""

    @property
    def code(self) -> str: ...
    @property
    def text(self) -> str: ...


def safety_flag(hit: Hit, id_: str, title: str, person: str, refs: Sequence[str], since: str, encounter: Json | None = None) -> Json:
    """The Flag. `title` of the scale; `person` "Patient/id"; `refs` what it rests on, the response first; `since` the clinical time of the answer."""
    said = hit.text if REVIEW in hit.text else f"{hit.text.rstrip('.')}: for {REVIEW}."
    body: Json = {
        "resourceType": "Flag",
        "id": id_,
        "text": narrative.generated(
            [
                narrative.paragraph(f"{title}: {said}"),
                narrative.paragraph("A questionnaire makes no diagnosis. This flag stays until a person resolves it."),
            ]
        ),
        "extension": [{"url": _DETAIL, "valueReference": {"reference": ref}} for ref in refs],
        "identifier": [{"system": FLAG_ID, "value": id_}],
        "status": "active",
        "category": [concept(coding(_CATEGORY, "safety", "Safety"))],
        "code": concept(coding(OURS, hit.code), text=f"{title}: {said}"),
        "subject": {"reference": person},
        "period": {"start": since},
    }
    if not refs:
        del body["extension"]
    return body | ({"encounter": encounter} if encounter else {})
