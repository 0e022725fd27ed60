"""`setpoint import` and `export` as processes: exit codes, standard input and output, reports for scripts, progress for people."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.conftest import SECRET
from tests.load.place import lines, patient, value


def settings(database: str) -> dict[str, str]:
    return {"SETPOINT_DATABASE_URL": database, "SETPOINT_AUTH": "open", "SETPOINT_SECRET": SECRET, "SETPOINT_PUBLIC_URL": "http://setpoint.test"}


def run(database: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {name: item for name, item in os.environ.items() if not name.startswith("SETPOINT_")} | settings(database)
    return subprocess.run([sys.executable, "-m", "service.cli", *words], env=environment, input=given, capture_output=True, timeout=120, check=False)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'commands.sqlite'}"


def test_the_whole_way_through_pipes(empty_database: str, sqlite_file: str, tmp_path: Path) -> None:
    """Files into one database, all of it out on standard output, and from there into another; a second time nothing is new."""
    lines(tmp_path / "in" / "Patient.ndjson.gz", map(patient, "ab"))
    lines(tmp_path / "in" / "Observation.ndjson", [value("o", "a")])
    done = run(empty_database, "import", str(tmp_path / "in"), "--source", "ward", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["created"], report["source"]) == (0, 3, "ward"), done.stderr
    assert b"import: 3 of 3 (100 %)" in done.stderr
    out = run(empty_database, "export")
    assert out.returncode == 0, out.stderr
    assert b"export: " in out.stderr
    for created, unchanged in ((3, 0), (0, 3)):
        taken = run(sqlite_file, "import", "-", "--json", given=out.stdout)
        report = json.loads(taken.stdout)
        assert (taken.returncode, report["created"], report["unchanged"]) == (0, created, unchanged), taken.stderr
    over = run(sqlite_file, "export", "--type", "Patient", "--type", "Observation")
    assert [json.loads(line)["id"] for line in over.stdout.splitlines()] == ["a", "b", "o"]


def test_a_bundle_on_standard_input(sqlite_file: str) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient("a")}]}
    for given in (json.dumps(bundle), json.dumps(bundle, indent=1)):
        assert run(sqlite_file, "import", "-", given=given.encode()).returncode == 0
    assert len(run(sqlite_file, "export", "--type", "Patient").stdout.splitlines()) == 1


def test_refusals_give_one_and_are_counted_by_reason(sqlite_file: str, tmp_path: Path) -> None:
    lines(tmp_path / "in" / "in.ndjson", [value("a", "nobody"), value("b", "nobody"), patient("p")])
    refused = tmp_path / "in" / "refused.ndjson"  # in the same directory: it is never taken for one of the files
    for said in ("created: 1\n", "unchanged: 1\n"):
        done = run(sqlite_file, "import", str(tmp_path / "in"), "--refused", str(refused))
        assert done.returncode == 1
        assert said in done.stdout.decode()
        assert "refused: 2\n" in done.stdout.decode()
        assert "  422 not-found: This reference leads to no person known here: 2\n" in done.stdout.decode()
        assert len(refused.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("import", "nowhere.ndjson"), "nowhere.ndjson"),
        (("import", "-", "more.ndjson"), "stands alone"),
        (("import", "-", "--refused", "/nowhere/at/all.ndjson"), "/nowhere/at/all.ndjson"),
        (("export", "--type", "Account"), "Account"),
        (("export", "--since", "yesterday"), "--since"),
        (("export", "--person", "ann"), "--person"),
        (("export", "--person", "Patient/nobody"), "no such Patient"),
        (("reindex", "--type", "Account"), "Account"),
    ],
)
def test_two_for_what_cannot_be_run(sqlite_file: str, words: tuple[str, ...], says: str) -> None:
    assert inside(sqlite_file, "migrate").exit_code == 0
    done = inside(sqlite_file, *words, given=json.dumps(patient("a")))
    assert (done.exit_code, says in done.stderr) == (2, True), done.output


@pytest.mark.parametrize("words", [("import", "-"), ("export",), ("reindex",)])
def test_two_without_a_database_of_this_version(words: tuple[str, ...], sqlite_file: str) -> None:
    done = inside("postgresql://nobody@127.0.0.1:1/nothing", *words, given="{}\n{}\n")
    assert (done.exit_code, "does not answer" in done.stderr) == (2, True), done.output
    assert inside(sqlite_file, "migrate").exit_code == 0
    with sqlite3.connect(sqlite_file.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    done = inside(sqlite_file, *words, given="{}\n{}\n")
    assert (done.exit_code, "setpoint migrate" in done.stderr) == (2, True), done.output


def inside(database: str, *words: str, given: str = "") -> Any:
    """The same in this process."""
    return CliRunner().invoke(app, words, input=given, env=settings(database))
