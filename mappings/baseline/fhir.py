"""A judgement as FHIR R4: reference ranges, interpretation, and the deviation Observation that explains itself."""

from dataclasses import dataclass
from typing import Final

from mappings.baseline.engine import Judgement
from mappings.baseline.measured import HOURS_SINCE_DOSE, Measured, Refused, codes_of, measure_value, prior_of
from mappings.baseline.prior import Population, Prior
from mappings.baseline.stability import STABLE_PERIOD
from mappings.baseline.wording import for_clinician, for_patient, limits, place, population_place, rounded, span
from mappings.vocabulary import INTERPRETATION, OBSERVATION_CATEGORY, OURS, REFERENCE_RANGE_MEANING, UCUM, Json, coding, concept, identity

__all__ = [
    "CONCEPTS", "Judged", "Measured", "Refused", "codes_of", "deviation", "explanation", "interpretation", "judged", "measure_value", "prior_of", "ranges",
]  # fmt: skip

CONCEPTS: Final[list[Json]] = [
    {"code": "personal-range", "display": "Range usual for this person"},
    {"code": "above-personal-range", "display": "Above the person's own 95 % range"},
    {"code": "below-personal-range", "display": "Below the person's own 95 % range"},
    {"code": "within-personal-range", "display": "Within the person's own 95 % range"},
    {"code": "p-real-change", "display": "Probability that the level has really changed against the anchored baseline"},
    {"code": "p-gross-error", "display": "Probability that the value is a gross error or another one-off"},
    {"code": "p-changepoint", "display": "Probability that the level jumped before one of the last values"},
    {"code": "learnt-unwell", "display": "Whether most of the earlier values are those of somebody ill"},
    {"code": HOURS_SINCE_DOSE, "display": "Hours between the last dose and the sample"},
    {"code": STABLE_PERIOD, "display": "Period in which a clinician found the person stable"},
    {"code": "prior-share", "display": "Share of the uncertainty about the person's level that is still the population's"},
    {"code": "alert", "display": "Whether the value spends the alarm budget"},
]
"""The concepts of our CodeSystem that this module uses beside those of `deviation` itself."""

_MEANING: Final = {"normal": "Normal Range", "therapeutic": "Therapeutic Desired Level", "recommended": "Recommended Range"}
_STANDARD: Final = {"above": ("H", "High"), "below": ("L", "Low"), "within": ("N", "Normal")}
_CRITICAL: Final = {"high": ("HH", "Critical high"), "low": ("LL", "Critical low")}
_LABEL: Final = {each["code"]: each["display"] for each in CONCEPTS}


@dataclass(frozen=True, slots=True)
class Judged:
    """What the baseline adds to an Observation of our own."""

    reference_range: list[Json]
    interpretation: list[Json]
    note: list[Json]


def judged(prior: Prior, judgement: Judgement) -> Judged:
    """Ranges, interpretation and the clinician's note of one judgement."""
    return Judged(ranges(prior, judgement), interpretation(prior, judgement), [{"text": explanation(prior, judgement)}])


def explanation(prior: Prior, judgement: Judgement) -> str:
    """The judgement in words, for a clinician."""
    return for_clinician(prior, judgement)


def ranges(prior: Prior, judgement: Judgement) -> list[Json]:
    """Observation.referenceRange: the population's first, then the person's own with what it rests on."""
    population = [_population_range(prior, prior.population)] if prior.population else []
    low, high = limits(prior, judgement)
    text = f"Personal 95 % range {span(judgement)} ({judgement.method} {judgement.version})"
    personal = {"low": _quantity(prior, low), "high": _quantity(prior, high), "type": _ours("personal-range"), "text": text}
    return [*population, personal]


def interpretation(prior: Prior, judgement: Judgement) -> list[Json]:
    """Observation.interpretation: critical or population first, in the standard codes; then the person's own, in ours."""
    found: list[Json] = []
    where = population_place(prior, judgement.value)
    if judgement.critical and prior.critical:
        found.append(concept(coding(INTERPRETATION, *_CRITICAL[judgement.critical]), text=f"Critical limit: {prior.critical.text}"))
    elif where and prior.population:
        found.append(concept(coding(INTERPRETATION, *_STANDARD[where]), text=f"{where.capitalize()} the {prior.population.name}"))
    if judgement.n:
        found.append(_ours(f"{place(prior, judgement)}-personal-range"))
    return found


