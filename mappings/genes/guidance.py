"""What CPIC, DPWG and FDA say about a drug for a person's genes: one file per gene-drug pair, each source in its own rows, never merged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from mappings.genes.phenotype import NO_RESULT, Interpreted
from mappings.knowledge import KnowledgeError

SOURCES: Final = ("CPIC", "DPWG", "FDA")
QUIET: Final = frozenset({"STANDARD", "NO_ACTION", "NO_RECOMMENDATION"})
"""Actions after which nothing needs doing."""
ACTIONS: Final = (
    *("STANDARD", "NO_ACTION", "NO_RECOMMENDATION", "AVOID", "DO_NOT_USE", "ALTERNATIVE", "ALTERNATIVE_IF_NO_RESPONSE", "WEIGH"),
    *("REDUCE", "REDUCE_START", "REDUCE_MAINTENANCE", "REDUCE_IF_SIDE_EFFECTS", "ALTERNATIVE_OR_REDUCE", "LOWER_START"),
    *("LOWER_MAINTENANCE", "SLOWER_TITRATION", "STAY_LOW", "MAX_DOSE", "INCREASE", "INCREASE_BY_EFFECT", "HIGHER_TARGET"),
    *("HIGHER_MAINTENANCE", "TITRATE_TO_METABOLITE_MAX", "TDM", "ALERT", "USE_WITH_MONITORING", "CAUTIOUS_REUSE"),
)
ANY: Final = "any"
"""A row's key that fits every result of a gene, but not a missing one."""

