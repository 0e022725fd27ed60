"""filter.py, compiled: from one value to the next, per grid point."""

from math import exp, inf, log, sqrt
from typing import Final

from mappings.baseline.compiled.mixture import two_found
from mappings.baseline.compiled.model import LOOSE, Bench, Floats, Model
from mappings.baseline.compiled.special import compiled, exponential, tail_and_bell
from mappings.baseline.filter import CLOSEST, FLOOR, LOG_FLOOR
from mappings.baseline.mixture import MINUTE

_ROOT_PI: Final = 1.7724538509055159


@compiled()
def _normalise(log_weight: Floats) -> float:
    """Take the logarithm of the sum from every entry; that logarithm."""
    top = -inf
    for g in range(len(log_weight)):
        top = max(top, log_weight[g])
    total = 0.0
    for g in range(len(log_weight)):
        total += exponential(log_weight[g] - top)
    total = top + log(total)
    for g in range(len(log_weight)):
        log_weight[g] -= total
    return total


@compiled(fastmath=LOOSE)
def move(model: Model, room: Bench, n: int, first: float, last: float, day: float) -> None:
    """filter.moved: `now` carried to `day`, as `then`."""
    now, then = room.now, room.then
    phi = keep = 1.0
    course = 0.0
    if n:
        phi = exp(-(day - last) / model.memory)
        keep = phi * phi
        if model.shift:
            course = model.shift * (exp(-(last - first) / model.course) - exp(-(day - first) / model.course))
    for g in range(len(model.noise)):
        then[0, g] = now[0, g]
        then[1, g] = now[1, g] + course
        then[2, g] = phi * now[2, g]
        then[3, g] = now[3, g]
        then[4, g] = phi * now[4, g]
        then[5, g] = keep * now[5, g] + model.drift[g] * (1 - keep)
        room.level[g] = then[1, g] + then[2, g]
        room.spread[g] = then[3, g] + 2 * then[4, g] + then[5, g]
    if n and model.f != 1.0:
        for g in range(len(model.noise)):
            then[0, g] = model.f * then[0, g] + (1 - model.f) * model.log_weight[g]
        _normalise(then[0])
    if not n or model.f != 1.0:  # else they are those after the last value
        for g in range(len(model.noise)):
            room.weight[g] = exponential(then[0, g])


@compiled(fastmath=LOOSE)
def mix(model: Model, room: Bench) -> int:
    """filter.mixture_of, all ordinary components before those with a gross error; how many there are."""
    points, mixture = len(model.noise), room.mixture
    for g in range(points):
        mixture[0, g] = room.level[g]
        mixture[1, g] = (1 - model.pi) * room.weight[g]
        mixture[2, g] = 1 / sqrt(2 * (room.spread[g] + model.noise[g]))
    if model.pi == 0.0:
        return points
    for g in range(points):
        mixture[0, points + g] = room.level[g]
        mixture[1, points + g] = model.pi * room.weight[g]
        mixture[2, points + g] = 1 / sqrt(2 * (room.spread[g] + model.kappa2 * model.noise[g]))
    return 2 * points


@compiled()
def padded(mixture: Floats, m: int) -> int:
    """The number of components with some of no weight added, so that it is one of whole vector registers."""
    full = (m + 3) // 4 * 4
    for g in range(m, full):
        mixture[0, g], mixture[1, g], mixture[2, g] = mixture[0, 0], 0.0, mixture[2, 0]
    return full


@compiled(fastmath=LOOSE)
def moments(model: Model, room: Bench) -> tuple[float, float]:
    """filter.moments: (mean, sd) of what is predicted."""
    mean = variance = 0.0
    fat = 1 + model.pi * (model.kappa2 - 1)
    for g in range(len(model.noise)):
        mean += room.weight[g] * room.level[g]
    for g in range(len(model.noise)):
        variance += room.weight[g] * (room.spread[g] + fat * model.noise[g] + (room.level[g] - mean) ** 2)
    return mean, sqrt(variance)


