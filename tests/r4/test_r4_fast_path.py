"""What the compiled schema lets through at once, the exact walk finds nothing in: for the examples, spoiled in every way."""

import copy
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from mappings.r4.release import Release
from mappings.r4.walk import walk

ROUNDS = 1500 * int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
SPOILS: list[Any] = [
    *["", None, 1, 1.0, -1, 0, True, "x", "2024-02-30", "2024-02-29", "today", [], {}, [None], [""], ["a"], {"a": 1}],
    *["#x", "http://a b", "a  b", " a", "Patient/1", "Foo/1", "Organization/1", "final", "resolved", "a\u0001", "a\u00a0", "1.2.3"],
    *["24:00:00", "2020-01-01T00:00:00", "2020-01-01T00:00:00Z", 1e30, 2**40, {"reference": "Patient/1"}, {"coding": [{"code": "x"}]}],
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(inner)


def spoil(resource: dict[str, Any], names: list[str], chance: random.Random) -> None:
    holder, key = chance.choice(list(places(resource)))
    way = chance.random()
    if way < 0.5:
        holder[key] = copy.deepcopy(chance.choice(SPOILS))
    elif way < 0.7:
        del holder[key]
    elif isinstance(holder, dict):
        holder[chance.choice(names) if way < 0.85 else f"_{key}"] = copy.deepcopy(holder[key])
    else:
        holder.append(copy.deepcopy(holder[key]))


def test_the_fast_path_never_accepts_what_the_walk_refuses(release: Release, examples: list[dict[str, Any]]) -> None:
    chance = random.Random(1)
    names = sorted({key for example in examples for _, key in places(example) if isinstance(key, str)})
    sound = [example for example in examples if example["resourceType"] != "Bundle"]
    accepted = 0
    for _ in range(ROUNDS):
        resource = copy.deepcopy(chance.choice(sound))
        spoil(resource, names, chance)
        issues = walk(release.structures, resource)
        if release.validator.is_certainly_valid(resource):
            accepted += 1
            assert issues == []
            release.extractors[resource["resourceType"]].extract(resource)
    assert accepted > ROUNDS / 20


@pytest.mark.parametrize("kind", ["Observation", "Patient", "QuestionnaireResponse", "Encounter", "Condition"])
def test_common_resources_take_the_fast_path(release: Release, examples: list[dict[str, Any]], kind: str) -> None:
    own = [example for example in examples if example["resourceType"] == kind and "contained" not in example]
    assert own
    assert [release.validator.is_certainly_valid(example) or example["id"] for example in own] == [True] * len(own)
