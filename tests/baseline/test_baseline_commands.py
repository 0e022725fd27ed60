"""`setpoint baseline recompute`, `explain`, `fit` as a script would use them. Expected: the online engine, and simulated people whose truth is known."""

import csv
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mappings.baseline import engine
from mappings.baseline.prior import build
from service.cli import app
from service.populations import recompute as populations

ROOT = Path(__file__).resolve().parents[2]
PHQ9, WEIGHT = (ROOT / f"mappings/baseline/priors/{name}.json" for name in ("phq-9", "body-weight"))
COLUMNS = [
    "patient", "measure", "time", "value", "n", "lower95", "upper95", "lower99", "upper99", "z", "p", "set_point", "p_gross_error", "p_real_change", "alert",
]  # fmt: skip
Row = dict[str, str]


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, ["baseline", *map(str, words)])


def recomputed(
    folder: Path, lines: list[str], *more: Any, name: str = "in.csv", out: str = "out.csv", priors: tuple[Path, ...] = (PHQ9,)
) -> tuple[list[Row], Any]:
    source = folder / name
    if lines:
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run("recompute", source, *(word for each in priors for word in ("--priors", each)), "--out", folder / out, "--json", *more)
    assert done.exit_code == 0, done.output
    with (folder / out).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows)) if out.endswith(".csv") else [], json.loads(done.stdout)


def table(rows: list[tuple[str, str, str, str]]) -> list[str]:
    return ["patient,measure,time,value", *(",".join(row) for row in rows)]


def some(people: int, seed: int = 1) -> list[tuple[str, str, str, str]]:
    pick = random.Random(seed)
    return [(f"p{who}", "phq-9", (datetime(2025, 1, 1) + timedelta(days=7 * visit + pick.random())).isoformat(), str(pick.randint(0, 27)))
            for who in range(people) for visit in range(pick.randint(1, 9))]  # fmt: skip


def test_every_row_equals_the_online_engine(tmp_path: Path) -> None:
    rows = some(30)
    found, report = recomputed(tmp_path, table(rows))
    assert list(found[0]) == COLUMNS
    assert (report["rows"], report["written"], len(found)) == (len(rows),) * 3
    prior = build(json.loads(PHQ9.read_text(encoding="utf-8")))
    by_key = {(row["patient"], row["time"]): row for row in found}
    for who in {row[0] for row in rows}:
        state = engine.start(prior)
        for _, _, time, value in sorted(row for row in rows if row[0] == who):
            day = (datetime.fromisoformat(time) - datetime(1970, 1, 1)).total_seconds() / 86400
            judged, state = engine.step(prior, state, day, float(value))
            row = by_key[who, time]
            assert (row["value"], int(row["n"]), row["alert"]) == (value, judged.n, "true" if judged.alert else "false")
            for name in COLUMNS[5:14]:
                assert float(row[name]) == pytest.approx(getattr(judged, name), rel=1e-9, abs=1e-9), name


def test_order_of_rows_and_other_people_change_nothing(tmp_path: Path) -> None:
    rows = some(12)
    found, _ = recomputed(tmp_path, table(rows))
    shuffled = rows.copy()
    random.Random(3).shuffle(shuffled)
    again, _ = recomputed(tmp_path, table(shuffled), name="shuffled.csv", out="again.csv")
    alone, _ = recomputed(tmp_path, table([row for row in rows if row[0] == "p3"]), name="alone.csv", out="alone-out.csv")

    def keyed(each: list[Row]) -> dict[tuple[str, str], Row]:
        return {(row["patient"], row["time"]): row for row in each}

    assert set(keyed(again)) == set(keyed(found))
    for other in (again, alone):
        for key, row in keyed(other).items():
            for name in COLUMNS[4:14]:
                assert float(row[name]) == pytest.approx(float(keyed(found)[key][name]), rel=1e-9, abs=1e-12)


