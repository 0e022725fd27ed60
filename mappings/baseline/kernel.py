"""The baseline of many people, one after another, as compiled loops: what engine.py does, a few microseconds a value.

Each function is one of filter.py, mixture.py, levels.py or detectors.py, in the same order of work, so that the results are the online
engine's to rounding (tests/baseline/test_baseline_many.py compares every column). Numba compiles them when they are first called and keeps
the result beside the module.
"""

from math import exp, expm1, inf, log, sqrt
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mappings.baseline import detectors as d
from mappings.baseline.filter import CLOSEST, FLOOR, LOG_FLOOR
from mappings.baseline.mixture import CLOSE, MINUTE, NEXT, ROOT2, TINY
from mappings.baseline.special import compiled, exponential, kept, probit, tail_and_bell

Floats = NDArray[np.float64]
IDENTITY, LOG, SQRT, LOGIT = range(4)
EWMA, UP, DOWN, AWAY, TOP, TOP_UP, TOP_DOWN, TOP_AWAY, ANCHORED, SINCE, LEVEL, DOUBT, HEAD, HELD = range(14)
_ROOT_PI: Final = 1.7724538509055159
_ROOM: Final = 64
_FURTHER: Final = 5e-6
_STEP, _RUNNING, _SUMMED, _LEVEL = d.SHARES
# Sums over grid points may be taken in any order, which lets them run on vector registers; infinities keep their meaning.
_LOOSE: Final = {"reassoc", "contract", "nsz", "arcp"}
_ANCHOR_VALUES, _ANCHOR_DAYS, _PENDING = d.ANCHOR_VALUES, d.ANCHOR_DAYS, d.PENDING
_LEVELS, _LIKELY = d.LEVELS, d.LIKELY
_WEIGHT, _SLACK, _CUSUM_RUN, _FASTEST = d.EWMA, d.CUSUM_SLACK, d.CUSUM_RUN, d.FASTEST


class Model(NamedTuple):
    """A prior as the loops need it. Per grid point: `log_weight`, `centre`, `noise`, `drift`. `scores`: normal scores of the four limits;
    `knots`, `mirrored`, `nominal`: the lines of the tail calibration, `calibrated` whether there is one. `reach` of a meaningful change where
    `mcid` is NaN. `worse`: 1 where high is worse, -1 low, 0 both. `kind`: of the transform, `lowest` and `highest` its ends."""

    log_weight: Floats
    centre: Floats
    noise: Floats
    drift: Floats
    trait: float
    memory: float
    shift: float
    course: float
    f: float
    pi: float
    kappa2: float
    scores: Floats
    calibrated: bool
    knots: Floats
    mirrored: Floats
    nominal: Floats
    rounded: bool
    kind: int
    lowest: float
    highest: float
    mcid: float
    reach: float
    worse: int


class Given(NamedTuple):
    """One entry a value: day, transform, the interval it was rounded from, whether it is taken in, whether it is tame, its alarm budget."""

    day: Floats
    y: Floats
    low: Floats
    high: Floats
    fine: NDArray[np.bool_]
    tame: NDArray[np.bool_]
    budget: Floats


class Made(NamedTuple):
    """What is filled in, one entry a value; `limits` (values, 4) and `mean` on the transformed scale."""

    n: NDArray[np.int64]
    mean: Floats
    limits: Floats
    z: Floats
    p: Floats
    gross: Floats
    sure: Floats
    alert: NDArray[np.bool_]
    log_score: Floats
    below: Floats


class Bench(NamedTuple):
    """Room to work in, used for one person after another. `now`: log weight, A, U, Paa, Pau, Puu after the last value; `then`: the same on
    the day of the next; `mixture`, `heavy`: rows mean, weight, scale; `watch`: what the detectors carry; `ring`: posteriors waiting to become the anchor."""

    now: Floats
    then: Floats
    weight: Floats
    level: Floats
    spread: Floats
    share: Floats
    variance: Floats
    dense: Floats
    mixture: Floats
    heavy: Floats
    limits: Floats
    offset: Floats
    watch: Floats
    ring: Floats


