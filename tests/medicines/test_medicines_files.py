"""Broken knowledge files of medicines are refused where they are wrong."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mappings.knowledge import KnowledgeError
from mappings.medicines import monitoring, staging, warnings

FOLDER = Path(__file__).resolve().parents[2] / "mappings/medicines"


def file(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "module"), [("monitoring", monitoring), ("warnings", warnings), ("staging", staging)])
def test_ours_fit_their_shape(name: str, module: Any) -> None:
    assert jsonschema_rs.validator_for(module.SCHEMA).is_valid(file(name))


@pytest.mark.parametrize(
    ("at", "change", "path"),
    [
        ("schedules", {"measures": ["nothing"]}, ("schedules", 0, "measures", 0)),
        ("schedules", {"weeks": [4, 0]}, ("schedules", 0, "weeks")),
        ("schedules", {"drugs": ["nothing"]}, ("schedules", 0, "drugs", 0)),
        ("schedules", {"groups": ["nothing"]}, ("schedules", 0, "groups", 0)),
        ("limits", {"measure": "nothing"}, ("limits", 0, "measure")),
    ],
)
def test_monitoring(knowledge: Any, at: str, change: Any, path: tuple[Any, ...]) -> None:
    data = file("monitoring")
    data[at][0] |= change
    with pytest.raises(KnowledgeError) as error:
        monitoring.build(data, knowledge.drugs, knowledge.priors)
    assert error.value.path == path


def test_warnings_and_staging(knowledge: Any) -> None:
    data = file("warnings")
    data["warnings"][1]["drugs"] = ["nothing"]
    with pytest.raises(KnowledgeError) as error:
        warnings.build(data, knowledge.drugs)
    assert error.value.path == ("warnings", 1, "drugs", 0)
    steps = file("staging")
    steps["maudsley"]["failed"][-1]["up_to"] = 20
    with pytest.raises(KnowledgeError):
        staging.build(steps)
