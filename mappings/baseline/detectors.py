"""What a one-step interval misses: small shifts that add up, slow declines, and changes that last (baseline.md, "What to report").

Two thresholds are kept apart. A detector is *raised* at its textbook limit and named as a reason. An *alert* is for interrupting
someone, and spends a budget of false alarms per measure and year; the limits for it follow from how often the measure is taken.
"""

import math
from dataclasses import dataclass
from typing import Final

from mappings.baseline.mixture import probit
from mappings.baseline.prior import Prior

EWMA: Final = 0.4
EWMA_LIMIT: Final = 2.96  # average run length about 370 with weight 0.4
CUSUM_SLACK: Final = 0.5
CUSUM_LIMIT: Final = 5.0
ANCHOR_DAYS: Final = 28.0
ANCHOR_VALUES: Final = 3
SUSTAINED_DAYS: Final = 21.0
SURE: Final = 0.95
BUDGET: Final = 0.3
"""False alarms a year for one measure: with five measures 1.5 for a patient, inside the 1 to 2 of baseline.md."""
_SHARES: Final = (0.5, 0.15, 0.25)  # of the budget, for the step, the EWMA and the CUSUM; the rest is left to lasting changes
WINDOW: Final = 24
_PENDING: Final = 40
_EWMA_BIT, _CUSUM_BIT, _SUSTAINED_BIT = 1, 2, 4

Posterior = tuple[float, float, float, float]
"""(how many values it rests on, day of the last, mean, variance) of the person's level on the transformed scale."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the detectors carry from value to value. `anchor`: the lagged posterior; `pending`: those on their way to become it;
    `recent`: (day, transformed value) of the last values; `run`: side (-1, 0, 1), first day and length of a lasting change."""

    ewma: float = 0.0
    up: float = 0.0
    down: float = 0.0
    raised: int = 0
    run: tuple[float, float, float] = (0.0, 0.0, 0.0)
    anchor: Posterior | None = None
    pending: tuple[Posterior, ...] = ()
    recent: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class Seen:
    """One value as the detectors see it: `n` earlier values, the first on `first`; `p` two-sided; `tame`: a low or high value
    that only says that the good end of the scale was reached."""

    n: int
    first: float
    day: float
    y: float
    z: float
    p: float
    tame: bool


def anchored(watch: Watch, n: int, day: float) -> tuple[Posterior | None, tuple[Posterior, ...]]:
    """The newest posterior at least 3 values and 28 days back, and those still too young, for a value that is number n + 1."""
    anchor, at = watch.anchor, 0
    for each in watch.pending:
        if n + 1 - each[0] < ANCHOR_VALUES or day - each[1] < ANCHOR_DAYS:
            break
        anchor = each
        at += 1
    return anchor, watch.pending[at:] if at else watch.pending


def meaningful(prior: Prior, anchor: Posterior) -> tuple[float, float]:
    """The limits, on the transformed scale, beyond which a level differs from the anchor by the smallest change that matters.

    Without an MCID: 1.96 sqrt(2) short-term standard deviations, the change that noise alone gives once in twenty.
    """
    if prior.mcid is None:
        reach = 1.96 * math.sqrt(2 * (1 - prior.theta.rho)) * prior.theta.sigma0
        return anchor[2] - reach, anchor[2] + reach
    centre = prior.transform.back(anchor[2])
    return prior.transform.forward(centre - prior.mcid), prior.transform.forward(centre + prior.mcid)


