"""What treatment does to a level, by arithmetic; and the weekdays of a daily series."""

import math
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from mappings.baseline.engine import Drive, State, replay, start, step
from mappings.baseline.prior import Prior, build
from mappings.baseline.treatment import Course, Period, Timeline, courses_of, earliest_difference, relevant, share
from mappings.baseline.weekday import weekdays

THETA = {"mu0": 0.0, "tau_b2": 0.25, "sigma0": 0.2, "s_logsigma": 0.2, "rho": 0.4, "L_days": 100.0, "pi_out": 0.02}


@dataclass(frozen=True)
class Published:
    """PHQ-9 in blended care (Espel-Huynh 2024, table 5): 12.90 - 1.45 t + 0.07 t^2, in people of 10 or more, ten weeks."""

    entry: float | None = 10.0
    last_week: float = 10.0

    def mean(self, week: float) -> float:
        return 12.9 - 1.45 * week + 0.07 * week * week


def level(**treatment: Any) -> Prior:
    given = {"drugs": ["lithium"], "inflation": 0.0, "dose_proportional": True, "text": "t", "source": ["s"]} | treatment
    return build({"measure": "lithium", "transform": "log", "theta": THETA, "treatment": given})


def score(**more: Any) -> Prior:
    given = {"classes": ["SSRI"], "inflation": 1.0, "expected": True, "text": "t", "source": ["s"]}
    theta = THETA | {"mu0": 0.0, "tau_b2": 0.6, "sigma0": 0.5}
    return build({"measure": "phq-9", "transform": "logit:0:27", "theta": theta, "resolution": 1, "treatment": given} | more)


def lithium(first: float, last: float | None, mg: float | None) -> Course:
    return Course("lithium", "lithium", first, last, mg)


def test_a_level_in_step_with_its_dose_is_judged_as_level_by_dose_is() -> None:
    """ln(C / dose) is what is judged: doubling both changes nothing."""
    prior = level()
    courses = relevant(prior.treatment, [lithium(0, 50, 600), lithium(50, None, 1200)])
    timeline, state, found = Timeline(prior, courses), start(prior), []
    values = [(7.0 * at, 0.6 * math.exp(0.1 * (-1) ** at)) for at in range(14)]
    for day, value in values:
        judged, state = step(prior, state, day, value * (2 if day >= 50 else 1), drive=timeline.drive(state, day))
        found.append(judged.z)
    assert found == pytest.approx([each.z for each in replay(prior, values)[0]], abs=1e-9)


def test_a_dose_that_nobody_knows_moves_nothing() -> None:
    prior = level()
    _, state = replay(prior, [(0.0, 0.6), (7.0, 0.7)])
    timeline = Timeline(prior, relevant(prior.treatment, [lithium(0, 10, 600), lithium(10, None, None)]))
    assert timeline.drive(state, 14.0) == Drive(0.0, 0.0)


def test_doubt_at_every_change_and_at_the_steady_state_after_it() -> None:
    """Start on 10, more on 30, stop on 60; what was added fades with exp(-2 t / L)."""
    prior = level(inflation=1.5, steady_state_days=7, dose_proportional=False)
    courses = relevant(prior.treatment, [lithium(10, 30, 600), lithium(30, 60, 900)])
    timeline = Timeline(prior, courses)
    assert [day for day, _ in timeline.changes] == [10, 17, 30, 37, 60, 67]
    _, state = replay(prior, [(0.0, 0.6), (25.0, 0.7)])
    assert timeline.drive(state, 29.0).inflation == 0.0
    assert timeline.drive(state, 40.0).inflation == pytest.approx(1.5 * (math.exp(-20 / 100) + math.exp(-6 / 100)))
    assert timeline.drive(start(prior), 40.0) == Drive()


@pytest.mark.parametrize(("gap", "changes"), [(0.0, [10]), (7.0, [10]), (8.0, [10, 40, 48])])
def test_a_renewal_is_no_change(gap: float, changes: list[float]) -> None:
    prior = level(inflation=1.0, dose_proportional=False)
    courses = relevant(prior.treatment, [lithium(10, 40, 600), lithium(40 + gap, None, 600), Course("sertraline", "SSRI", 20, None, 50)])
    assert [day for day, _ in Timeline(prior, courses).changes] == changes