def bench(points: int) -> Bench:
    """Room for a grid of so many points."""

    def row(*shape: int) -> Floats:
        return np.zeros(shape)

    return Bench(row(6, points), row(6, points), row(points), row(points), row(points), row(points), row(points), row(2 * points), row(3, 2 * points),
                 row(3, 2 * points), row(4), row(4), row(14), row(_ROOM, 4))  # fmt: skip


@compiled(fastmath=_LOOSE)
def _slope(mixture: Floats, m: int, y: float, target: float) -> tuple[float, float]:
    """mixture._slope: (normal score of P(Y <= y), dy/dz)."""
    side = 1.0 if target > 0 else -1.0
    tail = density = 0.0
    for g in range(m):
        e, bell = tail_and_bell(side * (y - mixture[0, g]) * mixture[2, g])
        tail += mixture[1, g] * e
        density += mixture[1, g] * mixture[2, g] * bell
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    return score, exp(-score * score / 2) / (density * ROOT2) if density > TINY else inf


@compiled(fastmath=_LOOSE)
def _place(mixture: Floats, m: int, y: float, target: float) -> tuple[float, float, float, float]:
    """mixture._place: (normal score, dy/dz, second and third derivative)."""
    side = 1.0 if target > 0 else -1.0
    tail = density = change = curve = 0.0
    for g in range(m):
        s = mixture[2, g]
        u = side * (y - mixture[0, g]) * s
        e, bell = tail_and_bell(u)
        tail += mixture[1, g] * e
        bell *= mixture[1, g] * s
        density += bell
        u *= s
        change += bell * u
        curve += bell * (2 * u * u - s * s)
    score = -side * probit(min(1 - 1e-16, max(TINY, tail / 2)))
    if density < TINY:
        return score, inf, 0.0, 0.0
    slope = exp(-score * score / 2) / (density * ROOT2)
    first = -2 * side * change / density
    bend = -(score + first * slope) * slope
    third = -slope - score * bend - ((2 * curve / density - first * first) * slope * slope + 2 * first * bend) * slope
    return score, slope, bend, third


@compiled()
def _along(y: float, score: float, slope: float, bend: float, third: float, target: float) -> float:
    off = target - score
    return y + off * (slope + off * (bend / 2 + off * third / 6)) if abs(off) < 1 else y + off * slope


@compiled()
def _found(mixture: Floats, m: int, target: float, guess: float) -> float:
    """mixture._found: the quantile whose normal score is `target`."""
    for _ in range(4):
        score, slope, bend, third = _place(mixture, m, guess, target)
        off = target - score
        if not (abs(off) < 3 and slope < inf):
            break
        y = _along(guess, score, slope, bend, third, target)
        if off * off * off * off * abs(third) < NEXT * slope:
            return _polished(mixture, m, y, target)
        closer, steeper = _slope(mixture, m, y, target)
        off = target - closer
        if abs(off) < CLOSE:
            y += off * (steeper + off / 2 * (bend + third * (closer - score)))
            return y if abs(off) < _FURTHER else _polished(mixture, m, y, target)
        guess = y + off * steeper
    return _bracketed(mixture, m, target)


@compiled()
def _polished(mixture: Floats, m: int, y: float, target: float) -> float:
    score, slope = _slope(mixture, m, y, target)
    return y + (target - score) * slope if slope < inf else y


@compiled()
def _bracketed(mixture: Floats, m: int, target: float) -> float:
    reach = target / ROOT2
    low, high = inf, -inf
    for g in range(m):
        own = mixture[0, g] + reach / mixture[2, g]
        low, high = min(low, own), max(high, own)
    y = (low + high) / 2
    for _ in range(200):
        score, slope = _slope(mixture, m, y, target)
        if score < target:
            low = y
        else:
            high = y
        following = y + (target - score) * slope
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - y) < 1e-9 / mixture[2, 0]:
            return following
        y = following
    return y


@compiled(fastmath=_LOOSE)
def _tail(mixture: Floats, m: int, y: float, side: float) -> float:
    tail = 0.0
    for g in range(m):
        e, _ = tail_and_bell(side * (y - mixture[0, g]) * mixture[2, g])
        tail += mixture[1, g] * e
    return tail / 2


