"""FHIRPath trees compiled to Python functions over parsed JSON. Built for invariants: three-valued, {} is an empty list.

Choice elements, primitive siblings (`_birthDate`) and types come from the R4 tables. What is not supported is refused
when compiling (KnowledgeError), never guessed at when evaluating.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mappings.knowledge import KnowledgeError
from mappings.r4 import comparison, fhirpath
from mappings.r4.structures import Structures, is_primitive
from mappings.vocabulary import Json


class Node(NamedTuple):
    """One item of a collection: its FHIR type ("System" for a literal), its JSON, and the sibling object of a primitive."""

    type: str
    value: Any
    sibling: Any = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What stays the same while one expression is evaluated."""

    structures: Structures
    resource: Node
    root: Node


Nodes = list[Node]
Compiled = Callable[[Scope, Nodes], Nodes]
UCUM = "http://unitsofmeasure.org"


def compile_expression(text: str) -> Compiled:
    """The function that evaluates a FHIRPath expression. Raises KnowledgeError for what is not supported."""
    return compile_tree(fhirpath.parse_expression(text))


def compile_tree(tree: fhirpath.Tree) -> Compiled:
    """The function that evaluates a tree on (scope, focus)."""
    match tree:
        case fhirpath.Literal(value):
            nodes = [] if value is None else [Node("System", value)]
            return lambda scope, focus: nodes
        case fhirpath.Variable(name):
            return _variable(name)
        case fhirpath.Step(on, name):
            return _step(None if on is None else compile_tree(on), name)
        case fhirpath.Index(on, at):
            inner = compile_tree(on)
            return lambda scope, focus: inner(scope, focus)[at : at + 1]
        case fhirpath.Typed(on, operator, kind):
            return _typed(compile_tree(on), operator, kind)
        case fhirpath.Binary(operator, left, right):
            return _binary(operator, compile_tree(left), compile_tree(right))
        case fhirpath.Call(on, name, arguments):
            inner = _this if on is None else compile_tree(on)
            return _call(inner, name, arguments)


def children(scope: Scope, node: Node, name: str) -> Nodes:
    """The elements called `name` of one node: choices by their stem, primitives with their sibling."""
    value, found = node.value, []
    if not isinstance(value, dict):
        value = node.sibling if isinstance(node.sibling, dict) else None
        if value is None or name not in ("extension", "id"):
            return []
        return [Node("Extension" if name == "extension" else "string", v) for v in _listed(value.get(name))]
    structure = scope.structures.types.get(_type_of(node))
    element = structure.elements.get(name) if structure else None
    if element is None:
        return []
    for key, kind in element.keys or _open_keys(name, value):
        if key in value or "_" + key in value:
            found.extend(_siblings(kind, _listed(value.get(key)), value.get("_" + key)))
    return found


def every_child(scope: Scope, node: Node) -> Nodes:
    """All children of a node, in no particular order."""
    structure = scope.structures.types.get(_type_of(node))
    if structure is None or not isinstance(node.value, dict):
        return []
    return [child for name in structure.elements for child in children(scope, node, name)]


def _open_keys(name: str, value: Json) -> list[tuple[str, str]]:
    """The JSON names that a choice of any type ("*") really has here."""
    stem = len(name)
    found = []
    for key in value:
        if key.startswith(name) and key[stem : stem + 1].isupper():
            kind = key[stem:]
            lower = kind[0].lower() + kind[1:]
            found.append((key, lower if is_primitive(lower) else kind))
    return found


def _siblings(kind: str, values: list[Any], sibling: Any) -> Nodes:
    if sibling is None:
        return [Node(kind, value) for value in values if value is not None]
    others = _listed(sibling)
    width = max(len(values), len(others))
    pairs = zip(values + [None] * (width - len(values)), others + [None] * (width - len(others)), strict=True)
    return [Node(kind, value, other) for value, other in pairs if value is not None or other is not None]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _type_of(node: Node) -> str:
    if node.type in ("Resource", "DomainResource") and isinstance(node.value, dict):
        return str(node.value.get("resourceType", ""))
    return node.type


def _this(scope: Scope, focus: Nodes) -> Nodes:
    return focus


