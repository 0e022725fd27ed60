"""What a one-step interval misses: small shifts that add up, slow declines, and changes that last (baseline.md, "What to report").

Two thresholds are kept apart. A detector is *raised* at its textbook limit and named as a reason. An *alert* is for interrupting
someone, and spends a budget of false alarms per person and year that all measures share; the limits for it follow from how often the
measure is taken. What the detectors carry does not depend on the budget: a person's next measure changes no stored state.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from mappings.baseline.changepoint import Jump
from mappings.baseline.mixture import probit
from mappings.baseline.prior import Prior

EWMA: Final = 0.4
EWMA_LIMIT: Final = 2.96  # average run length about 370 with weight 0.4
CUSUM_SLACK: Final = 0.5
CUSUM_LIMIT: Final = 5.0
CUSUM_RUN: Final = 468.0  # average run length at that limit, two-sided (baseline.md)
ANCHOR_DAYS: Final = 28.0
ANCHOR_VALUES: Final = 3
SUSTAINED_DAYS: Final = 21.0
SUSTAINED_VALUES: Final = 3
SURE: Final = 0.95
LIKELY: Final = 0.5
LEVELS: Final = 365.25 / ANCHOR_DAYS  # a year
PATIENT_BUDGET: Final = 1.5
"""False alarms a year for one person over all measures: inside the 1 to 2 of baseline.md."""
SHARING: Final = 3
"""Up to so many measures get an equal share, so that the alerts of one do not move when the second or third begins."""
SHARES: Final = (0.4, 0.15, 0.25, 0.2)  # of the budget, for the step, the EWMA, the CUSUM and the level against its anchor
WINDOW: Final = 24
PENDING: Final = 40
FASTEST: Final = 8766.0  # values a year: one an hour

Posterior = tuple[float, float, float, float, float]
"""(how many values it rests on, day of the last, mean, variance) of the person's level on the transformed scale; and by how much the level was
expected to move since, by its dose or as published."""

Peaks = tuple[float, float, float, float]
"""The highest that EWMA score, upper CUSUM, lower CUSUM and departure stood since each last left zero: an excursion alerts once, whatever the
limit."""


@dataclass(slots=True)  # not frozen: one is made for every value, and a frozen one takes six times as long
class Watch:
    """What the detectors carry from value to value. `anchor`: the lagged posterior, or the one of a period that a clinician confirmed as
    stable (`confirmed`); `pending`: those on their way to become it; `recent`: (day, transformed value) of the last values; `departure`: of
    the level from its anchor; `run`: side (-1, 0, 1), first day and length of a lasting change; `jumps`: where the level may have changed (changepoint.py)."""

    ewma: float = 0.0
    up: float = 0.0
    down: float = 0.0
    peaks: Peaks = (0.0, 0.0, 0.0, 0.0)
    departure: float = 0.0
    run: tuple[float, float, float] = (0.0, 0.0, 0.0)
    anchor: Posterior | None = None
    confirmed: bool = False
    pending: tuple[Posterior, ...] = ()
    recent: tuple[tuple[float, float], ...] = ()
    jumps: tuple[Jump, ...] = ()


@dataclass(slots=True)
class Seen:
    """One value as the detectors see it: `n` earlier values, from `first` to `last`; `p` two-sided; `tame`: a low or high value that only
    says that the good end of the scale was reached; `sure`: P(real change); `moved`: P(a recent changepoint); `limits`: from `meaningful`; `departure`: from
    `departed`."""

    n: int
    first: float
    last: float
    day: float
    y: float
    z: float
    p: float
    tame: bool
    sure: float
    moved: float
    limits: tuple[float, float] | None
    departure: float


def share(measures: int) -> float:
    """False alarms a year that one measure may cost a person of whom so many measures are taken."""
    return PATIENT_BUDGET / max(SHARING, measures)


def anchored(watch: Watch, n: int, day: float) -> tuple[Posterior | None, tuple[Posterior, ...]]:
    """The newest posterior at least 3 values and 28 days back, and those still too young, for a value that is number n + 1.
    The posterior of a confirmed stable period stays the anchor."""
    anchor, at = watch.anchor, 0
    if watch.confirmed:
        return anchor, ()
    for each in watch.pending:
        if n + 1 - each[0] < ANCHOR_VALUES or day - each[1] < ANCHOR_DAYS:
            break
        anchor = each
        at += 1
    return anchor, watch.pending[at:] if at else watch.pending


def reach(prior: Prior) -> float:
    """1.96 sqrt(2) short-term standard deviations, on the transformed scale: the change that noise alone gives once in twenty."""
    return 1.96 * math.sqrt(2 * (1 - prior.theta.rho)) * prior.theta.sigma0


def meaningful(prior: Prior, anchor: Posterior) -> tuple[float, float]:
    """The limits, on the transformed scale, beyond which a level differs from the anchor by the smallest change that matters: the MCID, or
    without one the `reach`."""
    if prior.mcid is None:
        return anchor[2] - reach(prior), anchor[2] + reach(prior)
    centre = prior.transform.back(anchor[2])
    return prior.transform.forward(centre - prior.mcid), prior.transform.forward(centre + prior.mcid)


def departed(prior: Prior, anchor: Posterior, day: float, level: float, variance: float, drift: float) -> float:
    """How far the level lies from its anchor, in standard deviations of what drift and doubt alone would do in that time; `drift`: stationary
    variance of the person's drift. What was expected to move it is no departure. An interval of one step follows a slow change down; this does not."""
    wander = anchor[3] + 2 * drift * -math.expm1(-(day - anchor[1]) / prior.theta.L_days)
    return (level - anchor[2] - anchor[4]) / math.sqrt(max(wander - variance, wander / 4))


