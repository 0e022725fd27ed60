"""The demo, once for real, and what the README shows of it."""

import os
import re
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

SECONDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> str:
    """What `make demo` prints."""
    command = [str(Path(sys.executable).parent / "setpoint"), "demo", "--folder", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder, env=dict(os.environ) | {"COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plain(text: str) -> str:
    """Without times and white space: lines are broken at the width of a terminal, also after hyphens."""
    return re.sub(r"\s+", "", re.sub(r"\d+(\.\d+)? (m?s)\b", r"N \2", text))


def test_it_tells_eight_steps(told: str) -> None:
    assert re.findall(r"^\[(\d)/8\] \S", told, re.M) == list("12345678")
    assert "FAILED" not in told


def test_the_readme_shows_what_it_prints(told: str) -> None:
    (block,) = blocks(ROOT / "README.md", "text", "demo")
    printed = plain(told)
    for line in block.text.splitlines():
        assert plain(line).removesuffix("...") in printed, line


def test_it_says_the_findings_in_words(told: str) -> None:
    printed = plain(told)
    for words in ("PHQ-9 total", "Safety flag active", "For the patient:", "CYP2C19 Poor Metabolizer", "Rests on:", "This is a proposal for review", "/docs"):
        assert plain(words) in printed, words


def test_it_leaves_a_chart(told: str, folder: Path) -> None:
    chart = folder / "run" / "trajectory.svg"
    assert xml.dom.minidom.parse(str(chart)).documentElement.tagName == "svg"


def test_no_log_holds_a_name_or_an_address(told: str, folder: Path) -> None:
    for name in ("service.log", "worker.log"):
        log = (folder / "run" / name).read_text(encoding="utf-8")
        assert not re.search(r"Mika|Sandberg|MRN-|/fhir/|Patient/", log), name
