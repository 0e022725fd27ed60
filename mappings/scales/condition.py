"""Conditions over items and scores, with three answers: true, false, and None where a missing answer could decide either way.

Screens with several conditions (MDQ), diagnostic algorithms (PHQ-9, PCL-5), skip rules and risk levels are all written in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mappings.knowledge import KnowledgeError, Path
from mappings.vocabulary import Json

Number = int | float
Lookup = Callable[[str], Number | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """One node. A leaf compares `ref` (an item or a score) with low and high, both inclusive; other nodes hold `parts`.

    `kind` "count": at least `least` of the parts, and at most `most` where it is set.
    """

    kind: Literal["item", "score", "all", "any", "not", "count"]
    ref: str = ""
    low: Number | None = None
    high: Number | None = None
    parts: tuple["Condition", ...] = ()
    least: int = 0
    most: int | None = None

    def holds(self, item: Lookup, score: Lookup) -> bool | None:
        """Whether it holds; None when the missing answers leave it open."""
        if self.ref:
            value = (item if self.kind == "item" else score)(self.ref)
            return None if value is None else (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        if self.kind == "not":
            holds = self.parts[0].holds(item, score)
            return None if holds is None else not holds
        yes = open_ = 0
        for part in self.parts:
            if part.kind == "item" and part.high is None and part.low is not None:  # what most parts are; not worth a call
                value = item(part.ref)
                holds = None if value is None else value >= part.low
            else:
                holds = part.holds(item, score)
            if holds:
                yes += 1
            elif holds is None:
                open_ += 1
        total = len(self.parts)
        least = total if self.kind == "all" else 1 if self.kind == "any" else self.least
        most = total if self.most is None else self.most
        if yes > most or yes + open_ < least:
            return False
        return True if yes >= least and yes + open_ <= most else None

    def refs(self, kind: Literal["item", "score"]) -> tuple[str, ...]:
        """The items or scores it reads, each once, in order."""
        own = (self.ref,) if self.kind == kind else ()
        return tuple(dict.fromkeys([*own, *(ref for part in self.parts for ref in part.refs(kind))]))


def condition(data: Json, path: Path, items: frozenset[str], scores: frozenset[str]) -> Condition:
    """Build one from its JSON. Errors: KnowledgeError for an unknown item or score, or bounds the wrong way round."""
    for kind, known in (("item", items), ("score", scores)):
        if kind in data:
            return _leaf(kind, data[kind], data, (*path, kind), known)
    if "not" in data:
        return Condition("not", parts=(condition(data["not"], (*path, "not"), items, scores),))
    for kind in ("all", "any"):
        if kind in data:
            return Condition(kind, parts=_several(data[kind], (*path, kind), items, scores))  # type: ignore[arg-type]
    parts = _several(data["of"], (*path, "of"), items, scores)
    least, most = data.get("at_least", 0), data.get("at_most")
    if least > len(parts) or (most is not None and most < least):
        raise KnowledgeError(f"cannot hold: {least} to {most} of {len(parts)} conditions", path)
    return Condition("count", parts=parts, least=least, most=most)


def _several(data: list[Json], path: Path, items: frozenset[str], scores: frozenset[str]) -> tuple[Condition, ...]:
    parts: list[Condition] = []
    for at, each in enumerate(data):
        if "items" in each:
            parts += (_leaf("item", name, each, (*path, at, "items", place), items) for place, name in enumerate(each["items"]))
        else:
            parts.append(condition(each, (*path, at), items, scores))
    return tuple(parts)


def _leaf(kind: str, ref: str, data: Json, path: Path, known: frozenset[str]) -> Condition:
    low, high = data.get("min"), data.get("max")
    if ref not in known:
        raise KnowledgeError(f"{kind} {ref!r} is not in this scale", path)
    if low is not None and high is not None and low > high:
        raise KnowledgeError("min is above max", path[:-1])
    return Condition(kind, ref, low, high)  # type: ignore[arg-type]
