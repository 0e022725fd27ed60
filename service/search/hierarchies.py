"""Codes above and below a code, in the code systems that are stored (R4 search.html#token, :above and :below; codesystem.html#hierarchy)."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.search.units import Fetching
from service.store.numbers import param_number


class Hierarchies:
    """What was last read of the code systems that searches ask for."""

    def __init__(self) -> None:
        self._parents: dict[str, dict[str, set[str]]] = {}

    async def look(self, store: Fetching, systems: Sequence[str], name: str) -> None:
        """Read these code systems. `name`: the parameter that asks. Errors: 400 for a system that is not stored."""
        for system in dict.fromkeys(systems):
            sql = "SELECT r.body FROM idx_uri i CROSS JOIN resource r WHERE i.param = $1 AND i.uri = $2 AND r.rid = i.rid ORDER BY r.rid DESC LIMIT 1"
            rows = await store.fetch(sql, (param_number("CodeSystem", "system"), system))
            if not rows:
                raise Refusal(Kind.INVALID, "The code system is not known here: what is above or below a code of it cannot be told", name, code="not-found")
            if len(self._parents) > 100:
                self._parents.clear()
            self._parents[system] = _parents(orjson.loads(bytes(rows[0][0])))

    def related(self, system: str, code: str, modifier: str) -> list[str]:
        """The code and everything above or below it."""
        parents = self._parents.get(system, {})
        if modifier == "above":
            return sorted(_closure(code, lambda each: parents.get(each, ())))
        children: dict[str, set[str]] = {}
        for child, above in parents.items():
            for each in above:
                children.setdefault(each, set()).add(child)
        return sorted(_closure(code, lambda each: children.get(each, ())))


def _closure(code: str, following: Any) -> set[str]:
    found, todo = {code}, [code]
    while todo:
        for each in following(todo.pop()):
            if each not in found:
                found.add(each)
                todo.append(each)
    return found


def _parents(system: Json) -> dict[str, set[str]]:
    """code -> the codes right above it: by nesting, or by the properties parent and child."""
    found: dict[str, set[str]] = {}
    for concept, parent in _concepts(system.get("concept", ()), None):
        above = found.setdefault(str(concept.get("code")), set())
        if parent is not None:
            above.add(parent)
        for each in concept.get("property", ()):
            if each.get("code") == "parent" and "valueCode" in each:
                above.add(each["valueCode"])
            elif each.get("code") == "child" and "valueCode" in each:
                found.setdefault(each["valueCode"], set()).add(str(concept.get("code")))
    return found


def _concepts(concepts: Any, parent: str | None) -> Iterator[tuple[Json, str | None]]:
    for concept in concepts:
        yield concept, parent
        yield from _concepts(concept.get("concept", ()), concept.get("code"))
