"""The number that a received Observation gives a measure, in the measure's unit; or why it must not be judged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mappings.baseline.prior import Prior
from mappings.outcome import Issue
from mappings.vocabulary import OURS, UCUM, Json

HOURS_SINCE_DOSE: Final = "hours-since-dose"
"""Of our CodeSystem: a component of a drug level, UCUM h. Where it is missing, the level is taken as one of the hour it should be drawn at."""
_JUDGED_STATUS: Final = frozenset({"final", "amended", "corrected"})


@dataclass(frozen=True, slots=True)
class Measured:
    """A value in the unit of the measure's prior. `stream`: the method by which it was measured, "" where the Observation names none: another
    method is another stream of values, with a baseline of its own."""

    measure: str
    value: float
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A value of a known measure that is kept but never judged."""

    issue: Issue


def codes_of(observation: Json) -> list[tuple[str, str]]:
    """Every (system, code) of Observation.code (or of a component's), in order."""
    codings = observation.get("code", {}).get("coding", [])
    return [(coding["system"], coding["code"]) for coding in codings if "system" in coding and "code" in coding]


def prior_of(priors_by_code: Mapping[tuple[str, str], Prior], observation: Json) -> Prior | None:
    """The prior of the first code that names a measure."""
    return next((priors_by_code[code] for code in codes_of(observation) if code in priors_by_code), None)


def measure_value(priors_by_code: Mapping[tuple[str, str], Prior], observation: Json) -> Measured | Refused | None:
    """The measured value; None for an Observation of no known measure, or one that is not (or no longer) a result."""
    prior = prior_of(priors_by_code, observation)
    if prior is None or observation.get("status") not in _JUDGED_STATUS:
        return None
    stream = _method(observation)
    if (hours := _hours_since_dose(observation)) is not None and not _trough(prior, hours):
        return _refused(f"Only levels {_window(prior)} hours after a dose are judged.", "Observation.component")
    if "dataAbsentReason" in observation:
        return _refused("The value is absent; there is nothing to judge.", "Observation.dataAbsentReason")
    if isinstance(observation.get("valueInteger"), int):
        return _checked(prior, observation["valueInteger"], prior.unit, "Observation.valueInteger", stream)
    quantity = observation.get("valueQuantity")
    if not isinstance(quantity, dict) or "value" not in quantity:
        return _refused("A baseline needs a single number (valueQuantity or valueInteger).", "Observation.value")
    if "comparator" in quantity:
        return _refused("A value with a comparator is a limit, not a measurement; it is not judged.", "Observation.valueQuantity.comparator")
    unit = _unit(prior, quantity)
    if unit is None:
        accepted = ", ".join(prior.units)
        return _refused(f"The unit is not one that {prior.measure} can be converted from exactly (UCUM {accepted}).", "Observation.valueQuantity.code")
    return _checked(prior, quantity["value"], unit, "Observation.valueQuantity.value", stream)


def _method(observation: Json) -> str:
    """Observation.method as one text: its first code, else its words."""
    method = observation.get("method")
    if not isinstance(method, dict):
        return ""
    found = [f"{coding.get('system', '')}|{coding['code']}" for coding in method.get("coding", []) if isinstance(coding.get("code"), str)]
    return found[0] if found else str(method.get("text", "")).strip().lower()


def _hours_since_dose(observation: Json) -> float | None:
    """The hours between the last dose and the sample, where a component says them."""
    for component in observation.get("component", []):
        quantity = component.get("valueQuantity")
        if (OURS, HOURS_SINCE_DOSE) in codes_of(component) and isinstance(quantity, dict) and quantity.get("code") == "h":
            value = quantity.get("value")
            return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    return None


def _trough(prior: Prior, hours: float) -> bool:
    window = prior.treatment.trough_hours if prior.treatment else None
    return window is None or window[0] <= hours <= window[1]


def _window(prior: Prior) -> str:
    window = prior.treatment.trough_hours if prior.treatment else None
    return f"{window[0]:g} to {window[1]:g}" if window else ""


def _unit(prior: Prior, quantity: Json) -> str | None:
    """The accepted UCUM unit of a quantity. Without a code, a unit text counts only where it is such a code to the letter."""
    if "code" in quantity:
        known = quantity.get("system") == UCUM and quantity["code"] in prior.units
        return quantity["code"] if known else None
    text = quantity.get("unit")
    if text is None:
        return prior.unit if "1" in prior.units else None
    return text if text in prior.units else None


def _checked(prior: Prior, given: Any, unit: str, expression: str, stream: str) -> Measured | Refused:
    value = converted(prior, given, unit)
    if value is None:
        return _refused("The value is not a finite number.", expression)
    below = prior.minimum is not None and value < prior.minimum
    above = prior.maximum is not None and value > prior.maximum
    if below or above or not prior.transform.accepts(value):
        return _refused(f"The value lies outside what {prior.measure} can take.", expression)
    return Measured(prior.measure, value, stream)


def converted(prior: Prior, given: Any, unit: str) -> float | None:
    """`given` in the prior's unit, multiplied in decimals so that 7.1 h is 426 min; None unless it is a finite number."""
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal) or not math.isfinite(given):
        return None
    value = float(Decimal(str(given)) * Decimal(str(prior.units[unit])))
    return value if math.isfinite(value) else None


def _refused(text: str, expression: str) -> Refused:
    return Refused(Issue("warning", "not-supported", text, expression))
