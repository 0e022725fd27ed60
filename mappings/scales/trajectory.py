"""The expected course of a score under treatment, where one was published: a mean and, where its variance was published too, a band.

Y = a + b t + c t^2 + e with a ~ N(m_a, s_a^2), b ~ N(m_b, s_b^2), correlation rho, e ~ N(0, s_e^2). A person's own first score y0 makes the
band narrower: the bivariate normal of (y0, y_t) is conditioned on it (facts/scales.json, expected_response.band_formula). A curve is never
followed past `last_week`, and no spread is given that no source gives.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import NormalDist
from typing import Final

from mappings.knowledge import KnowledgeError
from mappings.vocabulary import Json

LEVEL: Final = 0.8
"""The share of people whom a band holds, unless another is asked for."""
_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_POSITIVE: Final[Json] = {"type": "number", "exclusiveMinimum": 0}
_VARIANCE: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["residual", "intercept", "slope", "correlation"],
    "properties": {
        "residual": _POSITIVE,
        "intercept": _POSITIVE,
        "slope": {"type": "number", "minimum": 0},
        "correlation": {"type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 1},
    },
}

SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "title", "population", "coefficients", "last_week", "notes", "evidence", "source"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "title": _TEXT,
        "population": _TEXT,
        "entry": {"type": "number"},
        "n": {"type": "integer", "minimum": 1},
        "coefficients": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
        "last_week": _POSITIVE,
        "variance": _VARIANCE,
        "notes": _TEXTS,
        "evidence": {"enum": ["V", "L", "U", "derived"]},
        "source": _TEXTS,
    },
}
"""One file per curve: `coefficients` are a, b, c with t in weeks; `entry`: the least first score of the people it was found in."""


@dataclass(frozen=True, slots=True)
class Variance:
    """Parts of the variance in score points squared; `correlation` of intercept and slope."""

    residual: float
    intercept: float
    slope: float
    correlation: float

    def at(self, week: float) -> float:
        """Var(Y_t)."""
        return self.intercept + 2 * self._shared * week + self.slope * week * week + self.residual

    def with_start(self, week: float) -> float:
        """Cov(Y_0, Y_t) of two different measurements."""
        return self.intercept + self._shared * week

    @property
    def _shared(self) -> float:
        return self.correlation * sqrt(self.intercept * self.slope)


@dataclass(frozen=True, slots=True)
class Curve:
    """One published course."""

    id: str
    title: str
    population: str
    entry: float | None
    n: int | None
    coefficients: tuple[float, float, float]
    last_week: float
    variance: Variance | None
    notes: tuple[str, ...]
    evidence: str
    source: tuple[str, ...]

    def mean(self, week: float) -> float:
        """Mean score in `week`, in score points."""
        start, linear, quadratic = self.coefficients
        return start + linear * week + quadratic * week * week


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected in `week`, in score points; None where no source says it. `low` and `high` hold `level` of the people."""

    week: float
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def build(data: Json) -> Curve:
    """The curve in `data` (valid against SCHEMA). Errors: KnowledgeError for a curve that would be followed past its turn."""
    start, linear, quadratic = (float(each) for each in data["coefficients"])
    if quadratic and -linear / (2 * quadratic) < data["last_week"] - 1e-9:
        raise KnowledgeError("the curve turns before its last week", ("last_week",))
    variance = data.get("variance")
    return Curve(
        data["id"], data["title"], data["population"], data.get("entry"), data.get("n"), (start, linear, quadratic), float(data["last_week"]),
        Variance(**variance) if variance else None, tuple(data["notes"]), data["evidence"], tuple(data["source"]),
    )  # fmt: skip


def expected(curve: Curve, weeks: Iterable[float], baseline: float | None = None, level: float = LEVEL) -> list[Expected]:
    """The expected score for each week since the start of treatment; `baseline`: the person's own score at week 0.

    Errors: ValueError for a week before the start or not a number, and for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError("a level lies between 0 and 1")
    if baseline is not None and not isfinite(baseline):
        raise ValueError("a baseline is a number")
    return [_expected(curve, week, baseline, level) for week in weeks]


def _expected(curve: Curve, week: float, baseline: float | None, level: float) -> Expected:
    if not isfinite(week) or week < 0:
        raise ValueError("a week is a number from 0 on")
    if week > curve.last_week:
        return Expected(week, None, None, None, None)
    mean, parts = curve.mean(week), curve.variance
    if parts is None:
        return Expected(week, mean, None, None, None)
    variance = parts.at(week)
    if baseline is not None:
        # Week 0 is itself measured with error: the expected score of that week is another measurement's, regressed to the mean.
        share = parts.with_start(week) / parts.at(0)
        mean += share * (baseline - curve.mean(0))
        variance -= share * parts.with_start(week)
    sd = sqrt(variance)
    half = NormalDist().inv_cdf(0.5 + level / 2) * sd
    return Expected(week, mean, sd, mean - half, mean + half)
