"""People whose truth is known: what their level is, when it begins to change, and which prior knows how much of that.

Some cohorts are drawn from the model the engine believes in (docs/baseline.md). Others break it on purpose, in the way real people do, and
say so. Every cohort comes in two halves: `training` is all that any method may learn from, `series` is what is judged.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mappings.baseline import many
from mappings.baseline.grid import Theta
from mappings.baseline.learning import Series
from mappings.baseline.prior import Prior, build

Floats = NDArray[np.float64]
Pick = np.random.Generator
ASSUMED: Final = {"s_logsigma": 0.4, "rho": 0.5, "L_days": 60.0, "pi_out": 0.03}
"""What the shipped priors of rating scales assume where nothing was fitted; for cohorts that no theta of the model describes."""
ITEMS: Final = 9
TOP: Final = 27.0
RISE_DAYS: Final = 42.0
"""How long a ramp takes to its full height."""
FALL_DAYS: Final = 56.0
"""How long a treatment takes to its full effect."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """`log`: methods without a transform work on logs; `low`, `high`: ends of the measure; `worse`: 1 where only higher is bad, 0 where both are;
    `follows`: whether the engine's model is the truth; `level`: the true level at each value of `series`, without noise, in the measure's
    unit; `onset`: for each person the day on which a change begins, NaN for none."""

    name: str
    about: str
    prior: Prior
    series: Series
    training: Series
    level: Floats
    onset: Floats
    follows: bool
    log: bool = False
    low: float = -math.inf
    high: float = math.inf
    worse: int = 0

    def working(self, value: Floats) -> Floats:
        """The scale on which the reference methods work and intervals are scored: logs, or the unit itself."""
        with np.errstate(divide="ignore"):
            return np.log(value) if self.log else value


@dataclass(frozen=True, slots=True)
class Nature:
    """How people of a cohort come about. `trait` and `noise` draw standardised values; `persistence` and `memory` (days) are theirs alone where
    given; `errors` draws what gross errors add, in short-term standard deviations, instead of the theta's own share."""

    theta: Theta
    trait: Callable[[Pick, int], Floats] = lambda pick, people: pick.standard_normal(people)
    noise: Callable[[Pick, tuple[int, int]], Floats] = lambda pick, shape: pick.standard_normal(shape)
    persistence: Callable[[Pick, int], Floats] | None = None
    memory: Callable[[Pick, int], Floats] | None = None
    errors: Callable[[Pick, tuple[int, int]], Floats] | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """Matrices (people, values) on the transformed scale: `level` without, `y` with noise."""

    level: Floats
    y: Floats


def drawn(pick: Pick, nature: Nature, day: Floats, course: Floats | float = 0.0) -> Drawn:
    """People of that nature, measured on `day` (people, values); `course` is added to their level."""
    theta, people = nature.theta, len(day)
    rho = np.full(people, theta.rho) if nature.persistence is None else nature.persistence(pick, people)
    memory = np.full(people, theta.L_days) if nature.memory is None else nature.memory(pick, people)
    spread = theta.sigma0 * np.exp(theta.s_logsigma * pick.standard_normal(people))
    trait = theta.mu0 + math.sqrt(theta.tau_b2) * nature.trait(pick, people)
    level = trait[:, None] + wandering(pick, day, np.sqrt(rho) * spread, memory) + course
    short = (np.sqrt(1 - rho) * spread)[:, None]
    return Drawn(level, level + short * noised(pick, nature, day.shape))


def noised(pick: Pick, nature: Nature, shape: tuple[int, int]) -> Floats:
    """Noise in short-term standard deviations, with gross errors: the nature's own kind, or the theta's, which are `kappa` times as wide."""
    noise = nature.noise(pick, shape)
    if nature.errors is not None:
        return noise + nature.errors(pick, shape)
    return noise * np.where(pick.random(shape) < nature.theta.pi_out, nature.theta.kappa, 1.0)