_NUMBER: Final = {"type": "number"}
_PAIR: Final = {"type": "array", "minItems": 2, "maxItems": 2, "items": _NUMBER}
_DOSE_NUMBERS: Final = (
    *("startFactor", "maintFactor", "maintFactorMin", "factor", "factorMax", "factorOfMax", "factorIfCnsSideEffects"),
    *("factorOtherIndications", "maxDoseMg", "maxDoseMgPerDay", "maxDoseMgPerDayAge65", "maxDepotMgPerMonth", "startMg", "startDoseMg"),
    *("startMgPerKg", "raiseToMg", "raiseToMgPerKg", "raiseAfterDays", "thenMg", "lowNgMl", "targetNgMl", "toxicNgMl"),
)
_TEXTS: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
_ROW: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["population", "classification", "actions", "text", "when"],
    "properties": {
        "population": {"type": "string"},
        "classification": {"type": "string"},
        "actions": {"type": "array", "minItems": 1, "items": {"enum": list(ACTIONS)}},
        "dose": {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": dict.fromkeys(_DOSE_NUMBERS, _NUMBER)
            | {"levelHours": _PAIR, "startFactorRange": _PAIR, "levelNgMl": _PAIR, "levelOf": {"type": "string"}},
        },
        "text": {"type": "string", "minLength": 1},
        "when": {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1, "additionalProperties": _TEXTS}},
    },
}
_SOURCE: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["source", "genes", "version", "date", "url", "licence", "cited", "rows"],
    "properties": {
        "source": {"enum": list(SOURCES)},
        "genes": _TEXTS,
        "level": {"type": "string"},
        "version": {"type": "string"},
        "date": {"type": "string", "pattern": r"^\d{4}(-\d{2}(-\d{2})?)?$"},
        "url": {"type": "string", "pattern": "^https://"},
        "licence": {"type": "string"},
        "cited": {"type": "string"},
        "notes": _TEXTS,
        "rows": {"type": "array", "minItems": 1, "items": _ROW},
    },
}
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["drug", "genes", "sources"],
    "properties": {"drug": {"type": "string"}, "genes": _TEXTS, "sources": {"type": "array", "minItems": 1, "items": _SOURCE}},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One recommendation. `when` are alternatives; each asks for one of some keys from one or more genes."""

    population: str
    classification: str
    actions: tuple[str, ...]
    dose: Mapping[str, Any]
    text: str
    when: tuple[Mapping[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Guideline:
    """What one source says about the pair. `level` is CPIC's own grade of the pair, else None."""

    source: str
    genes: tuple[str, ...]
    level: str | None
    version: str
    date: str
    url: str
    cited: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Guidance:
    """One gene-drug pair: the drug, its genes, and each source's guideline."""

    drug: str
    genes: tuple[str, ...]
    sources: tuple[Guideline, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that applies to a person. `lookup` is gene -> the key it was found by; `dose` holds factors and limits (mg, ng/mL, days).

    `actionable`: at least one action beyond usual dosing, no action and no recommendation. `code` is stable for the same row and person.
    """

    drug: str
    genes: tuple[str, ...]
    source: str
    population: str
    classification: str
    actions: tuple[str, ...]
    text: str
    lookup: Mapping[str, str]
    version: str
    date: str
    url: str
    actionable: bool
    dose: Mapping[str, Any]
    level: str | None = None
    notes: tuple[str, ...] = ()
    source_refs: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Names the finding for identity: source, genes, drug, population and key."""
        keys = "+".join(f"{gene}={key}" for gene, key in sorted(self.lookup.items()))
        return f"gene-drug|{self.source}|{self.drug}|{self.population}|{keys}|{self.classification}|{'+'.join(self.actions)}"


def build(data: dict[str, Any]) -> Guidance:
    """The guidance of one pair from its file (already valid by SCHEMA). Errors: KnowledgeError with the path of the wrong element."""
    genes = tuple(data["genes"])
    for at, source in enumerate(data["sources"]):
        _check(source, genes, at)
    return Guidance(data["drug"], genes, tuple(_guideline(source) for source in data["sources"]))


def _check(source: Mapping[str, Any], genes: tuple[str, ...], at: int) -> None:
    if not set(source["genes"]) <= set(genes):
        raise KnowledgeError("a source speaks of a gene that the file does not name", ("sources", at, "genes"))
    for row_at, row in enumerate(source["rows"]):
        for when_at, when in enumerate(row["when"]):
            if not set(when) <= set(source["genes"]):
                raise KnowledgeError("a condition names a gene that its source does not", ("sources", at, "rows", row_at, "when", when_at))


def _guideline(data: Mapping[str, Any]) -> Guideline:
    return Guideline(
        source=data["source"],
        genes=tuple(data["genes"]),
        level=data.get("level"),
        version=data["version"],
        date=data["date"],
        url=data["url"],
        cited=data["cited"],
        notes=tuple(data.get("notes", ())),
        rows=tuple(_row(row) for row in data["rows"]),
    )


def _row(data: Mapping[str, Any]) -> Row:
    when = tuple({gene: frozenset(keys) for gene, keys in alternative.items()} for alternative in data["when"])
    return Row(data["population"], data["classification"], tuple(data["actions"]), data.get("dose", {}), data["text"], when)


def drugs_of(guidances: Iterable[Guidance], interpreted: Iterable[Interpreted]) -> list[str]:
    """Every drug that a gene with a result speaks about, each once."""
    genes = {one.gene for one in interpreted if one.keys}
    return list(dict.fromkeys(guidance.drug for guidance in guidances if genes.intersection(guidance.genes)))


def find(guidances: Iterable[Guidance], interpreted: Sequence[Interpreted], drug: str) -> list[Finding]:
    """Every row of every source that applies, for all populations. A gene not given is `No Result`; one given twice counts twice."""
    return [
        finding
        for guidance in guidances
        if guidance.drug == drug
        for guideline in guidance.sources
        for finding in _of_guideline(guidance.drug, guideline, interpreted)
    ]


def _of_guideline(drug: str, guideline: Guideline, interpreted: Sequence[Interpreted]) -> Iterator[Finding]:
    # A result that says nothing must not stand as "No Result" beside one that does.
    given = [tuple(one for one in interpreted if one.gene == gene and one.keys) or (None,) for gene in guideline.genes]
    seen = set()
    for combination in product(*given):
        people = dict(zip(guideline.genes, combination, strict=True))
        for row in guideline.rows:
            lookup = _lookup(row, people)
            if lookup is None:
                continue
            finding = _finding(drug, guideline, row, people, lookup)
            if finding.code not in seen:
                seen.add(finding.code)
                yield finding


def _lookup(row: Row, people: Mapping[str, Interpreted | None]) -> dict[str, str] | None:
    """The key of each gene by which a row applies; None when it does not, or when no gene of the row has a result."""
    for when in row.when:
        found = {gene: _key(people[gene], wanted) for gene, wanted in when.items()}
        keys = {gene: key for gene, key in found.items() if key is not None}
        if len(keys) == len(when) and any(key != NO_RESULT for key in keys.values()):
            return keys
    return None


def _key(one: Interpreted | None, wanted: frozenset[str]) -> str | None:
    if one is None or not one.keys:
        return NO_RESULT if NO_RESULT in wanted else None
    for key in (one.activity_score, one.phenotype, one.allele_status, one.diplotype):
        if key is not None and key in one.keys and key in wanted:
            return key
    if one.phenotype and not wanted.isdisjoint(one.possible_scores):
        return one.phenotype
    named = next(iter(sorted(one.keys & wanted)), None)
    return named or ((one.phenotype or one.allele_status or one.diplotype or ANY) if ANY in wanted else None)


def _finding(drug: str, guideline: Guideline, row: Row, people: Mapping[str, Interpreted | None], lookup: Mapping[str, str]) -> Finding:
    used = [one for gene in lookup if (one := people[gene]) is not None]
    return Finding(
        drug=drug,
        genes=guideline.genes,
        source=guideline.source,
        population=row.population,
        classification=row.classification,
        actions=row.actions,
        text=row.text,
        lookup=lookup,
        version=guideline.version,
        date=guideline.date,
        url=guideline.url,
        actionable=not QUIET.issuperset(row.actions),
        dose=row.dose,
        level=guideline.level,
        notes=(*guideline.notes, *_band_notes(row, people, lookup)),
        source_refs=tuple(dict.fromkeys(one.source_ref for one in used if one.source_ref)),
    )


def _band_notes(row: Row, people: Mapping[str, Interpreted | None], lookup: Mapping[str, str]) -> Iterator[str]:
    """For genes found by their band: which scores of it this row holds for, the other genes being as they are."""
    for gene, key in lookup.items():
        one = people[gene]
        if one is None or key != one.phenotype:
            continue
        fitting = [when[gene] for when in row.when if gene in when and _others_fit(when, people, gene)]
        scores = [score for score in one.possible_scores if any(score in wanted for wanted in fitting)]
        if scores:
            said = "activity score unknown" if one.activity_score is None else "looked up by its band"
            yield f"{gene}: {said}; this row holds for {', '.join(scores)}."


def _others_fit(when: Mapping[str, frozenset[str]], people: Mapping[str, Interpreted | None], gene: str) -> bool:
    return all(_key(people[other], wanted) is not None for other, wanted in when.items() if other != gene)