@compiled()
def _tails(mixture: Floats, m: int, middle: float, y: float) -> tuple[float, float]:
    """mixture.tails: (P(Y <= y), P(Y > y))."""
    side = 1.0 if y > middle else -1.0
    tail = _tail(mixture, m, y, side)
    if tail > 0.5:
        side = -side
        tail = _tail(mixture, m, y, side)
    return (1 - tail, tail) if side > 0 else (tail, 1 - tail)


@compiled()
def _line(knots: Floats, nominal: Floats, p: float) -> float:
    at = 0
    while at < 4 and p >= knots[at + 1]:
        at += 1
    return nominal[at] + (nominal[at + 1] - nominal[at]) * (p - knots[at]) / (knots[at + 1] - knots[at])


@compiled()
def _calibrated(model: Model, below: float, above: float) -> tuple[float, float]:
    """levels.calibrated."""
    if not model.calibrated:
        return below, above
    if below <= 0.5:
        mapped = _line(model.knots, model.nominal, below)
        return mapped, 1 - mapped
    mapped = _line(model.mirrored, model.nominal, above)
    return 1 - mapped, mapped


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


@compiled(fastmath=_LOOSE)
def _move(model: Model, room: Bench, n: int, first: float, last: float, day: float) -> None:
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
    for g in range(len(model.noise)):
        room.weight[g] = exponential(then[0, g])


@compiled(fastmath=_LOOSE)
def _mix(model: Model, room: Bench) -> int:
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


@compiled(fastmath=_LOOSE)
def _moments(model: Model, room: Bench) -> tuple[float, float]:
    """filter.moments: (mean, sd) of what is predicted."""
    mean = variance = 0.0
    fat = 1 + model.pi * (model.kappa2 - 1)
    for g in range(len(model.noise)):
        mean += room.weight[g] * room.level[g]
    for g in range(len(model.noise)):
        variance += room.weight[g] * (room.spread[g] + fat * model.noise[g] + (room.level[g] - mean) ** 2)
    return mean, sqrt(variance)


