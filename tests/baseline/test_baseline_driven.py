"""What acts on a level from outside, a confirmed stable period, and a baseline learnt while ill: by arithmetic."""

import json
import math
import random
from pathlib import Path

import pytest

from mappings.baseline.engine import Drive, State, confirmed, predict, replay, start, step
from mappings.baseline.prior import Prior, build
from mappings.baseline.wording import for_clinician
from service.knowledge import Knowledge

THETA = {"mu0": 0.0, "tau_b2": 4.0, "sigma0": 1.0, "s_logsigma": 0.3, "rho": 0.5, "L_days": 30.0, "pi_out": 0.02}
VALUES = [(7.0 * at, value) for at, value in enumerate([0.3, -0.4, 1.1, 0.2, 0.6, -0.2, 0.9, 0.1])]


def prior(**more: object) -> Prior:
    return build({"measure": "x", "transform": "identity", "theta": THETA} | more)


def test_a_shift_that_was_expected_is_no_surprise() -> None:
    """Values that move by just what was expected are judged as those that did not move."""
    still, left = replay(prior(), VALUES)
    state, moved = start(prior()), []
    for at, (day, value) in enumerate(VALUES):
        judged, state = step(prior(), state, day, value - (2.5 if at >= 4 else 0), drive=Drive(shift=-2.5) if at == 4 else Drive())
        moved.append(judged)
    assert [each.z for each in moved] == pytest.approx([each.z for each in still], abs=1e-9)
    assert [each.driven for each in moved] == [at == 4 for at in range(8)]
    assert moved[7].upper95 == pytest.approx(still[7].upper95 - 2.5, abs=1e-9)
    assert state.watch.departure == pytest.approx(left.watch.departure, abs=1e-9)
    assert State.from_bytes(state.to_bytes()) == state


def test_a_dose_change_that_is_followed_in_proportion_rarely_alerts(knowledge: Knowledge) -> None:
    """As rarely as no change of dose: within the budget of half an alarm a year, which a level that is worse when higher may spend on one side."""
    lithium, alerts = knowledge.priors["lithium"], {True: 0, False: 0}
    for changed in alerts:
        for seed in range(60):
            rng, state = random.Random(seed), start(lithium)
            for at in range(26):
                drive = Drive(math.log(1.5), 1.0) if changed and at == 13 else Drive()
                value = (0.9 if changed and at >= 13 else 0.6) * math.exp(rng.gauss(0, 0.15))
                judged, state = step(lithium, state, 28.0 * at, value, drive=drive)
                alerts[changed] += at >= 13 and judged.alert and not judged.critical
    assert alerts[True] <= alerts[False] + 6
    assert alerts[True] < 60 * 0.5


def test_every_alert_says_why(knowledge: Knowledge) -> None:
    """Also one whose level left its anchor by values that are not unusual one by one."""
    found = []
    for seed in range(20):
        rng = random.Random(seed)
        values = [(28.0 * at, min(27, max(0, round((5 if at < 11 else 12) + rng.gauss(0, 2))))) for at in range(26)]
        found += [each for each in replay(knowledge.priors["phq-9"], values)[0] if each.alert]
    assert all(each.reasons for each in found)
    assert any("departed" in each.reasons for each in found)


def test_inflation_widens_by_that_many_stationary_variances() -> None:
    """Without personal variability the variance grows by inflation x rho sigma^2 = 1.5 x 0.5."""
    flat = prior(theta=THETA | {"s_logsigma": 0.0, "pi_out": 0.0})
    _, state = replay(flat, VALUES)
    plain, inflated = predict(flat, state, 60.0), predict(flat, state, 60.0, Drive(inflation=1.5))
    assert inflated.sd**2 - plain.sd**2 == pytest.approx(0.75, abs=1e-12)
    assert inflated.mean == plain.mean


def test_the_first_value_has_nothing_before_it_that_could_have_been_moved() -> None:
    driven, _ = step(prior(), start(prior()), 0.0, 1.0, drive=Drive(shift=3.0, inflation=2.0))
    plain, _ = step(prior(), start(prior()), 0.0, 1.0)
    assert (driven.z, driven.upper95) == (plain.z, plain.upper95)


def test_a_confirmed_stable_period_is_the_anchor_for_good() -> None:
    """Against a lagged anchor a slow decline is no change for long; against the confirmed one it is."""
    measure = prior(mcid=2.0)
    _, state = replay(measure, VALUES)
    fixed = State.from_bytes(confirmed(state).to_bytes())
    assert fixed.watch.confirmed
    lagged, frozen = state, fixed
    for at in range(30):
        day, value = 56.0 + 14.0 * at, 0.3 + 0.12 * at
        old, lagged = step(measure, lagged, day, value)
        new, frozen = step(measure, frozen, day, value)
        assert old.z == new.z
    assert (old.confirmed, new.confirmed) == (False, True)
    assert "against the period confirmed as stable" in for_clinician(measure, new)
    assert "against four weeks ago or earlier" in for_clinician(measure, old)
    assert new.p_real_change > 0.8
    assert old.p_real_change < 0.5
    assert frozen.watch.anchor == fixed.watch.anchor
    assert confirmed(start(measure)) == start(measure)


def test_what_was_learnt_while_ill_is_marked() -> None:
    data = json.loads((Path(__file__).resolve().parents[2] / "mappings/baseline/priors/phq-9.json").read_text(encoding="utf-8"))
    measure = build(data | {"unwell": {"from": 10, "text": "moderate", "source": ["Kroenke 2001"]}})
    judged, state = replay(measure, [(0.0, 16), (7.0, 14), (14.0, 9), (21.0, 8), (28.0, 5)])
    assert [each.learnt_unwell for each in judged] == [False, True, True, True, False]  # 0 of 0, 1 of 1, 2 of 2, 2 of 3, 2 of 4
    assert state.unwell == 2
