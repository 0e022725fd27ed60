"""Columns of times and of measures: the quick way reads what the slow one reads, and a person's measures share the alarm budget."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.baseline import engine, prior
from mappings.baseline.detectors import share
from service.populations.recompute import judged_table
from service.populations.series import day_of
from service.populations.tables import coded, days

PRIORS = Path(__file__).resolve().parents[2] / "mappings/baseline/priors"
INSTANTS = st.datetimes().map(lambda moment: moment.isoformat())
TIMES = st.one_of(
    INSTANTS, INSTANTS.map(lambda text: f"{text}Z"), INSTANTS.map(lambda text: f"{text}+05:30"), INSTANTS.map(lambda text: text.replace("T", " ")),
    st.dates().map(str), st.floats(-1e6, 1e6).map(str), st.integers(-10_000, 10_000).map(str),
    st.sampled_from(["", "NA", "2026-02-30", "2026-13-01", "1_000", "nan", "inf", "12:30", "2026-01-01T25:00:00Z", " 2026-01-05 ", "20260105", "1e3"]),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(TIMES | st.none(), max_size=12))
def test_a_column_of_times_is_read_as_each_time_is(times: list[str | None]) -> None:
    found = days(pa.chunked_array([pa.array(times, pa.string())]))
    np.testing.assert_allclose(found, np.array([day_of(each) for each in times], float), rtol=1e-15)  # exact within 285 years of 1970


def test_cells_are_numbered_by_their_text() -> None:
    place, texts = coded(pa.chunked_array([pa.array(["b", None, "a"]), pa.array(["b", ""])]))
    assert [texts[at] for at in place] == ["b", "", "a", "b", ""]
    none, nothing = coded(pa.chunked_array([], pa.string()))
    assert (len(none), nothing) == (0, [])


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PRIORS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_measures_that_have_begun_share_the_budget_and_no_row_knows_later_ones() -> None:
    """Five measures beginning one after another: each row is judged with the share of those begun by then, as the online engine is."""
    names = ["phq-9", "gad-7", "isi", "wsas", "pcl-5"]
    built = {name: prior.build(read(name)) for name in names}
    pick = np.random.default_rng(3)
    rows: list[tuple[str, str, float, float]] = []
    for person in ("a", "b"):
        for at, name in enumerate(names[: 5 if person == "a" else 2]):
            rows += [(person, name, 40.0 * at + 7 * k, float(pick.integers(0, 20) if k < 25 else 20)) for k in range(40)]
    order = pick.permutation(len(rows))
    columns = list(zip(*[rows[at] for at in order], strict=True))
    table = pa.table({"patient": columns[0], "measure": columns[1], "time": pa.array(columns[2]), "value": pa.array(columns[3])})
    found = judged_table(table, built, dict.fromkeys(("written", "series", "duplicates", "not_judged", "alerts"), 0)).to_pylist()
    seen = {(row["patient"], row["measure"], row["time"]): row for row in found}
    begins = {(person, name): min(row[2] for row in rows if row[:2] == (person, name)) for person, name in {row[:2] for row in rows}}
    alerts = 0
    for (person, name), _ in begins.items():
        state = engine.start(built[name])
        for _, _, day, value in sorted(row for row in rows if row[:2] == (person, name)):
            begun = sum(begin <= day for (other, _), begin in begins.items() if other == person)
            judged, state = engine.step(built[name], state, day, value, budget=share(begun))
            row = seen[person, name, day]
            assert (row["alert"], row["n"]) == (judged.alert, judged.n)
            assert math.isclose(row["upper95"], judged.upper95, rel_tol=1e-9, abs_tol=1e-9)
            alerts += judged.alert
    assert alerts > 0


@pytest.mark.parametrize("empty", [0, 1])
def test_a_table_without_rows_or_times(empty: int) -> None:
    table = pa.table({"patient": pa.array(["p"] * empty, pa.string()), "measure": pa.array(["phq-9"] * empty, pa.string()),
                      "time": pa.array(["never"] * empty, pa.string()), "value": pa.array(["3"] * empty, pa.string())})  # fmt: skip
    told = dict.fromkeys(("written", "series", "duplicates", "not_judged", "alerts"), 0)
    assert judged_table(table, {"phq-9": prior.build(read("phq-9"))}, told).num_rows == empty
    assert told["not_judged"] == empty
