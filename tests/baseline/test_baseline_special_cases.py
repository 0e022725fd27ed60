"""The model contains its rivals (baseline.md): each compared with its own closed form, derived here apart from the engine."""

import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from mappings.baseline.engine import predict, replay, start
from mappings.baseline.prior import build

NORMAL = NormalDist()
VALUES = [14.0, 15.0, 13.5, 14.2, 16.9, 15.1]
DAYS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def prior_with(**theta: float) -> Any:
    basic = {"mu0": 13.0, "tau_b2": 4.0, "sigma0": 1.2, "s_logsigma": 0.0, "rho": 0.0, "L_days": 50.0, "pi_out": 0.0}
    return build({"measure": "x", "transform": "identity", "theta": basic | theta})


def test_parametric_empirical_bayes() -> None:
    """rho = pi = s = 0: normal with known variances; posterior mean and variance by the textbook (Gelman, BDA3, section 2.5)."""
    judged, _ = replay(prior_with(), zip(DAYS, VALUES, strict=True))
    for n, judgement in enumerate(judged):
        precision = 1 / 4.0 + n / 1.44
        mean = (13.0 / 4.0 + sum(VALUES[:n]) / 1.44) / precision
        sd = math.sqrt(1 / precision + 1.44)
        assert judgement.set_point == pytest.approx(mean, abs=1e-12)
        for limit, level in zip((judgement.lower99, judgement.lower95, judgement.upper95, judgement.upper99), (0.005, 0.025, 0.975, 0.995), strict=True):
            assert limit == pytest.approx(mean + NORMAL.inv_cdf(level) * sd, abs=1e-9)
        assert judgement.z == pytest.approx((VALUES[n] - mean) / sd, abs=1e-9)


def _log_density(values: list[float], mu0: float, trait: float, noise: float) -> float:
    """ln N(values; mu0, noise I + trait 11'), by the determinant and inverse of compound symmetry."""
    n = len(values)
    if n == 0:
        return 0.0
    off = [value - mu0 for value in values]
    total = noise + n * trait
    square = sum(each * each for each in off) / noise - trait / (noise * total) * sum(off) ** 2
    return -0.5 * (n * math.log(2 * math.pi) + (n - 1) * math.log(noise) + math.log(total) + square)


def test_athlete_passport() -> None:
    """rho = pi = 0: adaptive limits with unknown personal variability, by one multivariate normal per grid point."""
    trait, sigma0, s = 4.0, 1.2, 0.5
    judged, _ = replay(prior_with(s_logsigma=s), zip(DAYS, VALUES, strict=True))
    grid = [-2.4 + 0.6 * at for at in range(9)]
    for n, judgement in enumerate(judged):
        noise = [(sigma0 * math.exp(s * z)) ** 2 for z in grid]
        weight = [math.exp(-z * z / 2 + _log_density(VALUES[:n], 13.0, trait, r)) for z, r in zip(grid, noise, strict=True)]
        parts = []
        for w, r in zip(weight, noise, strict=True):
            precision = 1 / trait + n / r
            parts.append((w / sum(weight), NormalDist((13.0 / trait + sum(VALUES[:n]) / r) / precision, math.sqrt(1 / precision + r))))
        for limit, level in zip((judgement.lower95, judgement.upper95, judgement.lower99, judgement.upper99), (0.025, 0.975, 0.005, 0.995), strict=True):
            assert sum(w * part.cdf(limit) for w, part in parts) == pytest.approx(level, abs=1e-10)


def test_personal_reference_interval() -> None:
    """tau_b -> infinity: the within-subject interval of the reference data, mean +/- 1.96 CV mean sqrt(1 + 1/n)."""
    reference = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))["prri"]
    values = reference["values"]
    sigma = sum(values) / len(values) * math.hypot(reference["cva"], reference["cvi"]) / 100
    prior = prior_with(tau_b2=1e14, sigma0=sigma)
    _, state = replay(prior, list(enumerate(values)))
    found = predict(prior, state, 5.0)
    assert [found.lower95, found.upper95] == pytest.approx(reference["within_subject"], abs=1e-6)


def test_no_value_yet_is_the_population() -> None:
    prior = prior_with(rho=0.4)
    found = predict(prior, start(prior), 20_000.0)
    sd = math.sqrt(4.0 + 1.44)
    assert (found.lower95, found.upper95) == pytest.approx((13 - NORMAL.inv_cdf(0.975) * sd, 13 + NORMAL.inv_cdf(0.975) * sd), abs=1e-9)
    assert (found.n, found.span_days, found.prior_share) == (0, 0.0, 1.0)


def test_ornstein_uhlenbeck_against_the_joint_normal() -> None:
    """pi = s = 0 with a state: two values, conditioned in the bivariate normal with Cov = tau^2 + rho sigma^2 exp(-dt/L)."""
    judged, _ = replay(prior_with(rho=0.6), [(0.0, 15.0), (20.0, 12.0)])
    variance, covariance = 4.0 + 1.44, 4.0 + 0.6 * 1.44 * math.exp(-20 / 50)
    mean = 13 + covariance / variance * 2.0
    sd = math.sqrt(variance - covariance**2 / variance)
    assert judged[1].set_point == pytest.approx(mean, abs=1e-12)
    assert judged[1].upper95 == pytest.approx(mean + NORMAL.inv_cdf(0.975) * sd, abs=1e-9)


def test_missing_additions_are_off() -> None:
    series = list(zip(DAYS, VALUES, strict=True))
    off = {"c": 0.0, "shift": 0.0, "T_days": 77.0, "f": 1.0, "s_rho": 0.0, "kappa": 4.0}
    assert replay(prior_with(pi_out=0.03, s_logsigma=0.3), series) == replay(prior_with(pi_out=0.03, s_logsigma=0.3, **off), series)