def test_bad_values_have_defined_answers(tmp_path: Path) -> None:
    """NA is a patient and no value; what cannot be judged keeps its limits and is counted; of equal times the last one stands."""
    found, report = recomputed(tmp_path, table([
        ("NA", "phq-9", "2026-01-12", "14"), ("NA", "phq-9", "2026-01-05", "12.0"), ("b", "phq-9", "10", "3"), ("b", "phq-9", "-2.5", "4"),
        ("b", "phq-9", "10.0", "5"), ("c", "phq-9", "2026-01-12T10:00:00+01:00", "NaN"), ("c", "phq-9", "2026-01-13T10:00:00Z", "99"),
        ("c", "phq-9", "2026-01-14T10:00:00Z", "NA"), ("c", "phq-9", "2026-01-15", "7"), ("d", "phq-9", "notime", "9"),
    ]))  # fmt: skip
    assert (report["rows"], report["written"], report["duplicates"], report["not_judged"]) == (10, 9, 1, 4)
    by_key = {(row["patient"], row["time"]): row for row in found}
    assert by_key["NA", "2026-01-05"]["value"] == "12.0"
    assert (by_key["NA", "2026-01-12"]["n"], by_key["b", "10.0"]["value"], by_key["b", "10.0"]["n"]) == ("1", "5", "1")
    refused = by_key["c", "2026-01-13T10:00:00Z"]
    assert (refused["z"], refused["alert"], refused["n"], float(refused["upper95"]) > 0) == ("", "false", "0", True)
    assert by_key["c", "2026-01-15"]["n"] == "0", "nothing was taken in before"
    lost = by_key["d", "notime"]
    assert (lost["n"], lost["z"], lost["upper99"]) == ("0", "", by_key["b", "-2.5"]["upper99"]), "nothing is known to be earlier"


def test_ten_thousand_values_on_a_day_and_forty_years_apart(tmp_path: Path) -> None:
    rows = [("a", "phq-9", f"2026-01-01T00:00:{second:09.6f}", str(second and 5)) for second in np.linspace(0, 59.9, 2000)]
    rows += [("b", "phq-9", "1980-01-01", "3"), ("b", "phq-9", "2020-01-01", "4"), ("c", "phq-9", "2999-01-01", "4")]
    found, _ = recomputed(tmp_path, table(rows))
    assert all(row["z"] not in ("", "nan", "inf") for row in found)
    assert next(row for row in found if row["time"] == "2020-01-01")["n"] == "1"


def test_several_measures_and_one_without_a_prior(tmp_path: Path) -> None:
    rows = [("a", "phq-9", "1", "5"), ("a", "body-weight", "1", "80.5"), ("a", "body-weight", "9", "81")]
    found, _ = recomputed(tmp_path, table(rows), priors=(PHQ9, WEIGHT))
    assert {(row["measure"], row["n"]) for row in found} == {("phq-9", "0"), ("body-weight", "0"), ("body-weight", "1")}
    source = tmp_path / "in.csv"
    done = run("recompute", source, "--priors", PHQ9, "--out", tmp_path / "none.csv")
    assert (done.exit_code, "body-weight" in done.stderr) == (1, True)
    assert not (tmp_path / "none.csv").exists()
    both = run("recompute", source, "--priors", PHQ9, WEIGHT, "--out", tmp_path / "both.csv")
    assert both.exit_code == 0, "priors may follow one another"


def test_every_kind_of_input_and_output_says_the_same(tmp_path: Path) -> None:
    rows = some(8)
    found, _ = recomputed(tmp_path, table(rows))
    columns = dict(zip(("patient", "measure", "time", "value"), zip(*rows, strict=True), strict=True))
    instants = pa.array([datetime.fromisoformat(time) for time in columns["time"]], pa.timestamp("us"))
    typed = pa.table({"patient": columns["patient"], "measure": columns["measure"], "time": instants, "value": list(map(float, columns["value"]))})
    pq.write_table(typed, tmp_path / "in.parquet")
    lines = [json.dumps({"patient": row[0], "measure": row[1], "time": row[2], "value": int(row[3])}) for row in rows]
    observations = [json.dumps({
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
        "subject": {"reference": row[0]}, "effectiveDateTime": row[2] + "Z", "valueInteger": int(row[3])}) for row in rows]  # fmt: skip
    by_patient = sorted((row["patient"], round(float(row["upper95"]), 9)) for row in found)
    recomputed(tmp_path, [], name="in.parquet", out="p.parquet")
    made = pq.read_table(tmp_path / "p.parquet")
    assert made.column_names == COLUMNS
    assert sorted(zip(made["patient"].to_pylist(), [round(each, 9) for each in made["upper95"].to_pylist()], strict=True)) == by_patient
    for name, text in (("rows.ndjson", lines), ("observations.ndjson", observations)):
        recomputed(tmp_path, text, name=name, out="n.ndjson")
        told = [json.loads(line) for line in (tmp_path / "n.ndjson").read_text(encoding="utf-8").splitlines()]
        assert list(told[0]) == COLUMNS
        assert sorted((row["patient"], round(row["upper95"], 9)) for row in told) == by_patient
        assert all(isinstance(row["value"], int) and isinstance(row["alert"], bool) for row in told)


