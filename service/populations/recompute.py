"""`setpoint baseline recompute`: one row for every input row, judged by the person's earlier values only. Flat in memory, resumable.

People are dealt out to bucket files by a hash of patient and measure; buckets are judged by a pool, each to a file of its own; the files
become the output at the end, in one move. What is finished stands when it is run again.
"""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from mappings.baseline import many, prior
from mappings.baseline.detectors import PATIENT_BUDGET, SHARING, share
from mappings.baseline.prior import Prior
from service.populations.tables import COLUMNS, BadTable, batches, begins, coded, days, numbers, replaced

OUTPUT: Final = ("patient", "measure", "time", "value", "n", "lower95", "upper95", "lower99", "upper99", "z", "p", "set_point", "p_gross_error",
                 "p_real_change", "alert")  # fmt: skip
_BUCKET_BYTES: Final = 16 << 20
"""About 400 000 rows, for which a process needs some 300 MB."""
_BUCKETS: Final = 500
"""So many files may be open at once."""
_ROW_BYTES: Final = 40
_ALONE_BYTES: Final = 1 << 20
"""A smaller input is judged by this process: starting others takes longer."""
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What came of it: rows in and out, people, rows that another replaced, rows whose value or time could not be judged."""

    rows: int = 0
    written: int = 0
    series: int = 0
    duplicates: int = 0
    not_judged: int = 0
    alerts: int = 0
    more: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, other: Mapping[str, int]) -> None:
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + value)


def recompute(source: Path, priors: Mapping[str, dict[str, Any]], out: Path, say: Say, processes: int | None = None) -> Report:
    """Judge every row of `source`; `priors`: measure -> its file's data. Errors: BadTable, also for a measure without a prior, before anything
    is written."""
    started, report = time.monotonic(), Report()
    check(source, out)
    work = out.with_name(f"{out.name}.parts")
    key = _key(source, priors, out)
    size = _size(source)
    with _pool(1 if size < _ALONE_BYTES else processes or os.cpu_count() or 1, say) as run:
        buckets = _dealt(source, size, priors, work, key, report, say)
        built = {measure: prior.build(data) for measure, data in priors.items()}
        parts = [work / f"{number:05d}" for number in range(buckets)]
        waiting = [part for part in parts if not part.with_suffix(".done").exists()]
        if len(waiting) < buckets:
            say(f"{buckets - len(waiting)} of {buckets} parts stand from before")
        for done, _ in enumerate(run(built, waiting, out.suffix.lower()), 1):
            say(f"judged {done} of {len(waiting)} parts")
    for part in parts:
        report.add(json.loads(part.with_suffix(".done").read_text(encoding="utf-8")))
    joined(parts, out)
    shutil.rmtree(work)
    report.seconds = time.monotonic() - started
    return report


def check(source: Path, out: Path) -> None:
    """Errors: BadTable for an input that is not there, and an output of another kind or that would replace the input."""
    if not source.is_file():
        raise BadTable("there is no such file")
    if out.suffix.lower() not in (".csv", ".parquet", ".ndjson", ".jsonl"):
        raise BadTable("the output is .csv, .parquet or .ndjson")
    if out.exists() and out.samefile(source):
        raise BadTable("the output would replace the input")


class _pool:
    """All cores, or this process alone where one is enough. The others get ready while this one reads."""

    def __init__(self, workers: int, say: Say) -> None:
        self._workers, self._say = workers, say
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Callable[[Mapping[str, Prior], list[Path], str], Any]:
        if self._workers > 1:
            self._pool = ProcessPoolExecutor(self._workers, get_context("spawn"))  # Arrow's threads do not outlive a fork
            for _ in range(self._workers):
                self._pool.submit(_ready)
        return self._run

    def _run(self, priors: Mapping[str, Prior], parts: list[Path], suffix: str) -> Any:
        if self._pool is None:
            if parts:
                many.ready(self._say)
            for part in parts:
                _judged(priors, part, suffix)
                yield part
            return
        for done in as_completed([self._pool.submit(_judged, priors, part, suffix) for part in parts]):
            done.result()
            yield done

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _key(source: Path, priors: Mapping[str, Any], out: Path) -> str:
    """What a resumed run must have in common with the one before."""
    stat = source.stat()
    said = json.dumps([str(source.resolve()), stat.st_size, stat.st_mtime_ns, priors, out.suffix, 1], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _dealt(source: Path, size: int, priors: Mapping[str, Any], work: Path, key: str, report: Report, say: Say) -> int:
    """The input dealt out to bucket files; how many. A finished deal of the same input stands."""
    note = work / "dealt.json"
    if note.exists():
        told = json.loads(note.read_text(encoding="utf-8"))
        if told["key"] == key:
            report.rows, report.more = told["rows"], told["more"]
            return int(told["buckets"])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        count = 1 if size < _ALONE_BYTES else max(min(_BUCKETS, -(-size // _BUCKET_BYTES)), 2 * (os.cpu_count() or 1))
        _deal(source, priors, work, count, report, say)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    note.write_text(json.dumps({"key": key, "buckets": count, "rows": report.rows, "more": report.more}), encoding="utf-8")
    return count


def _size(source: Path) -> int:
    """About how many bytes the rows are as text: Parquet is packed."""
    if source.suffix.lower() == ".parquet":
        try:
            return int(pq.read_metadata(source).num_rows) * _ROW_BYTES
        except (pa.ArrowInvalid, OSError):
            pass
    return source.stat().st_size


def _deal(source: Path, priors: Mapping[str, Any], work: Path, count: int, report: Report, say: Say) -> None:
    writers: dict[int, tuple[Any, Any]] = {}
    try:
        for table in known_batches(source, priors, report):
            bucket = _buckets(table["patient"], count)
            numbered = table.append_column("row", pa.array(np.arange(report.rows - table.num_rows, report.rows)))
            order = np.argsort(bucket, kind="stable")
            dealt, bucket = numbered.take(pa.array(order)), bucket[order]
            ends: list[int] = (np.flatnonzero(bucket[1:] != bucket[:-1]) + 1).tolist() + [len(bucket)] * bool(len(bucket))
            for begin, end in zip([0, *ends], ends, strict=False):
                number = int(bucket[begin])
                if number not in writers:
                    sink = pa.OSFile(str(work / f"{number:05d}.in"), "wb")
                    writers[number] = (sink, ipc.new_stream(sink, numbered.schema))
                writers[number][1].write_table(dealt.slice(begin, end - begin))
            say(f"read {report.rows:,} rows")
    finally:
        for sink, writer in writers.values():
            writer.close()
            sink.close()


def known_batches(source: Path, priors: Mapping[str, Any], report: Report) -> Iterator[pa.Table]:
    """The rows of the input, batch by batch, counted in `report`. Errors: BadTable, also for a measure without a prior, and for
    Observations of which none can be judged."""
    known = {measure: prior.build(data) for measure, data in priors.items()}
    for table in batches(source, known, report.more):
        unknown = sorted({each or "" for each in pac.unique(table["measure"]).to_pylist() if each not in priors})
        if unknown:
            raise BadTable(f"no prior is given for the measure {unknown[0][:64]!r}")
        report.rows += table.num_rows
        yield table
    if not report.rows and report.more:
        raise BadTable("there is no Observation that one of these priors judges")


def _buckets(patients: pa.ChunkedArray, count: int) -> np.ndarray[Any, Any]:
    """A person's rows are always in one bucket."""
    place, names = coded(patients)
    hashes = np.array([crc32(name.encode()) % count for name in names], np.int64)
    found: np.ndarray[Any, Any] = hashes[place] if len(names) else place
    return found


