"""schemathesis over openapi.json: whatever it makes of the document, no answer is a 5xx. Bounded, in process, on SQLite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

from service.app import create
from service.settings import Settings
from tests.conftest import ROUNDS, SECRET


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    app = create(Settings(database_url=f"sqlite:///{folder}/fuzz.sqlite", auth="open", public_url="http://setpoint.test", secret=SECRET))
    with TestClient(app, base_url="http://setpoint.test"):
        yield app


BOUNDS = settings(max_examples=6 * min(ROUNDS, 2), deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), database=None,
                  derandomize=True)  # fmt: skip
OPERATIONS = ("/fhir/Patient", "/fhir/Observation", "/fhir/QuestionnaireResponse", "/fhir/MedicationRequest", "/fhir/CarePlan", "/fhir/_history", "/fhir/$meta")


def test_no_answer_is_a_failure_of_ours(application: Any) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != "/fhir" and not operation.path.startswith(OPERATIONS):
            continue

        @given(case=operation.as_strategy())
        @settings(BOUNDS)
        def answers(case: Any) -> None:
            answer = case.call()
            assert answer.status_code < 500, (case.method, case.path, answer.text[:300])

        answers()
        tried += 1
    assert tried > 40