def deviation(prior: Prior, judgement: Judgement, judged_ref: str, person: str, effective: str, issued: str) -> Json:
    """The deviation Observation of one judged value.

    `judged_ref`: "Observation/id" of the judged one; `person`: "Patient/id"; `effective`, `issued`: FHIR times.
    """
    category = "survey" if prior.unit == "{score}" else "exam"
    made: Json = {
        "resourceType": "Observation",
        "id": identity("deviation", person, prior.measure, effective, judged_ref),
        "status": "final",
        "category": [concept(coding(OBSERVATION_CATEGORY, category, category.capitalize()))],
        "code": concept(coding(OURS, "deviation", "Deviation from the person's own baseline"), text=f"{prior.short}: deviation from the person's own baseline"),
        "subject": {"reference": person if "/" in person else f"Patient/{person}"},
        "effectiveDateTime": effective,
        "issued": issued,
        "valueCodeableConcept": _ours(f"{place(prior, judgement)}-personal-range"),
        "interpretation": interpretation(prior, judgement),
        "note": [
            {"text": f"For the clinician: {for_clinician(prior, judgement)}"},
            {"text": f"For the patient: {for_patient(prior, judgement)}"},
        ],
        "derivedFrom": [{"reference": judged_ref}],
        "component": _components(prior, judgement),
    }
    if not made["interpretation"]:
        del made["interpretation"]
    return made


def _components(prior: Prior, judgement: Judgement) -> list[Json]:
    low, high = limits(prior, judgement)
    ratios = (
        ("z", judgement.z, "z"),
        ("p", judgement.p, "Two-sided probability of a value at least this far out"),
        ("p-real-change", judgement.p_real_change, _LABEL["p-real-change"]),
        ("p-changepoint", judgement.p_changepoint, _LABEL["p-changepoint"]),
        ("p-gross-error", judgement.p_gross_error, _LABEL["p-gross-error"]),
        ("prior-share", judgement.prior_share, _LABEL["prior-share"]),
    )
    values = (
        ("set-point", rounded(prior, judgement.set_point), "Set point: the person's expected value"),
        ("lower", low, "Lower limit of the personal 95 % interval"),
        ("upper", high, "Upper limit of the personal 95 % interval"),
    )
    made = [_part(code, text, "valueQuantity", _ratio(number)) for code, number, text in ratios[:2]]
    made += [_part(code, text, "valueQuantity", _quantity(prior, number)) for code, number, text in values]
    made += [
        _part("n", "Number of earlier values used", "valueInteger", judgement.n),
        _part("method", "Method of the baseline", "valueString", judgement.method),
        _part("version", "Version of the method", "valueString", judgement.version),
    ]
    made += [_part(code, text, "valueQuantity", _ratio(number)) for code, number, text in ratios[2:]]
    if prior.unwell:
        made.append(_part("learnt-unwell", _LABEL["learnt-unwell"], "valueBoolean", judgement.learnt_unwell))
    return [*made, _part("alert", _LABEL["alert"], "valueBoolean", judgement.alert)]


def _part(code: str, text: str, kind: str, value: Json | int | str) -> Json:
    return {"code": concept(coding(OURS, code), text=text), kind: value}


def _ratio(number: float) -> Json:
    """A pure number, UCUM "1", with four significant figures."""
    return {"value": _plain(float(f"{number:.4g}")), "unit": "1", "system": UCUM, "code": "1"}


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _quantity(prior: Prior, value: float) -> Json:
    return {"value": value, "unit": prior.unit_text, "system": UCUM, "code": prior.unit}


def _population_range(prior: Prior, population: Population) -> Json:
    made: Json = {}
    if population.low is not None:
        made["low"] = _quantity(prior, population.low)
    if population.high is not None:
        made["high"] = _quantity(prior, population.high)
    made["type"] = concept(coding(REFERENCE_RANGE_MEANING, population.meaning, _MEANING[population.meaning]))
    if population.applies_to:
        made["appliesTo"] = [{"text": population.applies_to}]
    return made | {"text": population.text}


def _ours(code: str) -> Json:
    return concept(coding(OURS, code, _LABEL[code]), text=_LABEL[code])
