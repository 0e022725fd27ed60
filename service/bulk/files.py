"""The files of an import: found, opened, and read line by line without ever holding more than one line."""

import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import orjson

ENDINGS = (".ndjson", ".json")
LARGEST_DOCUMENT = 256 * 1_048_576
"""Bytes of a JSON document, which is read as a whole; files of lines may be of any size."""
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class CannotRun(Exception):
    """The work cannot be begun, or not go on; the text says why."""


class Line(NamedTuple):
    """One line of a file; `problem` instead of a body where it could not be read."""

    number: int
    body: bytes
    problem: str = ""


def find(paths: Sequence[str]) -> list[Path]:
    """The files that these paths name; of a directory every *.ndjson and *.json, also compressed. Errors: CannotRun."""
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file() and _is_one(each.name))
            if not inside:
                raise CannotRun(f"{text}: no *.ndjson or *.json in this directory")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise CannotRun(f"{text}: there is no such file")
    return list(dict.fromkeys(found))


def _is_one(name: str) -> bool:
    return not name.startswith(".") and name.removesuffix(".gz").endswith(ENDINGS)


def spooled(folder: str | None = None) -> Path:
    """Standard input as a file, because it is read more than once; its reader removes it."""
    with tempfile.NamedTemporaryFile("wb", prefix="setpoint-import-", dir=folder, delete=False) as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return Path(file.name)


def opened(path: Path) -> BinaryIO:
    """The file's bytes, decompressed where they are gzip (told by their first bytes, not by the name)."""
    file = path.open("rb")
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")) if compressed else file


def holds_lines(path: Path, limit: int) -> bool:
    """Whether the file is NDJSON: by its name, else when its first line is a whole object and another follows."""
    if path.name.removesuffix(".gz").endswith(".ndjson"):
        return True
    found = [line for line, _ in zip(lines(path, limit), range(2), strict=False)]
    if len(found) < 2 or any(line.problem for line in found):
        return False
    try:
        return isinstance(orjson.loads(found[0].body), dict)
    except orjson.JSONDecodeError:
        return False


def lines(path: Path, limit: int) -> Iterator[Line]:
    """The lines that are not empty, numbered from 1. One longer than `limit` bytes is passed over and reported, not held."""
    number = 0
    with opened(path) as file:
        try:
            while chunk := file.readline(limit + 2):
                number += 1
                body = chunk.rstrip(b"\r\n")
                if number == 1:
                    body = body.removeprefix(b"\xef\xbb\xbf")
                if len(body) > limit:
                    _pass_over(file, chunk)
                    yield Line(number, b"", f"The line is longer than {limit} bytes")
                elif body.strip():
                    yield Line(number, body)
        except _DAMAGED:
            yield Line(number + 1, b"", "The compressed file is damaged or ends early")


def _pass_over(file: BinaryIO, chunk: bytes) -> None:
    while chunk and not chunk.endswith(b"\n"):
        chunk = file.readline(1 << 20)


def document(path: Path) -> Line:
    """The whole file, as one line."""
    with opened(path) as file:
        try:
            body = file.read(LARGEST_DOCUMENT + 1)
        except _DAMAGED:
            return Line(1, b"", "The compressed file is damaged or ends early")
    if len(body) > LARGEST_DOCUMENT:
        return Line(1, b"", f"The document is larger than {LARGEST_DOCUMENT} bytes: give it as NDJSON")
    return Line(1, body.removeprefix(b"\xef\xbb\xbf"))
