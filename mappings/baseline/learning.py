"""Learning a measure's prior from people's series by empirical Bayes (baseline.md): the hyper-parameters that make the sum of one-step log
predictive densities greatest, first of the basic model, then with its additions and a weak pull to that start; then the tail calibration.

Sources: baseline.md, "The model" and "Five additions"; the optimiser is scipy's L-BFGS-B with numeric gradients.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from mappings.baseline import many
from mappings.baseline.columns import forward, takes
from mappings.baseline.levels import KEYS, NOMINAL
from mappings.baseline.prior import Prior, build
from mappings.baseline.transform import Transform, transform
from mappings.vocabulary import Json

Floats = NDArray[np.float64]
STEPS: Final = (100.0, 50.0, 25.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_CLIPS: Final = ((0.0005, 0.02), (0.004, 0.06), (0.94, 0.996), (0.98, 0.9995))
_BOUNDS: Final = {
    "tau": (-7.0, 7.0), "sigma": (-9.0, 9.0), "s": (-4.0, 0.7), "rho": (-5.0, 5.0), "L": (-1.0, 8.5), "pi": (-7.0, -1.5), "c": (-2.0, 2.0),
    "shift": (-8.0, 8.0), "T": (1.0, 7.0), "f": (-1.0, 7.0), "s_rho": (-4.0, 1.0),
}  # fmt: skip
BASIC: Final = ("mu", "tau", "sigma", "s", "rho", "L", "pi")
ADDED: Final = ("c", "shift", "T", "f", "s_rho")
_START_ADDED: Final = {"c": 0.0, "shift": 0.0, "T": math.log(60.0), "f": math.log(0.97 / 0.03), "s_rho": math.log(0.5)}
KNOWN: Final = 0.995
"""Share of values that a transform has to know."""
COARSE: Final = 8000
"""Values on which most of the climbing is done."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Series:
    """People's values of one measure: person i has start[i] .. start[i] + length[i] of `day` (rising) and `value`."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    day: Floats
    value: Floats

    def of(self, people: NDArray[Any]) -> "Series":
        """Some of the people."""
        rows = np.concatenate([np.arange(self.start[each], self.start[each] + self.length[each]) for each in people])
        length = self.length[people]
        return Series(np.cumsum(np.append(0, length[:-1])), length, self.day[rows], self.value[rows])


@dataclass(frozen=True, slots=True)
class Learned:
    """A prior file's `transform`, `theta`, `resolution`, `levels`, ends, and how it came about. `pit`, `n`: of the people it was learned from."""

    data: Json
    log_score: float
    pit: Floats
    n: NDArray[np.int64]
    tried: dict[str, float]


def learn(measure: str, series: Series, name: str, candidates: Sequence[str], say: Say) -> Learned:
    """The prior of `measure`. `name`: a transform, or "auto" to choose among `candidates` by likelihood with the Jacobian, the sum of ln g'(y).

    Errors: ValueError for too few people or values, people who do not vary, or a transform that does not know the values.
    """
    _refuse(series)
    step = resolution(series.value)
    sample = _sample(series, 6000)
    tried: dict[str, float] = {}
    known = [each for each in candidates if _knows(each, series.value)] if name == "auto" else []
    shared = np.logical_and.reduce([_takes(each, sample.value) for each in known]) if known else np.zeros(0, bool)
    for each in known:
        made = _basic(measure, sample, each, step, say)
        tried[each] = _total(made, sample, shared) + _jacobian(made.transform, sample.value[shared], step)
        say(f"transform {each}: log likelihood {tried[each]:.1f} on {int(shared.sum())} values")
    if name == "auto":
        name = max(tried, key=lambda each: tried[each])
    if not _knows(name, series.value):
        raise ValueError(f"the transform {name} does not know some of the values")
    basic = _basic(measure, series, name, step, say)
    full = _extended(measure, series, basic, step, say)
    return _calibrated(measure, series, full, step, tried)


def _refuse(series: Series) -> None:
    if len(series.start) < 5 or len(series.day) < 30:
        raise ValueError("a prior is learned from at least 5 people and 30 values")
    if int((series.length > 1).sum()) < 5:
        raise ValueError("how much people vary is learned from at least 5 people with two or more values")
    if not bool((np.maximum.reduceat(series.value, series.start) > np.minimum.reduceat(series.value, series.start)).any()):
        raise ValueError("nobody's values vary: there is nothing to learn a range from")