def _ready() -> None:
    """In another process: its modules and compiled loops, before the first part is there."""
    many.ready(lambda _: None)


def _judged(priors: Mapping[str, Prior], part: Path, suffix: str) -> None:
    """Judge one bucket and write its part of the output."""
    source = part.with_suffix(".in")
    told = tally()
    if source.exists():
        with pa.memory_map(str(source)) as mapped:
            table = ipc.open_stream(mapped).read_all()
        made = judged_table(table, priors, told)
        write(made, part.with_suffix(suffix))
    part.with_suffix(".done").write_text(json.dumps(told), encoding="utf-8")


def tally() -> dict[str, int]:
    """What `judged_table` counts, before it begins."""
    return dict.fromkeys(("written", "series", "duplicates", "not_judged", "alerts"), 0)


def judged_table(table: pa.Table, priors: Mapping[str, Prior], told: dict[str, int]) -> pa.Table:
    """The rows of whole people, judged: what a bucket is, and what a partition of another engine is. `row` gives the order of arrival."""
    day, value = days(table["time"]), numbers(table["value"])
    person, _ = coded(table["patient"])
    measure, names = coded(table["measure"])
    arrival = table["row"].to_numpy() if "row" in table.column_names else np.arange(table.num_rows)
    order = np.lexsort((arrival, day, measure, person))
    kept = order[~replaced(order, person, measure, day)]
    person, measure, day, value = person[kept], measure[kept], day[kept], value[kept]
    columns: dict[str, Any] = {name: np.full(len(kept), np.nan) for name in OUTPUT[5:14]}
    columns |= {"n": np.zeros(len(kept), np.int64), "alert": np.zeros(len(kept), bool)}
    starts = np.flatnonzero(begins(person, measure))
    timed = np.add.reduceat(np.isfinite(day), starts, dtype=np.int64) if len(starts) else starts
    budget = _budget(person, day, starts)
    for number, name in enumerate(names):
        mine = (measure[starts] == number) & (timed > 0)
        if mine.any():
            _judge(priors[name], starts[mine], timed[mine], day, value, budget, columns)
        lost = (measure == number) & np.isnan(day)
        if lost.any():
            _untimed(priors[name], lost, columns)
    told["duplicates"] += len(order) - len(kept)
    told["series"] += len(starts)
    told["not_judged"] += int(np.isnan(columns["z"]).sum())
    told["alerts"] += int(columns["alert"].sum())
    told["written"] += len(kept)
    made = table.select(list(COLUMNS)).take(pa.array(kept))
    for name in OUTPUT[4:]:
        column = columns[name]
        made = made.append_column(name, pa.array(column, mask=np.isnan(column)) if column.dtype == float else pa.array(column))
    return made