@compiled()
def _limits(model: Model, room: Bench, m: int, mean: float, sd: float, n: int) -> None:
    """mixture.limits. The first look is where the limits lay before the last value, in standard deviations: shapes change slowly."""
    points, heavy, mixture = len(model.noise), room.heavy, room.mixture
    kept = 0
    for row in range(m // points):
        for g in range(points):
            if mixture[1, g] > MINUTE:
                for each in range(3):
                    heavy[each, kept] = mixture[each, row * points + g]
                kept += 1
    for at in range(4):
        guess = room.offset[at] if n else model.scores[at]
        room.limits[at] = _found(heavy, kept, model.scores[at], mean + guess * sd)
        room.offset[at] = (room.limits[at] - mean) / sd


@compiled(fastmath=_LOOSE)
def _likelihoods(model: Model, room: Bench, m: int, y: float, low: float, high: float) -> None:
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


@compiled(fastmath=_LOOSE)
def _update(model: Model, room: Bench, m: int, y: float) -> tuple[float, float]:
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


@compiled(fastmath=_LOOSE)
def _level(room: Bench) -> tuple[float, float]:
    """engine._level: (mean, variance) of the level after the value."""
    mean = variance = 0.0
    for g in range(len(room.weight)):
        mean += room.weight[g] * room.level[g]
    for g in range(len(room.weight)):
        variance += room.weight[g] * (room.variance[g] + (room.level[g] - mean) * (room.level[g] - mean))
    return mean, variance


@compiled(fastmath=_LOOSE)
def _real_change(room: Bench, low: float, high: float, doubt: float) -> float:
    """engine._real_change."""
    outside = 0.0
    for g in range(len(room.weight)):
        scale = 1 / sqrt(2 * (room.variance[g] + doubt))
        outside += room.weight[g] * (tail_and_bell((room.level[g] - low) * scale)[0] + tail_and_bell((high - room.level[g]) * scale)[0])
    return min(1.0, outside / 2)


@compiled()
def _forward(model: Model, x: float) -> float:
    """Transform.forward."""
    if model.kind == IDENTITY:
        return x
    if model.kind == LOG:
        return log(x) if x > 0 else -inf
    if model.kind == SQRT:
        return sqrt(x) if x >= 0 else -inf
    below, above = x - model.lowest + 0.5, model.highest - x + 0.5
    if below <= 0:
        return -inf
    return log(below / above) if above > 0 else inf


@compiled()
def _back(model: Model, y: float) -> float:
    """Transform.back."""
    if model.kind == IDENTITY:
        return y
    if model.kind == LOG:
        return exp(y) if y < 709.0 else inf
    if model.kind == SQRT:
        return y * y if y > 0 else 0.0
    share = 1 / (1 + exp(-y)) if y > -700 else 0.0
    return min(model.highest, max(model.lowest, model.lowest - 0.5 + (model.highest - model.lowest + 1) * share))


@compiled()
def _meaningful(model: Model, level: float) -> tuple[float, float]:
    """detectors.meaningful."""
    if model.mcid != model.mcid:
        return level - model.reach, level + model.reach
    centre = _back(model, level)
    return _forward(model, centre - model.mcid), _forward(model, centre + model.mcid)


@compiled()
def _thresholds(n: int, span: float, budget: float) -> tuple[float, float, float, float]:
    """detectors._limits: p of the step, limits of EWMA, CUSUM and departure."""
    rate = 12.0 if n == 0 else 365.25 * n / max(span, 1e-3)
    rate = min(_FASTEST, max(1.0, rate))
    step, wide, length = min(0.01, _STEP * budget / rate), min(0.003, _RUNNING * budget / rate), max(_CUSUM_RUN, rate / (_SUMMED * budget))
    left = max(_LEVEL * budget, budget - rate * (step + wide + 1 / length))
    return step, -probit(wide / 2), log(length + 1 + log(length)) - 1.166, -probit(min(0.05, left / min(rate, _LEVELS)) / 2)


@compiled()
def _age(watch: Floats, ring: Floats, n: int, day: float) -> None:
    """detectors.anchored: the newest posterior at least 3 values and 28 days back becomes the anchor."""
    while watch[HELD] > 0:
        head = int(watch[HEAD])
        if n + 1 - ring[head, 0] < _ANCHOR_VALUES or day - ring[head, 1] < _ANCHOR_DAYS:
            return
        watch[ANCHORED], watch[SINCE], watch[LEVEL], watch[DOUBT] = 1.0, ring[head, 1], ring[head, 2], ring[head, 3]
        watch[HEAD], watch[HELD] = (head + 1) % _ROOM, watch[HELD] - 1


@compiled()
def _remember(watch: Floats, ring: Floats, n: int, day: float, level: float, variance: float) -> None:
    """detectors.remember."""
    head, held = int(watch[HEAD]), int(watch[HELD])
    if held >= _ANCHOR_VALUES and day - ring[(head + held - 1) % _ROOM, 1] < 1.0:
        return
    if held > _PENDING:
        head, held = (head + held - _PENDING) % _ROOM, _PENDING
    place = (head + held) % _ROOM
    ring[place, 0], ring[place, 1], ring[place, 2], ring[place, 3] = n + 1.0, day, level, variance
    watch[HEAD], watch[HELD] = head, held + 1


@compiled()
def _departed(model: Model, room: Bench, day: float, level: float, variance: float) -> float:
    """detectors.departed."""
    watch, drift = room.watch, 0.0
    for g in range(len(room.weight)):
        drift += room.weight[g] * model.drift[g]
    wander = watch[DOUBT] - 2 * drift * expm1(-(day - watch[SINCE]) / model.memory)
    return (level - watch[LEVEL]) / sqrt(max(wander - variance, wander / 4))


@compiled()
def _alerts(model: Model, watch: Floats, z: float, p: float, tame: bool, n: int, span: float, budget: float, away: float, sure: float) -> bool:
    """detectors.look."""
    either, rise = model.worse == 0, model.worse > 0
    before, up, down = watch[EWMA], watch[UP], watch[DOWN]
    ewma = (1 - _WEIGHT) * before + _WEIGHT * z
    score = ewma / sqrt(_WEIGHT / (2 - _WEIGHT) * (1 - (1 - _WEIGHT) ** (2.0 * (n + 1))))
    reached, furthest = watch[TOP] if ewma * before > 0 else 0.0, watch[TOP_AWAY] if away * watch[AWAY] > 0 else 0.0
    highest, lowest = watch[TOP_UP] if up > 0 else 0.0, watch[TOP_DOWN] if down > 0 else 0.0
    up, down = max(0.0, up + z - _SLACK), max(0.0, down - z - _SLACK)
    step, wide, limit, far = _thresholds(n, span, budget)
    watch[EWMA], watch[UP], watch[DOWN], watch[AWAY] = ewma, up, down, away
    watch[TOP], watch[TOP_UP], watch[TOP_DOWN] = max(reached, abs(score)), max(highest, up), max(lowest, down)
    watch[TOP_AWAY] = max(furthest, abs(away) if sure > _LIKELY else 0.0)
    found = p < step and not tame and (either or (z > 0) == rise)
    found |= abs(score) > wide >= reached and (either or (score > 0) == rise)
    found |= up > limit >= highest and (either or rise)
    found |= down > limit >= lowest and (either or not rise)
    found |= abs(away) > far >= furthest and sure > _LIKELY and (either or (away > 0) == rise)
    return found


@compiled()
def _detect(model: Model, room: Bench, given: Given, made: Made, row: int, n: int, first: float) -> None:
    """engine._Verdict.settle: what the detectors say of the value, and what they carry on."""
    day, watch = given.day[row], room.watch
    _age(watch, room.ring, n, day)
    level, variance = _level(room)
    sure = away = 0.0
    if watch[ANCHORED] > 0:
        low, high = _meaningful(model, watch[LEVEL])
        sure = _real_change(room, low, high, watch[DOUBT])
        away = _departed(model, room, day, level, variance)
    made.sure[row] = sure
    made.alert[row] = _alerts(model, watch, made.z[row], made.p[row], given.tame[row], n, day - first, given.budget[row], away, sure)
    _remember(watch, room.ring, n, day, level, variance)


@compiled()
def _person(model: Model, room: Bench, given: Given, made: Made, begin: int, end: int, with_limits: bool, scores_only: bool) -> None:
    """One person's values of one measure, begin .. end, in the order of time."""
    room.now[0, :], room.now[1, :], room.now[2, :] = model.log_weight, model.centre, 0.0
    room.now[3, :], room.now[4, :], room.now[5, :] = model.trait, 0.0, model.drift
    room.watch[:] = 0.0
    n, first, last = 0, 0.0, 0.0
    for row in range(begin, end):
        day, y = given.day[row], given.y[row]
        _move(model, room, n, first, last, day)
        m = _mix(model, room)
        made.n[row] = n
        if not scores_only:
            mean, sd = _moments(model, room)
            made.mean[row] = mean
            if with_limits:
                _limits(model, room, m, mean, sd, n)
                made.limits[row, :] = room.limits
        if not given.fine[row]:
            continue
        if not scores_only:
            below, above = _tails(room.mixture, m, room.level[len(model.noise) // 2], y)
            made.below[row] = below
            below, above = _calibrated(model, below, above)
            made.z[row] = probit(max(TINY, below)) if below < above else -probit(max(TINY, above))
            made.p[row] = min(1.0, 2 * min(below, above))
        _likelihoods(model, room, m, y, given.low[row], given.high[row])
        made.log_score[row], made.gross[row] = _update(model, room, m, y)
        if n == 0:
            first = day
        if with_limits:
            _detect(model, room, given, made, row, n, first)
        last = day
        n += 1


def _judge(parts: int) -> Any:
    """The outermost loop, compiled with all it calls. Numba's cache looks at this function alone: `parts` makes its key change with the others."""

    def judge(model: Model, room: Bench, start: Any, length: Any, given: Given, made: Made, with_limits: bool, scores_only: bool) -> int:
        for person in range(len(start)):
            _person(model, room, given, made, start[person], start[person] + length[person], with_limits, scores_only)
        return parts

    return kept(judge)


def _fingerprint() -> int:
    """Of the code of every compiled part and of the constants in it."""
    here = {name: each for name, each in globals().items() if hasattr(each, "py_func")}
    said = [repr((name, each.py_func.__code__.co_code, each.py_func.__code__.co_consts)) for name, each in sorted(here.items())]
    plain = [repr((name, each)) for name, each in sorted(globals().items()) if isinstance(each, int | float)]
    return crc32("".join(said + plain).encode())


judge = _judge(_fingerprint())
"""Every person: i has the values start[i] .. start[i] + length[i]. Fills `made`."""
