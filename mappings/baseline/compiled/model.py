"""What the compiled loops are given, fill in and work with."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
IDENTITY, LOG, SQRT, LOGIT = range(4)
ROOM: Final = 64
"""Places in the ring of posteriors."""
LOOSE: Final = {"reassoc", "contract", "nsz", "arcp"}
"""Sums over grid points may be taken in any order, which lets them run on vector registers; infinities keep their meaning."""


class Model(NamedTuple):
    """A prior as the loops need it. Per grid point: `log_weight`, `centre`, `noise`, `drift`. `scores`: normal scores of the four limits;
    `knots`, `mirrored`, `nominal`: the lines of the tail calibration, `calibrated` whether there is one. `reach` of a meaningful change where
    `mcid` is NaN. `worse`: 1 where high is worse, -1 low, 0 both. `kind`: of the transform, `lowest` and `highest` its ends."""

    log_weight: Floats
    centre: Floats
    noise: Floats
    drift: Floats
    trait: float
    memory: float
    shift: float
    course: float
    f: float
    pi: float
    kappa2: float
    scores: Floats
    calibrated: bool
    knots: Floats
    mirrored: Floats
    nominal: Floats
    rounded: bool
    kind: int
    lowest: float
    highest: float
    mcid: float
    reach: float
    worse: int


class Given(NamedTuple):
    """One entry a value: day, transform, the interval it was rounded from, whether it is taken in, whether it is tame, its alarm budget."""

    day: Floats
    y: Floats
    low: Floats
    high: Floats
    fine: NDArray[np.bool_]
    tame: NDArray[np.bool_]
    budget: Floats


class Made(NamedTuple):
    """What is filled in, one entry a value; `limits` (values, 4) and `mean` on the transformed scale."""

    n: NDArray[np.int64]
    mean: Floats
    limits: Floats
    z: Floats
    p: Floats
    gross: Floats
    sure: Floats
    alert: NDArray[np.bool_]
    log_score: Floats
    below: Floats


class Bench(NamedTuple):
    """Room to work in, used for one person after another. `now`: log weight, A, U, Paa, Pau, Puu after the last value; `then`: the same on
    the day of the next; `mixture`, `heavy`: rows mean, weight, scale; `first`: whether the limits of a first value are known, these, and their
    offsets; `watch`: what the detectors carry; `ring`: posteriors waiting to become the anchor."""

    now: Floats
    then: Floats
    weight: Floats
    level: Floats
    spread: Floats
    share: Floats
    variance: Floats
    dense: Floats
    mixture: Floats
    heavy: Floats
    limits: Floats
    offset: Floats
    first: Floats
    watch: Floats
    ring: Floats


def bench(points: int) -> Bench:
    """Room for a grid of so many points."""

    def row(*shape: int) -> Floats:
        return np.zeros(shape)

    return Bench(row(6, points), row(6, points), row(points), row(points), row(points), row(points), row(points), row(2 * points), row(3, 2 * points + 3),
                 row(3, 2 * points + 3), row(4), row(4), row(9), row(14), row(ROOM, 4))  # fmt: skip
