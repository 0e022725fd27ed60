"""The drugs that act on a gene's enzyme, and for which of them a rule changes the activity score. One file: inhibitors.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mappings.knowledge import KnowledgeError

_TEXTS: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
STRENGTHS: Final = ("strong", "moderate", "weak")

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "source", "opioids", "genes"],
    "properties": {
        "version": {"type": "string"},
        "source": _TEXTS,
        "opioids": _TEXTS,
        "lasting_days": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
        "genes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["rule", "rule_text", "mark"],
                "properties": dict.fromkeys([*STRENGTHS, "inducers", "smoking"], _TEXTS)
                | {
                    "rule": {"enum": ["score", "none"]},
                    "rule_text": {"type": "string"},
                    "mark": {"enum": ["V", "L"]},
                    "note": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Modifiers:
    """The drugs that act on one gene. `strength` is drug -> strong, moderate or weak; `scored`: a rule changes the activity score.

    `smoking` are the drugs whose level tobacco smoke lowers through this gene.
    """

    gene: str
    scored: bool
    rule_text: str
    strength: Mapping[str, str]
    inducers: frozenset[str]
    smoking: frozenset[str]
    note: str | None


@dataclass(frozen=True, slots=True)
class Inhibitors:
    """The knowledge of inhibitors.json. `lasting_days`: how long a stopped drug still acts; `opioids`: where the score rule comes from."""

    version: str
    opioids: frozenset[str]
    lasting_days: Mapping[str, int]
    genes: Mapping[str, Modifiers]


def build(data: dict[str, Any]) -> Inhibitors:
    """The inhibitors of the file (already valid by SCHEMA). Errors: KnowledgeError where a drug has two strengths for one gene."""
    genes = {}
    for name, entry in data["genes"].items():
        strength: dict[str, str] = {}
        for level in STRENGTHS:
            for at, drug in enumerate(entry.get(level, ())):
                if drug in strength:
                    raise KnowledgeError("this drug already has a strength", ("genes", name, level, at))
                strength[drug] = level
        genes[name] = Modifiers(
            gene=name,
            scored=entry["rule"] == "score",
            rule_text=entry["rule_text"],
            strength=strength,
            inducers=frozenset(entry.get("inducers", ())),
            smoking=frozenset(entry.get("smoking", ())),
            note=entry.get("note"),
        )
    return Inhibitors(data["version"], frozenset(data["opioids"]), data.get("lasting_days", {}), genes)