def _variable(name: str) -> Compiled:
    if name in ("this", "context"):
        return _this
    if name == "resource":
        return lambda scope, focus: [scope.resource]
    if name == "rootResource":
        return lambda scope, focus: [scope.root]
    if name == "ucum":
        return lambda scope, focus: [Node("System", UCUM)]
    raise KnowledgeError(f"FHIRPath: unknown variable %{name}")


def _step(on: Compiled | None, name: str) -> Compiled:
    def step(scope: Scope, focus: Nodes) -> Nodes:
        if on is None and len(focus) == 1 and name == _type_of(focus[0]):
            return focus
        return [child for node in (focus if on is None else on(scope, focus)) for child in children(scope, node, name)]

    return step


def _typed(on: Compiled, operator: str, kind: str) -> Compiled:
    lower = kind[:1].lower() + kind[1:]
    wanted = lower if is_primitive(lower) else kind

    def fits(scope: Scope, node: Node) -> bool:
        return scope.structures.derives(_type_of(node), wanted)

    if operator == "is":
        return lambda scope, focus: [Node("System", fits(scope, node)) for node in on(scope, focus)[:1]]
    return lambda scope, focus: [node for node in on(scope, focus) if fits(scope, node)]


def truth(nodes: Nodes) -> bool | None:
    """True, False, or None for an empty collection; a single item that is no boolean counts as true (FHIRPath 4.5)."""
    if not nodes:
        return None
    return nodes[0].value if isinstance(nodes[0].value, bool) else True


def _boolean(value: bool | None) -> Nodes:
    return [] if value is None else [Node("System", value)]


def _binary(operator: str, left: Compiled, right: Compiled) -> Compiled:
    if operator in ("and", "or", "xor", "implies"):
        decide = comparison.LOGIC[operator]
        return lambda scope, focus: _boolean(decide(truth(left(scope, focus)), truth(right(scope, focus))))
    if operator == "|":
        return lambda scope, focus: _distinct(left(scope, focus) + right(scope, focus))
    if operator in ("=", "!="):
        return lambda scope, focus: _boolean(_equal(left(scope, focus), right(scope, focus), operator == "="))
    if operator in ("<", "<=", ">", ">="):
        return lambda scope, focus: _ordered(operator, left(scope, focus), right(scope, focus))
    if operator == "in":
        return lambda scope, focus: _member(left(scope, focus), right(scope, focus))
    if operator == "contains":
        return lambda scope, focus: _member(right(scope, focus), left(scope, focus))
    if operator == "&":
        return lambda scope, focus: [Node("System", _text(left(scope, focus)) + _text(right(scope, focus)))]
    if operator == "+":
        return lambda scope, focus: _sum(left(scope, focus), right(scope, focus))
    raise KnowledgeError(f"FHIRPath: the operator {operator} is not supported")


def _sum(left: Nodes, right: Nodes) -> Nodes:
    return [Node("System", left[0].value + right[0].value)] if len(left) == len(right) == 1 else []


def _text(nodes: Nodes) -> str:
    return str(nodes[0].value) if nodes else ""


def _distinct(nodes: Nodes) -> Nodes:
    found: Nodes = []
    seen: set[str] = set()
    for node in nodes:
        key = comparison.identity(node.value)
        if key not in seen:
            seen.add(key)
            found.append(node)
    return found


def _equal(left: Nodes, right: Nodes, wanted: bool) -> bool | None:
    if not left or not right:
        return None
    same = [comparison.identity(n.value) for n in left] == [comparison.identity(n.value) for n in right]
    return same == wanted


def _ordered(operator: str, left: Nodes, right: Nodes) -> Nodes:
    if len(left) != 1 or len(right) != 1:
        return []
    return _boolean(comparison.ordered(operator, left[0].value, right[0].value))


def _member(item: Nodes, collection: Nodes) -> Nodes:
    if not item:
        return []
    wanted = comparison.identity(item[0].value)
    return _boolean(any(comparison.identity(node.value) == wanted for node in collection))


