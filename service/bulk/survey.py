"""The first pass over the files of an import: what is in them, and so in which order they are read. Nothing of them is kept."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from service.bulk.bundles import read_document
from service.bulk.files import CannotRun, Line, document, holds_lines, lines
from service.bulk.order import BACKGROUND, Kin, kin
from service.errors import Refusal


@dataclass(slots=True)
class Surveyed:
    """One file. `shown` is how a person named it; `steps`: how many resources it has for each step; `persons`: whose stories it tells."""

    path: Path
    shown: str
    in_lines: bool
    digest: str = ""
    steps: Counter[int] = field(default_factory=Counter)
    persons: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import is about to read."""

    files: tuple[Surveyed, ...]

    @property
    def digest(self) -> str:
        """Names these files in this order with this content: progress counts for no other."""
        return hashlib.sha256("\n".join(f"{each.shown}:{each.digest}" for each in self.files).encode()).hexdigest()[:32]

    @property
    def total(self) -> int:
        """Resources, with those that will be refused."""
        return sum(each.steps.total() for each in self.files)

    @property
    def storied(self) -> frozenset[str]:
        """The persons whose stories the files tell."""
        return frozenset().union(*(each.persons for each in self.files))


def survey(paths: Sequence[Path], limit: int, seen: Callable[[int], None], shown: str | None = None) -> Plan:
    """Read every file once. `limit`: most bytes of one line; `seen` is told the number of resources so far; `shown`: a name for the only
    file instead of its path. Errors: CannotRun."""
    files: list[Surveyed] = []
    counted = count(1)
    for path in paths:
        try:
            files.append(_one(path, shown or str(path), limit, lambda: seen(next(counted))))
        except OSError as error:
            raise CannotRun(f"{shown or path}: {error.strerror or 'cannot be read'}") from error
    return Plan(tuple(files))


def _one(path: Path, shown: str, limit: int, tick: Callable[[], None]) -> Surveyed:
    found = Surveyed(path, shown, holds_lines(path, limit))
    digest = hashlib.blake2b(digest_size=16)
    for line in lines(path, limit) if found.in_lines else (document(path),):
        digest.update(b"%d:%b\n" % (line.number, line.body or line.problem.encode()))
        for each in (line_kin(line),) if found.in_lines else _kins(line):
            found.steps[each.step] += 1
            if each.person:
                found.persons.add(each.person)
            tick()
    found.digest = digest.hexdigest()
    return found


def line_kin(line: Line) -> Kin:
    """What a line is; one that could not be read is refused with the background."""
    return Kin("", BACKGROUND) if line.problem else kin(line.body)


def _kins(line: Line) -> list[Kin]:
    if line.problem:
        return [line_kin(line)]
    try:
        return [part.kin for part in read_document(line.body).parts]
    except Refusal:
        return [Kin("", BACKGROUND)]
