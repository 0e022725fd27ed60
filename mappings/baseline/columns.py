"""Whole columns of values on a measure's scale: what it can take, the transform and its inverse (transform.py), as numpy arrays."""

import numpy as np
from numpy.typing import NDArray

from mappings.baseline.prior import Prior
from mappings.baseline.transform import Transform

Floats = NDArray[np.float64]


def takes(prior: Prior, value: Floats) -> NDArray[np.bool_]:
    """Which values the measure can take: finite, within its ends, known to its transform."""
    fine = np.isfinite(value)
    if prior.minimum is not None:
        fine &= ~(value < prior.minimum)
    if prior.maximum is not None:
        fine &= ~(value > prior.maximum)
    kind = prior.transform.kind
    if kind == "log":
        fine &= value > 0
    elif kind == "sqrt":
        fine &= value >= 0
    elif kind == "logit":
        fine &= (value >= prior.transform.low) & (value <= prior.transform.high)
    return fine


def forward(transform: Transform, x: Floats) -> Floats:
    """g(x), infinite beyond the ends of its domain."""
    if transform.kind == "identity":
        return x
    with np.errstate(divide="ignore", invalid="ignore"):
        if transform.kind == "log":
            return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf)
        if transform.kind == "sqrt":
            return np.where(x >= 0, np.sqrt(np.abs(x)), -np.inf)
        below, above = x - transform.low + 0.5, transform.high - x + 0.5
        inside = np.log(np.abs(below / np.where(above == 0, 1.0, above)))
        return np.where(below <= 0, -np.inf, np.where(above <= 0, np.inf, inside))


def back(transform: Transform, y: Floats) -> Floats:
    """The x with g(x) = y, clipped to the ends of a bounded scale."""
    if transform.kind == "identity":
        return y
    with np.errstate(over="ignore"):
        if transform.kind == "log":
            return np.exp(y)
        if transform.kind == "sqrt":
            return np.where(y > 0, y * y, 0.0)
        width = transform.high - transform.low + 1
        share = 1 / (1 + np.exp(-y))
    return np.minimum(transform.high, np.maximum(transform.low, transform.low - 0.5 + width * share))


def edges(prior: Prior, x: Floats) -> tuple[Floats, Floats]:
    """What values reported in steps stand for, on the transformed scale (transform.edges)."""
    transform, half = prior.transform, prior.resolution / 2
    lower = np.maximum(x - half, x / 2) if transform.kind == "log" else np.maximum(x - half, 0.0) if transform.kind == "sqrt" else x - half
    low = transform.low if transform.kind == "logit" else prior.minimum
    high = transform.high if transform.kind == "logit" else prior.maximum
    a, b = forward(transform, lower), forward(transform, x + half)
    if low is not None and transform.kind != "log":
        a = np.where(x <= low, -np.inf, a)
    return a, b if high is None else np.where(x >= high, np.inf, b)