def wandering(pick: Pick, day: Floats, spread: Floats, memory: Floats) -> Floats:
    """An Ornstein-Uhlenbeck path for each person, sampled exactly at the days: standard deviation `spread`, memory in days."""
    found = np.empty_like(day)
    found[:, 0] = spread * pick.standard_normal(len(day))
    for k in range(1, day.shape[1]):
        keep = np.exp(-(day[:, k] - day[:, k - 1]) / memory)
        found[:, k] = keep * found[:, k - 1] + spread * np.sqrt(1 - keep**2) * pick.standard_normal(len(day))
    return found


def regular(pick: Pick, people: int, values: int, gap: float) -> Floats:
    """Days: one value each `gap` days, up to a seventh of it early or late."""
    return (np.arange(values) + pick.uniform(-1 / 7, 1 / 7, (people, values))) * gap


def series_of(day: Floats, value: Floats, within: float = math.inf) -> Series:
    """People's rows one after the other; values after the day `within` are left out, the first stays."""
    kept = day <= within
    kept[:, 0] = True
    length = kept.sum(1)
    return Series(np.cumsum(np.append(0, length[:-1])), length, day[kept], value[kept])


def prior_of(measure: str, transform: str, theta: dict[str, float], **more: Any) -> Prior:
    return build({"measure": measure, "transform": transform, "theta": theta} | more)


def stated(theta: Theta) -> dict[str, float]:
    """A theta as a prior file says it."""
    return {name: float(getattr(theta, name)) for name in Theta.__slots__}


def by_moments(measure: str, transform: str, training: Series, **more: Any) -> Prior:
    """A prior that knows mean and standard deviations of the training half, and for the rest what shipped priors assume."""
    shape = prior_of(measure, transform, stated(STEADY)).transform
    mean, _, between, within, _ = moments(training, many.forward(shape, training.value))
    return prior_of(measure, transform, {"mu0": mean, "tau_b2": between**2, "sigma0": within, **ASSUMED}, **more)


def moments(series: Series, y: Floats) -> tuple[float, float, float, float, float]:
    """(mean, total SD, SD between people, SD within a person, correlation of a person's first two values) of `y`, the series' values on a scale."""
    size = series.length
    mean = np.add.reduceat(y, series.start) / size
    within = float(((y - np.repeat(mean, size)) ** 2).sum() / (size - 1).sum())
    between = max(1e-9, float(np.var(mean, ddof=1)) - within * float(np.mean(1 / size)))
    twice = series.start[size > 1]
    retest = float(np.corrcoef(y[twice], y[twice + 1])[0, 1])
    return float(mean.mean()), math.sqrt(within + between), math.sqrt(between), math.sqrt(within), retest


STEADY: Final = Theta(mu0=50.0, tau_b2=64.0, sigma0=5.0, s_logsigma=0.35, rho=0.3, L_days=30.0, pi_out=0.02)
"""A weekly score around 50: people differ with SD 8, one person varies with SD 5, a third of that variance lasts for a month."""
DRIFTING: Final = replace(STEADY, rho=0.75, L_days=60.0)
ANALYTE: Final = Theta(mu0=math.log(2.0), tau_b2=0.16, sigma0=0.2, s_logsigma=0.35, rho=0.3, L_days=200.0, pi_out=0.02)
"""A laboratory value on the log scale: people differ by 40 %, one person varies by 20 %."""
SLEEP: Final = Theta(mu0=420.0, tau_b2=2025.0, sigma0=60.0, s_logsigma=0.4, rho=0.25, L_days=14.0, pi_out=0.03)
"""Minutes of sleep, as the shipped prior has them."""
WEEKS: Final = 52


def weekly(pick: Pick, people: int, name: str, about: str, nature: Nature, values: int = WEEKS, prior: Prior | None = None) -> Cohort:
    """A year of weekly values on the identity scale. The prior is the nature's theta where that is all of the truth (`prior` None)."""
    day = regular(pick, 2 * people, values, 7.0)
    found = drawn(pick, nature, day)
    training = series_of(day[people:], found.y[people:])
    known = prior or prior_of("score", "identity", stated(nature.theta))
    return Cohort(name, about, known, series_of(day[:people], found.y[:people]), training, found.level[:people].ravel(), np.full(people, np.nan),
                  follows=prior is None)  # fmt: skip


def stable(pick: Pick, people: int) -> Cohort:
    return weekly(pick, people, "stable", "weekly for a year, drawn from the model", Nature(STEADY))


