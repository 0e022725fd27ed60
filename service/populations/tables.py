"""Tables of values as they come: CSV, Parquet, NDJSON of rows, or FHIR Observations as NDJSON - a batch at a time.

Every cell keeps its own writing: text is never read as missing ("NA" is the sodium of some people), and a value is given back as it came.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
import pyarrow.parquet as pq

from mappings.baseline.measured import Measured, Refused, codes_of, measure_value, prior_of
from mappings.baseline.prior import Prior
from service.populations.series import day_of

COLUMNS: Final = ("patient", "measure", "time", "value")
BATCH: Final = 200_000
DAY_US: Final = 86_400_000_000
_NOT_UTF8: Final = "the text is not UTF-8"


class BadTable(Exception):
    """A file that is no table of values; the text says why."""


def batches(path: Path, priors: Mapping[str, Prior], report: dict[str, int]) -> Iterator[pa.Table]:
    """The four columns, batch by batch. Errors: BadTable for another kind of file or columns that are not there."""
    if not path.is_file():
        raise BadTable("there is no such file")
    kind = path.suffix.lower()
    if kind == ".csv":
        yield from _csv(path)
    elif kind == ".parquet":
        yield from _parquet(path)
    elif kind in (".ndjson", ".jsonl"):
        yield from _ndjson(path, priors, report)
    else:
        raise BadTable("the input is .csv, .parquet or .ndjson")


def _csv(path: Path) -> Iterator[pa.Table]:
    names, empty = _header(path)
    _check(names)
    if empty:
        return
    kept = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=list(COLUMNS), strings_can_be_null=False, null_values=[],
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    try:
        with pc.open_csv(path, pc.ReadOptions(block_size=8 << 20), pc.ParseOptions(newlines_in_values=True), kept) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        raise BadTable(f"the CSV cannot be read: {str(error).splitlines()[0][:200].split(':')[0]}") from None


def _header(path: Path) -> tuple[list[str], bool]:
    """(the names of the columns, whether nothing follows them)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            return next(rows, []), not any(rows)
    except UnicodeDecodeError:
        raise BadTable(_NOT_UTF8) from None
    except csv.Error as error:
        raise BadTable(f"the CSV cannot be read: {error}") from None


def _check(names: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BadTable(f"columns are missing: {', '.join(missing)}")
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise BadTable(f"columns stand twice: {', '.join(twice)}")


def _parquet(path: Path) -> Iterator[pa.Table]:
    try:
        source = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        raise BadTable("the file is not Parquet") from None
    _check(source.schema_arrow.names)
    for batch in source.iter_batches(BATCH, columns=list(COLUMNS)):
        table = pa.Table.from_batches([batch])
        yield pa.table({name: _simple(table[name], name == "measure") for name in COLUMNS})


def _simple(column: pa.ChunkedArray, text: bool) -> pa.ChunkedArray:
    """The column as it is, but text of any kind, and codes that stand for text, as plain text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    texts = (pa.types.is_large_string(kind), pa.types.is_string_view(kind), pa.types.is_binary(kind), pa.types.is_large_binary(kind), pa.types.is_null(kind))
    try:
        return column.cast(pa.string()) if text or any(texts) else column
    except pa.ArrowInvalid:
        raise BadTable(_NOT_UTF8) from None


class _Number(str):
    """A number of JSON in its own writing."""


Row = tuple[str | None, str | None, str | None, str | None]


def _ndjson(path: Path, priors: Mapping[str, Prior], report: dict[str, int]) -> Iterator[pa.Table]:
    by_code = {code: prior for prior in priors.values() for code in prior.codes}
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = _line(line, number, priors, by_code, report)
                    if row is not None:
                        rows.append(row)
                if len(rows) >= BATCH:
                    yield _table(rows)
                    rows = []
        if rows:
            yield _table(rows)
    except UnicodeError:
        raise BadTable(_NOT_UTF8) from None


def _line(line: str, number: int, priors: Mapping[str, Prior], by_code: Mapping[tuple[str, str], Prior], report: dict[str, int]) -> Row | None:
    try:
        data: Any = json.loads(line, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        raise BadTable(f"line {number} is not JSON") from None
    if not isinstance(data, dict):
        raise BadTable(f"line {number} is no JSON object")
    if data.get("resourceType") == "Observation":
        return _observation(json.loads(line), data, priors, by_code, report)
    if "resourceType" in data:
        report["other resources left out"] = report.get("other resources left out", 0) + 1
        return None
    if any(name not in data for name in COLUMNS):
        raise BadTable(f"line {number} lacks one of {', '.join(COLUMNS)}")
    patient, measure, time, value = (_text(data[name], number) for name in COLUMNS)
    return patient, measure, time, value


def _text(cell: Any, number: int) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    raise BadTable(f"line {number} has a list or an object where a text or a number belongs")


def _observation(resource: dict[str, Any], literal: dict[str, Any], priors: Mapping[str, Prior], by_code: Mapping[tuple[str, str], Prior],
                 report: dict[str, int]) -> Row | None:  # fmt: skip
    """A FHIR Observation of a measure that has a prior; of others, and of such as are no results, it is counted that they were left out: an
    export holds much else. One that cannot be judged (another unit, "<5") keeps its row, with its value in words. `literal`: the same with its
    numbers as they were written. A code that is the name of a measure leads to it as well: a prior written by hand need not state codes."""
    try:
        known = {**by_code, **{pair: priors[pair[1]] for pair in codes_of(resource) if pair[1] in priors and pair not in by_code}}
        prior, found = prior_of(known, resource), measure_value(known, resource)
        time, patient = _effective(resource), resource["subject"]["reference"]
        if prior is not None and found is not None and isinstance(patient, str):
            return patient, prior.measure, time, _value(found, literal)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    report["observations left out"] = report.get("observations left out", 0) + 1
    return None


def _effective(resource: dict[str, Any]) -> str | None:
    """When it was true of the person, as the service reads it; of a year alone its first day, for a number would be days."""
    period = resource.get("effectivePeriod") or {}
    places = (resource.get("effectiveDateTime"), resource.get("effectiveInstant"), period.get("start"), period.get("end"), resource.get("issued"))
    time = next((each for each in places if each), None)
    return f"{time}-01-01" if isinstance(time, str) and len(time) == 4 else None if time is None else str(time)


def _value(found: Measured | Refused, literal: dict[str, Any]) -> str | None:
    """The value: as it was written where its unit is the measure's, else converted; one that is refused with its sign and unit."""
    quantity = literal.get("valueQuantity") or {}
    written = literal.get("valueInteger", quantity.get("value"))
    if isinstance(found, Measured):
        if isinstance(written, _Number) and float(written) == found.value:
            return str(written)
        return str(int(found.value)) if found.value.is_integer() else repr(found.value)
    words = " ".join(str(each) for each in (quantity.get("comparator"), written, quantity.get("code") or quantity.get("unit")) if each is not None)
    return f"{words} (refused)" if words else None


def _table(rows: list[Row]) -> pa.Table:
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)})


