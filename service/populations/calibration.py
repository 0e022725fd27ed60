"""The report of a learned prior as one HTML page without scripts: what was learned, and how well it foretold the values it was learned from."""

import html
from typing import Any, Final

import numpy as np

from mappings.baseline import many, prior
from mappings.baseline.learning import Learned, Series
from mappings.vocabulary import Json

BINS: Final = 20
_GROUPS: Final = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, 1 << 60))
_FEW: Final = 30
_WORDS: Final = {
    "mu0": "centre of the population", "tau_b2": "variance between people", "sigma0": "typical standard deviation within a person",
    "s_logsigma": "how much that differs between people (SD of its logarithm)", "rho": "share of it that lasts", "L_days": "days for which it lasts",
    "pi_out": "share of gross errors", "c": "correlation of level and variability", "shift": "common course after the first value",
    "T_days": "days that course takes", "f": "memory for a person's variability (1: for ever)", "s_rho": "how much persistence differs between people",
}  # fmt: skip
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:56em;margin:2em auto;padding:0 1em;color:#222}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}"
    "table{border-collapse:collapse}td,th{padding:.25em .9em;text-align:left;border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:"
    "tabular-nums}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}.note{background:#f6f2e6;padding:.6em 1em}figure{margin:1em 0}"
)
_PIT: Final = (
    "Each value with an earlier one of the same person, by the share of the predictive distribution that lies below it. <b>How to read it:</b> flat, with "
    "most bars inside the shaded band, is calibrated. Heaped in the middle: ranges are too wide. Heaped at both ends: too narrow. Heaped at one end: "
    "values drift that way, or the transform is wrong. What is askew in the tails, the tail calibration (<code>levels</code>) mends in the limits."
)
_COVERAGE: Final = (
    "The share of values within their 95 % limits, with its own 95 % uncertainty. <b>How to read it:</b> bars that cross the dashed line are as they should "
    "be. Below it: too many values would be called unusual; above it, too few. On coarse scales, where many values share few steps, it lies above."
)


def page(data: Json, learned: Learned, series: Series) -> str:
    """The page. `data`: the prior as it was written."""
    built = prior.build(data)
    found = many.judge(built, series.start, series.length, series.day, series.value)
    pit = learned.pit[(learned.n >= 1) & np.isfinite(learned.pit)]
    counts, _ = np.histogram(pit, bins=BINS, range=(0, 1))
    rows = _covered(found, series)
    best = max(learned.tried, key=lambda name: learned.tried[name]) if learned.tried else ""
    tried = "".join(_row(name, f"{total:.1f}", f"{total - learned.tried[best]:.1f}") for name, total in learned.tried.items())
    theta = "".join(_row(name, f"{value:.5g}", _WORDS.get(name, ""), number=1) for name, value in data["theta"].items())
    cover = "".join(_row(name, str(count), f"{100 * share:.1f} %", f"{100 * wide:.1f} %") for name, count, share, wide in rows)
    name = html.escape(data["measure"])
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Prior of {name}</title><style>{_STYLE}</style><h1>Prior of {name}</h1><p>{html.escape(data['note'])} "
        f"Transform <b>{html.escape(data['transform'])}</b>, {_steps(data)}, mean log score {learned.log_score / len(series.day):.4f} a value.</p>"
        f"{_caution(series)}<h2>Where values fell in what was foretold (PIT)</h2><p>{_PIT}</p>{_histogram(counts)}"
        f"<h2>Coverage by the number of earlier values</h2><p>{_COVERAGE}</p>{_coverage(rows)}"
        f"<table><tr><th>earlier values</th><th>values</th><th>within 95 %</th><th>within 99 %</th></tr>{cover}</table>"
        "<p>These are the people it was learned from. New people are the better test: judge some with <code>setpoint baseline recompute</code>, and count.</p>"
        "<h2>What was learned</h2><p>On the transformed scale.</p>"
        f"<table><tr><th>parameter</th><th>value</th><th>meaning</th></tr>{theta}</table>{_transforms(tried)}</html>\n"
    )


def _transforms(tried: str) -> str:
    if not tried:
        return ""
    return (
        "<h2>Transforms tried</h2><p>Log likelihood with the Jacobian, on the same values; the greatest wins.</p>"
        f"<table><tr><th>transform</th><th>log likelihood</th><th>against the best</th></tr>{tried}</table>"
    )


def _row(*cells: str, number: int = 3) -> str:
    """A row of a table; the cells after the first, up to `number`, are numbers."""
    return "<tr>" + "".join(f"<td{' class=n' if 0 < at <= number else ''}>{html.escape(cell)}</td>" for at, cell in enumerate(cells)) + "</tr>"


def _steps(data: Json) -> str:
    return f"values in steps of {data['resolution']:g}" if data["resolution"] else "values taken as exact"


