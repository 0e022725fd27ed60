"""What every laboratory dialect becomes: sheets of genotypes, each about one holder, and problems with their place."""

import hashlib
from dataclasses import dataclass

from mappings.genes.genotype import Genotype

GENE_LENGTH, VALUE_LENGTH = 20, 200
"""Longer texts are no gene and no genotype."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a sheet is about, as the sender says. `identifiers`: (system or None, value); `birth` an ISO date; `sex` female, male or None."""

    identifiers: tuple[tuple[str | None, str], ...]
    family: str | None = None
    birth: str | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One genotype with its place in what was sent (`row 2`, `genes.CYP2D6`, `OBX 4d`)."""

    place: str
    genotype: Genotype


@dataclass(frozen=True, slots=True)
class Problem:
    """What was not understood, and where. The text never holds a value that was sent. `gene` where it is a gene's."""

    place: str
    text: str
    gene: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The genotypes of one holder from one laboratory. `effective`: when the specimen was taken (ISO date or time) or None."""

    holder: Holder
    results: tuple[Result, ...]
    laboratory: str | None = None
    effective: str | None = None
    number: str = ""

    @property
    def source(self) -> str:
        """What makes a report the same when it is sent again: laboratory, its number, time and content."""
        rows = sorted(f"{each.genotype.gene}|{each.genotype.diplotype}|{each.genotype.phenotype}" for each in self.results)
        content = "\n".join([self.laboratory or "", self.number, self.effective or "", *rows])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole input, read."""

    sheets: tuple[Sheet, ...]
    problems: tuple[Problem, ...] = ()


class Unreadable(Exception):
    """The input is not of this dialect at all; `text` says why, `place` where."""

    def __init__(self, text: str, place: str = "") -> None:
        super().__init__(text)
        self.text, self.place = text, place


def decoded(body: bytes) -> str:
    """The text of a body in UTF-8, with or without its mark. Errors: Unreadable for another encoding, NUL, or a variant file."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("The text is not UTF-8") from None
    if "\x00" in text:
        raise Unreadable("The text holds a NUL character")
    if text.lstrip().startswith("##fileformat=VCF"):
        raise Unreadable("This is a variant file (VCF): send the PharmCAT report that was made from it")
    return text