def shifted(watch: Watch, shift: float) -> Watch:
    """The watch after the level was expected to move by so much: what stood before keeps count of it."""
    return replace(watch, anchor=_moved(watch.anchor, shift) if watch.anchor else None, pending=tuple([_moved(each, shift) for each in watch.pending]))


def _moved(posterior: Posterior, shift: float) -> Posterior:
    return (*posterior[:4], posterior[4] + shift)


def look(prior: Prior, watch: Watch, seen: Seen, budget: float) -> tuple[tuple[str, ...], bool, Watch]:
    """(reasons raised, whether to alert, the watch after this value). `budget`: false alarms a year that this measure may cost."""
    z, count = seen.z, seen.n + 1
    ewma = (1 - EWMA) * watch.ewma + EWMA * z
    score = ewma / math.sqrt(EWMA / (2 - EWMA) * (1 - (1 - EWMA) ** (2 * count)))
    up, down = max(0.0, watch.up + z - CUSUM_SLACK), max(0.0, watch.down - z - CUSUM_SLACK)
    run = _run(watch.run, seen)
    found = (
        ("outside-99", seen.p < 0.01 and not seen.tame),
        ("ewma", abs(score) > EWMA_LIMIT),
        ("cusum", max(up, down) > CUSUM_LIMIT),
        ("anchored", seen.sure > SURE),
        ("sustained", _lasts(run, seen.day)),
        ("changepoint", seen.moved > SURE),
    )
    limit = _limits(seen, budget if prior.direction == "both" else 2 * budget)
    past = _past(watch, ewma, seen.departure)
    away = abs(seen.departure) > limit.level >= past[3] and seen.sure > LIKELY and _worse(prior, seen.departure)
    alert = (
        (seen.p < limit.step and not seen.tame and _worse(prior, z))
        or (abs(score) > limit.ewma >= past[0] and _worse(prior, score))
        or (up > limit.cusum >= past[1] and _worse(prior, 1.0))
        or (down > limit.cusum >= past[2] and _worse(prior, -1.0))
        or away
    )
    peaks = (max(past[0], abs(score)), max(past[1], up), max(past[2], down), max(past[3], abs(seen.departure) if seen.sure > LIKELY else 0.0))
    after = Watch(ewma, up, down, peaks, seen.departure, run, watch.anchor, watch.confirmed, watch.pending, watch.recent, watch.jumps)
    return tuple(name for name, raised in (*found, ("departed", away)) if raised), alert, after