def drifting(pick: Pick, people: int) -> Cohort:
    return weekly(pick, people, "drifting", "weekly for a year, three quarters of the variance drifts over two months; drawn from the model", Nature(DRIFTING))


def erring(pick: Pick, people: int) -> Cohort:
    """Every twentieth value is wrong by 5 to 10 short-term SDs, to either side: not the wider normal of the model."""

    def errors(pick: Pick, shape: tuple[int, int]) -> Floats:
        size = pick.uniform(5, 10, shape) * pick.choice((-1.0, 1.0), shape)
        return np.where(pick.random(shape) < 0.05, size, 0.0)

    about = "one value in twenty wrong by 5 to 10 short-term SDs; the prior knows the share, not the shape"
    return broken(pick, people, "gross errors", about, Nature(STEADY, errors=errors), replace(STEADY, pi_out=0.05))


def heavy(pick: Pick, people: int) -> Cohort:
    """Student's t with 3 degrees of freedom has variance 3."""
    about = "noise from Student's t with 3 degrees of freedom; the prior knows the standard deviations only"
    return broken(pick, people, "heavy tails", about, Nature(replace(STEADY, pi_out=0.0), noise=lambda pick, shape: pick.standard_t(3, shape) / math.sqrt(3)))


def persistent(pick: Pick, people: int) -> Cohort:
    about = "each person has a persistence between 0 and 0.95 and a memory between 5 and 180 days of their own; the prior knows one for all"
    nature = Nature(STEADY, persistence=lambda pick, people: pick.uniform(0, 0.95, people),
                    memory=lambda pick, people: np.exp(pick.uniform(math.log(5), math.log(180), people)))  # fmt: skip
    return broken(pick, people, "own persistence", about, nature, replace(STEADY, rho=0.475))


def skewed(pick: Pick, people: int) -> Cohort:
    about = "levels of people from an exponential distribution: many near the low end, a few far up; the prior believes in a normal one"
    return broken(pick, people, "skewed trait", about, Nature(STEADY, trait=lambda pick, people: pick.standard_exponential(people) - 1))


def broken(pick: Pick, people: int, name: str, about: str, nature: Nature, believed: Theta | None = None) -> Cohort:
    """A weekly cohort that the model does not describe; the prior holds the nearest theta."""
    prior = prior_of("score", "identity", stated(STEADY if believed is None else believed))
    return weekly(pick, people, name, about, nature, prior=prior)


def sparse(pick: Pick, people: int) -> Cohort:
    """Three laboratory values a year at irregular times, for five years."""
    day = np.cumsum(pick.exponential(365.25 / 3, (2 * people, 30)), 1)
    found = drawn(pick, Nature(ANALYTE), day)
    value, level, within = np.exp(found.y), np.exp(found.level), 5 * 365.25
    kept = series_of(day[:people], level[:people], within)
    about = "three laboratory values a year at irregular times for five years, log scale; drawn from the model"
    return Cohort("sparse", about, prior_of("analyte", "log", stated(ANALYTE)), series_of(day[:people], value[:people], within),
                  series_of(day[people:], value[people:], within), kept.value, np.full(people, np.nan), True, log=True)  # fmt: skip


