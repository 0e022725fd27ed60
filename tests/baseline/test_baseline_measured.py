"""Which Observations give a value, in which unit; refused ones say why and never repeat the value."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import mappings.baseline
from mappings.baseline.fhir import Measured, Refused, codes_of, measure_value
from mappings.baseline.prior import Prior, build

FOLDER = Path(mappings.baseline.__file__).parent / "priors"
PRIORS = {path.stem: build(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json"))}
BY_CODE: dict[tuple[str, str], Prior] = {code: prior for prior in PRIORS.values() for code in prior.codes}
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def observation(code: str, value: Any, unit: str | None, **more: Any) -> dict[str, Any]:
    quantity = {"value": value} | ({"unit": unit, "system": UCUM, "code": unit} if unit else {})
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity} | more


@pytest.mark.parametrize(
    ("code", "value", "unit", "measure", "found"),
    [
        ("3016-3", 2.1, "m[IU]/L", "tsh", 2.1),
        ("3016-3", 2.1, "u[IU]/mL", "tsh", 2.1),  # 1 u[IU]/mL is 1 m[IU]/L
        ("14334-7", 650, "umol/L", "lithium", 0.65),
        ("93832-4", 7.1, "h", "sleep-minutes", 426.0),
        ("44261-6", 13, "{score}", "phq-9", 13.0),
        ("44261-6", 13, None, "phq-9", 13.0),  # a score needs no unit
    ],
)
def test_exact_units(code: str, value: float, unit: str | None, measure: str, found: float) -> None:
    assert measure_value(BY_CODE, observation(code, value, unit)) == Measured(measure, found)


def test_integer_scores_and_corrected_results_count() -> None:
    score = {"status": "amended", "code": {"coding": [{"system": LOINC, "code": "44261-6"}]}, "valueInteger": 13}
    assert measure_value(BY_CODE, score) == Measured("phq-9", 13.0)
    assert isinstance(measure_value(BY_CODE, observation("3016-3", 2.1, "m[IU]/L", status="corrected")), Measured)


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error", "unknown", None])
def test_other_statuses_are_no_result(status: str | None) -> None:
    assert measure_value(BY_CODE, observation("3016-3", 2.1, "m[IU]/L", status=status)) is None


@pytest.mark.parametrize(
    "bad",
    [
        observation("3016-3", 2.1, "mg/dL"),
        observation("3016-3", 2.1, "mIU/L"),  # no UCUM code
        observation("3016-3", 2.1, None),
        observation("3016-3", 2.1, "m[IU]/L") | {"valueQuantity": {"value": 2.1, "unit": "mIU/L", "system": "http://example.org", "code": "m[IU]/L"}},
        observation("3016-3", -2.1, "m[IU]/L"),
        observation("3016-3", 0, "m[IU]/L"),  # no logarithm
        observation("3016-3", math.nan, "m[IU]/L"),
        observation("3016-3", math.inf, "m[IU]/L"),
        observation("3016-3", True, "m[IU]/L"),
        observation("3016-3", "2.1", "m[IU]/L"),
        observation("44261-6", 28, "{score}"),
        observation("93832-4", 1441, "min"),
        observation("3016-3", 2.1, "m[IU]/L", dataAbsentReason={"text": "unknown"}),
        observation("3016-3", 2.1, "m[IU]/L") | {"valueQuantity": {"value": 2.1, "comparator": "<", "system": UCUM, "code": "m[IU]/L"}},
        {"status": "final", "code": {"coding": [{"system": LOINC, "code": "3016-3"}]}, "valueString": "2.1"},
        {"status": "final", "code": {"coding": [{"system": LOINC, "code": "3016-3"}]}},
    ],
)
def test_refused_and_why(bad: dict[str, Any]) -> None:
    refused = measure_value(BY_CODE, bad)
    assert isinstance(refused, Refused)
    assert refused.issue.expression
    assert "2.1" not in refused.issue.text
    assert "1441" not in refused.issue.text


def test_an_unknown_code_is_not_our_business() -> None:
    assert measure_value(BY_CODE, observation("0000-0", 1, "1")) is None
    assert codes_of({"code": {"text": "x"}}) == []


def test_a_code_of_sodium_is_not_read_as_missing() -> None:
    """The text "NA" is a name here, never an absent value."""
    coded = observation("3016-3", 2.1, "m[IU]/L")
    coded["code"]["coding"].insert(0, {"system": "http://example.org/local", "code": "NA"})
    assert codes_of(coded)[0] == ("http://example.org/local", "NA")
    assert measure_value(BY_CODE, coded) == Measured("tsh", 2.1)