def test_doses_that_began_together_add_up_and_what_was_never_ended_leaves_the_dose_unknown() -> None:
    """Morning and evening are one dose; a statement that it is taken is no second one; a repeat beside an open prescription may be either."""
    prior = level()
    statement = Course("lithium", "lithium", 30, None, 600, told=True)

    def shift(*courses: Course) -> float:
        _, state = replay(prior, [(0.0, 0.6), (20.0, 0.6)])
        return Timeline(prior, relevant(prior.treatment, courses)).drive(state, 60.0).shift

    assert shift(lithium(0, 40, 400), lithium(0, 40, 200), lithium(40, None, 900)) == pytest.approx(math.log(1.5))
    assert shift(lithium(0, None, 600), statement) == 0.0
    assert shift(lithium(0, None, 600), lithium(30, None, 600)) == 0.0
    assert shift(lithium(0, None, 600), lithium(30, None, 900)) == 0.0
    assert shift(lithium(0, 33, 600), lithium(30, None, 900)) == pytest.approx(math.log(1.5))  # a few days on both: the new one goes on


def test_what_is_renewed_does_not_depend_on_the_order_of_hearing() -> None:
    prior = level(inflation=1.0)
    parts = [lithium(0, 40, 400), lithium(0, 40, 200), lithium(43, None, 400), lithium(43, None, 200)]
    for order in (parts, parts[::-1], [parts[at] for at in (2, 1, 3, 0)]):
        assert Timeline(prior, relevant(prior.treatment, order)).changes == Timeline(prior, relevant(prior.treatment, parts)).changes
    assert [day for day, _ in Timeline(prior, relevant(prior.treatment, parts)).changes] == [0]


def test_the_published_course_is_the_moving_mean() -> None:
    """Between weeks 0 and 4 the mean falls from 12.9 to 8.22: a person of 20 is expected at 20 x 8.22 / 12.9 = 12.7."""
    prior, curve = score(), Published()
    courses = relevant(prior.treatment, [Course("sertraline", "SSRI", 100.0, None, 50.0)])
    timeline = Timeline(prior, courses, curve)
    _, state = replay(prior, [(7.0 * at, 20.0) for at in range(15)])  # the last on day 98
    weights = [math.exp(each) for each in state.log_weight]
    y = sum(w * (a + u) for w, a, u in zip(weights, state.a, state.u, strict=True))
    x = 28 / (1 + math.exp(-y)) - 0.5
    drive = timeline.drive(state, 128.0)
    expected = x * 8.22 / 12.9
    assert drive.shift == pytest.approx(math.log((expected + 0.5) / (27.5 - expected)) - y, abs=1e-9)
    assert drive.inflation == pytest.approx(math.exp(-2 * 28 / 100))
    still, _ = step(prior, state, 128.0, 12.0)
    driven, _ = step(prior, state, 128.0, 12.0, drive=drive)
    assert (still.outside95, driven.outside95) == (True, False)
    same, _ = step(prior, state, 128.0, 20.0, drive=drive)
    assert same.z > 1  # to stay is what is unusual now


def test_no_course_for_those_who_start_low_nor_after_its_end_nor_without_treatment() -> None:
    prior, curve = score(), Published()
    courses = relevant(prior.treatment, [Course("sertraline", "SSRI", 100.0, 180.0, 50.0)])
    _, low = replay(prior, [(7.0 * at, 6.0) for at in range(15)])
    _, high = replay(prior, [(7.0 * at, 20.0) for at in range(15)])
    _, late = replay(prior, [(7.0 * at, 20.0) for at in range(26)])  # the last on day 175, past week 10
    assert Timeline(prior, courses, curve).drive(low, 128.0).shift == 0.0
    assert Timeline(prior, courses, curve).drive(late, 178.0).shift == 0.0
    assert Timeline(prior, courses, curve).drive(high, 190.0).shift == 0.0
    assert Timeline(prior, courses).drive(high, 128.0).shift == 0.0
    assert share(curve, 100.0, 99.0) == 1.0
    assert share(curve, 100.0, 400.0) == pytest.approx(5.4 / 12.9)


def test_who_stays_low_does_not_come_to_have_started_high() -> None:
    """At week 9 a score of 6 would be what is left of 14: but it was 6 from the first."""
    prior = score()
    timeline = Timeline(prior, relevant(prior.treatment, [Course("sertraline", "SSRI", 100.0, None, 50.0)]), Published())
    for first in (0.0, 110.0):  # known before, or first seen ten days after the start
        state, found = start(prior), []
        for day in [first + 7 * at for at in range(30)]:
            drive = timeline.drive(state, day)
            _, state = step(prior, state, day, 6.0, drive=drive)
            state = State.from_bytes(state.to_bytes())
            found.append(drive.shift)
        assert set(found) == {0.0}
        assert state.set_out is not None
        assert state.set_out[0] == 100.0
        assert state.set_out[1] < 10


