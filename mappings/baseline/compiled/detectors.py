"""detectors.py, compiled: what is carried from value to value stands in `Bench.watch`, under these names."""

from math import exp, expm1, inf, log, sqrt

from mappings.baseline import detectors as d
from mappings.baseline.compiled.filter import level_of
from mappings.baseline.compiled.model import IDENTITY, LOG, LOOSE, ROOM, SQRT, Bench, Floats, Given, Made, Model
from mappings.baseline.compiled.special import compiled, probit, tail_and_bell

EWMA, UP, DOWN, AWAY, TOP, TOP_UP, TOP_DOWN, TOP_AWAY, ANCHORED, SINCE, LEVEL, DOUBT, HEAD, HELD = range(14)
_STEP, _RUNNING, _SUMMED, _LEVEL = d.SHARES
_ANCHOR_VALUES, _ANCHOR_DAYS, _PENDING = d.ANCHOR_VALUES, d.ANCHOR_DAYS, d.PENDING
_LEVELS, _LIKELY = d.LEVELS, d.LIKELY
_WEIGHT, _SLACK, _CUSUM_LIMIT, _CUSUM_RUN, _FASTEST = d.EWMA, d.CUSUM_SLACK, d.CUSUM_LIMIT, d.CUSUM_RUN, d.FASTEST


@compiled(fastmath=LOOSE)
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
    high = max(_CUSUM_LIMIT, log(length + 1 + log(length)) - 1.166)
    return step, -probit(wide / 2), high, -probit(min(0.05, left / min(rate, _LEVELS)) / 2)


@compiled()
def _age(watch: Floats, ring: Floats, n: int, day: float) -> None:
    """detectors.anchored: the newest posterior at least 3 values and 28 days back becomes the anchor."""
    while watch[HELD] > 0:
        head = int(watch[HEAD])
        if n + 1 - ring[head, 0] < _ANCHOR_VALUES or day - ring[head, 1] < _ANCHOR_DAYS:
            return
        watch[ANCHORED], watch[SINCE], watch[LEVEL], watch[DOUBT] = 1.0, ring[head, 1], ring[head, 2], ring[head, 3]
        watch[HEAD], watch[HELD] = (head + 1) % ROOM, watch[HELD] - 1


@compiled()
def _remember(watch: Floats, ring: Floats, n: int, day: float, level: float, variance: float) -> None:
    """detectors.remember."""
    head, held = int(watch[HEAD]), int(watch[HELD])
    if held >= _ANCHOR_VALUES and day - ring[(head + held - 1) % ROOM, 1] < 1.0:
        return
    if held > _PENDING:
        head, held = (head + held - _PENDING) % ROOM, _PENDING
    place = (head + held) % ROOM
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
def detect(model: Model, room: Bench, given: Given, made: Made, row: int, n: int, first: float) -> None:
    """engine._Verdict.settle: what the detectors say of the value, and what they carry on."""
    day, watch = given.day[row], room.watch
    _age(watch, room.ring, n, day)
    level, variance = level_of(room)
    sure = away = 0.0
    if watch[ANCHORED] > 0:
        low, high = _meaningful(model, watch[LEVEL])
        sure = _real_change(room, low, high, watch[DOUBT])
        away = _departed(model, room, day, level, variance)
    made.sure[row] = sure
    made.alert[row] = _alerts(model, watch, made.z[row], made.p[row], given.tame[row], n, day - first, given.budget[row], away, sure)
    _remember(watch, room.ring, n, day, level, variance)