def _past(watch: Watch, ewma: float, departure: float) -> Peaks:
    """The peaks of the excursions that still go on."""
    return (
        watch.peaks[0] if ewma * watch.ewma > 0 else 0.0, watch.peaks[1] if watch.up > 0 else 0.0, watch.peaks[2] if watch.down > 0 else 0.0,
        watch.peaks[3] if departure * watch.departure > 0 else 0.0,
    )  # fmt: skip


def _lasts(run: tuple[float, float, float], day: float) -> bool:
    return run[0] != 0 and run[2] >= SUSTAINED_VALUES and day - run[1] >= SUSTAINED_DAYS


def remember(watch: Watch, posterior: Posterior, anchor: Posterior | None, pending: tuple[Posterior, ...], y: float, jumps: tuple[Jump, ...]) -> Watch:
    """The watch with this value in its windows. Posteriors of one day stand for each other, so the window stays bounded."""
    if not watch.confirmed and (not pending or posterior[1] - pending[-1][1] >= 1.0 or len(pending) < ANCHOR_VALUES):
        pending = (*pending[-PENDING:], posterior)
    recent = (*watch.recent[1 - WINDOW :], (posterior[1], y))
    return Watch(watch.ewma, watch.up, watch.down, watch.peaks, watch.departure, watch.run, anchor, watch.confirmed, pending, recent, jumps)


def confirm(watch: Watch, posterior: Posterior) -> Watch:
    """The watch of a person whose stable period ends here, as a clinician confirmed: from now on its posterior is the anchor."""
    return Watch(watch.ewma, watch.up, watch.down, watch.peaks, 0.0, (0.0, 0.0, 0.0), posterior, True, (), watch.recent, watch.jumps)


def slope(watch: Watch) -> float | None:
    """Theil-Sen slope of the recent values, transformed units per day; None below three values at different times."""
    points = watch.recent
    found = sorted((y - x) / (t - s) for at, (s, x) in enumerate(points) for t, y in points[at + 1 :] if t > s)
    if len(points) < 3 or not found:
        return None
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _run(run: tuple[float, float, float], seen: Seen) -> tuple[float, float, float]:
    if seen.limits is None or seen.limits[0] < seen.y < seen.limits[1]:
        return (0.0, 0.0, 0.0)
    side = 1.0 if seen.y >= seen.limits[1] else -1.0
    return (side, run[1], run[2] + 1) if run[0] == side else (side, seen.day, 1.0)


class Limits(NamedTuple):
    """Two-sided p of a step; limits of EWMA score, CUSUM and departure."""

    step: float
    ewma: float
    cusum: float
    level: float


def _limits(seen: Seen, budget: float) -> Limits:
    """The limits that spend the budget at the rate at which this measure is taken.

    CUSUM: two-sided average run length e^b - b - 1 with b = limit + 1.166 (Siegmund's approximation for slack 0.5). No limit is looser than the
    textbook's, so what rare values leave over goes to the departure; a level is another one every four weeks at most, for the anchor lags so
    long.
    """
    rate = 12.0 if seen.n == 0 else 365.25 * seen.n / max(seen.day - seen.first, 1e-3)
    rate = min(FASTEST, max(1.0, rate))
    step = min(0.01, SHARES[0] * budget / rate)
    wide = min(0.003, SHARES[1] * budget / rate)
    run_length = max(CUSUM_RUN, rate / (SHARES[2] * budget))
    left = max(SHARES[3] * budget, budget - rate * (step + wide + 1 / run_length))
    level = -probit(min(0.05, left / min(rate, LEVELS)) / 2)
    return Limits(step, -probit(wide / 2), max(CUSUM_LIMIT, math.log(run_length + 1 + math.log(run_length)) - 1.166), level)


def _worse(prior: Prior, side: float) -> bool:
    return prior.direction == "both" or (side > 0) == (prior.direction == "higher-worse")
