"""What is known of one gene: its alleles, and the rule from two alleles to a phenotype. One file per gene in library/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations_with_replacement, pairwise
from typing import Any, Final

from mappings.genes.diplotype import hybrid_key
from mappings.knowledge import KnowledgeError

INDETERMINATE: Final = "Indeterminate"
PHENOTYPES: Final = (
    "Ultrarapid Metabolizer",
    "Rapid Metabolizer",
    "Normal Metabolizer",
    "Intermediate Metabolizer",
    "Likely Intermediate Metabolizer",
    "Possible Intermediate Metabolizer",
    "Poor Metabolizer",
    "Likely Poor Metabolizer",
    INDETERMINATE,
)
FUNCTIONS: Final = (
    "No function",
    "Decreased function",
    "Normal function",
    "Increased function",
    "Uncertain function",
    "Unknown function",
)
_TEXTS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}}
_ACTIVITY: Final = {"type": "string", "pattern": r"^(n/a|≥?\d+\.\d{1,2})$"}
_FUNCTION_SET: Final = {"type": "array", "minItems": 1, "items": {"enum": list(FUNCTIONS)}}

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["gene", "kind", "version", "source", "licence"],
    "properties": {
        "gene": {"type": "string", "pattern": r"^[A-Z0-9]+(-[A-Z]+)?$"},
        "hgnc": {"type": "string", "pattern": r"^HGNC:\d+$"},
        "loinc": {"type": "array", "items": {"type": "string", "pattern": r"^\d{1,5}-\d$"}},
        "kind": {"enum": ["activity", "function", "presence"]},
        "version": {"type": "string"},
        "source": _TEXTS | {"minItems": 1},
        "licence": {"type": "string"},
        "bands": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["phenotype", "from"],
                "properties": {"phenotype": {"enum": list(PHENOTYPES)}, "from": {"type": "number"}, "to": {"type": "number"}},
            },
        },
        "rules": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["functions", "phenotype"],
                "properties": {
                    "functions": {"type": "array", "minItems": 2, "maxItems": 2, "items": _FUNCTION_SET},
                    "phenotype": {"enum": list(PHENOTYPES)},
                },
            },
        },
        "alleles": {
            "type": "object",
            "propertyNames": {"pattern": r"^\*\d{1,3}(x≥?\d+)?$"},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["function"],
                "properties": {"function": {"enum": list(FUNCTIONS)}, "activity": _ACTIVITY},
            },
        },
        "open_counts": _TEXTS,
        "aliases": {"type": "object", "additionalProperties": {"type": "string"}},
        "hybrids": {"type": "object", "additionalProperties": _ACTIVITY},
        "hybrids_source": {"type": "string"},
        "presence": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"^\*\d+:\d+$"}},
    },
}


@dataclass(frozen=True, slots=True)
class Band:
    """Scores from `low` to `high` (both included; None: no upper end) are this phenotype."""

    phenotype: str
    low: Decimal
    high: Decimal | None


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """An activity score; `at_least` for an open copy count. `str()` writes the source's key: `1.0`, `0.25`, `≥3.0`."""

    value: Decimal
    at_least: bool = False

    def __add__(self, other: "Score") -> "Score":
        return Score(self.value + other.value, self.at_least or other.at_least)

    def __str__(self) -> str:
        digits = f"{self.value.normalize():f}"
        return ("≥" if self.at_least else "") + (digits if "." in digits else digits + ".0")


def score_of(text: str) -> Score | None:
    """A written score (`1.25`, `≥3.0`); None for `n/a`."""
    if text == "n/a":
        return None
    return Score(Decimal(text.removeprefix("≥")), text.startswith("≥"))


