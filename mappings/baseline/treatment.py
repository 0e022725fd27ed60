"""What treatment does to a level between two values: a course that is expected, a dose that moves it, and doubt at every change.

A person who gets better under treatment leaves the range that was theirs before, and should; what is unusual then is to differ from the
expected course (baseline.md, traps 3). Three things are said to the engine as a `Drive`:

* at a start, stop or change of dose the drift is as uncertain again (`inflation` times its stationary variance), and once more when the
  steady state is reached; what was added fades with the drift's memory;
* a level that is proportional to the dose moves with ln(dose), which is the same as judging ln(level / dose);
* where a course is published, the expected level falls as its mean does, from the first day of a treatment after eight weeks without one,
  for people who start as high as those it was found in.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from math import exp, log
from operator import mul
from typing import Any, Final, Protocol

from mappings.baseline.filter import STILL, Drive
from mappings.baseline.prior import Prior, Treatment
from mappings.baseline.state import State

RENEWED_DAYS: Final = 7.0
"""A prescription of the same drug that begins so soon after the last one's end goes on with it."""
FRESH_DAYS: Final = 56.0
"""A treatment after so long without one is a new one."""


class Curve(Protocol):
    """A published course (mappings/scales/trajectory.py)."""

    @property
    def entry(self) -> float | None:
        """The least first score of the people it was found in."""

    @property
    def last_week(self) -> float:
        """Where it ends."""

    def mean(self, week: float) -> float:
        """Mean score in a week of treatment."""


