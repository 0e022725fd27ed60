"""Observation-based extraction (SDC extraction.html#observation-based): every marked and coded item with an answer is an Observation."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mappings.questionnaires.pairing import Answered, extension, listed
from mappings.vocabulary import OBSERVATION_CATEGORY, Json, identity

_SURVEY: Final[Json] = {"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey", "display": "Survey"}]}
_UNIT: Final = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
_PERFORMERS: Final = frozenset(("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson"))


@dataclass(frozen=True, slots=True)
class Source:
    """The response that everything is taken from. `ref`: "QuestionnaireResponse/id"; `person`: "Patient/id"; times as FHIR writes them."""

    response: Json
    ref: str
    person: str
    effective: str
    issued: str

    def id_of(self, what: str) -> str:
        """The id of what is extracted: the same from the same place of the same response of one person."""
        return identity("extracted", self.person, self.ref, what)


def marked(questionnaire: Json) -> bool:
    """Whether the Questionnaire or one of its items asks for this extraction."""
    return extension(questionnaire, "observationExtract") is True or any(marked(item) for item in questionnaire.get("item", ()) if isinstance(item, dict))


def observations(source: Source, questionnaire: Json, items: Sequence[Answered], scored: Container[str] = ()) -> list[Json]:
    """The Observations, those of a group after its members. A group is one where it is itself marked and coded. Items with a code in
    `scored` are left out."""
    asked = extension(questionnaire, "observationExtract") is True
    return list(_level(source, items, asked, extension(questionnaire, "observation-extract-category") or _SURVEY, scored))


def _level(source: Source, items: Sequence[Answered], asked: bool, category: Json, scored: Container[str]) -> Iterator[Json]:
    for each in items:
        own = extension(each.item, "observationExtract")
        wanted, kept = asked if own is None else own is True, extension(each.item, "observation-extract-category") or category
        members = list(_level(source, each.below, wanted, kept, scored))
        yield from members
        codes = listed(each.item.get("code"))
        if not wanted or not codes or any(coding.get("code") in scored for coding in codes):
            continue
        if each.item.get("type") == "group":
            if own is True and members:
                yield _made(source, each, kept, "panel") | {"hasMember": [{"reference": f"Observation/{member['id']}"} for member in members]}
            continue
        for number, (key, value) in enumerate(each.values, 1):
            found = _value(each.item, key, value)
            if found is not None:
                yield _made(source, each, kept, str(number)) | dict([found])


def _made(source: Source, each: Answered, category: Json, number: str) -> Json:
    response = source.response
    made: Json = {
        "resourceType": "Observation",
        "id": source.id_of(f"{each.place}#{number}"),
        "status": "amended" if response.get("status") == "amended" else "final",
        "category": [category],
        "code": {"coding": each.item["code"]} | ({"text": each.item["text"]} if each.item.get("text") else {}),
        "subject": {"reference": source.person},
        "effectiveDateTime": source.effective,
        "issued": source.issued,
        "derivedFrom": [{"reference": source.ref}],
    }
    if "encounter" in response:
        made["encounter"] = response["encounter"]
    performers = [who for who in (response.get("source"), response.get("author")) if isinstance(who, dict) and _may_perform(who)]
    if performers:
        made["performer"] = [who for place, who in enumerate(performers) if who not in performers[:place]]
    return made


def _may_perform(who: Json) -> bool:
    parts = str(who.get("reference", "")).split("/")
    return (who.get("type") or (parts[-2] if len(parts) > 1 else "")) in _PERFORMERS


def _value(item: Json, key: str, value: Any) -> tuple[str, Any] | None:
    """The Observation's value[x]; None for a form that it does not have (an attachment, a reference, an address)."""
    if key == "valueCoding":
        return "valueCodeableConcept", {"coding": [value]} | ({"text": value["display"]} if value.get("display") else {})
    unit = extension(item, _UNIT)
    if key in ("valueDecimal", "valueInteger") and (unit or key == "valueDecimal"):
        named = {name: unit[key] for name, key in (("unit", "display"), ("system", "system"), ("code", "code")) if key in unit} if unit else {}
        return "valueQuantity", {"value": value} | named
    if key == "valueDate":
        return "valueDateTime", value
    return (key, value) if key in ("valueInteger", "valueBoolean", "valueString", "valueDateTime", "valueTime", "valueQuantity") else None