def resolution(value: Floats) -> float:
    """The step in which values are reported: the largest of which nearly all are multiples; 0 where there is none."""
    for step in STEPS:
        share = value / step
        if np.mean(np.abs(share - np.round(share)) < 1e-6) > 0.995 and len(np.unique(value)) > 2:
            return step
    return 0.0


def _takes(name: str, value: Floats) -> NDArray[np.bool_]:
    return takes(_prior("x", name, {**_neutral(), "mu0": 0.0}, 0.0, None), value)


def _knows(name: str, value: Floats) -> bool:
    """Whether a transform knows the values, or all but a few (a 0 below the limit of detection, under log): those are left out."""
    return bool(_takes(name, value).mean() >= KNOWN)


def _neutral() -> Json:
    return {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.3, "rho": 0.5, "L_days": 30.0, "pi_out": 0.02}


def _prior(measure: str, name: str, theta: Json, step: float, levels: Json | None) -> Prior:
    data: Json = {"measure": measure, "transform": name, "theta": theta, "resolution": step}
    return build(data | ({"levels": levels} if levels else {}))


def _sample(series: Series, most: int) -> Series:
    """Whole people, evenly taken, about `most` values."""
    if len(series.day) <= most:
        return series
    share = max(1, round(len(series.day) / most))
    return series.of(np.arange(0, len(series.start), share))