def test_a_value_keeps_its_writing(tmp_path: Path) -> None:
    lines = ['{"patient": "a", "measure": "phq-9", "time": 1, "value": 5.50}']
    recomputed(tmp_path, lines, name="in.ndjson", out="out.ndjson")
    assert '"value": 5.50,' in (tmp_path / "out.ndjson").read_text(encoding="utf-8")
    found, _ = recomputed(tmp_path, ["patient,measure,time,value", '"Doe, ""Jo""",phq-9,1,007'])
    assert (found[0]["patient"], found[0]["value"]) == ('Doe, "Jo"', "007")


@pytest.mark.parametrize("text", ["patient,measure,time,value", "patient,measure,time,value\n", "\ufeffvalue,time,measure,patient\r\n\r\n"])
@pytest.mark.parametrize("out", ["out.csv", "out.ndjson", "out.parquet"])
def test_a_table_without_rows(tmp_path: Path, text: str, out: str) -> None:
    (tmp_path / "in.csv").write_text(text, encoding="utf-8", newline="")
    found, report = recomputed(tmp_path, [], out=out)
    assert (found, report["rows"], report["written"]) == ([], 0, 0)


def test_a_table_of_typed_columns(tmp_path: Path) -> None:
    """Nanoseconds, decimals, codes for text, text of every kind, whole numbers as patients: judged, and given back as they came."""
    nanoseconds = pa.array([1767607200123456789, 1767693600000000001], pa.timestamp("ns"))
    texts = pa.array(["1.50", "2"])
    who = pa.array(["a", "a"])
    for patient in (pa.array([7, 7]), who.dictionary_encode(), who.cast(pa.large_string()), who.cast(pa.string_view())):
        for value in (pa.array([1.5, float("nan")]), texts, texts.dictionary_encode(), texts.cast(pa.string_view()),
                      texts.cast(pa.decimal128(5, 2)), pa.nulls(2)):  # fmt: skip
            measure = pa.array(["phq-9", "phq-9"]).dictionary_encode()
            pq.write_table(pa.table({"patient": patient, "measure": measure, "time": nanoseconds, "value": value}), tmp_path / "in.parquet")
            recomputed(tmp_path, [], name="in.parquet", out="out.ndjson")
            rows = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "out.ndjson").read_text(encoding="utf-8").splitlines()]
            assert [row["patient"] for row in rows] == (["a", "a"] if patient.type != pa.int64() else [7, 7])
            assert rows[0]["value"] == (None if value.type == pa.null() else 1.5)
            assert (rows[0]["time"][:26], rows[0]["n"]) == ("2026-01-05T10:00:00.123456", 0)


def test_numbers_of_json_stay_numbers_and_no_number_is_none(tmp_path: Path) -> None:
    lines = ['{"patient": "a", "measure": "phq-9", "time": -1.50, "value": NaN}', '{"patient": "a", "measure": "phq-9", "time": "2026-01-05", "value": null}']
    recomputed(tmp_path, lines, name="in.ndjson", out="out.ndjson")
    rows = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "out.ndjson").read_text(encoding="utf-8").splitlines()]
    assert [(row["time"], row["value"]) for row in rows] == [(-1.5, "NaN"), ("2026-01-05", None)]


def weighed(value: Any = 80.5, unit: str = "kg", time: Any = "2026-01-05", **more: Any) -> str:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    resource = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"reference": "Patient/a"}, "effectiveDateTime": time, "valueQuantity": quantity} | more  # fmt: skip
    return json.dumps({name: each for name, each in resource.items() if each is not None})


