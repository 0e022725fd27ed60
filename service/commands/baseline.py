"""`setpoint baseline recompute`, `explain`, `fit`: baselines of populations and single series from files. No database is needed."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import jsonschema_rs
import typer

from mappings.baseline import engine, prior
from mappings.knowledge import KnowledgeError, line_of
from mappings.vocabulary import SYSTEMS
from service.commands.console import AsJson, fail, read_settings, show, show_one

app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("n", "lower95", "upper95", "lower99", "upper99", "z", "p", "set_point", "p_gross_error", "p_real_change", "alert")


@app.callback()
def baseline() -> None:
    """The person's own baseline: judge a table or a series, learn a prior from data."""


@app.command()
def recompute(
    files: Annotated[list[Path], typer.Argument(metavar="INPUT", help=".csv, .parquet or .ndjson with patient, measure, time, value; or Observations")],
    priors: Annotated[list[Path], typer.Option("--priors", metavar="PRIOR.json...", help="a prior for each measure; may be given several times")],
    out: Annotated[Path, typer.Option("--out", help="where to write: .csv, .parquet or .ndjson")],
    engine_: Annotated[str, typer.Option("--engine", help="local, or spark")] = "local",
    as_json: AsJson = False,
) -> None:
    """Judge every row by the earlier values of the same person only: one row for every input row."""
    source = next((each for each in files if each.suffix.lower() != ".json"), files[0])
    given = _coded(_priors([*priors, *(each for each in files if each is not source)]), source)
    populations = _populations()
    say = _progress()
    try:
        if engine_ == "spark":
            from service.populations import spark

            report = spark.recompute(source, given, out, say)
        elif engine_ == "local":
            report = populations.recompute(source, given, out, say)
        else:
            fail("--engine is local or spark", 2)
    except populations.BadTable as problem:
        fail(f"{source.name}: {problem}")
    told = {
        "rows": report.rows, "written": report.written, "series": report.series, "duplicates": report.duplicates, "not_judged": report.not_judged,
        "alerts": report.alerts, **report.more, "seconds": round(report.seconds, 1), "out": str(out),
    }  # fmt: skip
    show_one(told, as_json)


@app.command()
def explain(
    priors: Annotated[Path, typer.Option("--priors", metavar="PRIOR.json", help="the prior of the measure")],
    values: Annotated[str, typer.Option("--values", help="time=value, separated by commas: 2026-01-05=12,2026-01-12=14")],
    as_json: AsJson = False,
) -> None:
    """Judge one series, value by value."""
    from service.populations.series import BadSeries, read

    (data,) = _priors([priors]).values()
    built = prior.build(data)
    try:
        series = read(values)
    except BadSeries as problem:
        fail(str(problem), 2)
    rows = _judged(built, series)
    if as_json:
        print(json.dumps({"values": rows}, indent=1))
        return
    show([_shown(row) for row in rows], False)


@app.command()
def fit(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help=".csv, .parquet or .ndjson with patient, measure, time, value; or Observations")],
    measure: Annotated[str, typer.Option("--measure", help="the measure to learn")],
    out: Annotated[Path, typer.Option("--out", help="where to write the prior")],
    transform: Annotated[str, typer.Option("--transform", help="identity, log, sqrt, logit:MIN:MAX or auto")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn a prior from a site's own data by empirical Bayes; a report with calibration plots stands beside it."""
    populations = _populations()
    from service.populations import fitting

    try:
        told = fitting.fit(source, measure, transform, out, _shipped(), _progress())
    except (populations.BadTable, ValueError) as problem:
        fail(f"{problem}", 1)
    show_one(told, as_json)


def _populations() -> Any:
    try:
        from service.populations import recompute as module
    except ImportError:
        fail("numpy, scipy and pyarrow are needed: install setpoint[populations]")
    return module


def _shipped() -> Mapping[str, prior.Prior]:
    from service.knowledge import load

    return load(read_settings().knowledge_dir).priors


def _priors(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Measure -> the data of its prior file. A broken file ends the command with its name and line."""
    validator, found = jsonschema_rs.validator_for(prior.SCHEMA), dict[str, dict[str, Any]]()
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            data = json.loads(text)
        except OSError:
            fail(f"{path}: the prior cannot be read")
        except ValueError:
            fail(f"{path}: the prior is not JSON")
        wrong = [f"{path}:{line_of(text, tuple(each.instance_path))}: {each.message}" for each in validator.iter_errors(data)]
        if wrong:
            fail("\n".join(wrong))
        try:
            prior.build(data)
        except KnowledgeError as problem:
            fail(f"{path}:{line_of(text, problem.path)}: {problem.message}")
        found[data["measure"]] = data
    return found


def _coded(given: dict[str, dict[str, Any]], source: Path) -> dict[str, dict[str, Any]]:
    """Observations are found by their codes: a prior that states none has those by which its measure is known here, with the units."""
    lacking = [measure for measure, data in given.items() if not data.get("codes")]
    if not lacking or source.suffix.lower() not in (".ndjson", ".jsonl"):
        return given
    shipped, names = _shipped(), {system: name for name, system in SYSTEMS.items()}
    for known in (shipped[measure] for measure in lacking if measure in shipped):
        data = given[known.measure]
        codes = [{"system": names[system], "code": code} for system, code in known.codes]
        units = {"unit": known.unit, "units": dict(known.units)} if data.get("unit", known.unit) == known.unit and "units" not in data else {}
        given[known.measure] = data | {"codes": codes} | units
    return given


def _judged(built: prior.Prior, series: list[tuple[str, float, float]]) -> list[dict[str, Any]]:
    """The rows of a series in the order of time, judged by the online engine."""
    state, rows = engine.start(built), []
    for text, day, value in series:
        inside = not ((built.minimum is not None and value < built.minimum) or (built.maximum is not None and value > built.maximum))
        row: dict[str, Any] = {"patient": "", "measure": built.measure, "time": text, "value": int(value) if value.is_integer() else value}
        if inside and built.transform.accepts(value):
            judged, state = engine.step(built, state, day, value)
            rows.append(row | {name: getattr(judged, name) for name in _COLUMNS})
        else:
            expected = engine.predict(built, state, day)
            rows.append(row | {name: getattr(expected, name, None) for name in _COLUMNS} | {"alert": False})
    return rows


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(cell, 4) if isinstance(cell, float) else cell for name, cell in row.items() if name not in ("patient", "measure")}


def _progress() -> Any:
    """Lines on standard error, at most one a second."""
    last = [0.0]

    def say(text: str) -> None:
        if time.monotonic() - last[0] > 1:
            last[0] = time.monotonic()
            print(f"setpoint: {text}", file=sys.stderr, flush=True)

    return say
