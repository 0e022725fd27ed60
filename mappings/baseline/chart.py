"""A person's trajectory as an SVG image: values, the personal band growing out of the population's, medication, deviations.

Pure text, the same for the same input. Colours are chosen to differ for colour-blind readers, and marks also differ in shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from mappings.baseline.axes import day_axis, day_text, day_ticks, value_axis, value_ticks
from mappings.baseline.engine import Judgement
from mappings.baseline.prior import Prior
from mappings.baseline.wording import measured, rounded, unit

_WIDTH: Final = 960
_LEFT, _RIGHT = 70, 936
_LANE: Final = 20
_PLOT: Final = 300
_INK, _SOFT, _GRID = "#1f2933", "#5b6770", "#e4e8eb"
_BAND, _BAND_EDGE, _CENTRE = "#0f766e", "#0f766e", "#0b5a54"
_POPULATION, _UNUSUAL, _CRITICAL = "#94a3b0", "#c2410c", "#9d174d"
_FORETOLD: Final = "#7c3aed"
_PHASES: Final = ("#3b5b92", "#7a4f9a", "#8a6d1d", "#3f7d4e")
_SETTLED: Final = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One value in the measure's unit, with its judgement; `day` since 1970-01-01 UTC."""

    day: float
    value: float
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of treatment; `end_day` None while it lasts."""

    label: str
    start_day: float
    end_day: float | None


def trajectory_svg(prior: Prior, points: Sequence[Point], phases: Sequence[Phase], title: str, foretold: Sequence[Sequence[tuple[float, float]]] = ()) -> str:
    """The chart; points in the order of time; `foretold`: the expected course of each treatment, (day, value). Without points: a frame that says so."""
    lanes = _lanes(phases) if points else []
    depth = max((lane for lane, _ in lanes), default=-1) + 1
    top = 64 + depth * _LANE
    frame = _Frame(prior, points, lanes, top, foretold)
    body = frame.drawn() if points else [_text(_WIDTH / 2, top + _PLOT / 2, "No values yet", _SOFT, 15, "middle")]
    height = top + _PLOT + 112
    name = "".join(letter if letter.isalnum() else "-" for letter in prior.measure)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        f'<title id="{name}-title">{escape(title)}</title>',
        f'<desc id="{name}-desc">{escape(_description(prior, points, phases))}</desc>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 32, f"{title[:1].upper()}{title[1:]}", _INK, 19, "start", "600"),
        _text(_LEFT, 52, f"Each value against what the person's earlier ones made likely{f', in{unit(prior)}' if unit(prior) else ''}", _SOFT, 12.5),
    ]
    return "\n".join([*head, *body, *_legend(prior, top + _PLOT + 62, bool(phases), bool(foretold)), "</svg>"]) + "\n"


def _description(prior: Prior, points: Sequence[Point], phases: Sequence[Phase]) -> str:
    if not points:
        return "No values yet."
    last = points[-1]
    unusual = [f"{measured(prior, each.value)} on {day_text(each.day)}" for each in points if each.judgement.outside95]
    said = [
        f"{len(points)} value{'s' if len(points) > 1 else ''} from {day_text(points[0].day)} to {day_text(last.day)}.",
        f"The last is {measured(prior, last.value)}.",
        f"The person's own 95 % range before it was {rounded(prior, last.judgement.lower95)} to {rounded(prior, last.judgement.upper95)}{unit(prior)}.",
        f"Unusual for this person: {', '.join(unusual)}." if unusual else "No value was unusual for this person.",
    ]
    if phases:
        said.append(f"Treatment: {'; '.join(each.label for each in phases)}.")
    return " ".join(said)


def _lanes(phases: Sequence[Phase]) -> list[tuple[int, Phase]]:
    """Phases that overlap stand in different rows."""
    ends: list[float] = []
    placed: list[tuple[int, Phase]] = []
    for phase in sorted(phases, key=lambda each: (each.start_day, each.label)):
        lane = next((at for at, end in enumerate(ends) if end <= phase.start_day), len(ends))
        end = phase.end_day if phase.end_day is not None else float("inf")
        ends[lane : lane + 1] = [end]
        placed.append((lane, phase))
    return placed


class _Frame:
    """The plot area with its two axes."""

    def __init__(self, prior: Prior, points: Sequence[Point], lanes: list[tuple[int, Phase]], top: float,
                 foretold: Sequence[Sequence[tuple[float, float]]]) -> None:  # fmt: skip
        self._prior, self._points, self._lanes, self._top = prior, points, lanes, top
        self._bottom = top + _PLOT
        if points:
            days = [each.day for each in points]
            days += [phase.start_day for _, phase in lanes if phase.start_day < max(days) and phase.start_day > min(days) - 60]
            self._x = day_axis(days, _LEFT, _RIGHT)
            self._foretold = [[(day, value) for day, value in course if self._x.low <= day <= self._x.high] for course in foretold]
            self._y = value_axis(self._shown(), prior.minimum, prior.maximum, self._bottom, top)

    def _shown(self) -> list[float]:
        """What the value axis has to hold: every value, the population's range, and the band once it is the person's."""
        settled = [each.judgement for each in self._points if each.judgement.n >= _SETTLED] or [each.judgement for each in self._points]
        population = self._prior.population
        limits = [population.low, population.high] if population else []
        band = [limit for each in settled for limit in (each.lower95, each.upper95)]
        band += [value for course in self._foretold for _, value in course]
        return [each.value for each in self._points] + band + [limit for limit in limits if limit is not None]

    def drawn(self) -> list[str]:
        return [*self._population(), *self._grid(), *self._phases(), *self._band(), *self._courses(), *self._values(), *self._axes()]

    def _population(self) -> list[str]:
        population = self._prior.population
        if population is None or (population.low is None and population.high is None):
            return []
        low = self._y.low if population.low is None else population.low
        high = self._y.high if population.high is None else population.high
        upper, lower = self._y.at(high), self._y.at(low)
        edges = [
            f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_POPULATION}" stroke-width="1" stroke-dasharray="5 4"/>'
            for y, limit in ((upper, population.high), (lower, population.low))
            if limit is not None
        ]
        return [f'<rect x="{_LEFT}" y="{upper:.1f}" width="{_RIGHT - _LEFT}" height="{lower - upper:.1f}" fill="{_POPULATION}" fill-opacity="0.13"/>', *edges]

    def _grid(self) -> list[str]:
        made = []
        for value, text in value_ticks(self._y):
            y = self._y.at(value)
            made.append(f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>')
            made.append(_text(_LEFT - 9, y + 4, text, _SOFT, 12, "end"))
        return made

    def _phases(self) -> list[str]:
        made = []
        for at, (lane, phase) in enumerate(self._lanes):
            left = self._x.at(phase.start_day)
            right = _RIGHT if phase.end_day is None else self._x.at(phase.end_day)
            if right - left < 1:
                continue
            colour, y = _PHASES[at % len(_PHASES)], 64 + lane * _LANE
            made.append(f'<rect x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{_LANE - 4}" rx="3" fill="{colour}" fill-opacity="0.16"/>')
            made.append(f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{y}" y2="{self._bottom}" stroke="{colour}" stroke-opacity="0.55" stroke-dasharray="2 3"/>')
            made.append(_text(left + 6, y + 12, _fitted(phase.label, right - left - 10), colour, 11.5, "start", "600"))
        return made

    def _band(self) -> list[str]:
        line = [(self._x.at(each.day), each.judgement) for each in self._points]
        if len(line) == 1:
            line = [(line[0][0] - 12, line[0][1]), (line[0][0] + 12, line[0][1])]
        upper = [f"{x:.1f},{self._y.at(judgement.upper95):.1f}" for x, judgement in line]
        lower = [f"{x:.1f},{self._y.at(judgement.lower95):.1f}" for x, judgement in reversed(line)]
        centre = [f"{x:.1f},{self._y.at(judgement.set_point):.1f}" for x, judgement in line]
        return [
            f'<polygon points="{" ".join([*upper, *lower])}" fill="{_BAND}" fill-opacity="0.20" stroke="{_BAND_EDGE}" stroke-opacity="0.45"/>',
            f'<polyline points="{" ".join(centre)}" fill="none" stroke="{_CENTRE}" stroke-width="1.4" stroke-dasharray="6 3"/>',
        ]

    def _courses(self) -> list[str]:
        """The expected course under each treatment."""
        lines = [" ".join(f"{self._x.at(day):.1f},{self._y.at(value):.1f}" for day, value in course) for course in self._foretold if len(course) > 1]
        return [f'<polyline class="foretold" points="{line}" fill="none" stroke="{_FORETOLD}" stroke-width="2" stroke-dasharray="2 4"/>' for line in lines]

    def _values(self) -> list[str]:
        places = [(self._x.at(each.day), self._y.at(each.value), each) for each in self._points]
        trail = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        radius = 3.6 if len(places) <= 80 else 2.2 if len(places) <= 400 else 1.2
        made = [f'<polyline points="{trail}" fill="none" stroke="{_INK}" stroke-opacity="0.35" stroke-width="1"/>']
        return made + [_mark(self._prior, x, y, each, radius) for x, y, each in places]

    def _axes(self) -> list[str]:
        made = [f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{self._bottom}" y2="{self._bottom}" stroke="{_SOFT}"/>']
        for day, text in day_ticks(self._x):
            x = self._x.at(day)
            made.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self._bottom}" y2="{self._bottom + 5}" stroke="{_SOFT}"/>')
            made.append(_text(x, self._bottom + 20, text, _SOFT, 12, "middle"))
        made.append(_text((_LEFT + _RIGHT) / 2, self._bottom + 38, "Date", _SOFT, 12, "middle"))
        middle = (self._top + self._bottom) / 2
        label = f"{self._prior.short}{f' ({unit(self._prior).strip()})' if unit(self._prior) else ''}"
        turned = _text(22, middle, label, _SOFT, 12, "middle").replace("<text ", f'<text transform="rotate(-90 22 {middle:.1f})" ', 1)
        return [*made, turned]


def _mark(prior: Prior, x: float, y: float, point: Point, radius: float) -> str:
    """A value: a dot; ringed where a lasting change was raised; a diamond where unusual for this person; a triangle at a critical limit.
    Hovering says what it is."""
    judgement = point.judgement
    tip = f"{day_text(point.day)}: {measured(prior, point.value)}"
    if judgement.critical:
        size = radius * 2
        shape = f"M{x:.1f} {y - size:.1f} l{size:.1f} {size * 1.7:.1f} h{-2 * size:.1f} z"
        return f'<path d="{shape}" fill="{_CRITICAL}"><title>{escape(tip)}, critical</title></path>'
    if judgement.outside95:
        size = radius * 1.7
        shape = f"M{x:.1f} {y - size:.1f} l{size:.1f} {size:.1f} l{-size:.1f} {size:.1f} l{-size:.1f} {-size:.1f} z"
        return f'<path d="{shape}" fill="{_UNUSUAL}" stroke="#ffffff"><title>{escape(tip)}, unusual for this person</title></path>'
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{_INK}"><title>{escape(tip)}</title></circle>'
    if not judgement.reasons:
        return dot
    ring = f'<circle class="lasting" cx="{x:.1f}" cy="{y:.1f}" r="{radius * 2}" fill="none" stroke="{_UNUSUAL}" stroke-width="1.3"/>'
    return ring + dot.replace("</title>", ", part of a lasting change</title>")


def _legend(prior: Prior, y: float, phases: bool, foretold: bool) -> list[str]:
    entries = [
        (f'<circle cx="8" cy="-4" r="3.6" fill="{_INK}"/>', "value"),
        (f'<path d="M8 -10 l6 6 l-6 6 l-6 -6 z" fill="{_UNUSUAL}"/>', "unusual for this person"),
        (f'<circle cx="8" cy="-4" r="2.6" fill="{_INK}"/><circle cx="8" cy="-4" r="6.2" fill="none" stroke="{_UNUSUAL}"/>', "lasting change"),
        (f'<rect x="0" y="-11" width="18" height="13" fill="{_BAND}" fill-opacity="0.20" stroke="{_BAND_EDGE}" stroke-opacity="0.45"/>', "personal 95 % range"),
        (f'<line x1="0" x2="18" y1="-4" y2="-4" stroke="{_CENTRE}" stroke-width="1.4" stroke-dasharray="6 3"/>', "expected value"),
    ]
    if prior.population:
        shape = f'<rect x="0" y="-11" width="18" height="13" fill="{_POPULATION}" fill-opacity="0.13" stroke="{_POPULATION}" stroke-dasharray="4 3"/>'
        entries.append((shape, f"{prior.population.name} ({prior.population.applies_to or 'adults'})"))
    if prior.critical:
        entries.append((f'<path d="M8 -11 l7 12 h-14 z" fill="{_CRITICAL}"/>', "critical limit passed"))
    if foretold:
        shape = f'<line x1="0" x2="18" y1="-4" y2="-4" stroke="{_FORETOLD}" stroke-width="2" stroke-dasharray="2 4"/>'
        entries.append((shape, "expected under treatment"))
    if phases:
        entries.append((f'<rect x="0" y="-11" width="18" height="13" rx="3" fill="{_PHASES[0]}" fill-opacity="0.16"/>', "treatment"))
    made, x = [], float(_LEFT)
    for shape, text in entries:
        width = 26 + 6.4 * len(text) + 22
        if x + width > _RIGHT + 20:
            x, y = float(_LEFT), y + 22
        made.append(f'<g transform="translate({x:.1f} {y:.1f})">{shape}{_text(26, 0, text, _INK, 12)}</g>')
        x += width
    return made


def _fitted(label: str, width: float) -> str:
    room = int(width / 6.3)
    return label if len(label) <= room else f"{label[: room - 1].rstrip()}…" if room > 3 else ""


def _text(x: float, y: float, text: str, colour: str, size: float, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'
