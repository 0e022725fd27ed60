"""The drugs this service knows, by RxNorm ingredient, ATC code and name. One file: drugs.json."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mappings.knowledge import KnowledgeError

_TEXTS: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "source", "licence", "drugs"],
    "properties": {
        "about": {"type": "string"},
        "version": {"type": "string"},
        "source": _TEXTS,
        "licence": {"type": "string"},
        "drugs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "group", "names"],
                "properties": {
                    "id": {"type": "string"},
                    "group": {"type": "string"},
                    "names": _TEXTS,
                    "rxnorm": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["code", "mark"],
                            "properties": {
                                "code": {"type": "string", "pattern": r"^\d+$"},
                                "mark": {"enum": ["VERIFIED", "SINGLE_SOURCE"]},
                            },
                        },
                    },
                    "atc": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"^[A-Z]\d{2}[A-Z]{2}\d{2}$"}},
                },
            },
        },
    },
}
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug. `rxnorm` is code -> VERIFIED or SINGLE_SOURCE; salts and forms of lithium and of valproate are one drug each."""

    id: str
    group: str
    names: tuple[str, ...]
    rxnorm: Mapping[str, str]
    atc: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drugs:
    """All drugs with their indexes: by id, RxNorm code, ATC code, and the words of their names (first word -> names, longest first)."""

    by_id: Mapping[str, Drug]
    by_rxnorm: Mapping[str, Drug]
    by_atc: Mapping[str, Drug]
    by_word: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]

    def named_in(self, text: str) -> tuple[str, ...]:
        """The ids of the drugs a text names as whole words, in order: `escitalopram` never reads as `citalopram`."""
        words = words_of(text)
        found: dict[str, None] = {}
        at = 0
        while at < len(words):
            length = 1
            for name, drug in self.by_word.get(words[at], ()):
                if tuple(words[at : at + len(name)]) == name:
                    found[drug] = None
                    length = len(name)
                    break
            at += length
        return tuple(found)


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, typographic apostrophes made plain."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def build(data: dict[str, Any]) -> Drugs:
    """The drugs of the file (already valid by SCHEMA). Errors: KnowledgeError where an id, a code or a name stands twice."""
    by_id: dict[str, Drug] = {}
    by_rxnorm: dict[str, Drug] = {}
    by_atc: dict[str, Drug] = {}
    names: dict[tuple[str, ...], str] = {}
    for at, entry in enumerate(data["drugs"]):
        codes = {code["code"]: code["mark"] for code in entry.get("rxnorm", ())}
        drug = Drug(entry["id"], entry["group"], tuple(entry["names"]), codes, tuple(entry.get("atc", ())))
        _once(by_id, drug.id, drug, ("drugs", at, "id"))
        for code_at, code in enumerate(codes):
            _once(by_rxnorm, code, drug, ("drugs", at, "rxnorm", code_at, "code"))
        for atc_at, atc in enumerate(drug.atc):
            _once(by_atc, atc, drug, ("drugs", at, "atc", atc_at))
        for name_at, name in enumerate(drug.names):
            _once(names, tuple(words_of(name)), drug.id, ("drugs", at, "names", name_at))
    return Drugs(by_id, by_rxnorm, by_atc, _by_word(names))


def _once(index: dict[_Key, _Value], key: _Key, value: _Value, path: tuple[str | int, ...]) -> None:
    if key in index:
        raise KnowledgeError("stands twice", path)
    index[key] = value


def _by_word(names: Mapping[tuple[str, ...], str]) -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    index: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for name in sorted(names, key=len, reverse=True):
        index.setdefault(name[0], []).append((name, names[name]))
    return {word: tuple(entries) for word, entries in index.items()}


def members(data: Mapping[str, Any], path: tuple[str | int, ...], drugs: Drugs) -> frozenset[str]:
    """The ids that a rule names by `drugs` and by `groups`. Errors: KnowledgeError for one that is not known."""
    groups: dict[str, set[str]] = {}
    for drug in drugs.by_id.values():
        groups.setdefault(drug.group, set()).add(drug.id)
    for name, known in (("drugs", drugs.by_id), ("groups", groups)):
        for at, each in enumerate(data.get(name, ())):
            if each not in known:
                raise KnowledgeError(f"no such {name[:-1]}", (*path, name, at))
    return frozenset(data.get("drugs", ())).union(*(groups[group] for group in data.get("groups", ())))
