"""The R4 release of the checked-in definitions, built once, and the example resources beside this file."""

import json
from pathlib import Path

import pytest

from mappings.r4 import release as r4

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES = sorted((HERE / "examples").glob("*.json"))


@pytest.fixture(scope="session")
def release() -> r4.Release:
    files = {name: json.loads((ROOT / "mappings/r4/definitions" / name).read_bytes()) for name in r4.FILES}
    types = json.loads((ROOT / "service/fhir/capability.json").read_bytes())["types"]
    return r4.build(files, tuple(types))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> dict:
    return json.loads(request.param.read_bytes())


@pytest.fixture(scope="session")
def examples() -> list[dict]:
    return [json.loads(path.read_bytes()) for path in EXAMPLES]
