"""Search parameters from SearchParameter definitions: those of R4 and those of a site go through the same door."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mappings.knowledge import KnowledgeError
from mappings.r4 import search_routes
from mappings.r4.fhirpath import Tree
from mappings.r4.index_values import EMITTERS
from mappings.r4.search_routes import Route
from mappings.r4.structures import Structures
from mappings.vocabulary import Json

TYPES = (*EMITTERS, "composite")
FROM_COLUMNS = frozenset({"_id", "_lastUpdated"})
"""Parameters whose value the server gives: they are answered from the row, never extracted from the resource."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite parameter: the parameter it stands for, and its routes from the composite's element."""

    name: str
    type: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type. `computed` is set instead of routes for true/false expressions."""

    name: str
    type: str
    expression: str
    targets: tuple[str, ...]
    url: str
    routes: tuple[Route, ...]
    computed: Tree | None = None
    components: tuple[Component, ...] = ()


def compile_parameters(definitions: Iterable[Json], structures: Structures, types: Sequence[str]) -> Mapping[str, tuple[Parameter, ...]]:
    """For each resource type its parameters, ordered by name. `definitions` are SearchParameter resources (JSON).

    Raises KnowledgeError, with the path into the definition, for one that cannot be compiled or claims a name twice.
    """
    listed = list(definitions)
    by_url = {definition.get("url"): definition for definition in listed}
    found: dict[str, dict[str, Parameter]] = {name: {} for name in types}
    for definition in listed:
        for base in _bases(definition, structures, types):
            parameter = _parameter(definition, base, structures, by_url)
            if found[base].setdefault(parameter.name, parameter) is not parameter:
                raise KnowledgeError(f"{base} has two search parameters named {parameter.name}", ("code",))
    return {name: tuple(sorted(own.values(), key=lambda p: p.name)) for name, own in found.items()}


def _bases(definition: Json, structures: Structures, types: Sequence[str]) -> list[str]:
    for member in ("url", "code", "type", "base", "expression"):
        if not definition.get(member):
            raise KnowledgeError(f"A search parameter needs '{member}'", (member,))
    if definition["type"] not in TYPES:
        raise KnowledgeError("Not a search parameter type of R4", ("type",))
    return [name for name in types if any(structures.derives(name, base) for base in definition["base"])]


def _parameter(definition: Json, base: str, structures: Structures, by_url: Mapping[object, Json]) -> Parameter:
    expression, kind = definition["expression"], definition["type"]
    tree = _tree(expression, ("expression",))
    head = (definition["code"], kind, expression, tuple(definition.get("target", ())), definition["url"])
    if search_routes.is_boolean(tree):
        return Parameter(*head, routes=(), computed=tree)
    found = _routes(structures, base, tree, ("expression",))
    if kind == "composite":
        return Parameter(*head, routes=tuple(found), components=_components(definition, found, structures, by_url))
    return Parameter(*head, routes=usable(found, kind, ("expression",)))


def usable(found: list[Route], kind: str, path: tuple[str | int, ...]) -> tuple[Route, ...]:
    """The routes whose end can be searched as `kind`; at least one, or KnowledgeError."""
    ends = tuple(route for route in found if route.kind in EMITTERS[kind] or route.kind == "Extension")
    if not ends:
        raise KnowledgeError(f"The expression leads to nothing that can be searched as {kind}", path)
    return ends


def _components(definition: Json, found: list[Route], structures: Structures, by_url: Mapping[object, Json]) -> tuple[Component, ...]:
    components = []
    for at, component in enumerate(definition.get("component", ())):
        part = by_url.get(component.get("definition"))
        if part is None:
            raise KnowledgeError("The definition of this component is not known", ("component", at, "definition"))
        tree = _tree(component["expression"], ("component", at, "expression"))
        begins = {route.kind for route in found}
        ends = [r for kind in sorted(begins) for r in _routes(structures, kind, tree, ("component", at, "expression"))]
        components.append(Component(part["code"], part["type"], tuple(dict.fromkeys(usable(ends, part["type"], ("component", at))))))
    return tuple(components)


def _tree(expression: str, path: tuple[str | int, ...]) -> Tree:
    try:
        return search_routes.read(expression)
    except KnowledgeError as wrong:
        raise KnowledgeError(wrong.message, path) from None


def _routes(structures: Structures, base: str, tree: Tree, path: tuple[str | int, ...]) -> list[Route]:
    try:
        return search_routes.routes(structures, base, tree)
    except KnowledgeError as wrong:
        raise KnowledgeError(wrong.message, path) from None