@pytest.mark.parametrize("stated", [True, False])
def test_observations_keep_their_writing_and_refused_ones_their_row(tmp_path: Path, stated: bool) -> None:
    """Also with a prior written by hand that states neither codes nor units."""
    lines = [
        weighed(80.5).replace("80.5", "80.50"), weighed(100, "[lb_av]", "2026-02"), weighed(12, "mmol/L", "2026-03-01"), weighed(81, time="2025"),
        weighed(valueQuantity=None, dataAbsentReason={"text": "not asked"}, time="2026-03-02"), weighed(time=None, effectivePeriod={"end": "2026-04-01"}),
        weighed(status="preliminary"), weighed(subject=None), weighed(code="x"), weighed(code={"text": "y"}),
    ]  # fmt: skip
    data = json.loads(WEIGHT.read_text(encoding="utf-8"))
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(data if stated else {name: data[name] for name in ("measure", "transform", "theta")}), encoding="utf-8")
    found, report = recomputed(tmp_path, lines, name="in.ndjson", priors=(mine,))
    assert [(row["time"], row["value"], row["n"], bool(row["z"])) for row in found] == [
        ("2025-01-01", "81", "0", True), ("2026-01-05", "80.50", "1", True), ("2026-02", "45.359237", "2", True),
        ("2026-03-01", "12 mmol/L (refused)", "3", False), ("2026-03-02", "", "3", False), ("2026-04-01", "80.5", "3", True),
    ]  # fmt: skip
    assert report["observations left out"] == 4


def test_the_order_of_words_does_not_matter_and_the_input_is_never_replaced(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("patient,measure,time,value\na,phq-9,1,5\na,body-weight,1,80\n", encoding="utf-8")
    assert run("recompute", "--out", tmp_path / "out.csv", "--priors", PHQ9, WEIGHT, source).exit_code == 0
    done = run("recompute", source, "--priors", PHQ9, WEIGHT, "--out", source)
    assert (done.exit_code, "replace the input" in done.stderr, source.read_text(encoding="utf-8").count("\n")) == (1, True, 3)


def test_parquet_is_dealt_out_by_its_rows(tmp_path: Path) -> None:
    """It is packed: its size says little of the memory that its rows need."""
    packed = pa.table({name: pa.array(["phq-9"] * 50_000) for name in ("patient", "measure", "time", "value")})
    pq.write_table(packed, tmp_path / "in.parquet")
    assert (tmp_path / "in.parquet").stat().st_size < 50_000
    assert populations._size(tmp_path / "in.parquet") == 50_000 * populations._ROW_BYTES
    (tmp_path / "in.csv").write_text("abc", encoding="utf-8")
    assert populations._size(tmp_path / "in.csv") == 3


def test_a_run_that_was_cut_off_goes_on_and_leaves_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(populations, "_ALONE_BYTES", 1)
    monkeypatch.setattr(populations, "_BUCKET_BYTES", 4000)
    data = {"phq-9": json.loads(PHQ9.read_text(encoding="utf-8"))}
    source = tmp_path / "in.csv"
    source.write_text("\n".join(table(some(200))) + "\n", encoding="utf-8")
    populations.recompute(source, data, tmp_path / "whole.csv", lambda _: None, processes=1)
    judged: list[Path] = []
    real = populations._judged

    def cut(priors: Any, part: Path, suffix: str) -> None:
        if len(judged) == 3:
            raise KeyboardInterrupt
        judged.append(part)
        real(priors, part, suffix)

    monkeypatch.setattr(populations, "_judged", cut)
    with pytest.raises(KeyboardInterrupt):
        populations.recompute(source, data, tmp_path / "cut.csv", lambda _: None, processes=1)
    assert not (tmp_path / "cut.csv").exists()
    done: list[Path] = []
    monkeypatch.setattr(populations, "_judged", lambda priors, part, suffix: (done.append(part), real(priors, part, suffix)))
    populations.recompute(source, data, tmp_path / "cut.csv", lambda _: None, processes=1)
    assert not {part.name for part in done} & {part.name for part in judged}
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.parametrize(("name", "text", "words"), [
    ("in.csv", "patient,time\n1,2\n", "columns are missing: measure, value"), ("in.txt", "", ".csv"), ("in.ndjson", "{", "line 1"),
    ("in.parquet", "x", "Parquet"), ("in.csv", "", "columns are missing"), ("in.csv", "patient,measure,time,value,value\n", "twice: value"),
    ("in.csv", "patient,measure,time,value\na,phq-9,1\n", "cannot be read"), ("in.csv", "patient,measure,time,value\n\udce9,phq-9,1,2\n", "UTF-8"),
    ("in.ndjson", '{"patient": "\udce9", "measure": "phq-9", "time": 1, "value": 2}', "UTF-8"),
    ("in.ndjson", '{"patient": "\\ud800", "measure": "phq-9", "time": 1, "value": 2}', "UTF-8"),
    ("in.ndjson", '{"patient": ["a"], "measure": "phq-9", "time": 1, "value": 2}', "line 1"), ("in.ndjson", '{"resourceType": "Patient"}', "no Observation"),
])  # fmt: skip
def test_what_is_no_table(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    done = run("recompute", tmp_path / name, "--priors", PHQ9, "--out", tmp_path / "out.csv")
    assert (done.exit_code, words in done.stderr) == (1, True)
    assert not (tmp_path / "out.csv").exists()


def test_explain() -> None:
    done = run("explain", "--priors", PHQ9, "--values", "2026-01-12=14,2026-01-05=12", "--json")
    rows = json.loads(done.stdout)["values"]
    assert [(row["time"], row["value"], row["n"]) for row in rows] == [("2026-01-05", 12, 0), ("2026-01-12", 14, 1)]
    assert list(rows[0]) == COLUMNS
    assert run("explain", "--priors", PHQ9, "--values", "2026-01-12").exit_code == 2
    assert "2026-01-05" in run("explain", "--priors", PHQ9, "--values", "2026-01-05=12").stdout


def test_a_hand_written_prior_is_as_good(tmp_path: Path) -> None:
    theta = {"mu0": 10, "tau_b2": 9, "sigma0": 2, "s_logsigma": 0, "rho": 0, "L_days": 30, "pi_out": 0}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"measure": "mine", "transform": "identity", "theta": theta}), encoding="utf-8")
    row = json.loads(run("explain", "--priors", path, "--values", "0=10", "--json").stdout)["values"][0]
    assert row["upper95"] - 10 == pytest.approx(1.959964 * 13**0.5, rel=1e-6), "at n = 0 the population's: 9 + 4"
    path.write_text(json.dumps({"measure": "mine", "transform": "cube", "theta": theta}), encoding="utf-8")
    broken = run("explain", "--priors", path, "--values", "0=10")
    assert (broken.exit_code, "mine.json:1" in broken.stderr) == (1, True)