def test_a_switch_within_eight_weeks_is_no_new_beginning() -> None:
    prior = score()
    first, switched, later = Course("sertraline", "SSRI", 0, 40, 50), Course("fluoxetine", "SSRI", 60, 100, 20), Course("sertraline", "SSRI", 160, None, 50)
    assert Timeline(prior, relevant(prior.treatment, [later, first, switched])).begun == (0, 160)


def test_the_course_is_drawn_from_where_the_person_set_out() -> None:
    prior = score()
    timeline = Timeline(prior, relevant(prior.treatment, [Course("sertraline", "SSRI", 100.0, None, 50.0)]), Published())
    (course,) = timeline.foretold([(98.0, 20.0, False), (114.0, 20 * (12.9 - 2.9 + 0.28) / 12.9, True)])
    assert course[0] == (100.0, pytest.approx(20.0))
    assert course[-1] == (170.0, pytest.approx(20 * 5.4 / 12.9))
    ended = Timeline(prior, relevant(prior.treatment, [Course("sertraline", "SSRI", 100.0, 125.0, 50.0)]), Published())
    assert [day for day, _ in ended.foretold([(114.0, 16.0, True)])[0]] == [100, 107, 114, 121]
    assert timeline.foretold([(114.0, 6.0, False), (300.0, 6.0, True)]) == []  # who starts low is expected nowhere


def test_from_which_day_two_timelines_differ() -> None:
    prior = level()
    one = Timeline(prior, (lithium(10, None, 600),))
    assert earliest_difference(one, Timeline(prior, (lithium(10, 40, 600),))) == 40
    assert earliest_difference(one, Timeline(prior, (lithium(12, None, 600),))) == 10
    assert earliest_difference(None, one) == 10
    assert earliest_difference(one, Timeline(prior, (lithium(10, None, 600),), stable=(Period(3.0, 8.0),))) == 3
    assert earliest_difference(one, one) is None
    twice = Timeline(prior, (lithium(10, None, 600), lithium(10, None, 600)))
    assert earliest_difference(one, twice) == 10
    other = Course("valproate", "anticonvulsant", 10, None, 600)
    assert earliest_difference(one, Timeline(prior, (lithium(10, 40, 600), other))) == 10
    pair = [Timeline(prior, (lithium(10, end, 600), lithium(10, 60, 600))) for end in (20, 30)]
    assert earliest_difference(*pair) == 20


def test_courses_of_a_story_row() -> None:
    def day_of(text: str | None) -> float | None:
        return None if text is None else float(text)

    row = {"ingredients": ["lithium", "unheard"], "active": True, "stopped": False, "start": "10", "end": None, "until": None,
           "doses": [["10", 600], ["30", 900]]}  # fmt: skip
    assert courses_of(row, {"lithium": "lithium"}, day_of) == [lithium(10, 30, 600), lithium(30, None, 900)]
    ended = row | {"active": False, "stopped": True, "until": "50"}
    assert courses_of(ended, {"lithium": "lithium"}, day_of) == [lithium(10, 30, 600), lithium(30, 50, 900)]
    assert courses_of(row | {"active": False}, {"lithium": "lithium"}, day_of) == []  # a draft, or cancelled


def test_saturdays_of_a_daily_series() -> None:
    """Forty minutes more on Saturdays: by construction 40 less a seventh, 34.3 against the week around."""
    rng = random.Random(5)
    dates = [date(1970, 1, 1) + timedelta(days=20_000 + at) for at in range(140)]
    days = [(20_000.0 + at, 420 + rng.gauss(0, 20) + (40 if each.weekday() == 5 else 0)) for at, each in enumerate(dates)]
    found = {each.name: each for each in weekdays(days)}
    assert found["sat"].difference == pytest.approx(40 * 6 / 7, abs=3 * found["sat"].error)
    assert found["mon"].difference == pytest.approx(-40 / 7, abs=3 * found["mon"].error)
    assert 2 < found["sat"].error < 8
    assert weekdays(days[:27]) == []
    assert weekdays([(7.0 * at, 5.0) for at in range(60)]) == []
