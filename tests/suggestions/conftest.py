"""The catalogue over the shipped scales and priors, the shipped rules, and a check of what is emitted: base R4 and fhir.resources."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mappings.baseline import prior
from mappings.r4 import release as r4
from mappings.scales import scale
from mappings.suggestions import facts, rule
from mappings.suggestions.facts import Catalogue, FactValue
from mappings.suggestions.rule import Rule

ROOT = Path(__file__).parent.parent.parent / "mappings"
ASKED = "2026-03-01T09:00:00Z"
ANSWER = ("QuestionnaireResponse/q1", "Observation/total1")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    scales = [scale.build(read(path)) for path in sorted((ROOT / "scales/library").glob("*.json"))]
    priors = [prior.build(read(path)) for path in sorted((ROOT / "baseline/priors").glob("*.json"))]
    return facts.build(read(ROOT / "suggestions/facts.json"), scales, priors)


@pytest.fixture(scope="session")
def rules(catalogue: Catalogue) -> dict[str, Rule]:
    built = [rule.build(read(path), catalogue) for path in sorted((ROOT / "suggestions/rules").glob("*.json"))]
    return {each.id: each for each in built}


@pytest.fixture
def rule_file() -> Callable[[str], Any]:
    return lambda name: read(ROOT / f"suggestions/rules/{name}.json")


@pytest.fixture
def worse() -> dict[str, FactValue]:
    """A person whose PHQ-9 rose from about 5 to 13, with item 9 above zero and citalopram on record."""
    answer = {"total": 13, "band": "moderate", "earlier-values": 10, "set-point": 5.1, "personal-low": 2.0, "personal-high": 8.9, "suicidal-ideation": 1,
              "above-personal-range": True, "shifted-up": False, "change-from-first": 8}  # fmt: skip
    found = {f"phq-9.{name}": FactValue(value, ANSWER, ASKED) for name, value in answer.items()}
    taken = ("MedicationRequest/m1",)
    return found | {
        "phq-9.age-days": FactValue(0.04),
        "medicine.antidepressant.active": FactValue(True, taken),
        "medicine.names": FactValue("citalopram", taken),
        "gene-drug.actionable": FactValue(True, ("Observation/cyp2c19", *taken)),
        "gene-drug.finding": FactValue("citalopram: CPIC (Strong) with CYP2C19 Poor Metabolizer: another antidepressant", ("Observation/cyp2c19", *taken)),
        "goal.present": FactValue(True, ("Goal/g1",)),
    }


@pytest.fixture(scope="session")
def release() -> r4.Release:
    files = {name: read(ROOT / "r4/definitions" / name) for name in r4.FILES}
    return r4.build(files, ("CarePlan", "PlanDefinition", "Flag", "Provenance"))


@pytest.fixture
def check_r4(release: r4.Release) -> Callable[[Any], None]:
    """Fails with every reason where a resource is not valid R4."""

    def check(resource: Any) -> None:
        assert [issue.text for issue in release.validator.validate(resource)] == []
        kind = resource["resourceType"]
        getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind).model_validate(resource)

    return check


@pytest.fixture(scope="session")
def phq9() -> Any:
    return scale.build(read(ROOT / "scales/library/phq-9.json"))


@pytest.fixture(scope="session")
def shipped_groups() -> dict[str, str]:
    """Every shipped drug with its group."""
    return {each["id"]: each["group"] for each in read(ROOT / "medicines/drugs.json")["drugs"]}


@pytest.fixture
def part() -> type[SimpleNamespace]:
    """Stands in for classes of other rooms that the collectors take by their members."""
    return SimpleNamespace
