"""What acts on one person's levels: medicines in time, published courses, periods confirmed as stable."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mappings.baseline.detectors import share
from mappings.baseline.stability import is_stable_period, period_of, stable_period
from mappings.baseline.treatment import Course, Period, Timeline, courses_of, earliest_difference, relevant
from service.workflows.change import Change
from service.workflows.clinical_time import last_microsecond, microseconds
from service.workflows.series import DAY_US, begun
from service.workflows.story import Story

if TYPE_CHECKING:
    from service.knowledge import Knowledge


def day_of(text: str | None) -> float | None:
    """A FHIR time as days since 1970."""
    at = microseconds(text) if isinstance(text, str) else None
    return None if at is None else at / DAY_US


def end_of(text: str) -> float | None:
    """The last moment of a FHIR time, as days since 1970."""
    at = last_microsecond(text)
    return None if at is None else at / DAY_US


class Treating:
    """The timelines of one person, from the rows of the story as they stand now."""

    def __init__(self, knowledge: "Knowledge", story: Story) -> None:
        self._knowledge, self._story = knowledge, story

    @cached_property
    def courses(self) -> list[Course]:
        """Every medicine that is or was taken, in time."""
        groups = {drug.id: drug.group for drug in self._knowledge.drugs.by_id.values()}
        return [course for _, row in self._story.all("medicine") for course in courses_of(row, groups, day_of)]

    @cached_property
    def stable(self) -> tuple[Period, ...]:
        """Every period confirmed as stable."""
        found = [period_of(row, day_of, end_of) for _, row in self._story.all("stable")]
        return tuple(each for each in found if each is not None)

    @cached_property
    def _began(self) -> dict[str, int]:
        """measure with a baseline -> instant of its first value, as the stored states say."""
        found = {measure: begun(raw) for measure, raw in self._story.raws("state") if measure in self._knowledge.priors}
        return {measure: at for measure, at in found.items() if at is not None}

    def began(self, measure: str) -> int | None:
        """The instant of the first value of a measure."""
        return self._began.get(measure)

    def begins(self, found: Mapping[str, int | None]) -> dict[str, int]:
        """Set when measures begin (None: no longer); the other measures whose share of the alarm budget is another now, and from which instant."""
        before = self._began
        after = before | {measure: at for measure, at in found.items() if at is not None and measure in self._knowledge.priors}
        self._began = {measure: at for measure, at in after.items() if found.get(measure, at) is not None}
        if self._began == before:
            return {}
        moved = {measure: _first_other_share(_without(before, measure), _without(self._began, measure)) for measure in self._began}
        return {measure: at for measure, at in moved.items() if at is not None}

    def timeline(self, measure: str) -> Timeline | None:
        """What acts on a measure; None where nothing does."""
        prior = self._knowledge.priors.get(measure)
        if prior is None:
            return None
        courses = relevant(prior.treatment, self.courses) if prior.treatment else ()
        stable = tuple(period for period in self.stable if period.measures is None or measure in period.measures)
        curve = self._knowledge.curves.get(measure) if prior.treatment and prior.treatment.expected else None
        return Timeline(prior, courses, curve, stable) if courses or stable else None

    def others(self, measure: str) -> Callable[[int], int]:
        """How many other measures the person had begun at an instant."""
        return lambda at: sum(each <= at for other, each in self._began.items() if other != measure)

    def moved_since(self, before: "Treating") -> dict[str, int]:
        """The measures on which something else acts than was known `before`, and from which instant (microseconds)."""
        found = {}
        for measure in self._began:
            day = earliest_difference(before.timeline(measure), self.timeline(measure))
            if day is not None:
                found[measure] = round(day * DAY_US)
        return found


def _without(began: Mapping[str, int], measure: str) -> list[int]:
    return [at for other, at in began.items() if other != measure]


def _first_other_share(before: Sequence[int], after: Sequence[int]) -> int | None:
    """The first instant from which a measure beside which these others began has another share."""
    for at in sorted({*before, *after}):
        then, now = (share(1 + sum(each <= at for each in began)) for began in (before, after))
        if then != now:
            return at
    return None


def note(knowledge: "Knowledge", story: Story, change: Change) -> None:
    """Keep what an Observation says of a stable period."""
    if change.kind != "Observation":
        return
    row = stable_period(change.resource, knowledge.priors_by_code) if change.resource is not None and change.method != "delete" else None
    if row is not None:
        story.put("stable", change.ref, row)
    else:
        story.drop("stable", change.ref)


def acts(change: Change) -> bool:
    """Whether a change may say something of what acts on levels."""
    if change.kind in ("MedicationRequest", "MedicationStatement"):
        return True
    return change.kind == "Observation" and any(is_stable_period(each) for each in (change.resource, change.previous) if each is not None)
