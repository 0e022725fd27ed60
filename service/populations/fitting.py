"""`setpoint baseline fit`: a prior from a site's own data, and beside it a report with calibration plots (calibration.py)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pac

from mappings.baseline import prior
from mappings.baseline.learning import Learned, Series, learn
from mappings.baseline.prior import Prior
from mappings.vocabulary import SYSTEMS
from service.populations.calibration import page
from service.populations.tables import BadTable, batches, begins, days, numbers, replaced

Say = Callable[[str], None]
PILE: Final = 0.02
PILED: Final = 5
"""So large a share and so many values at one end are a scale's own end, not the highest that somebody happened to have."""


def fit(source: Path, measure: str, transform: str, out: Path, shipped: Mapping[str, Prior], say: Say) -> dict[str, Any]:
    """Write the prior to `out` and its report to `out` with .html; what came of it. Errors: BadTable, ValueError."""
    series, told = _series(source, measure, shipped)
    known = shipped.get(measure)
    learned = learn(measure, series, transform, _candidates(series, known), say)
    data = learned.data | _described(known, learned, series)
    prior.build(data)
    half = out.with_name(f"{out.name}.half")
    half.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    half.replace(out)
    report = out.with_suffix(".html")
    report.write_text(page(data, learned, series), encoding="utf-8")
    size = len(series.day)
    return {"measure": measure, "people": len(series.start), "values": size, **told, "transform": data["transform"], "resolution": data["resolution"],
            "mean_log_score": round(learned.log_score / size, 5), "tried": learned.tried, "out": str(out), "report": str(report)}  # fmt: skip


def _candidates(series: Series, known: Prior | None) -> list[str]:
    """Every transform that may be right; logit where the measure is known to be bounded, or where whole values pile up at the highest."""
    found = ["identity", "log", "sqrt"]
    value = series.value
    lowest, highest = float(value.min()), float(value.max())
    if known is not None and known.minimum is not None and known.maximum is not None:
        found.append(f"logit:{known.minimum:g}:{known.maximum:g}")
    elif (value == np.round(value)).all() and 0 <= lowest < highest and _piled(value, highest, -1):
        floor = lowest if _piled(value, lowest, 1) else 0.0
        found.append(f"logit:{floor:g}:{highest:g}")
    return found


def _piled(value: Any, end: float, inwards: int) -> bool:
    """Whether values pile up at an end: many, and not the thin tail of those one step further in."""
    there, beside = int((value == end).sum()), int((value == end + inwards).sum())
    return there >= max(PILED, PILE * len(value)) and 2 * there >= beside


def _described(known: Prior | None, learned: Learned, series: Series) -> dict[str, Any]:
    """How it came about; and, of a measure that is known here, its codes, unit and ends."""
    how = f"empirical Bayes on {len(series.day)} values of {len(series.start)} people"
    said: dict[str, Any] = {"note": f"Learned from a site's own data: {how}.", "source": [f"setpoint baseline fit: {how}"],
                            "marks": {"theta": {"mark": "derived", "how": how}, "levels": {"mark": "derived", "how": "PIT of the same people"}}}  # fmt: skip
    if known is None:
        return said
    names = {system: name for name, system in SYSTEMS.items()}
    said |= {"title": known.title, "short": known.short, "unit": known.unit, "unit_text": known.unit_text, "units": dict(known.units),
             "codes": [{"system": names[system], "code": code} for system, code in known.codes], "direction": known.direction}  # fmt: skip
    if not learned.data["transform"].startswith("logit"):
        said |= {name: getattr(known, name) for name in ("minimum", "maximum") if getattr(known, name) is not None}
    if known.mcid is not None:
        said["mcid"] = known.mcid
    return said


def _series(source: Path, measure: str, shipped: Mapping[str, Prior]) -> tuple[Series, dict[str, int]]:
    """The values of one measure by person and time; what cannot be used is counted."""
    report: dict[str, int] = {}
    people: list[Any] = []
    when: list[Any] = []
    what: list[Any] = []
    for table in batches(source, shipped, report):
        mine = table.filter(pac.equal(table["measure"], measure))
        people += mine["patient"].to_pylist()
        when.append(days(mine["time"]))
        what.append(numbers(mine["value"]))
    if not people:
        raise BadTable(f"there is no value of {measure[:64]} in the input")
    _, code = np.unique(np.array(people, dtype=str), return_inverse=True)
    day, value = np.concatenate(when), np.concatenate(what)
    fine = np.isfinite(day) & np.isfinite(value)
    known = shipped.get(measure)
    if known is not None and known.minimum is not None:
        fine &= value >= known.minimum
    if known is not None and known.maximum is not None:
        fine &= value <= known.maximum
    order = np.lexsort((np.arange(len(day)), day, code))
    order = order[fine[order]]
    again = replaced(order, code, day)
    kept = order[~again]
    if not len(kept):
        raise BadTable(f"no value of {measure[:64]} is a number with a time, within what the measure can take")
    fresh = np.flatnonzero(begins(code[kept]))
    report |= {"not_used": int((~fine).sum()), "duplicates": int(again.sum())}
    return Series(fresh, np.diff(np.append(fresh, len(kept))), day[kept], value[kept]), report