@dataclass(frozen=True, slots=True)
class Course:
    """A drug taken from `start` to before `end` (days since 1970; None: it goes on); `mg` a day, None where nobody says. `told`: by a statement
    that it is taken, which a prescription outweighs: they are two words for one course."""

    drug: str
    group: str
    start: float
    end: float | None
    mg: float | None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A time that a clinician confirmed as stable (days since 1970), for these measures or, None, for all."""

    start: float
    end: float
    measures: frozenset[str] | None = None


@dataclass(frozen=True)
class Timeline:
    """What is known to act on one measure of one person: its medicines in order, the published course, the stable periods."""

    prior: Prior
    courses: tuple[Course, ...] = ()
    curve: Curve | None = None
    stable: tuple[Period, ...] = ()

    @cached_property
    def changes(self) -> tuple[tuple[float, float], ...]:
        """(day, inflation) of every start, stop and change of dose, and of the steady states after them."""
        treatment = self.prior.treatment
        if treatment is None or not treatment.inflation:
            return ()
        days = [day for day in _boundaries(self.courses) if _doses(self.courses, day, _ran) != _doses(self.courses, day)]
        later = [day + treatment.steady_state_days for day in days] if treatment.steady_state_days else []
        return tuple((day, treatment.inflation) for day in sorted({*days, *later}))

    @cached_property
    def begun(self) -> tuple[float, ...]:
        """The first days of new treatments, each after eight weeks without one."""
        found, until = [], -float("inf")
        for course in self.courses:
            if course.start - until > FRESH_DAYS:
                found.append(course.start)
            until = max(until, float("inf") if course.end is None else course.end)
        return tuple(found)

    def drive(self, state: State, day: float) -> Drive:
        """What acted on the level after the last value of `state`, up to `day`. Nothing acts before the first value."""
        if not state.n or not self.courses or self.prior.treatment is None:
            return STILL
        memory = self.prior.theta.L_days
        inflation = sum(size * exp(-2 * (day - change) / memory) for change, size in self.changes if state.last < change <= day)
        expected, set_out = self._expected(state, day)
        return Drive(self._dosed(state.last, day) + expected, inflation, set_out)

    def foretold(self, judged: Iterable[tuple[float, float, bool]]) -> list[list[tuple[float, float]]]:
        """The expected course of each treatment as (day, value), week by week to the end of it or of the published one. `judged`: of every value the
        day, what was expected of it, and whether the course moved that; the first such value after a start says from where the person set out."""
        found, curve, judged = [], self.curve, list(judged)
        for start in self.begun if curve and self.prior.treatment and self.prior.treatment.expected else ():
            assert curve is not None
            first = next(((day, value) for day, value, moved in judged if start < day <= start + 7 * curve.last_week and moved), None)
            if first is not None:
                begin = first[1] / share(curve, start, first[0])
                days = takewhile(lambda day: any(_runs(course, day) for course in self.courses), [start + 7 * week for week in range(int(curve.last_week) + 1)])
                found.append([(day, begin * share(curve, start, day)) for day in days])
        return found

    def confirmed(self, last: float, day: float) -> bool:
        """Whether a stable period ended after the value of `last` day, or on it, and before `day`; `last` lies in it."""
        return any(period.start <= last <= period.end < day for period in self.stable if period.measures is None or self.prior.measure in period.measures)

    def _dosed(self, last: float, day: float) -> float:
        treatment = self.prior.treatment
        if treatment is None or not treatment.dose_proportional:
            return 0.0
        before, now = _whole(_doses(self.courses, last).values()), _whole(_doses(self.courses, day).values())
        return log(now / before) if before and now else 0.0

    def _expected(self, state: State, day: float) -> tuple[float, tuple[float, float] | None]:
        """Between the weeks of the last value and of this one, the share by which the mean of the published course falls; and from where the person set
        out, which is judged once: who stays low does not come to have started high as the weeks go by."""
        curve, treatment = self.curve, self.prior.treatment
        started = max((start for start in self.begun if start <= day), default=None)
        if curve is None or treatment is None or not treatment.expected or started is None or not any(_runs(course, day) for course in self.courses):
            return 0.0, None
        before, now = share(curve, started, state.last), share(curve, started, day)
        weights = [exp(each) for each in state.log_weight]
        y = sum(map(mul, weights, state.a)) + sum(map(mul, weights, state.u))
        level = self.prior.transform.back(y)
        set_out = state.set_out if state.set_out and state.set_out[0] == started else (started, level / before)
        if before == now or (curve.entry is not None and set_out[1] < curve.entry):
            return 0.0, set_out
        return self.prior.transform.forward(level * now / before) - self.prior.transform.forward(level), set_out


def earliest_difference(one: Timeline | None, two: Timeline | None) -> float | None:
    """The first day from which two timelines of a measure say something different; None where they say the same."""
    mine, others = (Counter(each.courses if each else ()) for each in (one, two))
    ends = _ends_by_beginning(mine - others), _ends_by_beginning(others - mine)
    days = [_difference(begin.start, ends[0].get(begin, []), ends[1].get(begin, [])) for begin in {*ends[0], *ends[1]}]
    stable, said = (set(each.stable) if each else set() for each in (one, two))
    return min([*days, *(period.start for period in stable ^ said)], default=None)


def _ends_by_beginning(courses: Iterable[Course]) -> dict[Course, list[float | None]]:
    """The ends of courses that are alike but for them, by such a course without an end."""
    found: dict[Course, list[float | None]] = {}
    for course in courses:
        found.setdefault(replace(course, end=None), []).append(course.end)
    return found


def _difference(start: float, ends: Sequence[float | None], others: Sequence[float | None]) -> float:
    """From when courses that begin alike differ: from their start where one side has more of them, else from the first end."""
    known = [end for end in (*ends, *others) if end is not None]
    return min(known) if len(ends) == len(others) and known else start


def share(curve: Curve, started: float, day: float) -> float:
    """What is left of the mean score on `day` of a treatment that began on `started`; it stays where the published course ends."""
    week = min(curve.last_week, max(0.0, (day - started) / 7))
    return curve.mean(week) / curve.mean(0.0)


def relevant(treatment: Treatment | None, courses: Iterable[Course]) -> tuple[Course, ...]:
    """The courses of the medicines that move a measure, in the order of their start, renewals joined to what they renew."""
    if treatment is None:
        return ()
    mine = [course for course in courses if course.drug in treatment.drugs or course.group in treatment.classes]
    found: list[Course] = []
    for course in sorted(mine, key=_order):
        found = [replace(other, end=course.start) if _renews(other, course) else other for other in found]
        found.append(course)
    return tuple(course for course in found if course.end is None or course.end > course.start)


def _order(course: Course) -> tuple[object, ...]:
    """By content alone, so that it does not matter in which order they were heard of."""
    return (course.start, course.drug, course.end is None, course.end or 0.0, course.mg is None, course.mg or 0.0, course.told)


def _renews(earlier: Course, later: Course) -> bool:
    alike = earlier.drug == later.drug and earlier.told == later.told and earlier.start < later.start
    return alike and earlier.end is not None and abs(later.start - earlier.end) <= RENEWED_DAYS


def _boundaries(courses: Sequence[Course]) -> list[float]:
    return sorted({course.start for course in courses} | {course.end for course in courses if course.end is not None})


def _runs(course: Course, day: float) -> bool:
    return course.start <= day and (course.end is None or day < course.end)


def _ran(course: Course, day: float) -> bool:
    """Just before `day`."""
    return course.start < day and (course.end is None or day <= course.end)


def _doses(courses: Sequence[Course], day: float, on: Callable[[Course, float], bool] = _runs) -> dict[str, float | None]:
    """drug -> mg a day on `day`; None where a dose is not known."""
    taken: dict[str, list[Course]] = {}
    for course in courses:
        if on(course, day):
            taken.setdefault(course.drug, []).append(course)
    return {drug: _together(found) for drug, found in taken.items()}


def _together(courses: Sequence[Course]) -> float | None:
    """The dose of one drug's courses at one time. Those that began together are parts of one dose; where one began later nobody says whether it
    comes in addition or in place of what was never ended, and the dose is not known."""
    said = [course for course in courses if not course.told] or courses
    if len({course.start for course in said}) > 1:
        return None
    return _whole([course.mg for course in said])


def _whole(doses: Collection[float | None]) -> float | None:
    """Milligrams a day of all together; None where one is not known."""
    known = [each for each in doses if each is not None]
    return float(sum(known)) if len(known) == len(doses) else None


def courses_of(row: Mapping[str, Any], groups: Mapping[str, str], day_of: Any) -> list[Course]:
    """The courses of one medicine as a story keeps it: `ingredients`, `active`, `stopped`, `start`, `until`, and `doses`, (time, mg a day) in
    order. `groups`: drug -> its group; `day_of`: a FHIR time as a day, None for what is none."""
    start = day_of(row.get("start"))
    end = None if row.get("active") and not row.get("end") else day_of(row.get("until") or row.get("end"))
    if start is None or not (row.get("active") or row.get("stopped")) or (row.get("stopped") and end is None):
        return []
    doses = [(day, mg) for text, mg in row.get("doses", ()) if (day := day_of(text)) is not None] or [(start, row.get("mg"))]
    told = str(row.get("ref", "")).startswith("MedicationStatement/")
    ends = [day for day, _ in doses[1:]] + [end]
    spans = [(begin, stop, mg) for (begin, mg), stop in zip(doses, ends, strict=True) if stop is None or stop > begin]
    return [Course(drug, groups[drug], begin, stop, mg, told) for drug in row.get("ingredients", ()) if drug in groups for begin, stop, mg in spans]
