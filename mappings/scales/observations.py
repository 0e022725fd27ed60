"""The Observations that stand on one scored response, in the shape of the US Core survey profiles.

A panel with `hasMember`; one Observation per answered item; one per score, the total first among them. Each is `derivedFrom`
the response, and a score also from the items that it used. US Core: StructureDefinition us-core-observation-screening-assessment.
"""

from collections.abc import Mapping
from typing import Protocol

from mappings.scales.parts import Code, Rule
from mappings.scales.scale import Scale
from mappings.scales.scoring import ItemScore, Scored, Total
from mappings.vocabulary import DATA_ABSENT, LOINC, OBSERVATION_CATEGORY, OURS, UCUM, Json, identities

_SURVEY: list[Json] = [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey", "display": "Survey"}]}]
_PERFORMERS = frozenset(("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson"))


class Judged(Protocol):
    """What the person's baseline adds to a score (mappings/baseline/fhir.py)."""

    @property
    def reference_range(self) -> list[Json]: ...
    @property
    def interpretation(self) -> list[Json]: ...
    @property
    def note(self) -> list[Json]: ...


def observations(
    scale: Scale,
    scored: Scored,
    response: Json,
    response_ref: str,
    person: str,
    effective: str,
    issued: str,
    judged: Mapping[str, Judged],
) -> list[Json]:
    """The Observations, panel first, then items, then scores (the total before raw and subscales).

    `response_ref`: "QuestionnaireResponse/id"; `person`: "Patient/id"; `effective`, `issued`: FHIR times; `judged` by score code.
    """
    frame = _Frame(scale, response, response_ref, person, effective, issued)
    assessed = [each for each in scored.items if each.score is not None]
    items = [frame.item(each) for each in assessed]
    refs = {each.link: _ref(made) for each, made in zip(assessed, items, strict=True)}
    totals = [
        frame.total(rule, total, refs, judged.get(rule.code), () if place else scored.notes)
        for place, (rule, total) in enumerate(zip(scale.rules, scored.totals, strict=True))
    ]
    return [frame.panel([*map(_ref, items), *map(_ref, totals)]), *items, *totals]


def _ref(resource: Json) -> str:
    return f"Observation/{resource['id']}"


class _Frame:
    """What all Observations of one response share."""

    def __init__(self, scale: Scale, response: Json, response_ref: str, person: str, effective: str, issued: str) -> None:
        self._scale, self._identity = scale, identities("observation", person, scale.id, effective)
        self._response = {"reference": response_ref}
        self._base: Json = {
            "resourceType": "Observation",
            "id": "",
            "status": "amended" if response.get("status") == "amended" else "final",
            "category": _SURVEY,
            "code": {},
            "subject": {"reference": person if "/" in person else f"Patient/{person}"},
            "effectiveDateTime": effective,
            "issued": issued,
        }
        security, performers = response.get("meta", {}).get("security"), _performers(response)
        if security:
            self._base["meta"] = {"security": security}
        if "encounter" in response:
            self._base["encounter"] = response["encounter"]
        if performers:
            self._base["performer"] = performers

    def _made(self, part: str, code: Json) -> Json:
        made = self._base.copy()
        made["id"] = self._identity(part)
        made["code"] = code
        return made

    def panel(self, members: list[str]) -> Json:
        """The panel: no value of its own."""
        scale = self._scale
        part = f"{scale.id}.panel"
        ours = {"system": OURS, "code": part, "display": scale.title}
        made = self._made(part, {"coding": [*_codings(scale.panel), ours], "text": scale.title})
        made["hasMember"] = [{"reference": ref} for ref in members]
        made["derivedFrom"] = [self._response]
        return made

    def item(self, answered: ItemScore) -> Json:
        """One answered item with its answer code, or its number where the item has no options."""
        made = self._made(f"{self._scale.id}.{answered.item}", self._scale.by_id[answered.item].concept)
        if answered.option is not None:
            made["valueCodeableConcept"] = answered.option.concept
        elif isinstance(answered.score, int):
            made["valueInteger"] = answered.score
        else:
            made["valueQuantity"] = _points(answered.score)
        made["derivedFrom"] = [self._response]
        return made

    def total(self, rule: Rule, total: Total, refs: Mapping[str, str], judged: Judged | None, decided: tuple[str, ...]) -> Json:
        """One score with its band, the band's source, what had to be decided, and what the person's baseline says of it."""
        made = self._made(rule.code, rule.concept)
        _put_value(made, total)
        interpretation = [_verdict(verdict.text, verdict.code) for verdict in total.verdicts]
        note = [{"text": f"{verdict.text} - source: {', '.join(verdict.source)}."} for verdict in total.verdicts if verdict.source]
        if judged is not None:
            interpretation += judged.interpretation
            note += judged.note
            if judged.reference_range:
                made["referenceRange"] = list(judged.reference_range)
        note += [{"text": text} for text in decided]
        if interpretation:
            made["interpretation"] = interpretation
        if note:
            made["note"] = note
        made["derivedFrom"] = [self._response, *[{"reference": refs[link]} for link in total.used_items]]
        return made


def _performers(response: Json) -> list[Json]:
    """Who answered and who wrote it down, each once, where an Observation allows that type."""
    found: dict[str, Json] = {}
    for who in (response.get("source"), response.get("author")):
        if isinstance(who, dict):
            reference = str(who.get("reference", ""))
            kind = who.get("type") or (reference.split("/")[-2] if reference.count("/") else "")
            if kind in _PERFORMERS:
                found[reference or str(who)] = who
    return list(found.values())


def _codings(codes: tuple[Code, ...]) -> list[Json]:
    return [{"system": code.system, "code": code.code} for code in codes if code.system == LOINC]


def _verdict(text: str, code: str | None) -> Json:
    return {"coding": [{"system": OURS, "code": code, "display": text}], "text": text} if code else {"text": text}


def _points(value: int | float | None) -> Json:
    return {"value": value, "unit": "{score}", "system": UCUM, "code": "{score}"}


def _put_value(made: Json, total: Total) -> None:
    if total.kind == "profile":
        made["dataAbsentReason"] = _absent("not-applicable", "Not Applicable", "This scale has no total; read its items.")
    elif total.value is None:
        count = len(total.missing)
        made["dataAbsentReason"] = _absent("unknown", "Unknown", f"Not scored: {count} item(s) without a usable answer.")
    elif total.kind == "boolean":
        made["valueBoolean"] = bool(total.value)
    elif total.level is not None:
        made["valueCodeableConcept"] = _level(total)
    else:
        made["valueQuantity"] = _points(total.value)


def _level(total: Total) -> Json:
    level = total.level
    assert level is not None
    coding = [{"system": LOINC, "code": level.loinc}] if level.loinc else []
    return {"coding": [*coding, {"system": OURS, "code": f"{total.code}.{level.code}", "display": level.text}], "text": level.text}


def _absent(code: str, display: str, text: str) -> Json:
    return {"coding": [{"system": DATA_ABSENT, "code": code, "display": display}], "text": text}
