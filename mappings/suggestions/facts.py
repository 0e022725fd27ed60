"""Facts: the named things a rule may ask about one person now, and the catalogue that says which names there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from mappings.knowledge import KnowledgeError, Path
from mappings.vocabulary import Json

Kind = Literal["number", "text", "boolean"]
Value = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Fact:
    """One name a rule may use. `unit`: UCUM code of a number, None for text and boolean; `display`: the unit in words."""

    name: str
    type: Kind
    unit: str | None
    description: str
    display: str = ""

    def accepts(self, value: object) -> bool:
        """Whether a value has this fact's type; true and false are no numbers."""
        if self.type == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, bool if self.type == "boolean" else str)


@dataclass(frozen=True, slots=True)
class FactValue:
    """What a fact is for one person now. `refs`: "Type/id" of what it rests on; `as_of`: ISO date or instant of the evidence."""

    value: Value
    refs: tuple[str, ...] = ()
    as_of: str | None = None


Facts = Mapping[str, FactValue]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every fact by name, and the scales and measures whose newest answer may trigger a rule."""

    version: str
    by_name: Mapping[str, Fact]
    measures: frozenset[str]

    def __getitem__(self, name: str) -> Fact:
        return self.by_name[name]


class SafetyRule(Protocol):
    """What a scale watches: `code` such as "phq-9.suicidal-ideation"; `items`: ids of items, empty where it watches a score."""

    @property
    def code(self) -> str: ...
    @property
    def items(self) -> tuple[str, ...]: ...


class Scale(Protocol):
    """A rating scale (mappings/scales/scale.py)."""

    @property
    def id(self) -> str: ...
    @property
    def short(self) -> str: ...
    @property
    def safety(self) -> Sequence[SafetyRule]: ...


class Prior(Protocol):
    """A measure with a baseline (mappings/baseline/prior.py); `unit` as UCUM."""

    @property
    def measure(self) -> str: ...
    @property
    def short(self) -> str: ...
    @property
    def unit(self) -> str: ...


_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_FACT: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "type", "description"],
    "properties": {"name": _TEXT, "type": {"enum": ["number", "text", "boolean"]}, "unit": _TEXT, "description": _TEXT},
}
_SECTIONS: Final = ("scale_facts", "safety_facts", "measure_facts", "facts")
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["about", "version", "source", "units", *_SECTIONS],
    "properties": {
        "about": _TEXT,
        "version": _TEXT,
        "source": {"type": "array", "items": _TEXT, "minItems": 1},
        "units": {"type": "object", "additionalProperties": {"type": "string"}},
        **{section: {"type": "array", "items": _FACT, "minItems": 1} for section in _SECTIONS},
    },
}


def build(data: Json, scales: Iterable[Scale], priors: Iterable[Prior]) -> Catalogue:
    """The catalogue over these scales and measures: a new scale or prior brings its facts with it.

    Errors: KnowledgeError for a number without unit, a unit on anything else, or one name with two meanings.
    """
    expander, scales = _Expander(data), tuple(scales)
    labels = {scale.id: scale.short for scale in scales}
    for scale in scales:
        expander.add("scale_facts", {"{scale}": scale.id, "{label}": scale.short})
        for code in dict.fromkeys(rule.code for rule in scale.safety if rule.items):
            topic = code.removeprefix(scale.id + ".").replace("-", " ")
            expander.add("safety_facts", {"{safety}": code, "{label}": scale.short, "{topic}": topic})
    measures = tuple(priors)
    for prior in measures:
        expander.add("measure_facts", {"{measure}": prior.measure, "{label}": labels.get(prior.measure, prior.short), "{unit}": prior.unit})
    expander.add("facts", {})
    return Catalogue(data["version"], expander.found, frozenset((*labels, *(prior.measure for prior in measures))))


class _Expander:
    """Collects facts, each pattern filled in for one scale, safety finding or measure."""

    def __init__(self, data: Json) -> None:
        self._data = data
        self.found: dict[str, Fact] = {}

    def add(self, section: str, words: Mapping[str, str]) -> None:
        for at, pattern in enumerate(self._data[section]):
            self._one(pattern, words, (section, at))

    def _one(self, pattern: Mapping[str, Any], words: Mapping[str, str], path: Path) -> None:
        if ("unit" in pattern) != (pattern["type"] == "number"):
            raise KnowledgeError("a number needs a unit, and nothing else has one", path)
        unit = words["{unit}"] if pattern.get("unit") == "{unit}" else pattern.get("unit")
        display = self._data["units"].get(unit, unit) if unit else ""
        fact = Fact(_fill(pattern["name"], words), pattern["type"], unit, _fill(pattern["description"], words), display)
        if self.found.setdefault(fact.name, fact) != fact:
            raise KnowledgeError(f"two facts are called {fact.name!r} and differ", (*path, "name"))


def _fill(text: str, words: Mapping[str, str]) -> str:
    for word, put in words.items():
        text = text.replace(word, put)
    return text


def rounded(value: Value) -> Value:
    """A number to six digits, whether it was read as 13 or as 13.0: the last bits of a sum are no news. Anything else as it is."""
    return value if isinstance(value, (bool, str)) else float(f"{value:.6g}")


def number_of(value: Value | None) -> float | None:
    """The number that a fact's value is, None for anything else."""
    return None if value is None or isinstance(value, (bool, str)) else value