def simulated(people: int, seed: int) -> list[tuple[str, str, str, str]]:
    """The model of baseline.md: mean 70, between people 12, within 1.5 (spread 0.4 of its logarithm), half of it lasting for 60 days."""
    pick = np.random.default_rng(seed)
    rows = []
    for who in range(people):
        level, sigma, day = pick.normal(70, 12), 1.5 * np.exp(0.4 * pick.normal()), 0.0
        state = pick.normal() * sigma * 0.5**0.5
        for _ in range(pick.integers(3, 14)):
            gap = pick.exponential(30)
            day += gap
            keep = np.exp(-gap / 60)
            state = keep * state + pick.normal() * sigma * (0.5 * (1 - keep**2)) ** 0.5
            rows.append((f"p{who}", "sim", f"{day:.2f}", f"{level + state + pick.normal() * sigma * 0.5**0.5:.1f}"))
    return rows


def test_fit_finds_the_truth_and_new_people_are_covered(tmp_path: Path) -> None:
    """Parameters near those of the simulation, and 95 % limits that hold about 95 % of the values of people it never saw."""
    source, out = tmp_path / "sim.csv", tmp_path / "sim.json"
    source.write_text("\n".join(table(simulated(160, 1))) + "\n", encoding="utf-8")
    done = run("fit", source, "--measure", "sim", "--transform", "identity", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(out.read_text(encoding="utf-8"))
    theta = data["theta"]
    assert theta["mu0"] == pytest.approx(70, abs=3)
    assert theta["tau_b2"] ** 0.5 == pytest.approx(12, rel=0.2)
    assert theta["sigma0"] == pytest.approx(1.5, rel=0.25)
    assert (data["resolution"], set(data["levels"]) == {"0.005", "0.025", "0.975", "0.995"}) == (0.1, True)
    report = (tmp_path / "sim.html").read_text(encoding="utf-8")
    assert (report.count("<svg"), "PIT histogram" in report, "Coverage by the number" in report, report.count("How to read it")) == (2, True, True, 2)
    found, _ = recomputed(tmp_path, table(simulated(300, 2)), name="new.csv", priors=(out,))
    inside = [float(row["lower95"]) <= float(row["value"]) <= float(row["upper95"]) for row in found if int(row["n"]) > 0]
    assert sum(inside) / len(inside) == pytest.approx(0.95, abs=0.02)


def test_auto_chooses_by_likelihood(tmp_path: Path) -> None:
    """Log-normal values are judged on the log scale."""
    pick = np.random.default_rng(4)
    rows = []
    for who in range(60):
        level = pick.normal(1, 0.8)
        rows += [(f"p{who}", "sim", str(7 * visit), f"{np.exp(level + 0.3 * pick.normal()):.3f}") for visit in range(6)]
    source, out = tmp_path / "sim.csv", tmp_path / "sim.json"
    source.write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    done = run("fit", source, "--measure", "sim", "--out", out, "--json")
    assert json.loads(out.read_text(encoding="utf-8"))["transform"] == "log"
    assert set(json.loads(done.stdout)["tried"]) == {"identity", "log", "sqrt"}


@pytest.mark.parametrize(("words", "said"), [
    (("--measure", "none"), "no value of"), (("--measure", "phq-9"), "at least 5 people"), (("--measure", "phq-9", "--transform", "cube"), "transform"),
])  # fmt: skip
def test_what_cannot_be_learned(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    source = tmp_path / "few.csv"
    source.write_text("\n".join(table(some(2) if "--transform" not in words else some(20))) + "\n", encoding="utf-8")
    done = run("fit", source, *words, "--out", tmp_path / "p.json")
    assert (done.exit_code, said in done.stderr) == (1, True)
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize(("rows", "said"), [
    ([(f"p{who}", str(visit), "5") for who in range(9) for visit in range(9)], "nobody's values vary"),
    ([(f"p{who}", str(visit), str(who)) for who in range(9) for visit in range(9)], "nobody's values vary"),
    ([(f"p{who}", "1", str(who)) for who in range(40)], "two or more values"), ([("p", "never", "NaN")], "no value of sim is a number with a time"),
])  # fmt: skip
def test_data_from_which_no_range_can_be_learned(tmp_path: Path, rows: list[tuple[str, str, str]], said: str) -> None:
    source = tmp_path / "few.csv"
    source.write_text("\n".join(table([(who, "sim", time, value) for who, time, value in rows])) + "\n", encoding="utf-8")
    done = run("fit", source, "--measure", "sim", "--out", tmp_path / "p.json")
    assert (done.exit_code, said in done.stderr, done.stderr.count("Traceback")) == (1, True, 0)


@pytest.mark.parametrize("name", ["logit", "logit:0", "logit:a:b", "logit:5:1", "logit:0:1:2"])
def test_a_transform_that_is_none_is_named_as_such(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text("\n".join(table(some(20))) + "\n", encoding="utf-8")
    done = run("fit", source, "--measure", "phq-9", "--transform", name, "--out", tmp_path / "p.json")
    assert (done.exit_code, "logit:MIN:MAX with MIN < MAX" in done.stderr) == (1, True)


def test_the_highest_of_a_few_whole_values_is_no_end_of_a_scale() -> None:
    from mappings.baseline.learning import Series
    from service.populations.fitting import _candidates

    def candidates(values: list[float]) -> list[str]:
        value = np.array(values, float)
        return _candidates(Series(np.array([0]), np.array([len(value)]), np.arange(len(value), dtype=float), value), None)

    assert candidates([*range(60, 100)]) == ["identity", "log", "sqrt"]
    pick = np.random.default_rng(1).normal(60, 2, 400)
    assert candidates([float(round(each)) for each in pick]) == ["identity", "log", "sqrt"]
    assert candidates([min(30.0, float(round(each))) for each in np.random.default_rng(1).normal(27, 4, 400)])[-1] == "logit:0:30"
