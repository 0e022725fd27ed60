"""The chart is one well-formed image, the same for the same input, with what a reader needs in it."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import mappings.baseline
from mappings.baseline.axes import Axis, day_text, day_ticks, value_ticks
from mappings.baseline.chart import Phase, Point, trajectory_svg
from mappings.baseline.engine import replay
from mappings.baseline.prior import Prior, build

FOLDER = Path(mappings.baseline.__file__).parent / "priors"
SVG = "{http://www.w3.org/2000/svg}"


def prior(measure: str) -> Prior:
    return build(json.loads((FOLDER / f"{measure}.json").read_text(encoding="utf-8")))


def drawn(measure: str, values: list[float], phases: list[Phase], title: str = "Trajectory") -> ElementTree.Element:
    found = prior(measure)
    judged, _ = replay(found, [(20_000.0 + 7 * at, value) for at, value in enumerate(values)])
    points = [Point(judgement.day, judgement.value, judgement) for judgement in judged]
    text = trajectory_svg(found, points, phases, title)
    assert text == trajectory_svg(found, points, phases, title)
    assert "nan" not in text
    assert "inf" not in text.replace("info", "")
    return ElementTree.fromstring(text)


def test_what_a_reader_needs() -> None:
    root = drawn("phq-9", [5, 6, 5, 4, 6, 5, 5, 6, 4, 5, 13], [Phase("citalopram <20 mg> & more", 19_990.0, None)], "PHQ-9 <of> someone & other")
    assert root.findtext(f"{SVG}title") == "PHQ-9 <of> someone & other"
    description = root.findtext(f"{SVG}desc") or ""
    assert "11 values" in description
    assert "Unusual for this person: 13 on" in description
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    for words in ("value", "unusual for this person", "personal 95 % range", "population range (people in psychiatric care)", "Date", "PHQ-9"):
        assert words in texts
    assert "citalopram <20 mg> & more" in texts
    assert len(root.findall(f"{SVG}circle")) == 10
    assert len(root.findall(f"{SVG}polygon")) == 1


def test_a_lasting_change_is_ringed_where_single_values_are_not_unusual() -> None:
    root = drawn("sleep-minutes", [420.0] * 20 + [345.0] * 8, [])
    assert [ring for ring in root.findall(f"{SVG}circle") if ring.get("class") == "lasting"]


def test_none_one_and_many() -> None:
    assert "No values yet" in [element.text for element in drawn("tsh", [], []).iter(f"{SVG}text")]
    assert len(drawn("tsh", [1.8], []).findall(f"{SVG}circle")) == 1
    drawn("sleep-minutes", [400.0 + 10 * (at % 5) for at in range(200)], [Phase("x", 20_010.0, 20_011.0)])


def test_overlapping_phases_stand_in_rows_of_their_own() -> None:
    root = drawn("phq-9", [5, 6, 5, 4], [Phase("a", 20_000.0, 20_015.0), Phase("b", 20_005.0, None), Phase("c", 20_016.0, None)])
    rows = {text.text: text.get("y") for text in root.iter(f"{SVG}text") if text.text in ("a", "b", "c")}
    assert rows["a"] != rows["b"]
    assert rows.get("c", rows["a"]) == rows["a"]


def test_ticks_are_round_and_inside() -> None:
    for low, high in ((0.0, 27.0), (0.31, 1.64), (272.4, 573.1), (-3.0, 1e-3), (1e-6, 9e-6)):
        axis = Axis(low, high, 300.0, 0.0)
        ticks = value_ticks(axis)
        assert 3 <= len(ticks) <= 8
        for value, text in ticks:
            assert low - 1e-9 <= value <= high + 1e-9
            assert math.isclose(float(text), value, rel_tol=1e-6, abs_tol=(high - low) * 1e-6)
    assert len(day_ticks(Axis(0.0, 40_000.0, 0.0, 900.0))) <= 9


def test_days_are_dates_where_there_is_a_calendar() -> None:
    assert day_text(20_458.0) == "5 Jan 2026"  # 2026-01-05 is day 20458 since 1970-01-01
    assert day_text(-1.0) == "31 Dec 1969"
    assert day_text(9e9) == "day 9000000000"
