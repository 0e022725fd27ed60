"""People with several measures at once, as the shipped priors have them: what all the alerts of one patient add up to."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.baseline.judging import verdicts
from bench.baseline.people import Nature, Pick, drawn, regular, series_of
from mappings.baseline.columns import back
from mappings.baseline.detectors import share
from mappings.baseline.prior import Prior, build

RHYTHM: Final = {"phq-9": 14.0, "gad-7": 14.0, "sleep-minutes": 1.0, "who-5": 14.0, "body-weight": 7.0, "isi": 28.0, "pulse": 7.0, "wsas": 28.0, "tsh": 182.0,
                 "creatinine": 91.0}  # fmt: skip
"""Measures in the order in which patients get them, and how many days lie between values. None has critical limits: those alert by themselves."""
SIZES: Final = (1, 3, 5, 10)
YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class Panel:
    """`alerts`: alerts (people, measures, sizes) of one year, each size with the share of the budget that its measures have."""

    name: str
    alerts: NDArray[np.int64]

    def of(self, size: int) -> NDArray[np.int64]:
        """All alerts of each person with so many measures."""
        found: NDArray[np.int64] = self.alerts[:, :size, SIZES.index(size)].sum(1)
        return found


def natural(prior: Prior) -> Nature:
    """As the prior believes."""
    return Nature(prior.theta)


def unruly(prior: Prior) -> Nature:
    """Noise from Student's t with 4 degrees of freedom, and for each person a persistence and a memory of their own around the prior's."""
    theta = prior.theta
    usual = math.log(theta.rho / (1 - theta.rho))
    return Nature(theta, noise=lambda pick, shape: pick.standard_t(4, shape) / math.sqrt(2),
                  persistence=lambda pick, people: 1 / (1 + np.exp(-usual - 1.2 * pick.standard_normal(people))),
                  memory=lambda pick, people: theta.L_days * np.exp(0.7 * pick.standard_normal(people)))  # fmt: skip


def panels(pick: Pick, people: int) -> list[Panel]:
    """The same number of people of either nature, followed for a year with nothing happening."""
    kinds = (("as the priors believe", natural), ("heavy tails, own persistence", unruly))
    return [Panel(name, np.stack([_alerts(pick, people, _shipped(measure), kind, gap) for measure, gap in RHYTHM.items()], 1)) for name, kind in kinds]


def _shipped(measure: str) -> Prior:
    return build(json.loads((Path(str(files("mappings.baseline"))) / f"priors/{measure}.json").read_text(encoding="utf-8")))


def _alerts(pick: Pick, people: int, prior: Prior, kind: Callable[[Prior], Nature], gap: float) -> NDArray[np.int64]:
    day = regular(pick, people, max(2, round(YEAR / gap)), gap)
    value = back(prior.transform, drawn(pick, kind(prior), day).y)
    if prior.resolution:
        value = np.round(value / prior.resolution) * prior.resolution
    value = np.clip(value, prior.minimum, prior.maximum)
    if prior.transform.kind == "log":
        value = np.maximum(value, prior.resolution)
    series = series_of(day, value)
    return np.stack([verdicts(prior, series, share(size)).alert.reshape(day.shape).sum(1) for size in SIZES], 1)