def days(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times as days since 1970 (UTC), or as the number of days that they are; NaN for what is no time."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _plain(column.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())) / DAY_US
    if pa.types.is_date(kind):
        return _plain(column.cast(pa.date32()).cast(pa.int32()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _plain(column)
    place, texts = coded(column.cast(pa.string()))
    known = _days_of(pa.array(texts, pa.string()))
    return known[place] if len(known) else np.full(len(place), np.nan)


_CLOCK: Final = r"[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_TIMES: Final = (
    (r"^[+-]?\d+(\.\d+)?$", lambda texts: _plain(texts)),
    (r"^\d{4}-\d{2}-\d{2}$", lambda texts: _plain(texts.cast(pa.date32()).cast(pa.int32()))),
    (rf"^\d{{4}}-\d{{2}}-\d{{2}}{_CLOCK}(Z|[+-]\d{{2}}:\d{{2}})$", lambda texts: _plain(texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64())) / DAY_US),
    (rf"^\d{{4}}-\d{{2}}-\d{{2}}{_CLOCK}$", lambda texts: _plain(texts.cast(pa.timestamp("us")).cast(pa.int64())) / DAY_US),
)
"""How nearly all times are written, and how Arrow reads a column of them; `day_of` reads the others one by one."""


def _days_of(texts: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    found, open_ = np.full(len(texts), np.nan), np.ones(len(texts), bool)
    for pattern, read in _TIMES:
        mine = pac.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
        if mine.any():
            try:
                found[mine] = read(texts.filter(pa.array(mine)))
                open_ &= ~mine
            except pa.ArrowInvalid:  # one of them is no date of the calendar
                continue
    for at in np.flatnonzero(open_):
        found[at] = day_of(texts[int(at)].as_py())
    return found


def replaced(order: np.ndarray[Any, Any], *keys: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which places of an order hold a row that the next one, equal in all keys, stands for."""
    same = np.zeros(len(order), bool)
    same[:-1] = np.logical_and.reduce([key[order[:-1]] == key[order[1:]] for key in keys])
    return same


def begins(*keys: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the ordered rows begin a run of equal keys."""
    fresh = np.ones(len(keys[0]), bool)
    fresh[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return fresh


def coded(column: pa.ChunkedArray) -> tuple[np.ndarray[Any, Any], list[str]]:
    """(a number for each cell, the texts these numbers stand for); a cell that is missing is an empty text."""
    texts = pac.coalesce(column.cast(pa.string()), pa.scalar("", pa.string()))
    made = texts.dictionary_encode().combine_chunks()
    made = made.chunk(0) if isinstance(made, pa.ChunkedArray) and made.num_chunks else made
    if not len(made):
        return np.array([], int), []
    return made.indices.to_numpy(zero_copy_only=False).astype(np.int64), made.dictionary.to_pylist()


def _plain(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    found: np.ndarray[Any, np.dtype[np.float64]] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(float)
    return found


def numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Values as numbers; NaN for what is none."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return _plain(column)
    texts = column.cast(pa.string())
    try:
        return _plain(texts)
    except pa.ArrowInvalid:
        return np.array([_number(text) for text in texts.to_pylist()])


def _number(text: str | None) -> float:
    try:
        return float((text or "").strip()) if "_" not in (text or "") else np.nan
    except ValueError:
        return np.nan
