"""What a run says: a line of progress on standard error, the refusals in a file, and what came of it."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import orjson

from service.bulk.arrival import Arrival
from service.errors import Refusal

_REWRITTEN_S, _LINE_S = 0.2, 5.0
_MOST_REASONS = 50


class Meter:
    """Progress: a line that is rewritten on a terminal, else one every few seconds. Shows nothing of the data."""

    def __init__(self, doing: str, total: int | None = None, first: int = 0, out: TextIO | None = None) -> None:
        """`total` and `first`: how much there is, and how much of it was done before."""
        self._doing, self._total, self._out = doing, total, out or sys.stderr
        self._terminal = self._out.isatty()
        self._began = self._said = time.monotonic()
        self._first = first

    def show(self, done: int, note: str = "", last: bool = False) -> None:
        """Say how much is done, if it is time to, or at the end."""
        now = time.monotonic()
        if not last and now - self._said < (_REWRITTEN_S if self._terminal else _LINE_S):
            return
        self._said = now
        rate = (done - self._first) / max(now - self._began, 1e-6)
        share = f" of {self._total:,} ({100 * done // max(self._total, 1)} %)" if self._total is not None else ""
        text = f"{self._doing}: {done:,}{share}, {rate:,.0f}/s{', ' + note if note else ''}"
        self._out.write(f"\r\x1b[K{text}" + ("\n" if last else "") if self._terminal else text + "\n")
        self._out.flush()


class Refusals:
    """The file of refusals: one JSON line each, with where and why and no value. Without a path they are only counted."""

    def __init__(self, path: Path | None, size: int | None) -> None:
        """`size`: how much of an earlier run's file counts; None begins anew."""
        self._file = None
        if path is not None:
            self._file = path.open("r+b" if size is not None and path.exists() else "wb")
            self._file.truncate(self._file.seek(min(size or 0, path.stat().st_size)))
        self.size = self._file.tell() if self._file is not None else 0

    def write(self, refused: Sequence[tuple[Arrival, Refusal]]) -> int:
        """Write these in place of what was written since the last `keep`; answers the size of the file."""
        if self._file is None:
            return 0
        self._file.seek(self.size)
        self._file.truncate()
        self._file.writelines(line(arrival, refusal) for arrival, refusal in refused)
        self._file.flush()
        return self._file.tell()

    def keep(self) -> None:
        """What was written stands."""
        if self._file is not None:
            self.size = self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def line(arrival: Arrival, refusal: Refusal) -> bytes:
    """One refusal as JSON."""
    issues = [
        {"severity": issue.severity, "code": issue.code, "text": issue.text} | ({"expression": issue.expression} if issue.expression else {})
        for issue in refusal.issues
    ]
    body = {"file": arrival.place.shown, "line": arrival.place.number, "type": arrival.kind or None, "status": refusal.kind.status, "issue": issues}
    return orjson.dumps(body) + b"\n"


def reason(refusal: Refusal) -> str:
    """The first issue as a reason that can be counted: without its place in the resource."""
    issue = refusal.issues[0]
    return f"{refusal.kind.status} {issue.code}: {issue.text}"


def count_reasons(reasons: Counter[str], refused: Sequence[tuple[Arrival, Refusal]]) -> None:
    """Count; past the bound under one name."""
    for _, refusal in refused:
        text = reason(refusal)
        reasons[text if text in reasons or len(reasons) < _MOST_REASONS else "others"] += 1


def told(report: dict[str, Any]) -> dict[str, Any]:
    """A report for a person: one line a field, reasons under it."""
    reasons = report.pop("reasons", {})
    return report | {f"  {text}": count for text, count in sorted(reasons.items(), key=lambda pair: -pair[1])}