def _caution(series: Series) -> str:
    several = int((series.length > 1).sum())
    if several >= _FEW:
        return ""
    return (
        f"<p class='note'>Only {several} people have two or more values. What differs between people is hardly known from so few: expect ranges of new "
        "people to be too narrow, and learn again when there are more.</p>"
    )


def _covered(found: many.Judged, series: Series) -> list[tuple[str, int, float, float]]:
    """(earlier values, how many values, share within 95 %, within 99 %)."""
    judged = np.isfinite(found.z)
    inside95 = (series.value >= found.lower95) & (series.value <= found.upper95)
    inside99 = (series.value >= found.lower99) & (series.value <= found.upper99)
    rows = []
    for low, high in _GROUPS:
        chosen = (found.n >= low) & (found.n <= high) & judged
        if chosen.any():
            name = f"{low}" if low == high else f"{low} to {high}" if high < 1 << 60 else f"{low} and more"
            rows.append((name, int(chosen.sum()), float(inside95[chosen].mean()), float(inside99[chosen].mean())))
    return rows


def _histogram(counts: Any) -> str:
    """The PIT histogram as SVG; the band holds 95 % of the bars of a calibrated one."""
    total = max(1, int(counts.sum()))
    even = total / len(counts)
    spread: float = 1.96 * (even * (1 - 1 / len(counts))) ** 0.5
    most: float = max(float(counts.max()), even + spread) * 1.05
    left, top, width, height = 52, 12, 500, 180

    def y(count: float) -> float:
        return top + height * (1 - count / most)

    step = width / len(counts)
    bars = "".join(
        f"<rect x='{left + step * at + 1:.1f}' y='{y(int(count)):.1f}' width='{step - 2:.1f}' height='{top + height - y(int(count)):.1f}' fill='#4a7aa7'/>"
        for at, count in enumerate(counts)
    )
    low, high = y(even + spread), y(max(0.0, even - spread))
    band = f"<rect x='{left}' y='{low:.1f}' width='{width}' height='{high - low:.1f}' fill='#b04a2f' opacity='.16'/>"
    line = f"<line x1='{left}' x2='{left + width}' y1='{y(even):.1f}' y2='{y(even):.1f}' stroke='#b04a2f' stroke-dasharray='6 4'/>"
    ticks = "".join(_label(left + width * share, top + height + 16, f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1))
    sides = "".join(_label(left - 8, y(count) + 4, f"{100 * count / total:.1f} %", "end") for count in (0.0, even))
    name = _label(left + width / 2, top + height + 34, "share of the predictive distribution below the value")
    return _figure("PIT histogram", f"{bars}{band}{line}{ticks}{sides}{name}")


def _coverage(rows: list[tuple[str, int, float, float]]) -> str:
    """Coverage with its uncertainty (Wilson) as SVG."""
    ranges = [_wilson(share, count) for _, count, share, _ in rows]
    floor = min(0.85, *(low for low, _ in ranges)) - 0.01 if rows else 0.85
    left, top, width, height = 52, 12, 500, 180

    def y(share: float) -> float:
        return top + height * (1 - share) / (1 - floor)

    step, marks = width / max(1, len(rows)), []
    for at, ((name, count, share, _), (low, high)) in enumerate(zip(rows, ranges, strict=True)):
        x = left + step * (at + 0.5)
        marks.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{y(low):.1f}' y2='{y(high):.1f}' stroke='#4a7aa7' stroke-width='5' opacity='.45'/><circle cx='{x:.1f}' "
            f"cy='{y(share):.1f}' r='5' fill='#24557f'><title>{100 * share:.1f} % of {count}</title></circle>" + _label(x, top + height + 16, name)
        )
    line = f"<line x1='{left}' x2='{left + width}' y1='{y(0.95):.1f}' y2='{y(0.95):.1f}' stroke='#b04a2f' stroke-dasharray='6 4'/>"
    shown = [share for share in (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0) if share >= floor][-5:]
    sides = "".join(_label(left - 8, y(share) + 4, f"{100 * share:.0f} %", "end") for share in shown)
    frame = f"<line x1='{left}' x2='{left + width}' y1='{top + height}' y2='{top + height}' stroke='#999'/>"
    name = _label(left + width / 2, top + height + 34, "earlier values of the same person")
    return _figure("Coverage by the number of earlier values", f"{frame}{line}{''.join(marks)}{sides}{name}")


def _figure(name: str, drawn: str) -> str:
    return f"<figure><svg width='580' height='236' viewBox='0 0 580 236' role='img' aria-label='{name}'>{drawn}</svg></figure>"


def _wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count`."""
    z2 = 1.96**2
    middle, half = share + z2 / (2 * count), 1.96 * (share * (1 - share) / count + z2 / (4 * count * count)) ** 0.5
    return (middle - half) / (1 + z2 / count), min(1.0, (middle + half) / (1 + z2 / count))


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='#444'>{html.escape(text)}</text>"