@compiled()
def limits(model: Model, room: Bench, m: int, mean: float, sd: float, n: int) -> None:
    """mixture.limits. The first look is where the limits lay before the last value, in standard deviations: shapes change slowly."""
    points, heavy, mixture = len(model.noise), room.heavy, room.mixture
    kept = 0
    for row in range(m // points):
        for g in range(points):
            if mixture[1, g] > MINUTE:
                for each in range(3):
                    heavy[each, kept] = mixture[each, row * points + g]
                kept += 1
    kept = padded(heavy, kept)
    for at in range(4):
        room.offset[at] = mean + (room.offset[at] if n else model.scores[at]) * sd
    for at in (0, 2):
        one, two = two_found(heavy, kept, model.scores[at], model.scores[at + 1], room.offset[at], room.offset[at + 1])
        room.limits[at], room.limits[at + 1] = one, two
    for at in range(4):
        room.offset[at] = (room.limits[at] - mean) / sd


@compiled(fastmath=LOOSE)
def likelihoods(model: Model, room: Bench, m: int, y: float, low: float, high: float) -> None:
    """filter._likelihoods, into `dense`, in the order of the mixture."""
    mixture, dense = room.mixture, room.dense
    enough = CLOSEST / (high - low) if model.rounded else inf
    widest, narrowest = 0.0, inf
    for g in range(m):
        widest, narrowest = max(widest, mixture[2, g]), min(narrowest, mixture[2, g])
    if narrowest < enough:
        for g in range(m):
            dense[g] = tail_and_bell((y - mixture[0, g]) * mixture[2, g])[1] * mixture[2, g] / _ROOT_PI
    if widest >= enough:
        width = high - low
        divisor = 2 * width if width < inf else 2.0
        for g in range(m):
            a, b = low - mixture[0, g], high - mixture[0, g]
            near, far = (a, b) if a > 0 else (-b, -a)
            inside = (tail_and_bell(near * mixture[2, g])[0] - tail_and_bell(far * mixture[2, g])[0]) / divisor
            dense[g] = inside if mixture[2, g] >= enough else dense[g]


@compiled(fastmath=LOOSE)
def update(model: Model, room: Bench, m: int, y: float) -> tuple[float, float]:
    """filter.updated, into `now`: (log score, P(gross error))."""
    now, then, points = room.now, room.then, len(model.noise)
    easing = 1 - 1 / model.kappa2
    for g in range(points):
        error = model.pi * room.dense[points + g] if m > points else 0.0
        density = (1 - model.pi) * room.dense[g] + error
        if density > FLOOR:
            room.share[g] = error / density
            now[0, g] = then[0, g] + log(density)
        else:
            room.share[g] = 1.0 if model.pi > 0 else 0.0
            now[0, g] = then[0, g] + LOG_FLOOR
    for g in range(points):
        paa, pau, puu, spread = then[3, g], then[4, g], then[5, g], room.spread[g]
        effective = model.noise[g] / (1 - room.share[g] * easing)
        total = spread + effective
        gain = (y - room.level[g]) / total
        left = paa * puu - pau * pau
        now[1, g] = then[1, g] + (paa + pau) * gain
        now[2, g] = then[2, g] + (pau + puu) * gain
        now[3, g] = (paa * effective + left) / total
        now[4, g] = (pau * effective - left) / total
        now[5, g] = (puu * effective + left) / total
        room.level[g] += spread * gain
        room.variance[g] = effective * spread / total
    score = _normalise(now[0])
    gross = 0.0
    for g in range(points):
        room.weight[g] = exponential(now[0, g])
        gross += room.weight[g] * room.share[g]
    return score, min(1.0, gross)


@compiled(fastmath=LOOSE)
def level_of(room: Bench) -> tuple[float, float]:
    """engine._level: (mean, variance) of the level after the value."""
    mean = variance = 0.0
    for g in range(len(room.weight)):
        mean += room.weight[g] * room.level[g]
    for g in range(len(room.weight)):
        variance += room.weight[g] * (room.variance[g] + (room.level[g] - mean) * (room.level[g] - mean))
    return mean, variance
