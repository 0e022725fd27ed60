"""The baseline of many people, one after another: what engine.py does, in the same order of work, so that the results are its own to rounding
(tests/baseline/test_baseline_many.py compares every column)."""

from types import ModuleType
from typing import Any
from zlib import crc32

from mappings.baseline.compiled import detectors, filter, mixture, special
from mappings.baseline.compiled.detectors import detect
from mappings.baseline.compiled.filter import likelihoods, limits, mix, moments, move, padded, update
from mappings.baseline.compiled.mixture import calibrated, tails
from mappings.baseline.compiled.model import Bench, Given, Made, Model
from mappings.baseline.compiled.special import compiled, kept, probit
from mappings.baseline.mixture import TINY


@compiled()
def _person(model: Model, room: Bench, given: Given, made: Made, begin: int, end: int, with_limits: bool, scores_only: bool) -> None:
    """One person's values of one measure, begin .. end, in the order of time."""
    room.now[0, :], room.now[1, :], room.now[2, :] = model.log_weight, model.centre, 0.0
    room.now[3, :], room.now[4, :], room.now[5, :] = model.trait, 0.0, model.drift
    room.watch[:] = 0.0
    n, first, last = 0, 0.0, 0.0
    for row in range(begin, end):
        day, y = given.day[row], given.y[row]
        move(model, room, n, first, last, day)
        m = mix(model, room)
        made.n[row] = n
        if not scores_only:
            mean, sd = moments(model, room)
            made.mean[row] = mean
            if with_limits:
                if n or room.first[0] == 0:
                    limits(model, room, m, mean, sd, n)
                else:  # everybody's first value has the population's
                    room.limits[:], room.offset[:] = room.first[1:5], room.first[5:9]
                if n == 0:
                    room.first[0], room.first[1:5], room.first[5:9] = 1.0, room.limits, room.offset
                made.limits[row, :] = room.limits
        if not given.fine[row]:
            continue
        if not scores_only:
            below, above = tails(room.mixture, padded(room.mixture, m), room.level[len(model.noise) // 2], y)
            made.below[row] = below
            below, above = calibrated(model, below, above)
            made.z[row] = probit(max(TINY, below)) if below < above else -probit(max(TINY, above))
            made.p[row] = min(1.0, 2 * min(below, above))
        likelihoods(model, room, m, y, given.low[row], given.high[row])
        made.log_score[row], made.gross[row] = update(model, room, m, y)
        if n == 0:
            first = day
        if with_limits:
            detect(model, room, given, made, row, n, first)
        last = day
        n += 1


def _judge(parts: int) -> Any:
    """The outermost loop, compiled with all it calls. Numba's cache looks at this function alone: `parts` makes its key change with the others."""

    def judge(model: Model, room: Bench, start: Any, length: Any, given: Given, made: Made, with_limits: bool, scores_only: bool) -> int:
        for person in range(len(start)):
            _person(model, room, given, made, start[person], start[person] + length[person], with_limits, scores_only)
        return parts

    return kept(judge)


def fingerprint() -> int:
    """Of the code of every compiled part and of the constants in it."""
    said = [_said(module) for module in (special, mixture, filter, detectors)]
    return crc32("".join([*said, repr(_person.py_func.__code__.co_code)]).encode())


def _said(module: ModuleType) -> str:
    names = sorted(vars(module).items())
    parts = [repr((name, each.py_func.__code__.co_code, each.py_func.__code__.co_consts)) for name, each in names if hasattr(each, "py_func")]
    return "".join(parts + [repr((name, each)) for name, each in names if isinstance(each, int | float)])


judge = _judge(fingerprint())
"""Every person: i has the values start[i] .. start[i] + length[i]. Fills `made`."""
