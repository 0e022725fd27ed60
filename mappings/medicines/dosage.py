"""How much of a drug a prescription gives a day, and whether that is above a ceiling that genes or a pair rule set."""

from collections.abc import Sequence
from typing import Final

from mappings.genes.guidance import Finding
from mappings.medicines.interactions import Interaction
from mappings.medicines.prescription import Medicine
from mappings.vocabulary import UCUM, Json

_MG: Final = {"mg": 1.0, "g": 1000.0, "ug": 0.001}
_PER_DAY: Final = {"h": 24.0, "d": 1.0, "wk": 1 / 7}
# Timing.code of R4 (v3 GTSAbbreviation): how often a day.
_NAMED: Final = {"QD": 1.0, "AM": 1.0, "PM": 1.0, "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5}


def daily_mg(resource: Json) -> float | None:
    """Milligrams a day over all dosage lines of a MedicationRequest or MedicationStatement; the upper end of ranges.

    None when any line cannot be counted: no dose in a unit of mass, no timing, as needed without a maximum.
    """
    lines = resource.get("dosageInstruction") or resource.get("dosage") or []
    amounts = [_line_mg(line) for line in lines]
    if not amounts or any(amount is None for amount in amounts):
        return None
    known = [amount for amount in amounts if amount is not None]
    steps = {line.get("sequence") for line in lines}
    # Lines with different sequence numbers follow each other (a titration): the highest step counts.
    return max(known) if len(steps) == len(lines) > 1 else sum(known)


def _line_mg(line: Json) -> float | None:
    doses = [mg for rate in line.get("doseAndRate", []) if (mg := _mass(rate)) is not None]
    times = _times_a_day(line.get("timing", {}))
    if len(doses) != 1 or times is None:
        return None
    return doses[0] * times


def _mass(rate: Json) -> float | None:
    quantity = rate.get("doseQuantity") or rate.get("doseRange", {}).get("high") or {}
    unit = quantity.get("code") if quantity.get("system") == UCUM else quantity.get("unit")
    value = quantity.get("value")
    return value * _MG[unit] if isinstance(value, int | float) and unit in _MG else None


def _times_a_day(timing: Json) -> float | None:
    repeat = timing.get("repeat", {})
    events = len(repeat.get("timeOfDay") or repeat.get("when") or ())
    period, unit = repeat.get("period"), repeat.get("periodUnit")
    if isinstance(period, int | float) and period > 0 and unit in _PER_DAY:
        return float(events or repeat.get("frequencyMax") or repeat.get("frequency") or 1) * _PER_DAY[unit] / period
    if events:
        return float(events)
    codes = (coding.get("code") for coding in timing.get("code", {}).get("coding", []))
    return next((_NAMED[code] for code in codes if code in _NAMED), None)


def above_ceilings(findings: Sequence[Finding], medicine: Medicine, mg_per_day: float | None, age: int | None) -> list[Interaction]:
    """The ceilings of gene guidance that a daily dose exceeds. Without a known age the lower one counts, more softly."""
    found = []
    for finding in findings:
        ceiling = _ceiling(finding, age, mg_per_day)
        if ceiling is None or mg_per_day is None or mg_per_day <= ceiling or finding.drug not in medicine.ingredients:
            continue
        unsure = age is None and ceiling == finding.dose.get("maxDoseMgPerDayAge65")
        found.append(
            Interaction(
                code=f"ceiling|{finding.code}",
                kind="ceiling",
                severity="moderate" if unsure else "high",
                title=f"{finding.drug}: daily dose above {ceiling:g} mg",
                text=f"{finding.source}: {finding.text}",
                mitigation=f"Consider at most {ceiling:g} mg a day or another drug.",
                drugs=(finding.drug,),
                refs=(medicine.ref, *finding.source_refs),
                source=f"{finding.source} {finding.version}",
                url=finding.url,
                notes=("The age is not known; this is the limit from 65 years.",) if unsure else (),
            )
        )
    return found


def _ceiling(finding: Finding, age: int | None, mg_per_day: float | None) -> float | None:
    limit, older = finding.dose.get("maxDoseMgPerDay", finding.dose.get("maxDoseMg")), finding.dose.get("maxDoseMgPerDayAge65")
    if limit is None:
        return None
    above = mg_per_day is not None and mg_per_day > limit
    if older is not None and ((age is not None and age >= 65) or (age is None and not above)):
        return float(older)
    return float(limit)
