"""The whole simulation: every cohort, every change, several measures, wrong priors."""

import sys
import time
from dataclasses import replace
from typing import Final

import numpy as np

from bench.baseline.judging import OURS, Judgements, at_budget, judged, taught
from bench.baseline.panels import panels
from bench.baseline.people import RISE_DAYS, STEADY, Cohort, Pick, bounded, changing, prior_of, stable, stated, treated, unchanging
from bench.baseline.report import Results
from bench.baseline.scores import alarms_a_year, covered
from mappings.baseline.engine import ALONE

WEEKLY: Final = ((1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (2.0, RISE_DAYS), (3.0, RISE_DAYS))
"""(height in SDs within a person, days it takes) of the changes of the weekly score."""
POINTS: Final = ((5.0, 0.0), (10.0, 0.0), (5.0, RISE_DAYS), (10.0, RISE_DAYS))
"""The same of the bounded scale, in points."""
BUDGETS: Final = (0.1, ALONE, 1.0)
"""False alarms a year that one measure may cost."""
WRONG: Final = {
    "true": STEADY,
    "mean off by one SD between people": replace(STEADY, mu0=STEADY.mu0 + STEADY.tau_b2**0.5),
    "SD within a person halved": replace(STEADY, sigma0=STEADY.sigma0 / 2),
    "SD within a person doubled": replace(STEADY, sigma0=STEADY.sigma0 * 2),
    "SD between people halved": replace(STEADY, tau_b2=STEADY.tau_b2 / 4),
    "SD between people doubled": replace(STEADY, tau_b2=STEADY.tau_b2 * 4),
    "no persistence": replace(STEADY, rho=0.0),
    "much persistence": replace(STEADY, rho=0.75, L_days=60.0),
    "everybody equally variable": replace(STEADY, s_logsigma=0.0),
    "no gross errors": replace(STEADY, pi_out=0.0),
}


def run(people: int, seed: int, command: str, learned: bool = False) -> Results:
    """Everything, with `people` in each cohort."""
    pick = np.random.default_rng(seed)
    results = Results(command)
    results.cohorts = [_judged(cohort, learned) for cohort in unchanging(pick, people)]
    results.treated = _judged(treated(pick, people), learned)
    calm = {each.cohort.name: each for each in results.cohorts}
    results.changes = [
        (calm["stable"], [_judged(changing(pick, people, *change)) for change in WEEKLY]),
        (calm["bounded scale"], [_judged(bounded(pick, people, *change)) for change in POINTS]),
    ]
    say("other budgets")
    results.budgets = [
        [(budget, at_budget(calm, budget), [at_budget(each, budget) for each in changed]) for budget in BUDGETS] for calm, changed in results.changes
    ]  # fmt: skip
    say("several measures")
    results.panels = panels(pick, max(10, people // 2))
    results.wrong = wrong(pick, people)
    return results


def wrong(pick: Pick, people: int) -> list[tuple[str, Judgements]]:
    """The stable cohort under wrong priors."""
    say("wrong priors")
    cohort = stable(pick, people)
    return [(what, judged(replace(cohort, prior=prior_of("score", "identity", stated(theta))))) for what, theta in WRONG.items()]


def _judged(cohort: Cohort, learned: bool = False) -> Judgements:
    say(f"{cohort.name}: {len(cohort.series.day)} values")
    return judged(cohort, taught(cohort) if learned else None)


def say(what: str) -> None:
    """Progress."""
    print(f"{time.process_time():7.1f} s  {what}", file=sys.stderr, flush=True)


def brief() -> None:
    """Two lines, within a second or two."""
    for make in (stable, bounded):
        found = judged(make(np.random.default_rng(1), 100))
        share = covered(found, OURS)
        print(f"  {found.cohort.name}, {len(found.day)} simulated people: coverage {100 * share.share:.1f} % (error {100 * share.error:.1f}, goal 95), "
              f"{alarms_a_year(found, OURS):.2f} false alarms a patient-year; all: python -m bench.baseline", flush=True)  # fmt: skip
