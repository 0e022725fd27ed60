"""Scoring one PHQ-9 response to its Observations, against parsing the same bytes with the json module; and loading every scale file."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs

from mappings.scales import scale
from mappings.scales.observations import observations
from mappings.scales.scoring import score
from service.demo import person

AT = "2026-11-02T09:00:00Z"


def best(work: Callable[[], Any], rounds: int = 15, each: int = 400) -> float:
    """Microseconds of one run: the fastest of several rounds, for the machine may be busy."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(each):
            work()
        found.append((time.perf_counter() - started) / each * 1e6)
    return min(found)


def loaded() -> dict[str, scale.Scale]:
    validator = jsonschema_rs.validator_for(scale.SCHEMA)
    found = {}
    for path in Path(str(files("mappings.scales"))).joinpath("library").glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        assert validator.is_valid(data)
        found[data["id"]] = scale.build(data)
    return found


def main() -> None:
    """Two lines."""
    scales = loaded()
    phq9 = scales["phq-9"]
    body = json.dumps(person.answers((1, 1, 0, 1, 1, 0, 1, 0, 0), person.PHQ9, "phq-9", "Patient/1", datetime(2026, 11, 2, 9, tzinfo=UTC))).encode()
    response = json.loads(body)

    def work() -> Any:
        return observations(phq9, score(phq9, response), response, "QuestionnaireResponse/1", "Patient/1", AT, AT, {})

    parsing = best(lambda: json.loads(body))
    scoring = best(work)
    told = f"{scoring:.0f} us, json parsing of the same bytes {parsing:.1f} us, ratio {scoring / parsing:.1f} (goal 10; 150 us)"
    print(f"  PHQ-9 to {len(work())} Observations: {told}")
    print(f"  loading {len(scales)} scale files: {best(loaded, 5, 1) / 1000:.0f} ms (goal 300 ms)", flush=True)


if __name__ == "__main__":
    main()
