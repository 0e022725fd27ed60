"""Staging by the Maudsley method as its table prints it (Fekadu 2018, PMC5896127 table 3), and what counts alone do not decide."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app


def staged(*words: str) -> Any:
    done = CliRunner().invoke(app, ["medicines", "stage", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("months", "severity", "failed", "more", "score", "band"),
    [
        (12, "subsyndromal", 1, (), 3, "mild"),
        (13, "subsyndromal", 2, (), 4, "mild"),
        (18, "moderate", 3, (), 7, "moderate"),
        (24, "mild", 4, ("--augmentation",), 7, "moderate"),
        (25, "severe without psychosis", 5, (), 10, "moderate"),
        (25, "Severe", 6, ("--ect",), 11, "severe"),
        (60, "severe with psychosis", 11, ("--augmentation", "--ect"), 15, "severe"),
        (60, "severe with psychosis", 10, ("--augmentation", "--ect", "--psychotherapy"), 14, "severe"),
    ],
)
def test_maudsley(months: int, severity: str, failed: int, more: tuple[str, ...], score: int, band: str) -> None:
    found = staged("--months", str(months), "--severity", severity, "--failed", str(failed), *more)
    assert (found["score"], found["band"], found["maudsley"]["range"]) == (score, band, [3, 15])
    assert sum(found["maudsley"]["items"].values()) == score


def test_other_methods_say_what_they_cannot_know() -> None:
    found = staged("--months", "18", "--severity", "moderate", "--failed", "3", "--augmentation", "--ect")
    assert found["mgh-s"]["score"] == 6.5, "3 trials, half a point for the augmentation, 3 for ECT"
    assert (found["thase-rush"]["stage"], found["thase-rush"]["at_least"]) == ("I", True)
    assert found["athf-sf"]["adequate_trials"] == 3
    assert all(found[name]["source"] for name in ("maudsley", "mgh-s", "thase-rush", "athf-sf"))
    assert staged("--months", "18", "--severity", "moderate", "--failed", "0")["score"] is None


@pytest.mark.parametrize("words", [("--severity", "bad", "--failed", "1"), ("--severity", "mild", "--failed", "-1")])
def test_bad_questions(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["medicines", "stage", "--months", "3", *words])
    assert done.exit_code == 2
    assert "moderate" in done.stderr or "negative" in done.stderr
