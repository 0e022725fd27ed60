"""`setpoint scales` as a script would use it. Expected values: the published scoring of each scale and facts/baseline-priors.json."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app

RUN = CliRunner()


def told(*words: str) -> Any:
    done = RUN.invoke(app, ["scales", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*words: str) -> str:
    done = RUN.invoke(app, ["scales", *words])
    assert done.exit_code == 2
    return done.stderr


def test_list_names_every_scale_with_licence_and_source() -> None:
    rows = told("list")
    assert len(rows) == 54
    assert {"id", "licence", "wording", "source", "loinc"} <= set(rows[0])
    assert next(row for row in rows if row["id"] == "phq-9") | {"licence": "free", "loinc": "44249-1"} == next(row for row in rows if row["id"] == "phq-9")
    assert all(row["source"] for row in rows)
    assert "phq-9" in RUN.invoke(app, ["scales"]).stdout, "without a command, the list"


def test_show() -> None:
    found = told("show", "gad-7")
    assert [item["code"] for item in found["items"]][:2] == ["69725-0", "68509-9"]
    assert found["scores"][0]["bands"][0] == {"low": 0, "high": 4, "text": "minimal"}
    assert "GAD-7" in RUN.invoke(app, ["scales", "show", "gad-7"]).stdout


def test_score_by_order_and_by_code() -> None:
    by_order = told("score", "phq-9", "--answers", "1,2,1,3,1,1,1,0,1")
    codes = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"]
    answers = ["LA6569-3", "LA6570-1", "LA6569-3", "LA6571-9", "LA6569-3", "LA6569-3", "LA6569-3", "LA6568-5", "LA6569-3"]
    by_code = told("score", "phq-9", "--items", json.dumps(dict(zip(codes, answers, strict=True))))
    assert by_order == by_code
    assert (by_order["scores"]["phq-9"], by_order["band"], by_order["missing"], by_order["notes"]) == (11, "moderate", [], [])
    assert [(hit["code"], hit["level"]) for hit in by_order["safety"]] == [("phq-9.suicidal-ideation", "high")]


def test_missing_answers_are_said() -> None:
    """The PHQ manual prorates up to two missing items: 10 of 8 items gives 11.25, rounded to 11."""
    found = told("score", "phq-9", "--answers", "1,2,-,3,1,1,1,0,1")
    assert (found["scores"]["phq-9"], found["missing"]) == (11, ["3"])
    assert "prorated" in found["notes"][0]
    assert told("score", "phq-9", "--answers", "1,2,-,3")["scores"]["phq-9"] is None


def test_other_answers() -> None:
    """PROMIS depression 4a: raw 12 is T 62.2 (the published table); C-SSRS has a level; a cut-off stands where there is no band."""
    promis = told("score", "promis-dep-4a", "--answers", "3,3,3,3")
    assert (promis["scores"]["promis-dep-4a"], promis["scores"]["promis-dep-4a.raw"]) == (62.2, 12)
    assert told("score", "who-5", "--answers", "5,5,5,5,5")["scores"]["who-5"] == 100
    assert told("score", "gad-2", "--answers", "2,1")["band"]
    assert told("score", "phq-9", "--items", '{"1": 3, "44255-8": true, "zzz": 1}')["notes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "nope", "--answers", "1"], "no such scale"),
        (["score", "phq-9"], "--answers or with --items"),
        (["score", "gad-2", "--answers", "1,2,3"], "2 items"),
        (["score", "gad-2", "--answers", "1,x"], "answer 2"),
        (["score", "gad-2", "--items", "[1]"], "JSON object"),
        (["change", "phq-9", "--from", "30", "--to", "3"], "outside the range"),
        (["change", "phq-9", "--from", "20", "--to", "3", "--reliability", "0.8"], "belong together"),
        (["change", "phq-9", "--from", "20", "--to", "3", "--with", "gad-7:1"], "two scores"),
        (["expected", "isi", "--weeks", "2"], "phq-9"),
        (["expected", "phq-9", "--weeks", "two"], "numbers"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(words: list[str], said: str) -> None:
    assert said in refused(*words)


def test_change_with_the_sample_of_the_worked_example() -> None:
    """facts/baseline-priors.json, rci_worked_example: SEM 3.6395, S_diff 5.1471, cut-off a 19.16, cut-off c 21.02 is of its functional group."""
    row = told("change", "madrs", "--from", "30", "--to", "19", "--reliability", "0.801", "--sd", "8.1586", "--mean", "35.475")[0]
    assert (row["method"], row["verdict"]) == ("jacobson-truax", "recovered")
    assert row["statistic"] == pytest.approx(-11 / 5.1471, abs=1e-4)
    assert row["figures"]["sem"] == pytest.approx(3.6395, abs=5e-5)
    assert row["figures"]["s_diff"] == pytest.approx(5.1471, abs=1e-4)
    assert row["figures"]["cutoff_a"] == pytest.approx(19.16, abs=5e-3)


def test_change_names_method_statistic_threshold_and_reference() -> None:
    rows = told("change", "phq-9", "--from", "18", "--to", "8", "--with", "gad-7:12:7")
    found = {row["method"]: row["verdict"] for row in rows}
    assert found == {
        "mcid": "met", "reliable-change": "improved", "response": "met", "remission": "not met", "nhs-tt-recovery": "met",
        "nhs-tt-reliable-improvement": "met", "nhs-tt-reliable-recovery": "met", "nhs-tt-reliable-deterioration": "not met",
    }  # fmt: skip
    assert all(row["reference"] and row["statistic"] is not None and row["threshold"] is not None for row in rows)
    assert [row["statistic"] for row in rows if row["method"] == "response"] == [pytest.approx(1000 / 18)]


def test_expected() -> None:
    rows = told("expected", "phq-9", "--weeks", "0,2,12")
    assert [(row["week"], row["mean"], row["sd"]) for row in rows] == [(0, 12.9, None), (2, 10.28, None), (12, None, None)]
