"""Many people at once give what the online engine gives one by one: every column, every addition, gaps, equal days, values that cannot be judged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.baseline import engine, many
from mappings.baseline.columns import back
from mappings.baseline.prior import Prior, build

PRIORS = Path(__file__).resolve().parents[2] / "mappings/baseline/priors"
COLUMNS = ("lower95", "upper95", "lower99", "upper99", "z", "p", "set_point", "p_gross_error", "p_real_change", "log_score")
CHANGES: list[dict[str, Any]] = [
    {}, {"theta": {"c": 0.4, "shift": -0.3, "T_days": 50.0, "f": 0.95}}, {"theta": {"s_rho": 0.8, "f": 0.9}},
    {"levels": {"0.005": 0.004, "0.025": 0.02, "0.975": 0.985, "0.995": 0.997}}, {"theta": {"pi_out": 0.0}}, {"resolution": 0.0, "mcid": None},
]  # fmt: skip
MEASURES = ["phq-9", "who-5", "body-weight", "sodium", "sleep-minutes", "neutrophils"]


def prior_of(name: str, change: dict[str, Any]) -> Any:
    data = json.loads((PRIORS / f"{name}.json").read_text(encoding="utf-8"))
    data["theta"] |= change.get("theta", {})
    data |= {key: value for key, value in change.items() if key not in ("theta", "mcid")}
    if "mcid" in change:
        data.pop("mcid", None)
    return build(data)


def people(prior: Any, lengths: list[int], seed: int) -> tuple[Any, ...]:
    """Series that wander, jump and err, some of their values impossible."""
    pick = np.random.default_rng(seed)
    days, values = [], []
    for length in lengths:
        days.append(np.sort(np.where(pick.random(length) < 0.3, pick.integers(0, 200, length), pick.uniform(0, 400, length))))
        level = prior.theta.mu0 + pick.normal() * prior.theta.tau_b2**0.5 + np.cumsum(pick.random(length) < 0.05) * prior.theta.sigma0 * 3
        found = back(prior.transform, level + pick.normal(size=length) * prior.theta.sigma0 * np.where(pick.random(length) < 0.1, 4, 1))
        step = prior.resolution or 1e-9
        found = np.round(found / step) * step
        found = np.clip(found, -np.inf if prior.minimum is None else prior.minimum, np.inf if prior.maximum is None else prior.maximum)
        found[pick.random(length) < 0.05] = np.nan
        values.append(found)
    length_ = np.array(lengths)
    return np.cumsum(np.append(0, length_[:-1])), length_, np.concatenate(days), np.concatenate(values)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_equal_to_the_online_engine(measure: str, change: dict[str, Any]) -> None:
    prior = prior_of(measure, change)
    start, length, day, value = people(prior, [1, 2, 3, 5, 8, 40, 70, 1, 12, 30], 7)
    together, alone = many.judge(prior, start, length, day, value), {name: np.full(len(day), np.nan) for name in (*COLUMNS, "n", "alert")}
    for first, size in zip(start, length, strict=True):
        one_by_one(prior, range(int(first), int(first + size)), day, value, alone)
    for name, expected in alone.items():
        np.testing.assert_allclose(getattr(together, name), expected, rtol=1e-9, atol=1e-9, err_msg=name)


def one_by_one(prior: Prior, rows: range, day: Any, value: Any, made: dict[str, Any]) -> None:
    """One series by the online engine."""
    state = engine.start(prior)
    for at in rows:
        x = float(value[at])
        if prior.transform.accepts(x) and (prior.minimum is None or x >= prior.minimum) and (prior.maximum is None or x <= prior.maximum):
            found, state = engine.step(prior, state, float(day[at]), x)
            names, expected = list(made), found
        else:
            expected, names = engine.predict(prior, state, float(day[at])), ["n", "lower95", "upper95", "lower99", "upper99", "set_point"]
            made["alert"][at] = False
        for name in names:
            made[name][at] = getattr(expected, name)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 25), min_size=7, max_size=12), st.integers(0, 10_000))
def test_no_value_depends_on_later_ones_or_on_other_people(lengths: list[int], seed: int) -> None:
    prior = prior_of("gad-7", CHANGES[2])
    start, length, day, value = people(prior, lengths, seed)
    whole = many.judge(prior, start, length, day, value)
    cut = np.maximum(1, length // 2)
    earlier = many.judge(prior, start, cut, day, value)
    for first, size in zip(start, cut, strict=True):
        rows = slice(int(first), int(first + size))
        np.testing.assert_allclose(whole.upper95[rows], earlier.upper95[rows], rtol=1e-12)
        np.testing.assert_allclose(whole.z[rows], earlier.z[rows], rtol=1e-9, atol=1e-12)


def test_nothing_and_one_value() -> None:
    prior = prior_of("phq-9", {})
    none = many.judge(prior, np.array([], int), np.array([], int), np.array([]), np.array([]))
    assert len(none.n) == 0
    one = many.judge(prior, np.array([0]), np.array([1]), np.array([0.0]), np.array([np.nan]))
    assert (one.n[0], np.isnan(one.z[0]), np.isfinite(one.upper95[0])) == (0, True, True)
