"""HL7 v2.5.1 ORU^R01 with pharmacogenomic OBX: LOINC rows of the LRI guide and vendor codes, grouped by OBX-4 (facts: pgx-hl7v2.json).

A code that a vendor made its own leads to the same meaning by the table below (one public template of an EPIC-style interface, read 2026-11).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import hl7

from adapters.laboratory.sheet import GENE_LENGTH, VALUE_LENGTH, Holder, Problem, Reading, Result, Sheet, Unreadable, decoded
from mappings.genes.genotype import GENE_SPECIFIC, HGNC_GENES, METABOLISER_ANSWERS, Genotype, genotype

_MEANING: Final[Mapping[str, str]] = {
    "48018-6": "gene", "VARCONCEPT514": "gene",
    "84413-4": "genotype", "47998-0": "genotype", "VARCONCEPT506": "genotype",
    "VARCONCEPT504": "allele", "VARCONCEPT529": "allele",
    "VARCONCEPT552": "assessment",
    "53040-2": "phenotype", "VARCONCEPT570": "phenotype", "VARCONCEPT539": "phenotype",
    "VARCONCEPT566": "score",
} | dict.fromkeys(GENE_SPECIFIC, "genotype")  # fmt: skip
_FINAL: Final = frozenset(("F", "C", ""))
_CHARSETS: Final = frozenset(("", "UNICODE UTF-8", "UTF-8", "ASCII", "8859/1"))
_SEX: Final = {"F": "female", "M": "male"}
_HLA: Final = re.compile(r"(HLA-[A-Z]+)\s*(\*.+)")


@dataclass(slots=True)
class Header:
    """What an acknowledgement needs of the message. Empty where it could not be read."""

    separators: str = "|^~\\&"
    application: str = ""
    facility: str = ""
    control: str = ""
    version: str = "2.5.1"


@dataclass(slots=True)
class _Group:
    """The rows of one finding: what each means -> its text."""

    place: str
    said: dict[str, str] = field(default_factory=dict)
    waiting: bool = False
    specific: str | None = None


def header(body: bytes) -> Header:
    """The message header, as far as it can be read: also of a message that is refused."""
    line = body.decode("utf-8", "replace").lstrip("\ufeff \r\n\x0b").split("\r")[0].split("\n")[0]
    if not line.startswith("MSH") or len(line) < 9:
        return Header()
    parts = line.split(line[3])
    cells = [*parts, *[""] * 13]
    return Header(f"{line[3]}{cells[1][:4]}", cells[2], cells[3], cells[9][:199], cells[11] or "2.5.1")


def read(body: bytes, authorities: Mapping[str, str]) -> Reading:
    """One sheet. `authorities`: assigning authority -> identifier system. Errors: Unreadable for what is no ORU of one patient, with its place."""
    message = _message(body)
    if _text(_first(message, "MSH"), 9).upper() not in ("ORU^R01", "ORU^R01^ORU_R01", "ORU"):
        raise Unreadable("The message is no ORU^R01", "MSH-9")
    charset = _text(_first(message, "MSH"), 18).upper()
    if charset not in _CHARSETS:
        raise Unreadable("The character set is not known here: send UTF-8", "MSH-18")
    patients = _segments(message, "PID")
    if not patients:
        raise Unreadable("The message has no PID: it may be cut short", "PID")
    if len({_text(each, 3) for each in patients}) > 1:
        raise Unreadable("The message is about more than one patient", "PID")
    rows = _segments(message, "OBX")
    if not rows:
        raise Unreadable("The message has no OBX: it may be cut short", "OBX")
    order = _first(message, "OBR")
    results, problems = _results(rows)
    taken = _time(_text(order, 7)) or next((found for row in rows if (found := _time(_text(row, 14)))), None)
    laboratory = next((name for row in rows if (name := _component(row, 23, 0))), "") or _text(_first(message, "MSH"), 4).split("^")[0]
    sheet = Sheet(_holder(patients[0], authorities), tuple(results), laboratory[:VALUE_LENGTH] or None, taken, _text(order, 3)[:VALUE_LENGTH])
    return Reading((sheet,) if results else (), tuple(problems))


def acknowledgement(head: Header, code: str, text: str, now: datetime, errors: Iterable[tuple[str, str]] = ()) -> str:
    """The ACK in ER7. `code` AA, AE or AR; `errors`: (place, reason), each an ERR segment (v2.5.1, 2.14.1; ERR-8 the words for a person)."""
    bar = head.separators[0]
    caret = head.separators[1:2] or "^"
    stamp = now.strftime("%Y%m%d%H%M%S+0000")
    msh = bar.join(["MSH", head.separators[1:], "SETPOINT", "", head.application, head.facility, stamp, "", f"ACK{caret}R01{caret}ACK",
                    f"ACK{stamp[:14]}{head.control}"[:199], "P", head.version])  # fmt: skip
    msa = bar.join(["MSA", code, head.control, _escaped(text, head)])
    found = [bar.join(["ERR", "", _escaped(place, head), "207", "E", "", "", "", _escaped(reason, head)]) for place, reason in errors]
    return "\r".join([msh, msa, *found]) + "\r"


def _escaped(text: str, head: Header) -> str:
    marks = dict(zip(head.separators, "FSREX", strict=False))
    escape = head.separators[3:4] or "\\"
    return "".join(f"{escape}{marks[letter]}{escape}" if letter in marks and letter != escape else letter for letter in text)


def _message(body: bytes) -> Any:
    text = decoded(body).strip("\x0b\x1c \r\n")
    if not text.startswith("MSH"):
        raise Unreadable("The message does not begin with MSH", "MSH")
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    if len(lines[0]) < 9 or len(set(lines[0][3:8])) != 5 or any(mark.isalnum() or mark.isspace() for mark in lines[0][3:8]):
        raise Unreadable("The separators in MSH are not five different signs", "MSH-1")
    try:
        return hl7.parse("\r".join(lines))
    except Exception:  # the library raises bare errors for what it cannot split
        raise Unreadable("The message cannot be split into segments", "MSH") from None


def _segments(message: Any, name: str) -> list[Any]:
    return [segment for segment in message if str(segment[0][0]) == name]


def _first(message: Any, name: str) -> Any:
    return next(iter(_segments(message, name)), None)


def _text(segment: Any, number: int) -> str:
    """A whole field as it stands; empty where there is none."""
    try:
        return str(segment[number]).strip() if segment is not None else ""
    except (IndexError, KeyError):
        return ""


def _component(segment: Any, number: int, component: int, repetition: int = 0) -> str:
    """One component of a field, unescaped."""
    try:
        found = segment[number][repetition]
        value = found if isinstance(found, str) else found[component] if component < len(found) else ""
        if isinstance(found, str) and component:
            return ""
        return _unescaped(str(value)).strip()
    except (IndexError, KeyError, TypeError):
        return ""


_ESCAPES: Final = {"\\F\\": "|", "\\S\\": "^", "\\T\\": "&", "\\R\\": "~", "\\E\\": "\\"}


def _unescaped(text: str) -> str:
    return re.sub(r"\\[FSTRE]\\", lambda match: _ESCAPES[match[0]], text)


def _holder(pid: Any, authorities: Mapping[str, str]) -> Holder:
    """PID-3 with its assigning authorities (mapped, or by OID), PID-5, PID-7, PID-8."""
    identifiers: list[tuple[str | None, str]] = []
    count = len(pid[3]) if len(pid) > 3 else 0
    for repetition in range(count):
        value, authority = _component(pid, 3, 0, repetition), _component(pid, 3, 3, repetition)
        if value:
            identifiers.append((_system(authority, authorities), value))
    family = _component(pid, 5, 0).split("&")[0]
    return Holder(tuple(identifiers), family or None, _time(_text(pid, 7)[:8]), _SEX.get(_text(pid, 8)))


def _system(authority: str, authorities: Mapping[str, str]) -> str | None:
    name, _, rest = authority.partition("&")
    if name in authorities:
        return authorities[name]
    oid = rest.partition("&")[0] if rest.upper().endswith("ISO") else name
    return authorities.get(oid) or (f"urn:oid:{oid}" if re.fullmatch(r"[0-2](\.\d+){2,}", oid) else None)


def _time(text: str) -> str | None:
    """An HL7 time as an ISO date, or an ISO time where it has a zone."""
    found = re.match(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.\d+)?([+-]\d{2})(\d{2}))?", text)
    if not found:
        return None
    year, month, day, hour, minute, second, zone, rest = found.groups()
    iso = f"{year}-{month}-{day}" + (f"T{hour}:{minute}:{second or '00'}{zone}:{rest}" if zone else "")
    try:
        datetime.fromisoformat(iso)
    except ValueError:
        return None
    return iso


def _results(rows: Iterable[Any]) -> tuple[list[Result], list[Problem]]:
    groups: dict[str, _Group] = {}
    for number, row in enumerate(rows, 1):
        meaning = _MEANING.get(_component(row, 3, 0)) or _MEANING.get(_component(row, 3, 3))
        sub = _text(row, 4)
        group = groups.setdefault(sub or f"#{number}", _Group(f"OBX {sub}" if sub else f"OBX-1 {number}"))
        if meaning is None:
            continue
        if _text(row, 11) not in _FINAL:
            group.waiting = True
            continue
        code = _component(row, 3, 0)
        group.specific = group.specific or GENE_SPECIFIC.get(code)
        group.said.setdefault(meaning, _value(row, meaning))
    results: list[Result] = []
    problems: list[Problem] = []
    for group in groups.values():
        _finding(group, results, problems)
    return results, problems


def _value(row: Any, meaning: str) -> str:
    """OBX-5: of a coded value the gene or the answer its code stands for, else its words; text-only codes begin with a caret."""
    code, words = _component(row, 5, 0), _component(row, 5, 1)
    if meaning == "gene":
        return HGNC_GENES.get(code) or HGNC_GENES.get(f"HGNC:{code}") or words or code
    if meaning == "phenotype":
        return METABOLISER_ANSWERS.get(code) or words or code
    return (words or code)[:VALUE_LENGTH]


def _finding(group: _Group, results: list[Result], problems: list[Problem]) -> None:
    said = group.said
    if not said:
        if group.waiting:
            problems.append(Problem(group.place, "The result is not final (OBX-11): it was not taken"))
        return
    text = said.get("genotype") or said.get("allele") or ""
    gene = (group.specific or said.get("gene") or "").upper()
    hla = _HLA.fullmatch(text)
    if hla:
        gene, text = gene or hla[1], hla[2]
    if not gene:
        named = re.match(r"(CYP[0-9][A-Z][0-9]+)\s*(?=\*)", text)
        gene = named[1] if named else ""
    if not gene or len(gene) > GENE_LENGTH:
        if text or "phenotype" in said:
            problems.append(Problem(group.place, "No gene is named with this result: it was not taken"))
        return
    if not text and "phenotype" not in said:
        problems.append(Problem(group.place, "Neither a genotype nor a phenotype is given for this gene", gene))
        return
    results.append(Result(group.place, _genotype(gene, text, said)))


def _genotype(gene: str, text: str, said: Mapping[str, str]) -> Genotype:
    assessment = said.get("assessment", "").lower()
    if gene.startswith("HLA") and assessment and "*" in text and "/" not in text:
        status = "positive" if assessment in ("detected", "positive", "present") else "negative" if assessment.startswith("not") or assessment in (
            "negative", "absent") else None  # fmt: skip
        if status:
            return Genotype(gene, None, f"{text.strip()} {status}")
    found = genotype(gene, text) if text else Genotype(gene, None)
    return Genotype(gene, found.diplotype, found.phenotype or said.get("phenotype"), activity_score=said.get("score"))
