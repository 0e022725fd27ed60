"""Every resource of a report against the profile that it claims, by the StructureDefinitions of Genomics Reporting 3.0.0 (profiles.json)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.genes.test_genes_report import made

PROFILES = json.loads((Path(__file__).parent / "profiles.json").read_text(encoding="utf-8"))["profiles"]
Json = dict[str, Any]
CASES = [
    ({"CYP2C19": "*2/*2", "CYP2D6": "*1/*4"}, "amitriptyline"), ({"HLA-B": "*15:02", "CYP1A2": "*1F/*1F"}, "carbamazepine"), ({"CYP2D6": "PM"}, "paroxetine"),
    ({"CYP2D6": "*4/*4"}, "atomoxetine"), ({"CYP2C19": "*17/*17"}, "escitalopram"),
]  # fmt: skip


def at(value: Any, names: list[str]) -> list[Any]:
    """Everything that stands at a path; a choice by any of its names."""
    found = [value]
    for name in names:
        stem = name.removesuffix("[x]")
        step: list[Any] = []
        for each in found:
            keys = [key for key in each if (key.startswith(stem) if name.endswith("[x]") else key == stem)] if isinstance(each, dict) else []
            for key in keys:
                step += each[key] if isinstance(each[key], list) else [each[key]]
        found = step
    return found


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value holds all of a pattern (StructureDefinition, ElementDefinition.pattern[x])."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(key in value and matches(value[key], inner) for key, inner in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(each, inner) for each in value) for inner in pattern)
    return bool(value == pattern)


def findings(resource: Json, elements: list[Json]) -> list[str]:
    """Where the resource departs from the profile. A slice is what matches the pattern of its `code` or `coding`."""
    wrong = []
    slices = {each["id"]: each for each in elements if ":" in each["id"].rsplit(".", 1)[-1] and each["id"].count(":") == 1}
    for each in elements:
        names = each["id"].split(".")[1:]
        if ":" in each["id"]:
            continue
        parents = at(resource, names[:-1]) if len(names) > 1 else [resource]
        for parent in parents:
            count = len(at(parent, names[-1:]))
            if count < each["min"] or (each["max"] != "*" and count > int(each["max"])):
                wrong.append(f"{each['id']} stands {count} times")
        if "pattern" in each:
            wrong += [f"{each['id']} does not match" for value in at(resource, names) if not matches(value, each["pattern"])]
    for id_, each in slices.items():
        wrong += _slice(resource, id_, each, elements)
    return wrong


def _slice(resource: Json, id_: str, each: Json, elements: list[Json]) -> list[str]:
    inner = [other for other in elements if other["id"].startswith(f"{id_}.")]
    mark = next((other for other in inner if "pattern" in other), None)
    if mark is None:
        return []
    names = id_.partition(":")[0].split(".")[1:]
    key = mark["id"].rsplit(".", 1)[-1]
    mine = [value for value in at(resource, names) if any(matches(part, mark["pattern"]) for part in at(value, [key]))]
    wrong = [] if each["min"] <= len(mine) and (each["max"] == "*" or len(mine) <= int(each["max"])) else [f"{id_} stands {len(mine)} times"]
    for other in inner:
        name = other["id"].removeprefix(f"{id_}.")
        for value in mine if "." not in name else []:
            found = [key for key in value if key.startswith(name.removesuffix("[x]"))] if name.endswith("[x]") else at(value, [name])
            if len(found) < other["min"] or (other["max"] != "*" and len(found) > int(other["max"])):
                wrong.append(f"{other['id']} stands {len(found)} times")
            if name.endswith("[x]"):
                kinds = {f"{name.removesuffix('[x]')}{kind[0].upper()}{kind[1:]}" for kind in other["types"]}
                wrong += [f"{other['id']} is a {key}" for key in found if key not in kinds]
    return wrong


@pytest.mark.parametrize(("genes", "drug"), CASES, ids=[drug for _, drug in CASES])
def test_a_report_keeps_to_its_profiles(genes: dict[str, str], drug: str) -> None:
    resources = made(genes, drug)
    for resource in resources:
        (profile,) = resource["meta"]["profile"]
        assert resource["resourceType"] == PROFILES[profile]["type"]
        assert findings(resource, PROFILES[profile]["elements"]) == [], resource


def test_the_check_finds_what_departs() -> None:
    genotype, *_, report = made({"CYP2C19": "*2/*2"}, "citalopram")
    elements = PROFILES[genotype["meta"]["profile"][0]]["elements"]
    assert findings(genotype | {"code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}}, elements)
    assert findings({key: value for key, value in genotype.items() if key != "category"}, elements)
    assert findings(genotype | {"component": [genotype["component"][0] | {"valueString": "x"}]}, elements)
    assert findings({key: value for key, value in report.items() if key != "status"}, PROFILES[report["meta"]["profile"][0]]["elements"])
