"""Tail calibration: which quantile of the model stands for a nominal level, learnt from people the model was fitted on (baseline.md, addition 1)."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from mappings.baseline.mixture import probit

NOMINAL: Final = (0.005, 0.025, 0.975, 0.995)
KEYS: Final = ("0.005", "0.025", "0.975", "0.995")


@dataclass(frozen=True, slots=True)
class Levels:
    """`model` are the model's levels for NOMINAL; equal to it without calibration. `scores`: their normal scores."""

    model: tuple[float, float, float, float] = NOMINAL
    scores: tuple[float, float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        a, b, c, d = map(probit, self.model)
        object.__setattr__(self, "scores", (a, b, c, d))

    def calibrated(self, below: float, above: float) -> tuple[float, float]:
        """Both tail probabilities after mapping by the straight lines through (0, 0), (model, nominal) ..., (1, 1)."""
        if self.model == NOMINAL:
            return below, above
        mirrored = tuple(1 - level for level in reversed(self.model))
        if below <= 0.5:
            mapped = _line(self.model, below)
            return mapped, 1 - mapped
        mapped = _line(mirrored, above)
        return 1 - mapped, mapped


def _line(knots: tuple[float, ...], p: float) -> float:
    xs, ys = (0.0, *knots, 1.0), (0.0, *NOMINAL, 1.0)
    at = min(len(xs) - 2, max(0, bisect_right(xs, p) - 1))
    return ys[at] + (ys[at + 1] - ys[at]) * (p - xs[at]) / (xs[at + 1] - xs[at])