@dataclass(frozen=True, slots=True)
class Allele:
    """One allele's function and, where the gene is scored, its activity (None: not assigned)."""

    function: str
    activity: Score | None


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene. `kind` says the rule: activity (sum and bands), function (pairs of functions), presence (HLA allele carried)."""

    gene: str
    kind: str
    version: str
    hgnc: str | None
    loinc: tuple[str, ...]
    alleles: Mapping[str, Allele]
    aliases: Mapping[str, str]
    hybrids: Mapping[str, Score | None]
    open_counts: frozenset[str]
    bands: tuple[Band, ...]
    pairs: Mapping[tuple[str, str], str]
    presence: tuple[str, ...]
    scores: Mapping[str, tuple[str, ...]]
    """Phenotype -> every score of its band that two known alleles can reach, as written in lookup tables."""

    def phenotype_of(self, score: Score) -> str:
        """The band of a score; Indeterminate outside all bands."""
        return _banded(self.bands, score)


def _banded(bands: Sequence[Band], score: Score) -> str:
    for band in bands:
        if band.low <= score.value and (band.high is None or score.value <= band.high):
            return band.phenotype
    return INDETERMINATE


def _scored(data: Mapping[str, Any]) -> dict[str, Allele]:
    activity = data["kind"] == "activity"
    alleles = {}
    for name, entry in data.get("alleles", {}).items():
        if activity != ("activity" in entry):
            raise KnowledgeError("a scored gene needs an activity for every allele, and only a scored gene", ("alleles", name))
        alleles[name] = Allele(entry["function"], score_of(entry["activity"]) if activity else None)
    return alleles


def _bands(data: Mapping[str, Any]) -> tuple[Band, ...]:
    bands = [Band(b["phenotype"], Decimal(str(b["from"])), Decimal(str(b["to"])) if "to" in b else None) for b in data.get("bands", [])]
    for at, (lower, upper) in enumerate(pairwise(bands), start=1):
        if lower.high is None or upper.low <= lower.high:
            raise KnowledgeError("bands must rise and not overlap", ("bands", at))
    return tuple(bands)


def _pairs(data: Mapping[str, Any], alleles: Mapping[str, Allele]) -> dict[tuple[str, str], str]:
    """Every pair of functions that the gene's alleles can show -> phenotype, by the first rule that fits either way round."""
    found: dict[tuple[str, str], str] = {}
    functions = sorted({allele.function for allele in alleles.values()})
    for one, two in combinations_with_replacement(functions, 2):
        for rule in data.get("rules", []):
            first, second = rule["functions"]
            if (one in first and two in second) or (two in first and one in second):
                found[one, two] = found[two, one] = rule["phenotype"]
                break
        else:
            raise KnowledgeError(f"no rule for {one} with {two}", ("rules",))
    return found


def _scores(alleles: Mapping[str, Allele], hybrids: Mapping[str, Score | None], bands: Sequence[Band]) -> dict[str, tuple[str, ...]]:
    values = {allele.activity for allele in alleles.values() if allele.activity} | {score for score in hybrids.values() if score}
    reached: dict[str, set[Score]] = {}
    for one, two in combinations_with_replacement(sorted(values), 2):
        phenotype = _banded(bands, one + two)
        if phenotype == INDETERMINATE:
            raise KnowledgeError(f"the sum {one + two} falls between the bands", ("bands",))
        reached.setdefault(phenotype, set()).add(one + two)
    return {phenotype: tuple(str(score) for score in sorted(scores)) for phenotype, scores in reached.items()}


def _check(data: Mapping[str, Any]) -> None:
    kind = data["kind"]
    for key, wanted in (("bands", "activity"), ("rules", "function"), ("presence", "presence")):
        if (key in data) != (kind == wanted):
            raise KnowledgeError(f"'{key}' belongs to kind {wanted}", (key,) if key in data else ("kind",))
    if kind != "presence" and not data.get("alleles"):
        raise KnowledgeError("a gene that is not read by presence needs alleles", ("kind",))
    for old, new in data.get("aliases", {}).items():
        if new not in data["alleles"]:
            raise KnowledgeError("the new name is no allele of this gene", ("aliases", old))
    for at, base in enumerate(data.get("open_counts", [])):
        if f"{base}x≥3" not in data["alleles"]:
            raise KnowledgeError("an open count needs its at-least-3 allele", ("open_counts", at))


def build(data: dict[str, Any]) -> Gene:
    """A gene from its file (already valid by SCHEMA). Errors: KnowledgeError with the path of the wrong element."""
    _check(data)
    alleles, bands = _scored(data), _bands(data)
    hybrids = {hybrid_key(name): score_of(value) for name, value in data.get("hybrids", {}).items()}
    return Gene(
        gene=data["gene"],
        kind=data["kind"],
        version=data["version"],
        hgnc=data.get("hgnc"),
        loinc=tuple(data.get("loinc", ())),
        alleles=alleles,
        aliases=data.get("aliases", {}),
        hybrids=hybrids,
        open_counts=frozenset(data.get("open_counts", ())),
        bands=bands,
        pairs=_pairs(data, alleles) if data["kind"] == "function" else {},
        presence=tuple(data.get("presence", ())),
        scores=_scores(alleles, hybrids, bands) if data["kind"] == "activity" else {},
    )
