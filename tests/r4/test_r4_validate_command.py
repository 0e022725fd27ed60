"""`setpoint validate`: files and standard input, for a person and for scripts; exit codes 0, 1, 2."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.commands.validating import documents

PATIENT = {"resourceType": "Patient", "id": "a"}
WRONG = {"resourceType": "Patient", "birthDate": "2026-02-30"}
FORM = {"resourceType": "Questionnaire", "status": "active", "url": "urn:form", "item": [{"linkId": "1", "type": "boolean"}]}
ANSWERED = {
    "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:form", "item": [{"linkId": "1", "answer": [{"valueString": "x"}]}],
}  # fmt: skip


def run(*arguments: str, standard_input: str | None = None) -> Result:
    return CliRunner().invoke(app, ["validate", *arguments], input=standard_input)


def written(path: Path, *resources: Any, pretty: bool = False) -> str:
    path.write_text("\n".join(json.dumps(each, indent=1 if pretty else None) for each in resources) + "\n", encoding="utf-8")
    return str(path)


def test_a_clean_file(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a.json", PATIENT, pretty=True))
    assert (done.exit_code, done.stdout) == (0, "1 resources, 0 errors, 0 warnings and notes\n")


def test_lines_of_ndjson_are_named(tmp_path: Path) -> None:
    name = written(tmp_path / "a.ndjson", PATIENT, WRONG)
    with Path(name).open("a", encoding="utf-8") as more:
        more.write("\n{broken\n")
    done = run(name)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{name}:2: error value Patient.birthDate: ")
    assert lines[1].startswith(f"{name}:4: fatal structure -: ")
    assert lines[2] == "3 resources, 2 errors, 0 warnings and notes"
    assert "2026-02-30" not in done.stdout


def test_entries_of_a_bundle_are_named(tmp_path: Path) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}, {"resource": WRONG}]}
    name = written(tmp_path / "b.json", bundle, pretty=True)
    done = run(name, "--json")
    (row,) = json.loads(done.stdout)
    assert {key: value for key, value in row.items() if key != "text"} == {
        "file": name, "entry": "entry[1]", "severity": "error", "code": "value", "expression": "Bundle.entry[1].resource.birthDate",
    }  # fmt: skip
    assert row["text"]
    assert done.exit_code == 1


def test_json_without_findings_is_an_empty_list(tmp_path: Path) -> None:
    assert json.loads(run(written(tmp_path / "a.json", PATIENT), "--json").stdout) == []


def test_json_of_several_findings(tmp_path: Path) -> None:
    found = json.loads(run(written(tmp_path / "a.ndjson", WRONG, WRONG, WRONG), "--json").stdout)
    assert [row["entry"] for row in found] == [1, 2, 3]


def test_standard_input() -> None:
    done = run("-", standard_input=json.dumps(PATIENT) + "\n" + json.dumps(WRONG) + "\n")
    assert done.exit_code == 1
    assert done.stdout.startswith("-:2: error value Patient.birthDate: ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert run(str(tmp_path / "nowhere.json")).exit_code == 2
    assert run(str(tmp_path), written(tmp_path / "a.json", PATIENT)).exit_code == 2


def test_not_json_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe<xml/>")
    assert run(str(tmp_path / "a.json")).exit_code == 1


@pytest.mark.parametrize("form_first", [True, False])
def test_a_response_and_its_questionnaire_of_the_same_call(tmp_path: Path, form_first: bool) -> None:
    files = [written(tmp_path / "form.json", FORM, pretty=True), written(tmp_path / "answers.ndjson", ANSWERED)]
    done = run(*(files if form_first else reversed(files)))
    assert done.exit_code == 1
    assert f"{files[1]}:1: error value QuestionnaireResponse.item[0].answer[0].value: " in done.stdout


def test_a_response_to_one_of_our_scales(tmp_path: Path) -> None:
    body = ANSWERED | {"questionnaire": "https://setpoint.example/fhir/Questionnaire/phq-9"}
    done = run(written(tmp_path / "a.json", body))
    assert done.exit_code == 1
    assert "QuestionnaireResponse.item[0].linkId" in done.stdout


def test_a_response_to_an_unknown_questionnaire_is_only_warned_of(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a.json", ANSWERED))
    assert done.exit_code == 0
    assert "warning not-found QuestionnaireResponse.questionnaire: " in done.stdout
    assert done.stdout.endswith("1 resources, 0 errors, 1 warnings and notes\n")


def test_ndjson_is_read_line_by_line(tmp_path: Path) -> None:
    name = written(tmp_path / "a.ndjson", *([PATIENT] * 1000))
    with Path(name).open("rb") as stream:
        reader = documents(stream, name)
        next(reader)
        next(reader)
        assert stream.tell() < 100


def test_no_database_is_needed(tmp_path: Path) -> None:
    name = written(tmp_path / "a.json", PATIENT)
    environment = {"PATH": "/usr/bin", "SETPOINT_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-m", "service.cli", "validate", name], env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [Path(name)]
