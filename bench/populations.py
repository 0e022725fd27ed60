"""Baselines of many people at once against the online engine one by one, on the same values: 9 and 27 grid points, one core and all."""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np

from mappings.baseline import engine, many
from mappings.baseline.prior import build

PEOPLE, VALUES = 3000, 30


def series(seed: int) -> tuple[Any, ...]:
    pick = np.random.default_rng(seed)
    start = np.arange(PEOPLE) * VALUES
    day = np.cumsum(pick.exponential(10, (PEOPLE, VALUES)), 1).ravel()
    value = np.clip(np.round(pick.normal(10, 5, (PEOPLE, VALUES))), 0, 27).ravel()
    return start, np.full(PEOPLE, VALUES), day, value


def prior(points: int) -> Any:
    data = json.loads((Path(str(files("mappings.baseline"))) / "priors/phq-9.json").read_text(encoding="utf-8"))
    data["theta"]["s_rho"] = 0.8 if points == 27 else 0.0
    return build(data)


def judged(points: int, seed: int) -> float:
    """Seconds for one set."""
    given, values = prior(points), series(seed)
    many.judge(given, *(each[:20] if number < 2 else each for number, each in enumerate(values)))
    started = time.perf_counter()
    many.judge(given, *values)
    return time.perf_counter() - started


def alone(points: int) -> float:
    """Seconds a value by the online engine, limits looked at."""
    given, (_, _, day, value) = prior(points), series(1)
    state, started = engine.start(given), time.perf_counter()
    for at in range(400):
        found, state = engine.step(given, state, float(day[at % VALUES] + 400 * (at // VALUES)), float(value[at]))
        _ = found.upper95
    return (time.perf_counter() - started) / 400


def main() -> None:
    """A line for each grid."""
    cores = cpu_count() or 1
    for points, goal in ((9, 0.5), (27, 0.2)):
        one = PEOPLE * VALUES / judged(points, 1)
        with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
            together = sum(PEOPLE * VALUES / seconds for seconds in pool.map(judged, [points] * cores, range(cores)))
        online = 1 / alone(points)
        print(f"  {points} grid points with limits: {one / 1e6:.3f} million values/s on one core, {together / 1e6:.3f} on {cores} "
              f"(goal {goal}); online engine {online:.0f}/s, ratio {one / online:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
