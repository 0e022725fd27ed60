"""The kept types: what may be done with each, by the capability file and the search parameter definitions."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mappings.knowledge import KnowledgeError
from service.errors import Kind, Refusal
from service.search.indexing import EXTRAS
from service.search.query import Known, Parameters
from service.store.numbers import param_number, type_number


class Builtin(NamedTuple):
    """A search parameter that the store answers itself."""

    name: str
    type: str
    targets: tuple[str, ...] = ()
    components: tuple[Any, ...] = ()
    routes: tuple[Any, ...] = ()


BUILTIN = (Builtin("_id", "token"), Builtin("_lastUpdated", "date"))


class KeptType(NamedTuple):
    """One type of the capability file."""

    name: str
    interactions: frozenset[str]
    operations: tuple[str, ...]
    note: str | None
    parameters: Parameters


class Types:
    """All kept types. `reserved`: refs that come from knowledge files and are read-only."""

    def __init__(self, capability: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Known]]) -> None:
        self.kept: dict[str, KeptType] = {}
        for name, entry in capability["types"].items():
            interactions = frozenset(entry.get("interactions", capability["interactions"]))
            declared = entry.get("searches")
            known = {builtin.name: builtin for builtin in BUILTIN} | dict(parameters.get(name, {}))
            if declared is not None:
                known = {each: known[each] for each in declared}
            self.kept[name] = KeptType(name, interactions, tuple(entry.get("operations", ())), entry.get("note"), Parameters(known))
        self.names = frozenset(self.kept)
        self.reserved: frozenset[str] = frozenset()
        _check_numbers(self.kept)

    def searched(self) -> list[str]:
        """The types that can be searched together, by name: AuditEvents are searched by themselves."""
        return [name for name, kept in sorted(self.kept.items()) if "search-type" in kept.interactions and name != "AuditEvent"]

    def parameters(self, kind: str) -> Mapping[str, Known]:
        """The search parameters of a type by name."""
        return self.kept[kind].parameters

    def offer(self, filled: Iterable[tuple[str, str]], among: Iterable[tuple[str, str]]) -> None:
        """Of the search parameters (type, name) in `among`, offer just the filled ones."""
        offered = set(filled)
        for kind, name in among:
            self.kept[kind].parameters.offer(name, (kind, name) in offered)

    def check(self, kind: str, interaction: str, id_: str | None = None) -> None:
        """Refuse what is not offered: 404 for a type that is not kept, 405 for an interaction or a read-only resource."""
        if kind not in self.kept:
            raise Refusal(Kind.UNKNOWN_TYPE, "This resource type is not kept here")
        if interaction not in self.kept[kind].interactions:
            raise Refusal(Kind.NOT_ALLOWED, f"{kind} is append-only here: {interaction} is not offered")
        if id_ is not None and f"{kind}/{id_}" in self.reserved and interaction in ("update", "patch", "delete"):
            raise Refusal(Kind.NOT_ALLOWED, "This resource comes from a knowledge file and is read-only")


def _check_numbers(kept: Mapping[str, KeptType]) -> None:
    """No two parameters may share a number."""
    seen: dict[int, str] = {}
    for kind in kept.values():
        for name in [name for known in kind.parameters for name in (known, *(f"{known}:{extra}" for extra in EXTRAS))]:
            other = seen.setdefault(param_number(kind.name, name), f"{kind.name}.{name}")
            if other != f"{kind.name}.{name}":
                raise KnowledgeError(f"the search parameters {other} and {kind.name}.{name} share a number")
    if len({type_number(name) for name in kept}) != len(kept):
        raise KnowledgeError("two resource types share a number")
