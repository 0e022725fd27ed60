"""The baseline of many people at once: what engine.py says of each value, from compiled loops (compiled/) over columns of numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mappings.baseline.columns import back, edges, forward, takes
from mappings.baseline.compiled import model as compiled
from mappings.baseline.compiled.people import judge as judge_all
from mappings.baseline.detectors import reach
from mappings.baseline.engine import ALONE
from mappings.baseline.levels import NOMINAL
from mappings.baseline.prior import Prior, build

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_KIND: Final = {"identity": compiled.IDENTITY, "log": compiled.LOG, "sqrt": compiled.SQRT, "logit": compiled.LOGIT}
_WORSE: Final = {"higher-worse": 1, "lower-worse": -1, "both": 0}


@dataclass(slots=True)
class Judged:
    """One entry for each value, in the order given. What could not be judged has NaN in `z` and after, and limits from the earlier values."""

    n: NDArray[np.int64]
    lower95: Floats
    upper95: Floats
    lower99: Floats
    upper99: Floats
    z: Floats
    p: Floats
    set_point: Floats
    p_gross_error: Floats
    p_real_change: Floats
    alert: Flags
    log_score: Floats
    pit: Floats


def judge(prior: Prior, start: NDArray[np.int64], length: NDArray[np.int64], day: Floats, value: Floats, limits: bool = True, budget: Floats | float = ALONE,
          scores_only: bool = False) -> Judged:  # fmt: skip
    """Judge many series. Person i has the values start[i] .. start[i] + length[i] of `day` (rising, days) and `value` (in the prior's unit;
    NaN, or outside what the measure can take: not judged and not taken in). `budget`: false alarms a year that this measure may cost, for all
    or by value (detectors.share). `limits` False leaves them and what detectors say out; `scores_only` everything but `log_score` (fitting)."""
    size, fine = len(value), takes(prior, value)
    kept = np.where(fine, value, 1.0)
    low, high = edges(prior, kept) if prior.resolution else (kept, kept)
    given = compiled.Given(
        np.ascontiguousarray(day, float), forward(prior.transform, kept).astype(float), low, high, fine, _tame(prior, value),
        np.broadcast_to(np.asarray(budget, float), (size,)) * (1.0 if prior.direction == "both" else 2.0),
    )  # fmt: skip
    mean, z, p, gross, sure, score, below = np.full((7, size), np.nan)
    made = compiled.Made(np.zeros(size, np.int64), mean, np.full((size, 4), np.nan), z, p, gross, sure, np.zeros(size, np.bool_), score, below)
    model = _model(prior)
    judge_all(model, compiled.bench(len(model.noise)), start.astype(np.int64), length.astype(np.int64), given, made, limits and not scores_only, scores_only)
    lower99, lower95, upper95, upper99 = (_shown(prior, made.limits[:, at]) for at in range(4))
    return Judged(made.n, lower95, upper95, lower99, upper99, made.z, made.p, _shown(prior, made.mean), made.gross, made.sure,
                  made.alert | (_critical(prior, value) & fine), made.log_score, made.below)  # fmt: skip


def ready(say: Callable[[str], None]) -> None:
    """Compile the loops now, or find them kept, so that processes that are started next need not each do it."""
    say("compiling the loops; they are kept for the next time")
    prior = build({"measure": "x", "transform": "identity", "theta": {"mu0": 0, "tau_b2": 1, "sigma0": 1, "s_logsigma": 0, "rho": 0, "L_days": 1, "pi_out": 0}})
    judge(prior, np.array([0]), np.array([1]), np.zeros(1), np.zeros(1))


def _model(prior: Prior) -> compiled.Model:
    theta, grid, shape, model = prior.theta, prior.grid, prior.transform, prior.levels.model
    mirrored = (0.0, *(1 - each for each in reversed(model)), 1.0)
    return compiled.Model(
        np.array(grid.log_weight), np.array(grid.centre), np.array(grid.noise), np.array(grid.drift), float(grid.trait), float(theta.L_days),
        float(theta.shift), float(theta.T_days), float(theta.f), float(theta.pi_out), float(theta.kappa) ** 2, np.array(prior.levels.scores),
        model != NOMINAL, np.array((0.0, *model, 1.0)), np.array(mirrored), np.array((0.0, *NOMINAL, 1.0)), prior.resolution > 0, _KIND[shape.kind],
        float(shape.low), float(shape.high), float("nan") if prior.mcid is None else float(prior.mcid), reach(prior), _WORSE[prior.direction],
    )  # fmt: skip


def _shown(prior: Prior, y: Floats) -> Floats:
    """In the measure's unit, clipped to its ends."""
    x = back(prior.transform, y)
    if prior.minimum is not None:
        x = np.maximum(x, prior.minimum)
    return x if prior.maximum is None else np.minimum(x, prior.maximum)


def _critical(prior: Prior, value: Floats) -> Flags:
    """Critical.side."""
    found = np.zeros(len(value), np.bool_)
    if prior.critical is not None and prior.critical.low is not None:
        found |= value <= prior.critical.low
    if prior.critical is not None and prior.critical.high is not None:
        found |= value >= prior.critical.high
    return found


def _tame(prior: Prior, value: Floats) -> Flags:
    """The good end of a bounded scale is never news."""
    if prior.minimum is None or prior.maximum is None:
        return np.zeros(len(value), np.bool_)
    lowest = (value <= prior.minimum) & (prior.direction != "lower-worse")
    highest = (value > prior.minimum) & (value >= prior.maximum) & (prior.direction == "lower-worse")
    found: Flags = lowest | highest
    return found
