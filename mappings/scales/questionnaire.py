"""A scale as a FHIR Questionnaire: items in the published order, none required, and at the end its total as a read-only item.

A scale without a total (a profile) ends with its subscales.
"""

from typing import Final

from mappings.scales.assembly import ORDINAL
from mappings.scales.expression import expression, total_link
from mappings.scales.parts import Code, Item, Option, Rule
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, LOINC, OURS, Json

_SDC: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
_EXTRACT: Final[Json] = {"url": _SDC + "observationExtract", "valueBoolean": True}
_LOINC_NOTICE: Final = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the Logical "
    "Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the license at http://loinc.org/license."
)
TOPIC_MARK: Final = " (topic in our words; the scale's wording is not included)"


def questionnaire(scale: Scale) -> Json:
    """The Questionnaire served for this scale; `id` is the scale's, `url` ends in it."""
    made: Json = {
        "resourceType": "Questionnaire",
        "id": scale.id,
        "extension": [_EXTRACT],
        "url": f"{CANONICAL}/Questionnaire/{scale.id}",
        "version": scale.version,
        "name": computable_name(scale.id),
        "title": scale.title,
        "status": "active",
        "subjectType": ["Patient"],
        "publisher": "Setpoint",
        "description": _description(scale),
        "copyright": _copyright(scale),
        "code": _codes(scale),
        "item": [question(item) for item in scale.items],
    }
    rests = scale.rules if scale.total.kind == "profile" else scale.rules[:1]
    made["item"] += [_total(scale, rule) for rule in rests if rule.kind != "profile"]
    return made


def computable_name(scale_id: str) -> str:
    """A name as R4 wants it ([A-Z]([A-Za-z0-9_]){0,254}): phq-9 gives PHQ_9."""
    return scale_id.upper().replace("-", "_")


def _description(scale: Scale) -> str:
    introduction = f" {scale.introduction}" if scale.introduction else ""
    recall = f" Recall: {scale.recall}." if scale.recall else ""
    wording = "" if scale.licence.wording == "ships" else " Its wording may not be shipped; items carry topics in our words."
    return f"{scale.title} ({scale.edition}), {scale.domain}.{introduction}{recall}{wording} Sources: {', '.join(scale.source)}."


def _copyright(scale: Scale) -> str:
    loinc = any(code.system == LOINC for code in scale.panel) or any(item.system == LOINC for item in scale.items)
    return f"{scale.licence.notice} {_LOINC_NOTICE}" if loinc else scale.licence.notice


def _codes(scale: Scale) -> list[Json]:
    return [*_codings(scale.panel), {"system": OURS, "code": f"{scale.id}.panel", "display": scale.title}, *_codings(scale.codes)]


def _codings(codes: tuple[Code, ...]) -> list[Json]:
    return [{"system": code.system, "code": code.code} for code in codes]


def item_text(item: Item) -> str:
    """What is shown for an item: the scale's wording, or a topic that says it is one."""
    return item.text if item.wording else item.text + TOPIC_MARK


def question(item: Item) -> Json:
    made: Json = {
        "linkId": item.link,
        "extension": [_EXTRACT],
        "code": [{"system": item.system, "code": item.code}],
        "prefix": f"{item.id}.",
        "text": item_text(item),
    }
    if item.options:
        return made | {"type": "choice", "answerOption": [{"valueCoding": _option(option)} for option in item.options]}
    kind, key = ("integer", "valueInteger") if item.whole else ("decimal", "valueDecimal")
    made["extension"] = [
        _EXTRACT,
        *({"url": f"http://hl7.org/fhir/StructureDefinition/{name}Value", key: end} for name, end in _ends(item)),
    ]
    return made | {"type": kind}


def _ends(item: Item) -> tuple[tuple[str, int | float], ...]:
    return (("min", item.low), ("max", item.high))


def _option(option: Option) -> Json:
    coding: Json = {"system": option.system, "code": option.code, "display": option.text}
    if option.score is None:
        return coding
    return {"extension": [{"url": ORDINAL, "valueDecimal": option.score}]} | coding


def _total(scale: Scale, rule: Rule) -> Json:
    """The total: read-only, calculated, coded as the total, so that a stated one can be sent and is checked."""
    made: Json = {
        "linkId": total_link(rule),
        "extension": [{"url": _SDC + "calculatedExpression", "valueExpression": _expression(scale, rule)}, _EXTRACT],
        "code": [*(coding for coding in _codings(rule.codes) if coding["system"] == LOINC), {"system": OURS, "code": rule.code}],
        "text": f"{scale.short} {rule.title}",
    }
    if rule.kind == "level":
        return made | {"type": "choice", "readOnly": True, "answerOption": _level_options(rule)}
    kind = "boolean" if rule.kind == "boolean" else "integer" if isinstance(rule.low, int) and isinstance(rule.high, int) else "decimal"
    return made | {"type": kind, "readOnly": True}


def _expression(scale: Scale, rule: Rule) -> Json:
    text = expression(scale, rule)
    return {"description": "Score of complete answers", "language": "text/fhirpath", "expression": text}


def _level_options(rule: Rule) -> list[Json]:
    options: list[Json] = []
    for level in rule.levels:
        system, code = (LOINC, level.loinc) if level.loinc else (OURS, f"{rule.code}.{level.code}")
        options.append({"valueCoding": {"system": system, "code": code, "display": level.text}})
    return options