def _total(prior: Prior, series: Series, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
    """The sum of log predictive densities, of all values or of some."""
    found = many.judge(prior, series.start, series.length, series.day, series.value, scores_only=True)
    return float(np.nansum(found.log_score[rows]))


def _jacobian(shape: Transform, value: Floats, step: float) -> float:
    floor = step / 2 if step else 1e-9
    return float(sum(shape.log_slope(max(float(x), floor) if shape.kind in ("log", "sqrt") else float(x)) for x in value))


def _basic(measure: str, series: Series, name: str, step: float, say: Say) -> Prior:
    start = _moments(series, transform(name))

    def made(x: Floats) -> Prior:
        return _prior(measure, name, _theta(dict(zip(BASIC, x, strict=True)), start), step, None)

    return made(_climbed(made, series, np.array([start[each] for each in BASIC]), 6.0, BASIC, start, say, f"{name}: basic model"))


def _extended(measure: str, series: Series, basic: Prior, step: float, say: Say) -> Prior:
    """The additions on top, with a weak pull to the start: -((x - x0) / 4)^2 / 2 for each coordinate."""
    names = (*BASIC, *ADDED)
    start = _places(basic)

    def made(x: Floats) -> Prior:
        return _prior(measure, basic.transform.name, _theta(dict(zip(names, x, strict=True)), start), step, None)

    found = made(_climbed(made, series, np.array([start[each] for each in names]), 4.0, names, start, say, "additions"))
    return found if _total(found, series) > _total(basic, series) else basic


def _climbed(made: Callable[[Floats], Prior], series: Series, start: Floats, pull: float, names: Sequence[str], scale: dict[str, float], say: Say,
             what: str) -> Floats:  # fmt: skip
    """The best place: most of the way on whole people with some thousands of values, the rest on everybody."""
    sample = _sample(series, COARSE)
    best = _climb(made, sample, start, start, pull, names, scale, say, what, 40)
    if len(sample.day) < len(series.day):
        best = _climb(made, series, best, start, pull, names, scale, say, f"{what}, all values", 5)
    return best


def _climb(made: Callable[[Floats], Prior], series: Series, begin: Floats, centre: Floats, pull: float, names: Sequence[str], scale: dict[str, float],
           say: Say, what: str, rounds: int) -> Floats:  # fmt: skip
    """From `begin` uphill; the pull is to `centre`."""
    size = max(1, len(series.day))
    looked = [0]

    def worse(x: Floats) -> float:
        looked[0] += 1
        try:
            total = _total(made(x), series)
        except (ValueError, ArithmeticError):
            return 1e6
        if looked[0] % 20 == 0:
            say(f"{what}: {looked[0]} looks, mean log score {total / size:.4f}")
        return (-total + float((((x - centre) / pull) ** 2).sum() / 2)) / size if math.isfinite(total) else 1e6

    reach = [(centre[0] - 8 * scale["spread"], centre[0] + 8 * scale["spread"]) if name == "mu" else _BOUNDS[name] for name in names]
    first = np.clip(begin, [low for low, _ in reach], [high for _, high in reach])
    found = minimize(worse, first, method="L-BFGS-B", bounds=reach, options={"maxiter": rounds, "ftol": 2e-6, "eps": 1e-4})
    best: Floats = found.x if found.fun <= worse(first) else first
    return best


def _moments(series: Series, shape: Transform) -> dict[str, float]:
    """A start from the spread between and within people, on the transformed scale."""
    y = forward(shape, series.value)
    y = np.where(np.isfinite(y), y, y[np.isfinite(y)].min())
    sums = np.add.reduceat(y, series.start)
    means = sums / series.length
    within = np.concatenate([y[s : s + n] - m for s, n, m in zip(series.start, series.length, means, strict=True)])
    freedom = max(1, int((series.length - 1).sum()))
    sigma = math.sqrt(max(1e-8, float((within**2).sum()) / freedom))
    tau = math.sqrt(max(0.05 * sigma**2, float(np.var(means)) - sigma**2 / float(np.median(series.length))))
    gap = float(np.median(np.diff(series.day)[np.diff(series.day) > 0])) if len(series.day) > 1 else 30.0
    return {"mu": float(np.mean(means)), "tau": math.log(tau), "sigma": math.log(sigma), "s": math.log(0.35), "rho": 0.0,
            "L": math.log(max(2.0, 3 * gap)), "pi": math.log(0.02 / 0.98), "spread": max(tau, sigma)}  # fmt: skip


def _theta(x: dict[str, float], scale: dict[str, float]) -> Json:
    """Unconstrained coordinates to hyper-parameters."""
    theta: Json = {
        "mu0": float(x["mu"]), "tau_b2": math.exp(2 * x["tau"]), "sigma0": math.exp(x["sigma"]), "s_logsigma": min(3.0, math.exp(x["s"])),
        "rho": _logistic(x["rho"]), "L_days": math.exp(x["L"]), "pi_out": min(0.5, _logistic(x["pi"])),
    }  # fmt: skip
    if "c" in x:
        theta |= {"c": math.tanh(x["c"]), "shift": float(x["shift"]) * scale["spread"], "T_days": math.exp(x["T"]), "f": _logistic(x["f"]),
                  "s_rho": math.exp(x["s_rho"])}  # fmt: skip
    return theta


def _places(prior: Prior) -> dict[str, float]:
    theta = prior.theta
    return {
        "mu": theta.mu0, "tau": math.log(theta.tau_b2) / 2, "sigma": math.log(theta.sigma0), "s": math.log(max(theta.s_logsigma, 1e-3)),
        "rho": math.log(theta.rho / (1 - theta.rho)), "L": math.log(theta.L_days), "pi": math.log(theta.pi_out / (1 - theta.pi_out)),
        "spread": max(math.sqrt(theta.tau_b2), theta.sigma0),
    } | _START_ADDED  # fmt: skip


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _calibrated(measure: str, series: Series, prior: Prior, step: float, tried: dict[str, float]) -> Learned:
    """Tail calibration from the PIT of values with an earlier one: q' = a quantile_q(PIT) + (1 - a) q, a = m / (m + 400)."""
    found = many.judge(prior, series.start, series.length, series.day, series.value, limits=False)
    pit = found.pit[(found.n >= 1) & np.isfinite(found.pit)]
    share = len(pit) / (len(pit) + 400)
    levels = [
        min(high, max(low, share * float(np.quantile(pit, q)) + (1 - share) * q)) if len(pit) else q for q, (low, high) in zip(NOMINAL, _CLIPS, strict=True)
    ]
    theta = prior.theta
    stated: Json = {name: float(getattr(theta, name)) for name in ("mu0", "tau_b2", "sigma0", "s_logsigma", "rho", "L_days", "pi_out")}
    stated |= {name: float(getattr(theta, name)) for name in ("c", "shift", "T_days", "f", "s_rho")}
    data: Json = {
        "measure": measure, "transform": prior.transform.name, "theta": stated, "resolution": step,
        "levels": dict(zip(KEYS, levels, strict=True)),
    }  # fmt: skip
    return Learned(data, float(np.nansum(found.log_score)), found.pit, found.n, tried)
