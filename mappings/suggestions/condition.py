"""Conditions: plain comparisons over named facts, joined by all, any and not. They compare and never compute.

A fact that is not known makes a comparison unknown (None), and all, any and not follow Kleene's logic, as FHIRPath does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mappings.knowledge import KnowledgeError, Path
from mappings.suggestions.facts import Catalogue, Fact, Facts, Value

_SIGNS: Final = {"lt": "<", "le": "<=", "eq": "=", "ge": ">=", "gt": ">", "ne": "!="}
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_WORDS: Final = {"lt": "below", "le": "at most", "eq": "is", "ge": "at least", "gt": "above", "ne": "is not"}
OPERATIONS: Final = (*_SIGNS, "exists")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact against a value of its type and unit; `exists` asks whether the fact is known (value true) or not (false)."""

    fact: Fact
    operation: str
    value: Value

    def holds(self, facts: Facts) -> bool | None:
        found = facts.get(self.fact.name)
        if self.operation == "exists":
            return (found is not None) == self.value
        return None if found is None else _compare(found.value, self.operation, self.value)


@dataclass(frozen=True, slots=True)
class All:
    """True where every part is true, false where one is false."""

    parts: tuple["Condition", ...]

    def holds(self, facts: Facts) -> bool | None:
        return _least(part.holds(facts) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Any_:
    """True where one part is true, false where every one is false."""

    parts: tuple["Condition", ...]

    def holds(self, facts: Facts) -> bool | None:
        return _negated(_least(_negated(part.holds(facts)) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is false."""

    part: "Condition"

    def holds(self, facts: Facts) -> bool | None:
        return _negated(self.part.holds(facts))


Condition = Comparison | All | Any_ | Not


def _least(found: Iterator[bool | None]) -> bool | None:
    """False wins over unknown, unknown over true."""
    seen = set(found)
    return False if False in seen else None if None in seen else True


def _negated(found: bool | None) -> bool | None:
    return None if found is None else not found


def _compare(found: Any, operation: str, value: Any) -> bool:
    match operation:
        case "lt":
            return bool(found < value)
        case "le":
            return bool(found <= value)
        case "eq":
            return bool(found == value)
        case "ge":
            return bool(found >= value)
        case "gt":
            return bool(found > value)
        case _:
            return bool(found != value)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison, in the order of the file."""
    match condition:
        case Comparison():
            yield condition
        case Not(part):
            yield from comparisons(part)
        case All(parts) | Any_(parts):
            for part in parts:
                yield from comparisons(part)


def grounds(condition: Condition, facts: Facts) -> Iterator[str]:
    """The names of the facts that make the condition what it is: of an `any` that holds, only the parts that hold."""
    truth = condition.holds(facts)
    match condition:
        case Comparison(fact):
            yield fact.name
        case Not(part):
            yield from grounds(part, facts)
        case All(parts) | Any_(parts):
            for part in parts:
                if part.holds(facts) == truth:
                    yield from grounds(part, facts)


def build(data: Mapping[str, Any], catalogue: Catalogue, path: Path) -> Condition:
    """The condition that `data` (shape: schema.CONDITION) says. Errors: KnowledgeError with the path of the unknown name, wrong type or unit."""
    for word, kind in (("all", All), ("any", Any_)):
        if word in data:
            return kind(tuple(build(part, catalogue, (*path, word, at)) for at, part in enumerate(data[word])))
    if "not" in data:
        return Not(build(data["not"], catalogue, (*path, "not")))
    return _comparison(data, catalogue, path)


def _comparison(data: Mapping[str, Any], catalogue: Catalogue, path: Path) -> Comparison:
    fact, operation, value = known(data["fact"], catalogue, (*path, "fact")), data["op"], data.get("value", True)
    if operation == "exists":
        if not isinstance(value, bool) or "unit" in data:
            raise KnowledgeError("exists takes true or false and no unit", path)
        return Comparison(fact, operation, value)
    check_value(fact, data, "value", path)
    if fact.type != "number" and operation not in ("eq", "ne"):
        raise KnowledgeError(f"a {fact.type} can only be eq or ne", (*path, "op"))
    return Comparison(fact, operation, value)


def known(name: str, catalogue: Catalogue, path: Path) -> Fact:
    """The fact of this name. Errors: KnowledgeError."""
    fact = catalogue.by_name.get(name)
    if fact is None:
        raise KnowledgeError(f"no fact is called {name!r}", path)
    return fact


def check_value(fact: Fact, data: Mapping[str, Any], member: str, path: Path) -> None:
    """Prove that `data[member]` and `data["unit"]` suit the fact. Errors: KnowledgeError."""
    if not fact.accepts(data.get(member)):
        raise KnowledgeError(f"{fact.name} is a {fact.type}", (*path, member))
    if data.get("unit") != fact.unit:
        raise KnowledgeError(f"{fact.name} has the unit {fact.unit!r}" if fact.unit else f"{fact.name} has no unit", (*path, "unit"))


def as_fhirpath(condition: Condition) -> str:
    """The same condition as FHIRPath text. Each fact is a variable of its name, empty where it is not known: %`phq-9.total` >= 10."""
    match condition:
        case Comparison(fact, "exists", value):
            return f"%`{fact.name}`.exists()" + ("" if value else ".not()")
        case Comparison(fact, operation, value):
            return f"%`{fact.name}` {_SIGNS[operation]} {_literal(value)}"
        case Not(part):
            return f"({as_fhirpath(part)}).not()"
        case All(parts):
            return " and ".join(f"({as_fhirpath(part)})" for part in parts)
        case Any_(parts):
            return " or ".join(f"({as_fhirpath(part)})" for part in parts)


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + "".join(_ESCAPES.get(letter, letter) for letter in value) + "'"
    return format(Decimal(repr(value)), "f")  # FHIRPath has no exponents


def fhirpath_variables(catalogue: Catalogue, facts: Facts) -> dict[str, Any]:
    """The variables that `as_fhirpath` reads: every name of the catalogue, the value or an empty collection."""
    return {name: facts[name].value if name in facts else [] for name in catalogue.by_name}


def in_words(condition: Condition, inside: bool = False) -> str:
    """The condition as a clinician reads it."""
    match condition:
        case Comparison(fact, "exists", value):
            return f"{fact.description} is {'' if value else 'not '}known"
        case Comparison(fact, operation, bool(value)):
            return f"{'' if value == (operation == 'eq') else 'not: '}{fact.description}"
        case Comparison(fact, operation, value):
            shown, unit = (value, "") if isinstance(value, str) else (f"{value:g}", fact.display.removesuffix("s") if value == 1 else fact.display)
            ago = " ago" if fact.unit == "wk" else ""  # a duration is described by its beginning
            return f"{fact.description} {_WORDS[operation]} {shown} {unit}".rstrip() + ago
        case Not(part):
            return f"not ({in_words(part)})"
        case All(parts):
            text = "; and ".join(in_words(part, True) for part in parts)
        case Any_(parts):
            text = "; or ".join(in_words(part, True) for part in parts)
    return f"({text})" if inside else text
