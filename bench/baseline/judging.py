"""Every method on the people of a cohort, brought to one shape: matrices (people, values), NaN after a person's last value."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.baseline.people import Cohort, moments
from bench.baseline.references import METHODS, Foretold, Known
from mappings.baseline import many
from mappings.baseline.engine import ALONE
from mappings.baseline.learning import Series, learn
from mappings.baseline.prior import Prior, build

Floats = NDArray[np.float64]
LEARNERS: Final = 80
"""People a prior is learned from: learning looks at every value some hundred times."""
OURS: Final = "personal baseline"
LEARNED: Final = "personal baseline, learned prior"


@dataclass(frozen=True, slots=True)
class Judgements:
    """A cohort judged. `value`, `day` and the intervals of `found` on the cohort's working scale; `found` by method."""

    cohort: Cohort
    day: Floats
    value: Floats
    found: dict[str, Foretold]

    @property
    def years(self) -> float:
        """Patient-years from each person's first value to the last."""
        return float((np.nanmax(self.day, 1) - np.nanmin(self.day, 1)).sum() / 365.25)

    def alarms(self, method: str, factor: float = 1.0) -> NDArray[np.bool_]:
        """Values that alarm, at `factor` times the method's own limit; the bad side only where the measure has one. A run of alarms counts with
        its first value: it is one piece of news."""
        surprise = self.found[method].surprise
        raised = surprise > factor if self.cohort.worse else np.abs(surprise) > factor
        fresh: NDArray[np.bool_] = raised.copy()
        fresh[:, 1:] &= ~raised[:, :-1]
        return fresh


def judged(cohort: Cohort, learned: Prior | None = None) -> Judgements:
    """The cohort by ours (with a learned prior too, where one is given) and by every reference method."""
    day, value = matrix(cohort.series, cohort.series.day), matrix(cohort.series, cohort.working(cohort.series.value))
    known = Known(*moments(cohort.training, cohort.working(cohort.training.value)))
    found = {OURS: ours(cohort, cohort.prior)}
    if learned is not None:
        found[LEARNED] = ours(cohort, learned)
    return Judgements(cohort, day, value, found | {name: clipped(cohort, method(known, value)) for name, method in METHODS.items()})


def verdicts(prior: Prior, series: Series, budget: float = ALONE) -> many.Judged:
    """The one place where the engine is called. `budget`: false alarms a year that this measure may cost, unless said otherwise the engine's own."""
    return many.judge(prior, series.start, series.length, series.day, series.value, budget=budget)


def at_budget(judged: Judgements, budget: float) -> Judgements:
    """The same with ours at another budget."""
    if budget == ALONE:
        return judged
    return replace(judged, found=judged.found | {OURS: ours(judged.cohort, judged.cohort.prior, budget)})


def ours(cohort: Cohort, prior: Prior, budget: float = ALONE) -> Foretold:
    """Our alerts have no distance: what alarms lies at 2 limits, what does not at 0."""
    series = cohort.series
    made = verdicts(prior, series, budget)
    lower, upper = (matrix(series, cohort.working(each)) for each in (made.lower95, made.upper95))
    return Foretold(lower, upper, np.where(matrix(series, made.alert.astype(float)) > 0, 2.0, 0.0))


def clipped(cohort: Cohort, found: Foretold) -> Foretold:
    """Intervals cut to what the measure can take, for every method alike."""
    if cohort.log:
        return found
    return replace(found, lower=np.clip(found.lower, cohort.low, cohort.high), upper=np.clip(found.upper, cohort.low, cohort.high))


def matrix(series: Series, each: Floats) -> Floats:
    """One row a person."""
    found = np.full((len(series.start), int(series.length.max())), np.nan)
    found[np.arange(found.shape[1]) < series.length[:, None]] = each
    return found


def taught(cohort: Cohort) -> Prior:
    """The prior that our own learning makes of the training half, with the ends and the direction of the cohort's own."""
    own = cohort.prior
    found = learn(own.measure, cohort.training.of(np.arange(min(LEARNERS, len(cohort.training.start)))), own.transform.name, (), lambda _: None)
    more = {"minimum": own.minimum, "maximum": own.maximum, "mcid": own.mcid, "direction": own.direction}
    return build(found.data | {name: each for name, each in more.items() if each is not None})
