"""What is known of a measure before the first value of a person: one file per measure in priors/, or one a site fitted itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from mappings.baseline.grid import Grid, Theta, grid
from mappings.baseline.levels import KEYS, Levels
from mappings.baseline.transform import PATTERN, Transform, transform
from mappings.knowledge import KnowledgeError
from mappings.vocabulary import SYSTEMS, Json

_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_NUMBER: Final[Json] = {"type": "number"}
_NOT_BELOW_0: Final[Json] = {"type": "number", "minimum": 0}
_POSITIVE: Final[Json] = {"type": "number", "exclusiveMinimum": 0}


def _closed(required: list[str], **properties: Any) -> Json:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_THETA: Final = _closed(
    ["mu0", "tau_b2", "sigma0", "s_logsigma", "rho", "L_days", "pi_out"],
    mu0=_NUMBER,
    tau_b2=_NOT_BELOW_0,
    sigma0=_POSITIVE,
    s_logsigma={"type": "number", "minimum": 0, "maximum": 3},
    rho={"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    L_days=_POSITIVE,
    pi_out={"type": "number", "minimum": 0, "maximum": 0.5},
    kappa={"type": "number", "minimum": 1},
    c={"type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 1},
    shift=_NUMBER,
    T_days=_POSITIVE,
    f={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    s_rho=_NOT_BELOW_0,
)
_LEVEL: Final[Json] = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_UNWELL: Final[Json] = {
    **_closed(["text", "source"], **{"from": _NUMBER}, to=_NUMBER, text=_TEXT, source=_TEXTS),
    "anyOf": [{"required": ["from"]}, {"required": ["to"]}],
}
_TREATMENT: Final[Json] = {
    **_closed(
        ["inflation", "text", "source"],
        drugs=_TEXTS,
        classes=_TEXTS,
        inflation=_NOT_BELOW_0,
        dose_proportional={"type": "boolean"},
        trough_hours={"type": "array", "items": _NOT_BELOW_0, "minItems": 2, "maxItems": 2},
        steady_state_days=_NOT_BELOW_0,
        expected={"type": "boolean"},
        text=_TEXT,
        source=_TEXTS,
    ),
    "anyOf": [{"required": ["drugs"]}, {"required": ["classes"]}],
}

SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_closed(
        ["measure", "transform", "theta"],
        measure={"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$"},
        title=_TEXT,
        short=_TEXT,
        codes={"type": "array", "items": _closed(["system", "code"], system={"enum": list(SYSTEMS)}, code={"type": "string"}, source=_TEXTS)},
        unit=_TEXT,
        unit_text=_TEXT,
        units={"type": "object", "additionalProperties": _POSITIVE, "minProperties": 1},
        transform={"type": "string", "pattern": PATTERN},
        theta=_THETA,
        resolution=_NOT_BELOW_0,
        levels=_closed(list(KEYS), **dict.fromkeys(KEYS, _LEVEL)),
        minimum=_NUMBER,
        maximum=_NUMBER,
        population=_closed(
            ["text", "source"],
            low=_NUMBER,
            high=_NUMBER,
            type={"enum": ["normal", "therapeutic", "recommended"]},
            applies_to={"type": "string"},
            text=_TEXT,
            source=_TEXTS,
        ),
        critical=_closed(["text", "source"], low=_NUMBER, high=_NUMBER, text=_TEXT, source=_TEXTS),
        unwell=_UNWELL,
        treatment=_TREATMENT,
        direction={"enum": ["higher-worse", "lower-worse", "both"]},
        mcid=_POSITIVE,
        note={"type": "string"},
        marks={
            "type": "object",
            "additionalProperties": _closed(["mark", "how"], mark={"enum": ["verified", "derived", "assumed"]}, how={"type": "string"}, source=_TEXTS),
        },
        source=_TEXTS,
    ),
}
"""A file needs `measure`, `transform` and `theta`; the rest says how the measure is coded, shown and bounded."""


@dataclass(frozen=True, slots=True)
class Population:
    """The range people are usually compared with, in the measure's unit. `meaning`: a code of referencerange-meaning."""

    low: float | None
    high: float | None
    text: str
    meaning: str
    applies_to: str | None
    source: tuple[str, ...]

    @property
    def name(self) -> str:
        """One of "population range", "therapeutic range" or "recommended range"."""
        return f"{'population' if self.meaning == 'normal' else self.meaning} range"


