"""The engine against the project's reference data (golden.json), step by step, to 1e-9."""

import json
from pathlib import Path
from typing import Any

import pytest

from mappings.baseline.engine import State, predict, start, step
from mappings.baseline.mixture import tails
from mappings.baseline.prior import build

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
CASES = [*GOLDEN["bail"], *GOLDEN["bail_extended"]]


def golden_prior(case: dict[str, Any]) -> Any:
    return build({"measure": "golden"} | {key: case[key] for key in ("transform", "theta", "resolution", "levels") if key in case})


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_number_of_the_reference(case: dict[str, Any]) -> None:
    prior = golden_prior(case)
    state = start(prior)
    compared = 0
    for at, (day, value) in enumerate(zip(case["days"], case["values"], strict=True)):
        expected = predict(prior, state, day)
        judgement, state = step(prior, state, day, value)
        pit = tails(expected.mixture, prior.transform.forward(value))
        found = {
            "lower": judgement.lower95, "upper": judgement.upper95, "lower95": judgement.lower95, "upper95": judgement.upper95,
            "lower99": judgement.lower99, "upper99": judgement.upper99, "pred_mean_transformed": expected.mean, "pred_sd_transformed": expected.sd,
            "pit": pit[0], "pit_calibrated": prior.levels.calibrated(*pit)[0], "logscore": judgement.log_score,
        }  # fmt: skip
        for name, number in found.items():
            if name in case and case[name][at] is not None:
                assert number == pytest.approx(case[name][at], rel=0, abs=1e-9), (name, at)
                compared += 1
    assert compared >= 5 * len(case["values"])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_stored_state_is_the_state(case: dict[str, Any]) -> None:
    prior = golden_prior(case)
    live = stored = start(prior)
    for day, value in zip(case["days"], case["values"], strict=True):
        one, live = step(prior, live, day, value)
        other, stored = step(prior, State.from_bytes(stored.to_bytes()), day, value)
        assert one == other
        assert stored.to_bytes() == live.to_bytes()


@pytest.mark.parametrize("case", [case for case in CASES if case.get("edges_transformed")], ids=lambda case: case["name"])
def test_edges_of_rounded_values(case: dict[str, Any]) -> None:
    prior = golden_prior(case)
    for value, edges in zip(case["values"], case["edges_transformed"], strict=True):
        low, high = prior.transform.edges(value, prior.resolution, None, None)
        assert low == pytest.approx(edges[0] if edges[0] is not None else float("-inf"), abs=1e-12)
        assert high == pytest.approx(edges[1] if edges[1] is not None else float("inf"), abs=1e-12)