def _budget(person: Any, day: Any, starts: Any) -> Any:
    """For each row the share of the person's alarm budget that a measure has by then: it counts the measures that have begun."""
    if not len(starts) or np.bincount(person[starts]).max() <= SHARING:
        return np.full(len(day), share(1))
    owner = np.concatenate([person[starts], person])
    when = np.concatenate([day[starts], day])
    kind = np.repeat([0, 1], [len(starts), len(day)])
    order = np.lexsort((kind, when, owner))
    begun = np.cumsum(kind[order] == 0)
    first = np.flatnonzero(np.append(True, np.diff(owner[order]) != 0))
    before = np.repeat(begun[first] - 1, np.diff(np.append(first, len(order))))
    count = np.empty(len(order), np.int64)
    count[order] = begun - before
    return PATIENT_BUDGET / np.maximum(SHARING, count[len(starts) :])


def _judge(given: Prior, starts: Any, lengths: Any, day: Any, value: Any, budget: Any, columns: dict[str, Any]) -> None:
    """One measure; values without a time come last in their series and are not judged."""
    ends = np.cumsum(lengths)
    rows = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    found = many.judge(given, ends - lengths, lengths, day[rows], value[rows], budget=budget[rows])
    for name in OUTPUT[4:]:
        columns[name][rows] = getattr(found, name)


def _untimed(given: Prior, rows: Any, columns: dict[str, Any]) -> None:
    """Values without a time: nothing is known to be earlier, so the limits are the population's; they are not judged."""
    found = many.judge(given, np.array([0]), np.array([1]), np.zeros(1), np.full(1, np.nan))
    for name in ("lower95", "upper95", "lower99", "upper99", "set_point"):
        columns[name][rows] = getattr(found, name)[0]


def write(table: pa.Table, path: Path) -> None:
    """A part of the output, put in place in one move; CSV without its header."""
    half = path.with_name(f"{path.name}.half")
    if path.suffix == ".parquet":
        pq.write_table(table, half)
    elif path.suffix == ".csv":
        _write_csv(table, half)
    else:
        with half.open("w", encoding="utf-8") as lines:
            for row in table.to_pylist():
                lines.write(_json_row(row) + "\n")
    half.replace(path)


def _write_csv(table: pa.Table, path: Path) -> None:
    """Without quotes where no cell needs them, which is nearly always."""
    texts = [name for name in table.column_names if pa.types.is_string(table[name].type)]
    if any(pac.any(pac.match_substring_regex(table[name], '[",\\r\\n]')).as_py() for name in texts):
        with path.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            for row in table.to_pylist():
                writer.writerow([_cell(each) for each in row.values()])
        return
    pc.write_csv(table, path, pc.WriteOptions(include_header=False, quoting_style="none"))


def _cell(value: Any) -> Any:
    return "" if value is None else ("true" if value else "false") if isinstance(value, bool) else value


def _json_row(row: dict[str, Any]) -> str:
    """One row as JSON: values and times that came as the text of a number as that number, to the letter; what JSON has no number for as null
    or, where it came as text, as that text."""
    return "{" + ", ".join(f'"{name}": {_json_cell(cell, name in ("time", "value"))}' for name, cell in row.items()) + "}"


def _json_cell(cell: Any, number: bool) -> str:
    if isinstance(cell, float):
        return repr(cell) if math.isfinite(cell) else "null"
    if number and isinstance(cell, str | Decimal) and _JSON_NUMBER.fullmatch(str(cell)):
        return str(cell)
    return json.dumps(cell.isoformat() if isinstance(cell, date) else cell, ensure_ascii=False, default=str)


def joined(parts: list[Path], out: Path) -> None:
    """The parts as one file, put in place in one move."""
    suffix = out.suffix.lower()
    found = [part.with_suffix(suffix) for part in parts if part.with_suffix(suffix).exists()]
    half = out.with_name(f"{out.name}.half")
    if suffix == ".parquet":
        _joined_parquet(found, half)
    else:
        with half.open("wb") as sink:
            if suffix == ".csv":
                sink.write((",".join(OUTPUT) + "\n").encode())
            for part in found:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, sink, 1 << 20)
    half.replace(out)


def _joined_parquet(found: list[Path], half: Path) -> None:
    if not found:
        pq.write_table(pa.table({name: pa.array([], pa.string()) for name in OUTPUT}), half)
        return
    with pq.ParquetWriter(half, pq.read_schema(found[0])) as writer:
        for part in found:
            writer.write_table(pq.read_table(part))