@dataclass(frozen=True, slots=True)
class Critical:
    """Absolute limits in the measure's unit: at or below `low`, at or above `high`. No personal range ever outweighs them."""

    low: float | None
    high: float | None
    text: str
    source: tuple[str, ...]

    def side(self, value: float) -> str | None:
        """On which side it is critical: "low", "high" or None."""
        if self.low is not None and value <= self.low:
            return "low"
        return "high" if self.high is not None and value >= self.high else None


@dataclass(frozen=True, slots=True)
class Unwell:
    """Values of somebody who counts as ill: at or below `low`, at or above `high`, in the measure's unit. What is learnt from them is marked."""

    low: float | None
    high: float | None
    text: str
    source: tuple[str, ...]

    def covers(self, value: float) -> bool:
        """Whether somebody with this value counts as ill."""
        return (self.low is not None and value <= self.low) or (self.high is not None and value >= self.high)


@dataclass(frozen=True, slots=True)
class Treatment:
    """Medicines that move the measure: ids and groups of mappings/medicines/drugs.json.

    `inflation`: at their start, stop or change of dose the variance of the slow drift grows by so many times its stationary variance.
    `dose_proportional`: the expected level moves with ln(dose). `trough_hours`: hours since the last dose within which a level belongs to the
    series, None where any hour will do. `steady_state_days`: days after such a change in which levels still move. `expected`: the measure has a
    published course (mappings/scales/curves) that is its expected value after a start.
    """

    drugs: frozenset[str]
    classes: frozenset[str]
    inflation: float
    dose_proportional: bool
    trough_hours: tuple[float, float] | None
    steady_state_days: float
    expected: bool
    text: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """How a figure of the prior came about: "verified", "derived" or "assumed", and from what."""

    mark: str
    how: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prior:
    """One measure. `fingerprint`: of all that judging rests on, by which a stored state knows the prior it came from; `units`: accepted UCUM code
    -> factor to `unit`; `mcid` in `unit`; `resolution` 0 where values are exact."""

    measure: str
    fingerprint: int
    title: str
    short: str
    codes: tuple[tuple[str, str], ...]
    unit: str
    unit_text: str
    units: Mapping[str, float]
    transform: Transform
    theta: Theta
    grid: Grid
    resolution: float
    levels: Levels
    minimum: float | None
    maximum: float | None
    population: Population | None
    critical: Critical | None
    unwell: Unwell | None
    treatment: Treatment | None
    direction: str
    mcid: float | None
    note: str
    marks: Mapping[str, Mark]
    source: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers, as scores are."""
        return self.resolution >= 1 and float(self.resolution).is_integer()


def build(data: Json) -> Prior:
    """The prior in `data` (valid against SCHEMA). Errors: KnowledgeError for what a schema cannot see."""
    shape = _transform(data)
    theta = Theta(**{name: float(value) for name, value in data["theta"].items()})
    if theta.s_rho and not theta.rho:
        raise KnowledgeError("s_rho needs rho above 0", ("theta", "s_rho"))
    unit: str = data.get("unit", "1")
    title: str = data.get("title") or data["measure"]
    prior = Prior(
        measure=data["measure"], fingerprint=_fingerprint(data), title=title, short=data.get("short") or title,
        codes=tuple((SYSTEMS[each["system"]], each["code"]) for each in data.get("codes", [])),
        unit=unit, unit_text=data.get("unit_text") or unit, units=data.get("units", {unit: 1.0}),
        transform=shape, theta=theta, grid=grid(theta), resolution=float(data.get("resolution", 0.0)), levels=_levels(data),
        minimum=data.get("minimum", shape.low if shape.kind == "logit" else None),
        maximum=data.get("maximum", shape.high if shape.kind == "logit" else None),
        population=_population(data.get("population")), critical=_critical(data.get("critical")),
        unwell=_unwell(data.get("unwell")), treatment=_treatment(data.get("treatment")),
        direction=data.get("direction", "both"), mcid=data.get("mcid"), note=data.get("note", ""),
        marks={name: Mark(each["mark"], each["how"], tuple(each.get("source", ()))) for name, each in data.get("marks", {}).items()},
        source=tuple(data.get("source", ())),
    )  # fmt: skip
    _refuse_contradictions(prior)
    return prior


def _fingerprint(data: Json) -> int:
    judged = ("transform", "theta", "resolution", "levels", "minimum", "maximum", "mcid", "direction", "critical", "unwell", "treatment")
    return crc32(json.dumps({name: data.get(name) for name in judged}, sort_keys=True).encode())


def _transform(data: Json) -> Transform:
    try:
        return transform(data["transform"])
    except ValueError as problem:
        raise KnowledgeError(str(problem), ("transform",)) from None


def _levels(data: Json) -> Levels:
    given = data.get("levels")
    if given is None:
        return Levels()
    a, b, c, d = (float(given[key]) for key in KEYS)
    if not a < b < c < d:
        raise KnowledgeError("the levels must rise", ("levels",))
    return Levels((a, b, c, d))


def _population(data: Json | None) -> Population | None:
    if data is None:
        return None
    return Population(data.get("low"), data.get("high"), data["text"], data.get("type", "normal"), data.get("applies_to"), tuple(data["source"]))


def _critical(data: Json | None) -> Critical | None:
    return None if data is None else Critical(data.get("low"), data.get("high"), data["text"], tuple(data["source"]))


def _unwell(data: Json | None) -> Unwell | None:
    return None if data is None else Unwell(data.get("to"), data.get("from"), data["text"], tuple(data["source"]))


def _treatment(data: Json | None) -> Treatment | None:
    if data is None:
        return None
    hours = data.get("trough_hours")
    return Treatment(
        frozenset(data.get("drugs", ())), frozenset(data.get("classes", ())), float(data["inflation"]), data.get("dose_proportional", False),
        (float(hours[0]), float(hours[1])) if hours else None, float(data.get("steady_state_days", 0)), data.get("expected", False),
        data["text"], tuple(data["source"]),
    )  # fmt: skip


def _refuse_contradictions(prior: Prior) -> None:
    if prior.units.get(prior.unit) != 1:
        raise KnowledgeError("the measure's own unit must be accepted with factor 1", ("units",))
    ends: list[tuple[str, float | None, float | None]] = [("maximum", prior.minimum, prior.maximum)]
    if prior.population:
        ends.append(("population", prior.population.low, prior.population.high))
    if prior.critical:
        ends.append(("critical", prior.critical.low, prior.critical.high))
    if prior.unwell:
        ends.append(("unwell", prior.unwell.low, prior.unwell.high))
    for name, low, high in ends:
        if low is not None and high is not None and low >= high:
            raise KnowledgeError("the lower limit must lie below the upper", (name,))
    if prior.transform.kind == "logit" and (prior.minimum, prior.maximum) != (prior.transform.low, prior.transform.high):
        raise KnowledgeError("minimum and maximum must be those of the logit", ("transform",))
    _refuse_unwell(prior)
    _refuse_treatment(prior)


def _refuse_unwell(prior: Prior) -> None:
    if prior.unwell is None:
        return
    for name, end, better in (("to", prior.unwell.low, "higher-worse"), ("from", prior.unwell.high, "lower-worse")):
        if end is None:
            continue
        if prior.direction == better:
            raise KnowledgeError(f"nobody is ill at the good end of a measure that is {better}", ("unwell", name))
        if (prior.minimum is not None and end < prior.minimum) or (prior.maximum is not None and end > prior.maximum):
            raise KnowledgeError("no value of the measure lies there", ("unwell", name))


def _refuse_treatment(prior: Prior) -> None:
    if prior.treatment is None:
        return
    hours = prior.treatment.trough_hours
    if hours and hours[0] >= hours[1]:
        raise KnowledgeError("the hours must rise", ("treatment", "trough_hours"))
    if prior.treatment.dose_proportional and prior.transform.kind != "log":
        raise KnowledgeError("a level that moves with ln(dose) needs the log transform", ("treatment", "dose_proportional"))
    if prior.treatment.dose_proportional and prior.treatment.expected:
        raise KnowledgeError("a level that moves with the dose has no course of a score", ("treatment", "expected"))