def _call(on: Compiled, name: str, arguments: tuple[fhirpath.Tree, ...]) -> Compiled:
    plain = _PLAIN.get(name)
    if plain is not None and len(arguments) == 0:
        return lambda scope, focus: plain(scope, on(scope, focus))
    compiled = [compile_tree(argument) for argument in arguments]
    applied = _APPLIED.get(name)
    if applied is not None and len(compiled) == 1:
        return lambda scope, focus: applied(scope, on(scope, focus), compiled[0])
    with_value = _WITH_VALUE.get(name)
    if with_value is not None and len(compiled) == 1:
        return lambda scope, focus: with_value(on(scope, focus), compiled[0](scope, focus))
    raise KnowledgeError(f"FHIRPath: the function {name}() is not supported with {len(arguments)} arguments")


def _has_value(nodes: Nodes) -> bool:
    return len(nodes) == 1 and nodes[0].value is not None and not isinstance(nodes[0].value, dict)


def _descendants(scope: Scope, nodes: Nodes) -> Nodes:
    found: Nodes = []
    level = nodes
    while level:
        level = [child for node in level for child in every_child(scope, node)]
        found.extend(level)
    return found


def _is_distinct(nodes: Nodes) -> bool:
    keys = [comparison.identity(node.value) for node in nodes]
    return len(set(keys)) == len(keys)


def _negated(nodes: Nodes) -> Nodes:
    decided = truth(nodes)
    return _boolean(None if decided is None else not decided)


_PLAIN: dict[str, Callable[[Scope, Nodes], Nodes]] = {
    "exists": lambda scope, nodes: _boolean(bool(nodes)),
    "empty": lambda scope, nodes: _boolean(not nodes),
    "not": lambda scope, nodes: _negated(nodes),
    "count": lambda scope, nodes: [Node("System", len(nodes))],
    "hasValue": lambda scope, nodes: _boolean(_has_value(nodes)),
    "first": lambda scope, nodes: nodes[:1],
    "tail": lambda scope, nodes: nodes[1:],
    "isDistinct": lambda scope, nodes: _boolean(_is_distinct(nodes)),
    "children": lambda scope, nodes: [child for node in nodes for child in every_child(scope, node)],
    "descendants": _descendants,
    "toString": lambda scope, nodes: [Node("System", _text(nodes))] if nodes else [],
}


def _where(scope: Scope, nodes: Nodes, condition: Compiled) -> Nodes:
    return [node for node in nodes if truth(condition(scope, [node]))]


_APPLIED: dict[str, Callable[[Scope, Nodes, Compiled], Nodes]] = {
    "where": _where,
    "exists": lambda scope, nodes, condition: _boolean(bool(_where(scope, nodes, condition))),
    "all": lambda scope, nodes, condition: _boolean(all(truth(condition(scope, [node])) for node in nodes)),
    "select": lambda scope, nodes, projection: [found for node in nodes for found in projection(scope, [node])],
}


def _string(nodes: Nodes) -> str | None:
    return nodes[0].value if len(nodes) == 1 and isinstance(nodes[0].value, str) else None


def _about_text(decide: Callable[[str, Any], Any]) -> Callable[[Nodes, Nodes], Nodes]:
    def about(nodes: Nodes, argument: Nodes) -> Nodes:
        text = _string(nodes)
        return [] if text is None or not argument else [Node("System", decide(text, argument[0].value))]

    return about


def _extension(nodes: Nodes, argument: Nodes) -> Nodes:
    found = []
    for node in nodes:
        holder = node.value if isinstance(node.value, dict) else node.sibling
        for extension in _listed(holder.get("extension")) if isinstance(holder, dict) else []:
            if isinstance(extension, dict) and argument and extension.get("url") == argument[0].value:
                found.append(Node("Extension", extension))
    return found


def _intersect(nodes: Nodes, others: Nodes) -> Nodes:
    wanted = {comparison.identity(node.value) for node in others}
    return _distinct([node for node in nodes if comparison.identity(node.value) in wanted])


_WITH_VALUE: dict[str, Callable[[Nodes, Nodes], Nodes]] = {
    "startsWith": _about_text(lambda text, start: text.startswith(str(start))),
    "contains": _about_text(lambda text, part: str(part) in text),
    "substring": _about_text(lambda text, start: text[int(start) :]),
    "extension": _extension,
    "hasExtension": lambda nodes, argument: _boolean(bool(_extension(nodes, argument))),
    "intersect": _intersect,
    "combine": lambda nodes, others: nodes + others,
}
