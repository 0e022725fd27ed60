"""Invariants whose expression is plain logic over an element's own members, as a schema that proves them.

proof(...) accepts an object only if the invariant certainly holds; it is None where the expression says more than a schema can.
"""

from typing import Any

from mappings.r4 import fhirpath
from mappings.r4.fhirpath import Binary, Call, Literal, Step, Tree, Typed
from mappings.r4.structures import Structure, Structures
from mappings.vocabulary import Json

UCUM = fhirpath.Variable("ucum")


class _Untranslatable(Exception):
    pass


def proof(structures: Structures, structure: Structure, expression: str) -> Json | None:
    """The schema for objects of type `structure` that proves `expression`; None where there is none."""
    try:
        return _decided(structures, structure, fhirpath.parse_expression(expression), True)
    except _Untranslatable:
        return None


def _decided(structures: Structures, structure: Structure, tree: Tree, wanted: bool) -> Json:
    """A schema that accepts only where `tree` is certainly `wanted` (true or false)."""
    match tree:
        case Binary(operator, left, right) if operator in ("and", "or", "implies", "xor"):
            return _logic(structures, structure, operator, left, right, wanted)
        case Binary("=" | "!=" as operator, left, right):
            return _equality(structures, structure, left, right, wanted == (operator == "="))
        case Binary("in", Step(None, name), right):
            return _one_of(structure, name, _literals(right), wanted)
        case Call(on, "not", ()) if on is not None:
            return _decided(structures, structure, on, not wanted)
        case Call(on, "exists", ()) if on is not None:
            return _existence(structures, structure, on, wanted)
        case Call(on, "empty", ()) if on is not None:
            return _existence(structures, structure, on, not wanted)
        case Call(Step(None, name), "hasValue", ()):
            return _has_value(structure, name, wanted)
        case Typed(Step(None, name), "is", kind):
            return _is_type(structure, name, kind, wanted)
    raise _Untranslatable


def _logic(structures: Structures, structure: Structure, operator: str, left: Tree, right: Tree, wanted: bool) -> Json:
    def decide(tree: Tree, value: bool) -> Json:
        return _decided(structures, structure, tree, value)

    if operator == "xor":
        same = not wanted
        return {"anyOf": [{"allOf": [decide(left, value), decide(right, value == same)]} for value in (True, False)]}
    if operator == "implies":
        return {"anyOf": [decide(left, False), decide(right, True)]} if wanted else {"allOf": [decide(left, True), decide(right, False)]}
    return {"allOf" if (operator == "and") == wanted else "anyOf": [decide(left, wanted), decide(right, wanted)]}


def _keys(structure: Structure, name: str) -> list[str]:
    element = structure.elements.get(name)
    if element is None or not element.keys:
        raise _Untranslatable
    return [form for key, _ in element.keys for form in (key, "_" + key)]


def _existence(structures: Structures, structure: Structure, on: Tree, wanted: bool) -> Json:
    """Whether a member, or a member of a member, or one that meets a condition, is there."""
    match on:
        case Step(None, name):
            present = {"anyOf": [{"required": [key]} for key in _keys(structure, name)]}
            return present if wanted else {"not": present}
        case Step(Step(None, name), inner_name):
            return _below(structures, structure, name, Call(Step(None, inner_name), "exists"), wanted)
        case Call(Step(Step(None, name), inner_name), "where", (condition,)):
            return _below(structures, structure, name, Call(Call(Step(None, inner_name), "where", (condition,)), "exists"), wanted)
        case Call(Step(None, name), "where", (condition,)):
            return _below(structures, structure, name, condition, wanted)
        case Call(None, "where", (condition,)):
            met = _decided(structures, structure, condition, True)
            return met if wanted else {"not": met}
    raise _Untranslatable


def _below(structures: Structures, structure: Structure, name: str, condition: Tree, wanted: bool) -> Json:
    """Some item of a member meets (wanted) or every item certainly fails a condition."""
    element = structure.elements.get(name)
    if element is None or len(element.keys) != 1 or element.keys[0][1] not in structures.types:
        raise _Untranslatable
    key, kind = element.keys[0]
    met = _decided(structures, structures.types[kind], condition, True)
    if not element.many:
        return {"required": [key], "properties": {key: met}} if wanted else {"properties": {key: {"not": met}}}
    if not wanted:
        return {"properties": {key: {"items": {"not": met}}}}
    return {"required": [key], "properties": {key: {"not": {"items": {"not": met}}}}}


def _equality(structures: Structures, structure: Structure, left: Tree, right: Tree, wanted: bool) -> Json:
    if isinstance(left, Step) and left.on is None and (isinstance(right, Literal) or right == UCUM):
        value = "http://unitsofmeasure.org" if right == UCUM else right.value  # type: ignore[union-attr]
        return _one_of(structure, left.name, [value], wanted)
    booleans = (_decided(structures, structure, tree, True) for tree in (left, right))
    list(booleans)
    return _logic(structures, structure, "xor", left, right, not wanted)


def _one_of(structure: Structure, name: str, values: list[Any], wanted: bool) -> Json:
    element = structure.elements.get(name)
    if element is None or len(element.keys) != 1 or element.many:
        raise _Untranslatable
    matches: Json = {"enum": values}
    return {"required": [name], "properties": {name: matches if wanted else {"not": matches}}}


def _literals(tree: Tree) -> list[Any]:
    if isinstance(tree, Literal):
        return [tree.value]
    if isinstance(tree, Binary) and tree.operator == "|":
        return _literals(tree.left) + _literals(tree.right)
    raise _Untranslatable


def _has_value(structure: Structure, name: str, wanted: bool) -> Json:
    element = structure.elements.get(name)
    if element is None or len(element.keys) != 1 or element.many:
        raise _Untranslatable
    return {"required": [name]} if wanted else {"not": {"required": [name]}}


def _is_type(structure: Structure, name: str, kind: str, wanted: bool) -> Json:
    element = structure.elements.get(name)
    keys = [key for key, known in element.keys if known.lower() == kind.lower()] if element else []
    if element is None or len(element.keys) < 2 or not keys or not wanted:
        raise _Untranslatable
    return {"required": keys}
