"""Index values of a resource, in one pass over the members that some search parameter leads through."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mappings.r4 import path_evaluation, search_routes
from mappings.r4.index_values import EMITTERS, Composite, IndexValue, Token, code_of
from mappings.r4.path_evaluation import Compiled, Node, Scope
from mappings.r4.search_parameters import FROM_COLUMNS, Component, Parameter
from mappings.r4.search_routes import Holds, Hop, Route
from mappings.r4.structures import Structures, is_primitive
from mappings.vocabulary import Json

Add = Callable[[Any, list[IndexValue]], None]


@dataclass(slots=True)
class _Branch:
    """One member on the way: what must hold, what is added for each item, and where it goes on."""

    holds: Holds | None
    index: int | None
    adds: list[Add] = field(default_factory=list)
    below: "dict[str, list[_Branch]]" = field(default_factory=dict)


_Tree = dict[str, list[_Branch]]


class Extractor:
    """Extracts the index values of one resource type. Built once from its parameters; used from any thread."""

    def __init__(self, parameters: Iterable[Parameter], structures: Structures) -> None:
        planted = _Planted(structures)
        self._at_root: list[Add] = []
        self._computed: list[tuple[str, Compiled]] = []
        self._structures = structures
        for parameter in parameters:
            if parameter.name in FROM_COLUMNS:
                continue
            if parameter.computed is not None:
                self._computed.append((parameter.name, path_evaluation.compile_tree(parameter.computed)))
                continue
            for route in parameter.routes:
                add = _added(parameter, route, structures)
                if route.hops:
                    planted.plant(route.hops, add)
                else:
                    self._at_root.append(add)
        self._tree = planted.tree

    def extract(self, resource: Json) -> list[IndexValue]:
        """The index values of a valid resource, in no particular order, repeats included. Contained resources give none."""
        found: list[IndexValue] = []
        _visit(self._tree, resource, found)
        for add in self._at_root:
            add(resource, found)
        for name, compiled in self._computed:
            node = Node("Resource", resource)
            decided = path_evaluation.truth(compiled(Scope(self._structures, node, node), [node]))
            found.append(Token(name, None, "true" if decided else "false", None, True))
        return found


def extractors(parameters: Mapping[str, Sequence[Parameter]], structures: Structures) -> Mapping[str, Extractor]:
    """An Extractor for each resource type."""
    return {name: Extractor(own, structures) for name, own in parameters.items()}


def _visit(tree: _Tree, holder: Json, found: list[IndexValue]) -> None:
    # The smaller side is looped over: parts of composites are trees of one or two members.
    for key in holder if len(holder) < len(tree) else tree:
        if key in tree and key in holder:
            value = holder[key]
            for branch in tree[key]:
                _follow(branch, value if type(value) is list else (value,), found)


def _follow(branch: _Branch, items: Sequence[Any], found: list[IndexValue]) -> None:
    if branch.index is not None:
        items = items[branch.index : branch.index + 1]
    for item in items:
        if item is None or (branch.holds is not None and not branch.holds(item)):
            continue
        for add in branch.adds:
            add(item, found)
        if branch.below and type(item) is dict:
            _visit(branch.below, item, found)


class _Planted:
    """Routes merged into one tree, so that a member is visited once however many parameters lead through it."""

    def __init__(self, structures: Structures) -> None:
        self.structures = structures
        self.tree: _Tree = {}
        self.known: dict[tuple[Hop, ...], _Branch] = {}

    def plant(self, hops: tuple[Hop, ...], add: Add) -> None:
        level = self.tree
        for length in range(1, len(hops) + 1):
            branch = self.known.get(hops[:length]) or self.grow(level, hops[:length])
            level = branch.below
        self.known[hops].adds.append(add)

    def grow(self, level: _Tree, hops: tuple[Hop, ...]) -> _Branch:
        branch = self.known[hops] = _Branch(search_routes.condition(self.structures, hops[-1]), hops[-1].index)
        level.setdefault(hops[-1].key, []).append(branch)
        return branch


def _added(parameter: Parameter, route: Route, structures: Structures) -> Add:
    if parameter.components:
        return _composite(parameter, structures)
    return _leaf(parameter.name, parameter.type, route, structures)


def _leaf(name: str, kind: str, route: Route, structures: Structures) -> Add:
    if route.kind == "Extension":
        return _extension_value(name, kind)
    emit = EMITTERS[kind][route.kind]
    if kind == "token" and route.kind == "code" and route.element is not None:
        emit = code_of(_systems(structures, route.element.values))
    return partial(emit, name)


def _systems(structures: Structures, values: str | None) -> Mapping[str, str]:
    """Code -> system, for the codes of a required binding that only one system has."""
    found: dict[str, str] = {}
    for system, codes in (structures.value_sets.get(values or "") or {}).items():
        for code in codes:
            found[code] = "" if code in found else system
    return {code: system for code, system in found.items() if system}


def _extension_value(name: str, kind: str) -> Add:
    """R4 has parameters that end at an extension: its value is what is searched."""

    def add(item: Json, found: list[IndexValue]) -> None:
        for key, value in item.items():
            if key.startswith("value"):
                plain = key[5:6].lower() + key[6:]
                emit = EMITTERS[kind].get(plain if is_primitive(plain) else key[5:])
                if emit is not None:
                    emit(name, value, found)

    return add


def _composite(parameter: Parameter, structures: Structures) -> Add:
    parts = [_part(component, structures) for component in parameter.components]

    def add(item: Json, found: list[IndexValue]) -> None:
        values = []
        # From the last: a code is nearly always there, a value of one type is not.
        for tree in reversed(parts):
            inner: list[IndexValue] = []
            _visit(tree, item, inner)
            if not inner:
                return
            values.append(tuple(inner))
        found.append(Composite(parameter.name, tuple(reversed(values))))

    return add


def _part(component: Component, structures: Structures) -> _Tree:
    planted = _Planted(structures)
    for route in component.routes:
        planted.plant(route.hops, _leaf(component.name, component.type, route, structures))
    return planted.tree