def look(prior: Prior, watch: Watch, seen: Seen, limits: tuple[float, float] | None, sure: float, budget: float) -> tuple[tuple[str, ...], bool, Watch]:
    """(reasons raised, whether to alert, the watch after this value). `sure`: P(real change); `limits`: from `meaningful`."""
    z, count = seen.z, seen.n + 1
    ewma = (1 - EWMA) * watch.ewma + EWMA * z
    score = ewma / math.sqrt(EWMA / (2 - EWMA) * (1 - (1 - EWMA) ** (2 * count)))
    up, down = max(0.0, watch.up + z - CUSUM_SLACK), max(0.0, watch.down - z - CUSUM_SLACK)
    run = _run(watch.run, seen, limits)
    lasting = run[0] != 0 and run[2] >= 3 and seen.day - run[1] >= SUSTAINED_DAYS
    found = (
        ("outside-99", seen.p < 0.01 and not seen.tame),
        ("ewma", abs(score) > EWMA_LIMIT),
        ("cusum", max(up, down) > CUSUM_LIMIT),
        ("anchored", sure > SURE),
        ("sustained", lasting),
    )
    step, wide, high = _limits(seen, budget if prior.direction == "both" else 2 * budget)
    crossed = (_EWMA_BIT * (abs(score) > wide)) | (_CUSUM_BIT * (max(up, down) > high)) | (_SUSTAINED_BIT * lasting)
    fresh = crossed & ~watch.raised
    alert = (
        (seen.p < step and not seen.tame and _worse(prior, z))
        or bool(fresh & _EWMA_BIT and _worse(prior, score))
        or bool(fresh & _CUSUM_BIT and _worse(prior, up - down))
        or bool(fresh & _SUSTAINED_BIT and _worse(prior, run[0]))
    )
    if fresh & _CUSUM_BIT:
        up = down = 0.0
    after = Watch(ewma, up, down, crossed & ~_CUSUM_BIT, run, watch.anchor, watch.pending, watch.recent)
    return tuple(name for name, raised in found if raised), alert, after


def remember(watch: Watch, posterior: Posterior, anchor: Posterior | None, pending: tuple[Posterior, ...], y: float) -> Watch:
    """The watch with this value in its windows. Posteriors of one day stand for each other, so the window stays bounded."""
    if not pending or posterior[1] - pending[-1][1] >= 1.0 or len(pending) < ANCHOR_VALUES:
        pending = (*pending[-_PENDING:], posterior)
    recent = (*watch.recent[1 - WINDOW :], (posterior[1], y))
    return Watch(watch.ewma, watch.up, watch.down, watch.raised, watch.run, anchor, pending, recent)


def slope(watch: Watch) -> float | None:
    """Theil-Sen slope of the recent values, transformed units per day; None below three values at different times."""
    points = watch.recent
    found = sorted((y - x) / (t - s) for at, (s, x) in enumerate(points) for t, y in points[at + 1 :] if t > s)
    if len(points) < 3 or not found:
        return None
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _run(run: tuple[float, float, float], seen: Seen, limits: tuple[float, float] | None) -> tuple[float, float, float]:
    if limits is None or limits[0] < seen.y < limits[1]:
        return (0.0, 0.0, 0.0)
    side = 1.0 if seen.y >= limits[1] else -1.0
    return (side, run[1], run[2] + 1) if run[0] == side else (side, seen.day, 1.0)


def _limits(seen: Seen, budget: float) -> tuple[float, float, float]:
    """(p of the step, EWMA limit, CUSUM limit), two-sided, that spend the budget at the rate at which this measure is taken.

    CUSUM: two-sided average run length e^b - b - 1 with b = limit + 1.166 (Siegmund's approximation for slack 0.5).
    """
    rate = 12.0 if seen.n == 0 else 365.25 * seen.n / max(seen.day - seen.first, 1e-3)
    rate = min(8766.0, max(1.0, rate))
    step = min(0.01, _SHARES[0] * budget / rate)
    wide = -probit(min(0.003, _SHARES[1] * budget / rate) / 2)
    run_length = rate / (_SHARES[2] * budget)
    return step, wide, max(CUSUM_LIMIT, math.log(run_length + 1 + math.log(run_length)) - 1.166)


def _worse(prior: Prior, side: float) -> bool:
    return prior.direction == "both" or (side > 0) == (prior.direction == "higher-worse")
