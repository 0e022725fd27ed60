"""PharmCAT's report and phenotyper JSON, releases 2.0 to 3.1: the release is told by structure, then read the same way.

2.x puts a source (CPIC, DPWG) above the genes, 3.1 none; the phenotyper calls them `geneReports`. No file names a person: title and file
name identify nobody, so the patient comes with the request.
"""

import json
from collections.abc import Iterator
from typing import Any

from adapters.laboratory.sheet import Holder, Problem, Reading, Result, Sheet, Unreadable, decoded
from mappings.genes.genotype import Genotype, genotype
from mappings.vocabulary import Json

_SOURCES = ("CPIC", "DPWG", "FDA")
_UNKNOWN = "Unknown"
DEEPEST = 60


def read(body: bytes, patient: str) -> Reading:
    """One sheet. `patient`: `system|value` or a bare value. Errors: Unreadable for what is no PharmCAT file."""
    data = _parsed(decoded(body))
    genes = data.get("genes", data.get("geneReports"))
    if not isinstance(genes, dict) or not genes:
        raise Unreadable("This is no PharmCAT report or phenotyper file: it has neither genes nor geneReports", "genes")
    results: list[Result] = []
    problems: list[Problem] = []
    for name, report in _reports(genes):
        _gene(name, report, results, problems)
    stamp = data.get("timestamp") or data.get("generatedOn") or ""
    system, bar, value = patient.rpartition("|")
    holder = Holder(((system if bar and system else None, value),))
    return Reading((Sheet(holder, tuple(results), "PharmCAT", None, str(stamp)[:64]),) if results else (), tuple(problems))


def _parsed(text: str) -> Json:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("The body is not JSON") from None
    if not isinstance(data, dict):
        raise Unreadable("The body is no JSON object")
    return data


def _reports(genes: Json) -> Iterator[tuple[str, Any]]:
    """(gene, report) once each: of several sources that carry a gene the first counts, for the calls are the same."""
    by_source = [genes[source] for source in _SOURCES if isinstance(genes.get(source), dict)]
    layers = by_source if by_source and not any(isinstance(each, dict) and "geneSymbol" in each for each in genes.values()) else [genes]
    seen: set[str] = set()
    for layer in layers:
        for name, report in layer.items():
            if name not in seen and name not in _SOURCES:
                seen.add(name)
                yield name, report


def _gene(name: str, report: Any, results: list[Result], problems: list[Problem]) -> None:
    place = f"genes.{name}" if name.isascii() and name.isprintable() and len(name) <= 20 else "genes"
    if not isinstance(report, dict):
        problems.append(Problem(place, "This gene's report is no object"))
        return
    gene = report.get("geneSymbol") if isinstance(report.get("geneSymbol"), str) else name
    called = report.get("recommendationDiplotypes") or report.get("sourceDiplotypes") or report.get("diplotypes") or []
    found = [each for each in called if isinstance(each, dict)] if isinstance(called, list) else []
    if report.get("callSource") == "NONE" or not found:
        problems.append(Problem(place, "No call: the gene has no result", place.removeprefix("genes.")))
        return
    known = [one for one in dict.fromkeys(_diplotype(str(gene), each) for each in found) if one is not None]
    if not known:
        problems.append(Problem(place, "No call: the gene has no result", place.removeprefix("genes.")))
    results += [Result(place, one) for one in known]


def _diplotype(gene: str, call: Json) -> Genotype | None:
    names = [_allele(call.get(key)) for key in ("allele1", "allele2")]
    label = call.get("label") if isinstance(call.get("label"), str) else None
    text = "/".join(name for name in names if name) or label
    phenotypes = [each for each in call.get("phenotypes") or () if isinstance(each, str)]
    outside = call.get("outsidePhenotype")
    said = phenotypes[0] if phenotypes else outside if isinstance(outside, str) else None
    if said in ("No Result", "n/a", "N/A"):
        said = None
    if text is None or _UNKNOWN in text:
        return Genotype(gene, None, said) if said else None
    read_ = genotype(gene, text)
    score = call.get("activityScore")
    return Genotype(gene, read_.diplotype or text, said, activity_score=str(score) if score not in (None, "n/a") else None)


def _allele(allele: Any) -> str | None:
    name = allele.get("name") if isinstance(allele, dict) else allele
    return name if isinstance(name, str) and name.strip() else None