def nightly(pick: Pick, people: int) -> Cohort:
    """Half a year of nights; people sleep 40 minutes longer at weekends, which the model knows nothing of."""
    half, nights = max(20, people // 2), 182
    day = np.broadcast_to(np.arange(float(nights)), (2 * half, nights)).copy()
    found = drawn(pick, Nature(SLEEP), day, np.where(np.arange(nights) % 7 >= 5, 40.0, 0.0) - 80 / 7)
    value = np.clip(np.round(found.y), 0, 1440)
    prior = prior_of("sleep", "identity", stated(SLEEP), resolution=1, minimum=0, maximum=1440)
    about = "minutes of sleep each night for half a year, 40 more at weekends; the prior knows no weekday"
    return Cohort("nightly", about, prior, series_of(day[:half], value[:half]), series_of(day[half:], value[half:]), found.level[:half].ravel(),
                  np.full(half, np.nan), False, low=0.0, high=1440.0)  # fmt: skip


def changing(pick: Pick, people: int, height: float, rise_days: float) -> Cohort:
    """The stable cohort, whose level rises by `height` typical SDs within a person from a day between 180 and 270 on: at once, or over `rise_days`."""
    day = regular(pick, people, WEEKS, 7.0)
    onset = pick.uniform(180, 270, people)
    found = drawn(pick, Nature(STEADY), day, height * STEADY.sigma0 * risen(day, onset, rise_days))
    kind = "ramp" if rise_days else "step"
    before = stable(pick, people)
    return replace(before, name=f"{kind} of {height:g} SD", about="the stable cohort with a change", series=series_of(day, found.y), level=found.level.ravel(),
                   onset=onset, follows=False)  # fmt: skip


def risen(day: Floats, onset: Floats, rise_days: float) -> Floats:
    """The share of a change that has happened."""
    since = day - onset[:, None]
    return np.clip(since / rise_days, 0, 1) if rise_days else (since >= 0).astype(float)


def treated(pick: Pick, people: int) -> Cohort:
    """Half a year of weekly values from the start of a treatment: most fall by about 10 along an exponential course, one in four does not."""
    day = regular(pick, 2 * people, 26, 7.0)
    fall = np.where(pick.random(2 * people) < 0.25, 0.0, pick.normal(13.3, 4.0, 2 * people))
    course = -fall[:, None] * (1 - np.exp(-(day - day[:, :1]) / 20.0))
    found = drawn(pick, Nature(STEADY), day, course)
    prior = prior_of("score", "identity", stated(replace(STEADY, shift=-10.0, T_days=20.0)))
    about = "the mean falls by 10 over eight weeks; one in four does not respond at all. The prior knows the mean course, the other methods know none"
    return Cohort("treated", about, prior, series_of(day[:people], found.y[:people]), series_of(day[people:], found.y[people:]), found.level[:people].ravel(),
                  np.full(people, np.nan), False)  # fmt: skip


def bounded(pick: Pick, people: int, height: float = 0.0, rise_days: float = 0.0) -> Cohort:
    """Nine items of 0 to 3 each fortnight for two years: a sum of rounded answers, no logit-normal; many at the floor. `height`: points by which
    the expected sum would rise without floor and ceiling, from a day between 360 and 540 on."""
    day, onset = regular(pick, 2 * people, 52, 14.0), pick.uniform(360, 540, 2 * people)
    severity = pick.exponential(0.8, 2 * people)
    drift = wandering(pick, day, 0.25 * np.exp(0.4 * pick.standard_normal(2 * people)), np.full(2 * people, 60.0))
    changed = np.concatenate((np.ones(people), np.zeros(people)))[:, None] * risen(day, onset, rise_days)
    level = severity[:, None] + drift + height / ITEMS * changed
    value = summed(pick, level)
    training = series_of(day[people:], value[people:])
    prior = by_moments("scale", "logit:0:27", training, resolution=1, minimum=0, maximum=27, direction="higher-worse", mcid=5)
    name = "bounded scale" if not height else f"{'ramp' if rise_days else 'step'} of {height:g} points"
    about = "a sum of nine items of 0 to 3 each fortnight for two years, rounded answers, a quarter near the floor; the prior knows the moments"
    return Cohort(name, about, prior, series_of(day[:people], value[:people]), training, np.clip(ITEMS * level[:people], 0, TOP).ravel(),
                  onset[:people] if height else np.full(people, np.nan), False, low=0.0, high=TOP, worse=1)  # fmt: skip


def summed(pick: Pick, level: Floats) -> Floats:
    """Items answered around the person's level, each with an error of 0.5 and rounded to 0, 1, 2 or 3, and added up."""
    total = np.zeros_like(level)
    for _ in range(ITEMS):
        total += np.clip(np.round(level + 0.5 * pick.standard_normal(level.shape)), 0, 3)
    return total


def unchanging(pick: Pick, people: int) -> list[Cohort]:
    """The cohorts in which nothing begins that an alarm could rightly find, and the drifting one."""
    return [make(pick, people) for make in (stable, drifting, sparse, erring, heavy, persistent, skewed, nightly, bounded)]
