"""Change in words on the Observation of a total. Thresholds: Loewe 2004 (PHQ-9: MCID 5, standard error 2.5), response and remission as published."""

from typing import Any

from mappings.scales.course import Earlier, course
from mappings.vocabulary import INTERPRETATION
from tests.scales import scale_files as files

FIRST, PREVIOUS = Earlier("the first answer", 18, "2026-09-01"), Earlier("the previous answer", 12, "2026-10-01")


def told(name: str, value: Any, *since: Earlier) -> Any:
    return course(files.library()[name], value, since)


def test_every_method_with_inputs_threshold_and_reference() -> None:
    note = told("phq-9", 8, FIRST).note[0]["text"]
    for words in ("2026-09-01: -10 (18 to 8)", "reliable-change: improved (10 points, threshold 6.9; LOWE04", "mcid: met (10 points, threshold 5; LOWE04",
                  "response: met (55.6 %, threshold 50", "remission: not met (8 points, threshold 4; CMS159"):  # fmt: skip
        assert words in note


def test_better_and_worse_in_the_standard_codes() -> None:
    assert [each["coding"][0]["code"] for each in told("phq-9", 8, FIRST, PREVIOUS).interpretation] == ["B"], "12 to 8 is not reliable"
    assert told("phq-9", 25, FIRST).interpretation[0]["coding"][0] == {"system": INTERPRETATION, "code": "W", "display": "Worse"}
    assert told("phq-9", 17, FIRST).interpretation == []


def test_higher_is_better_where_it_is() -> None:
    assert "+40 (20 to 60). mcid: met (40 points" in told("who-5", 60, Earlier("the first answer", 20, "2026-09-01")).note[0]["text"]


def test_no_index_where_none_is_published() -> None:
    assert "No index of change is published" in told("sapas", 3, Earlier("the first answer", 5, "2026-09-01")).note[0]["text"]
