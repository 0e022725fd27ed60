"""The scale on which a measure is judged: y = g(x) with g one of identity, log, sqrt, and logit of a bounded sum (baseline.md)."""

import math
import re
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("identity", "log", "sqrt")
PATTERN: Final = r"^(identity|log|sqrt|logit:-?[0-9]+(\.[0-9]+)?:-?[0-9]+(\.[0-9]+)?)$"


@dataclass(frozen=True, slots=True)
class Transform:
    """`name` as in a prior file ("logit:0:27" for a scale from 0 to 27); `low`, `high` only for logit."""

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0

    def accepts(self, x: float) -> bool:
        """Whether g(x) is defined: a finite number, above 0 for log, not below 0 for sqrt, within the scale for logit."""
        if not math.isfinite(x):
            return False
        if self.kind == "log":
            return x > 0
        if self.kind == "sqrt":
            return x >= 0
        return self.kind == "identity" or self.low <= x <= self.high

    def forward(self, x: float) -> float:
        """g(x); minus or plus infinity beyond the ends of its domain."""
        if self.kind == "identity":
            return x
        if self.kind == "log":
            return math.log(x) if x > 0 else -math.inf
        if self.kind == "sqrt":
            return math.sqrt(x) if x >= 0 else -math.inf
        below, above = x - self.low + 0.5, self.high - x + 0.5
        if below <= 0:
            return -math.inf
        return math.log(below / above) if above > 0 else math.inf

    def back(self, y: float) -> float:
        """The x with g(x) = y, clipped to the ends of a bounded scale."""
        if self.kind == "identity":
            return y
        if self.kind == "log":
            return math.exp(y) if y < 709.0 else math.inf
        if self.kind == "sqrt":
            return y * y if y > 0 else 0.0
        width = self.high - self.low + 1
        share = 1 / (1 + math.exp(-y)) if y > -700 else 0.0
        return min(self.high, max(self.low, self.low - 0.5 + width * share))

    def edges(self, x: float, step: float, minimum: float | None, maximum: float | None) -> tuple[float, float]:
        """What a value reported in steps stands for, on the transformed scale: g(x -/+ step/2), infinite at the ends of the measure."""
        half = step / 2
        lower = max(x - half, x / 2) if self.kind == "log" else max(x - half, 0.0) if self.kind == "sqrt" else x - half
        low = self.low if self.kind == "logit" else minimum
        high = self.high if self.kind == "logit" else maximum
        a = -math.inf if low is not None and self.kind != "log" and x <= low else self.forward(lower)
        b = math.inf if high is not None and x >= high else self.forward(x + half)
        return a, b

    def log_slope(self, x: float) -> float:
        """ln g'(x): the Jacobian by which likelihoods under different transforms are compared."""
        if self.kind == "identity":
            return 0.0
        if self.kind == "log":
            return -math.log(x)
        if self.kind == "sqrt":
            return -math.log(2) - 0.5 * math.log(x)
        return math.log(1 / (x - self.low + 0.5) + 1 / (self.high - x + 0.5))


def transform(name: str) -> Transform:
    """The transform a prior file names. Errors: ValueError for an unknown name or a logit without room between its ends."""
    kind, _, rest = name.partition(":")
    if kind in NAMES and not rest:
        return Transform(name, kind)
    if kind == "logit" and re.match(PATTERN, name):
        low, high = (float(part) for part in rest.split(":"))
        if low < high:
            return Transform(name, kind, low, high)
    raise ValueError("transform is identity, log, sqrt or logit:MIN:MAX with MIN < MAX")
