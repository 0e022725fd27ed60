"""Search parameter expressions as routes through the JSON of a resource: member names, conditions, and the type at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mappings.knowledge import KnowledgeError
from mappings.r4 import fhirpath, path_evaluation, references
from mappings.r4.fhirpath import Binary, Call, Index, Literal, Step, Tree, Typed, Variable
from mappings.r4.path_evaluation import Node, Scope
from mappings.r4.structures import Element, Structures, is_primitive


@dataclass(frozen=True, slots=True)
class Hop:
    """One member: its JSON name, what must hold for each item (None: nothing), and which item alone is meant (None: all)."""

    key: str
    condition: Tree | None = None
    kind: str = ""
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Hops from the resource, the FHIR type at the end, and the element there (for its binding)."""

    hops: tuple[Hop, ...]
    kind: str
    element: Element | None = None


def routes(structures: Structures, base: str, tree: Tree) -> list[Route]:
    """The routes of an expression from type `base`. Branches of a union that begin at another resource type give none.

    Raises KnowledgeError for what cannot be a route.
    """
    match tree:
        case Binary("|", left, right):
            return routes(structures, base, left) + routes(structures, base, right)
        case Variable("this"):
            return [Route((), base)]
        case Step(None, name) if structures.is_resource(name) or name in ("Resource", "DomainResource"):
            return [Route((), base)] if structures.derives(base, name) else []
        case Step(on, name):
            begin = [Route((), base)] if on is None else routes(structures, base, on)
            return [longer for route in begin for longer in _stepped(structures, route, name, base)]
        case Typed(on, "as" | "ofType", kind):
            return [route for route in routes(structures, base, on) if structures.derives(route.kind, _type(kind))]
        case Index(on, at):
            return [_with_last(route, index=at) for route in routes(structures, base, on)]
        case Call(on, "where", (condition,)) if on is not None:
            return [_with_last(route, condition=condition) for route in routes(structures, base, on)]
        case Call(on, "first", ()) if on is not None:
            return [_with_last(route, index=0) for route in routes(structures, base, on)]
        case Call(on, "extension", (Literal() as url,)):
            begin = [Route((), base)] if on is None else routes(structures, base, on)
            hop = Hop("extension", Binary("=", Step(None, "url"), url), "Extension")
            return [Route((*route.hops, hop), "Extension") for route in begin]
    raise KnowledgeError(f"A search parameter cannot be compiled from: {_said(tree)}")


def _type(name: str) -> str:
    lower = name[:1].lower() + name[1:]
    return lower if is_primitive(lower) else name


def _said(tree: Tree) -> str:
    return f"{tree.name}()" if isinstance(tree, Call) else type(tree).__name__.lower()


def _stepped(structures: Structures, route: Route, name: str, base: str) -> list[Route]:
    structure = structures.types.get(route.kind)
    element = structure.elements.get(name) if structure else None
    if element is None:
        raise KnowledgeError(f"{route.kind} has no element '{name}' in R4")
    return [Route((*route.hops, Hop(key, None, kind)), kind, element) for key, kind in element.keys]


def _with_last(route: Route, condition: Tree | None = None, index: int | None = None) -> Route:
    if not route.hops:
        raise KnowledgeError("where() and [] need an element before them")
    last = route.hops[-1]
    if last.condition is not None and condition is not None:
        condition = Binary("and", last.condition, condition)
    changed = Hop(last.key, condition or last.condition, last.kind, last.index if index is None else index)
    return Route((*route.hops[:-1], changed), route.kind, route.element)


Holds = Callable[[Any], bool]


def condition(structures: Structures, hop: Hop) -> Holds | None:
    """The function that decides a hop's condition for one JSON item."""
    match hop.condition:
        case None:
            return None
        case Typed(Call(None, "resolve", ()), "is", kind):
            return _leads_to(kind)
        case Binary("=", Step(None, name), Literal(value)):
            return lambda item: isinstance(item, dict) and item.get(name) == value
    compiled = path_evaluation.compile_tree(hop.condition)

    def holds(item: Any) -> bool:
        node = Node(hop.kind, item)
        return path_evaluation.truth(compiled(Scope(structures, node, node), [node])) is True

    return holds


def _leads_to(kind: str) -> Holds:
    """`resolve() is Type` without resolving: the text of the reference says the type, or else Reference.type does."""

    def holds(item: Any) -> bool:
        if not isinstance(item, dict):
            return False
        text = item.get("reference")
        form = references.read(text) if isinstance(text, str) else None
        return (form.type if form and form.type else item.get("type")) == kind

    return holds


def is_boolean(tree: Tree) -> bool:
    """Whether an expression computes true or false instead of leading to an element (Patient.deceased)."""
    match tree:
        case Binary(operator, _, _):
            return operator != "|"
        case Call(_, "exists" | "empty" | "not" | "hasValue" | "all", _):
            return True
        case Typed(_, "is", _):
            return True
    return False


def read(expression: str) -> Tree:
    """The tree of an expression; KnowledgeError where it cannot be read."""
    return fhirpath.parse_expression(expression)
