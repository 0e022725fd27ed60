"""`setpoint baseline fit`: a prior from a site's own data, and beside it a report with calibration plots."""

import html
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pac

from mappings.baseline import many, prior
from mappings.baseline.learning import Learned, Series, learn
from mappings.baseline.prior import Prior
from mappings.vocabulary import SYSTEMS
from service.populations.tables import BadTable, batches, days, numbers

Say = Callable[[str], None]
PILE: Final = 0.02
"""So many values at one end are a scale's own end, not the highest that somebody happened to have."""


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
    page = out.with_suffix(".html")
    page.write_text(_page(measure, data, learned, series), encoding="utf-8")
    size = len(series.day)
    return {"measure": measure, "people": len(series.start), "values": size, **told, "transform": data["transform"], "resolution": data["resolution"],
            "mean_log_score": round(learned.log_score / size, 5), "tried": learned.tried, "out": str(out), "report": str(page)}  # fmt: skip


def _candidates(series: Series, known: Prior | None) -> list[str]:
    """Every transform that may be right; logit where the measure is known to be bounded, or where whole values pile up at the highest."""
    found = ["identity", "log", "sqrt"]
    value = series.value
    lowest, highest = float(value.min()), float(value.max())
    if known is not None and known.minimum is not None and known.maximum is not None:
        found.append(f"logit:{known.minimum:g}:{known.maximum:g}")
    elif (value == np.round(value)).all() and 0 <= lowest < highest and (value == highest).mean() >= PILE:
        floor = lowest if (value == lowest).mean() >= PILE else 0.0
        found.append(f"logit:{floor:g}:{highest:g}")
    return found


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
    last = np.ones(len(order), bool)
    last[:-1] = (code[order[1:]] != code[order[:-1]]) | (day[order[1:]] != day[order[:-1]])
    kept = order[last]
    fresh = np.flatnonzero(np.append(True, code[kept[1:]] != code[kept[:-1]])) if len(kept) else np.array([], int)
    report |= {"not_used": int((~fine).sum()), "duplicates": int((~last).sum())}
    return Series(fresh, np.diff(np.append(fresh, len(kept))), day[kept], value[kept]), report


def _page(measure: str, data: dict[str, Any], learned: Learned, series: Series) -> str:
    """The report: what was learned, the histogram of the PIT, and coverage by the number of earlier values."""
    built = prior.build(data)
    found = many.judge(built, series.start, series.length, series.day, series.value)
    inside = (series.value >= found.lower95) & (series.value <= found.upper95)
    groups = [(0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, 1 << 60)]
    rows = []
    for low, high in groups:
        chosen = (found.n >= low) & (found.n <= high)
        if chosen.any():
            name = f"{low}" if low == high else f"{low} to {high}" if high < 1 << 60 else f"{low} and more"
            rows.append((name, int(chosen.sum()), float(inside[chosen].mean())))
    counts, _ = np.histogram(learned.pit[(learned.n >= 1) & np.isfinite(learned.pit)], bins=20, range=(0, 1))
    theta = "".join(f"<tr><td>{name}</td><td>{value:.6g}</td></tr>" for name, value in data["theta"].items())
    tried = "".join(f"<tr><td>{html.escape(name)}</td><td>{value:.1f}</td></tr>" for name, value in learned.tried.items())
    cover = "".join(f"<tr><td>{name}</td><td>{count}</td><td>{100 * share:.1f} %</td></tr>" for name, count, share in rows)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Prior of a measure</title><style>body{font:15px sans-serif;max-width:52em;margin:2em auto}"
        "td,th{padding:.2em .8em;text-align:left}</style>"
        f"<h1>Prior of {html.escape(measure)}</h1><p>{html.escape(data['note'])} Transform {html.escape(data['transform'])}, values in steps of "
        f"{data['resolution']:g} (0: exact), mean log score {learned.log_score / len(series.day):.4f}.</p>"
        f"<h2>Hyper-parameters</h2><table>{theta}</table>"
        + (f"<h2>Transforms tried</h2><table><tr><th>transform</th><th>log likelihood with Jacobian</th></tr>{tried}</table>" if tried else "")
        + "<h2>Calibration</h2><p>Of the people it was learned from: where each value fell in its predictive distribution (a flat histogram is a calibrated "
        f"one), and how many values lay within the 95 % limits. New people are the better test.</p>{_bars(counts)}"
        f"<table><tr><th>earlier values</th><th>values</th><th>within 95 %</th></tr>{cover}</table></html>\n"
    )


def _bars(counts: Any) -> str:
    """A histogram as SVG, with the height that a calibrated one has."""
    most, total = max(1, int(counts.max())), int(counts.sum())
    tops = [130 * int(count) / most for count in counts]
    bars = "".join(f"<rect x='{20 + 20 * at}' y='{150 - top:.1f}' width='18' height='{top:.1f}' fill='#4a7aa7'/>" for at, top in enumerate(tops))
    level = 150 - 130 * (total / len(counts)) / most
    line = f"<line x1='18' x2='422' y1='{level:.1f}' y2='{level:.1f}' stroke='#b04a2f' stroke-dasharray='5 4'/>"
    ends = "<text x='20' y='168' font-size='11'>0</text><text x='412' y='168' font-size='11'>1</text>"
    return f"<svg width='440' height='175' role='img' aria-label='PIT histogram'>{bars}{line}{ends}</svg>"
