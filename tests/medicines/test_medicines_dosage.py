"""Daily doses and gene-based ceilings: DPWG citalopram limits (facts/pgx-dpwg.json), timing by R4 Timing."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mappings.genes.gene import build as build_gene
from mappings.genes.genotype import genotype
from mappings.genes.guidance import Finding, build, find
from mappings.genes.phenotype import interpret
from mappings.medicines.dosage import above_ceilings, daily_mg
from mappings.medicines.prescription import Medicine

GENES = Path(__file__).parents[2] / "mappings" / "genes"
UCUM = "http://unitsofmeasure.org"


def line(value: float, unit: str = "mg", **timing: Any) -> dict[str, Any]:
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return {"timing": timing, "doseAndRate": [{"doseQuantity": quantity}]}


def every(period: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"repeat": {"frequency": 1, "period": period, "periodUnit": unit} | more}


DOSES = [
    ([line(20, **every(1, "d"))], 20),
    ([line(20, **every(12, "h"))], 40),
    ([line(20, **every(1, "d", frequency=2))], 40),
    ([line(20, **every(1, "d", frequencyMax=3))], 60),
    ([line(70, **every(1, "wk"))], 10),
    ([line(0.5, "g", **every(1, "d"))], 500),
    ([line(10, repeat={"timeOfDay": ["08:00:00", "20:00:00"]})], 20),
    ([line(10, repeat={"when": ["MORN", "NOON", "NIGHT"]})], 30),
    ([line(10, code={"coding": [{"code": "BID"}]})], 20),
    ([line(10, **every(1, "d")), line(5, **every(1, "d"))], 15),
    ([{"sequence": 1} | line(10, **every(1, "d")), {"sequence": 2} | line(20, **every(1, "d"))], 20),
    ([line(1, "{tablet}", **every(1, "d"))], None),
    ([line(20)], None),
    ([line(20, **every(1, "d")), line(5)], None),
    ([], None),
]


@pytest.mark.parametrize(("lines", "mg"), DOSES)
def test_daily_dose(lines: list[dict[str, Any]], mg: float | None) -> None:
    found = daily_mg({"dosageInstruction": lines})
    assert found == (None if mg is None else pytest.approx(mg))


@cache
def findings() -> tuple[Finding, ...]:
    gene = build_gene(json.loads((GENES / "library" / "cyp2c19.json").read_text()))
    guidance = build(json.loads((GENES / "guidance" / "cyp2c19-citalopram.json").read_text()))
    return tuple(find([guidance], [interpret({"CYP2C19": gene}, genotype("CYP2C19", "*2/*2"))], "citalopram"))


# DPWG, poor metaboliser: 20 mg below 65 years, 10 mg from 65; FDA: 20 mg.
@pytest.mark.parametrize(
    ("mg", "age", "told"),
    [
        (20, 40, []),
        (30, 40, [("DPWG", "high"), ("FDA", "high")]),
        (20, 65, [("DPWG", "high")]),
        (10, 65, []),
        (20, None, [("DPWG", "moderate")]),
        (30, None, [("DPWG", "high"), ("FDA", "high")]),
        (None, 40, []),
    ],
)
def test_ceilings(mg: float | None, age: int | None, told: list[tuple[str, str]]) -> None:
    medicine = Medicine("MedicationRequest/m", "citalopram", "rxnorm", True, None, "", "certain", ("citalopram",))
    found = above_ceilings(findings(), medicine, mg, age)
    assert [(one.source.split()[0], one.severity) for one in found] == told
