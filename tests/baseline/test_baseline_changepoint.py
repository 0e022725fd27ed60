"""The changepoint probability against numeric integration, and on people whose level jumps or does not."""

import math
import random

import pytest
from scipy.integrate import quad

from mappings.baseline import changepoint
from mappings.baseline.engine import replay
from mappings.baseline.prior import Prior, build

THETA = {"mu0": 0.0, "tau_b2": 4.0, "sigma0": 1.0, "s_logsigma": 0.2, "rho": 0.3, "L_days": 30.0, "pi_out": 0.02}


def prior() -> Prior:
    return build({"measure": "x", "transform": "identity", "theta": THETA})


def test_against_numeric_integration() -> None:
    """P of each place is proportional to its rarity times the integral of the likelihood over a jump from N(0, 2 sd)."""
    zs, sds, gains, gaps = [0.2, -0.5, 2.6, 1.9, 1.4], [1.2, 1.1, 1.0, 1.05, 1.0], [0.5, 0.3, 0.25, 0.2, 0.2], [-1.0, 7.0, 14.0, 3.0, 7.0]
    jumps: tuple[changepoint.Jump, ...] = ()
    for z, sd, gain, gap in zip(zs, sds, gains, gaps, strict=True):
        found, jumps = changepoint.seen(prior(), jumps, gap, z, sd, gain)
    odds = 0.0
    for place in range(1, 5):
        def likelihood(jump: float, place: int = place) -> float:
            left, product = jump, math.exp(-(jump**2) / 8) / math.sqrt(8 * math.pi)
            for z, sd, gain in list(zip(zs, sds, gains, strict=True))[place:]:
                product *= math.exp(-((z - left / sd) ** 2) / 2 + z * z / 2)
                left *= 1 - gain
            return product

        odds += (1 - math.exp(-gaps[place] / changepoint.RARITY_DAYS)) * quad(likelihood, -40, 40, limit=400)[0]
    assert found == pytest.approx(odds / (1 + odds), rel=1e-6)


def test_a_jump_is_seen_within_a_few_values_and_an_outlier_is_not_one() -> None:
    rng = random.Random(3)
    noise = [0.8 * rng.gauss(0, 1) for _ in range(40)]
    jump, _ = replay(prior(), [(7.0 * at, noise[at] + (5.0 if at >= 20 else 0.0)) for at in range(30)])
    assert max(each.p_changepoint for each in jump[:20]) < 0.5
    assert jump[22].p_changepoint > 0.95
    assert "changepoint" in jump[22].reasons
    outlier, _ = replay(prior(), [(7.0 * at, noise[at] + (5.0 if at == 20 else 0.0)) for at in range(30)])
    assert outlier[22].p_changepoint < 0.5
    slip, _ = replay(prior(), [(7.0 * at, noise[at] + (12.0 if at == 20 else 0.0)) for at in range(30)])
    assert slip[20].p_gross_error > 0.95
    assert slip[20].p_changepoint < 0.2


def test_stable_people_have_few() -> None:
    rng, high, values = random.Random(8), 0, 0
    for _ in range(25):
        level = 2 * rng.gauss(0, 1)
        judged, _ = replay(prior(), [(7.0 * at, level + rng.gauss(0, 1)) for at in range(40)])
        high += sum(each.p_changepoint > 0.95 for each in judged)
        values += len(judged)
    assert high / values < 0.01
