"""The laboratory CSV: `patient,gene,diplotype,specimen_date,laboratory`, a row a gene (RFC 4180)."""

import csv
import io
from datetime import date, datetime

from adapters.laboratory.sheet import GENE_LENGTH, VALUE_LENGTH, Holder, Problem, Reading, Result, Sheet, Unreadable, decoded
from mappings.genes.genotype import genotype

COLUMNS = ("patient", "gene", "diplotype", "specimen_date", "laboratory")


def read(body: bytes) -> Reading:
    """One sheet for each patient, date and laboratory. Errors: Unreadable for another header, or a text that is no CSV."""
    rows = csv.reader(io.StringIO(decoded(body)), strict=True)
    problems: list[Problem] = []
    found: dict[tuple[str, str, str], list[Result]] = {}
    try:
        header = next(rows, [])
        if tuple(name.strip().lower() for name in header) != COLUMNS:
            raise Unreadable(f"The header must be {','.join(COLUMNS)}", "row 1")
        for cells in rows:
            if any(cell.strip() for cell in cells):
                _row(f"row {rows.line_num}", [cell.strip() for cell in cells], found, problems)
    except csv.Error:
        raise Unreadable("The text is not CSV: quotes do not match", f"row {rows.line_num}") from None
    sheets = [Sheet(_holder(who), tuple(results), laboratory or None, taken or None) for (who, taken, laboratory), results in found.items()]
    return Reading(tuple(sheets), tuple(problems))


def _row(place: str, cells: list[str], found: dict[tuple[str, str, str], list[Result]], problems: list[Problem]) -> None:
    if len(cells) != len(COLUMNS):
        problems.append(Problem(place, f"A row has {len(COLUMNS)} cells"))
        return
    who, gene, value, taken, laboratory = cells
    gene = gene.upper()
    for name, text, longest in (("patient", who, VALUE_LENGTH), ("gene", gene, GENE_LENGTH), ("diplotype", value, VALUE_LENGTH)):
        if not text or len(text) > longest:
            problems.append(Problem(place, f"The cell {name} is empty or too long"))
            return
    if taken and not is_date(taken):
        problems.append(Problem(place, "The specimen_date is no ISO date", gene))
        return
    found.setdefault((who, taken, laboratory), []).append(Result(place, genotype(gene, value, specimen_date=taken or None)))


def _holder(who: str) -> Holder:
    system, bar, value = who.rpartition("|")
    return Holder(((system if bar and system else None, value),))


def is_date(text: str) -> bool:
    """Whether a text is an ISO date, or an ISO time with a zone."""
    try:
        return bool(date.fromisoformat(text)) if len(text) == 10 else datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
