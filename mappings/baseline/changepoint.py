"""Whether the person's level has lately moved to another place, and stayed there: a changepoint, as a probability.

A jump of the level leaves a signature in the surprises that follow: all of it in the first, and less in each later one as the filter learns
the new level (Willsky and Jones, IEEE Trans Autom Control 1976;21:108-112). Here the jump has a normal prior, so that the evidence for each
possible place is a Bayes factor in closed form; the places of the last `PLACES` values exclude each other and "no jump".
"""

from math import exp, expm1, log1p
from typing import Final

from mappings.baseline.prior import Prior

PLACES: Final = 12
RARITY_DAYS: Final = 730.5
"""Mean time between two jumps of a level: once in two years (assumed)."""

Jump = tuple[float, float, float, float]
"""A place before one of the last values: (prior probability, share of the jump not yet learnt, sum of g z, sum of g squared), g the signature."""


def spread_of_jumps(prior: Prior) -> float:
    """Standard deviation of a jump on the transformed scale: to another place among people, or what the person varies by where that is more."""
    return float(max(prior.theta.tau_b2**0.5, prior.theta.sigma0))


def seen(prior: Prior, jumps: tuple[Jump, ...], gap: float, z: float, sd: float, gain: float, gross: float = 0.0) -> tuple[float, tuple[Jump, ...]]:
    """(P(changepoint before one of the last values), the places after this value). `gap`: days since the value before, negative before the first
    one; `sd`: of what was predicted; `gain`: the share of the surprise that the level learnt; `gross`: P(this value is a gross error), by which it
    says less until a repeat is like it: one wrong sample is not both a slip and a jump."""
    if gap >= 0:
        jumps = (*jumps[1 - PLACES :], (-expm1(-gap / RARITY_DAYS), 1.0, 0.0, 0.0))
    per_share, odds, after = spread_of_jumps(prior) / sd, 0.0, []
    for chance, left, fit, weight in jumps:
        g = left * per_share
        so_far, known = fit + (1 - gross) * g * z, weight + (1 - gross) * g * g
        fit += g * z
        weight += g * g
        odds += chance * exp(min(300.0, so_far * so_far / (1 + known) / 2 - log1p(known) / 2))
        after.append((chance, left * (1 - gain), fit, weight))
    return odds / (1 + odds), tuple(after)
