"""FHIRPath Patch on a resource: https://hl7.org/fhir/R4/fhirpatch.html"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mappings.knowledge import KnowledgeError
from mappings.r4 import fhirpath, path_evaluation
from mappings.r4.fhirpath import Binary, Call, Index, Literal, Step, Tree, Typed
from mappings.r4.json_patch import BadPatch, PatchFails
from mappings.r4.path_evaluation import Node, Scope
from mappings.r4.structures import Element, Structures
from mappings.vocabulary import Json

TYPES = ("add", "insert", "delete", "replace", "move")


@dataclass(slots=True)
class Operation:
    """One operation of the Parameters. `value` has the key value[x], or None where parts make it up."""

    at: int
    type: str
    path: str
    name: str = ""
    value: Any = None
    kind: str | None = None
    index: int | None = None
    source: int | None = None
    destination: int | None = None


@dataclass(slots=True)
class Spot:
    """An element where it stands: `holder[key]`. The resource itself stands nowhere."""

    value: Any
    kind: str
    holder: Any = None
    key: Any = None
    element: Element | None = None


def operations(parameters: Json) -> list[Operation]:
    """The operations of a Parameters resource. Errors: BadPatch."""
    found = [_operation(at, each) for at, each in enumerate(parameters.get("parameter") or ()) if isinstance(each, dict)]
    if not found:
        raise BadPatch("A FHIRPath Patch has parameters named operation")
    return found


def _operation(at: int, parameter: Json) -> Operation:
    if parameter.get("name") != "operation" or not isinstance(parameter.get("part"), list):
        raise BadPatch(f"Parameter {at} is not an operation with parts")
    parts: dict[Any, Any] = {part.get("name"): part for part in parameter["part"] if isinstance(part, dict)}

    def said(name: str, *keys: str) -> Any:
        return next((parts[name][key] for key in keys if key in parts.get(name, {})), None)

    numbers = {name: said(name, "valueInteger") for name in ("index", "source", "destination")}
    operation = Operation(at, said("type", "valueCode", "valueString"), said("path", "valueString"), said("name", "valueString") or "", **numbers)
    if operation.type not in TYPES or not isinstance(operation.path, str):
        raise BadPatch(f"Operation {at} needs a type ({', '.join(TYPES)}) and a path")
    if "value" in parts:
        operation.value, operation.kind = _value(parts["value"])
    elif operation.type in ("add", "insert", "replace"):
        raise BadPatch(f"Operation {at} needs a value")
    return operation


def _value(part: Json) -> tuple[Any, str | None]:
    """(the value, its type as value[x] names it); parts make up an element that has no type of its own (a backbone element)."""
    for key, value in part.items():
        if key.startswith("value"):
            return value, key[5:]
    made: dict[str, Any] = {}
    for inner in part.get("part") or ():
        value, _ = _value(inner)
        name = inner.get("name", "")
        if name in made:
            made[name] = [*(made[name] if isinstance(made[name], list) else [made[name]]), value]
        else:
            made[name] = value
    return made, None


def apply(structures: Structures, parameters: Json, resource: Json) -> Json:
    """Change `resource` (its own copy, values of exact_json) as the Parameters say. Errors: BadPatch, PatchFails."""
    for operation in operations(parameters):
        try:
            tree = fhirpath.parse_expression(operation.path)
            _APPLY[operation.type](structures, operation, tree, resource)
        except KnowledgeError as error:
            raise BadPatch(f"The path of operation {operation.at} is not a path to elements") from error
    return resource


def _fails(operation: Operation, text: str) -> PatchFails:
    return PatchFails(operation.at, f"Operation {operation.at} cannot be applied: {text}")


def _one(operation: Operation, spots: list[Spot]) -> Spot:
    if len(spots) != 1:
        raise _fails(operation, "its path leads to no element" if not spots else "its path leads to several elements")
    return spots[0]


def _shaped(structures: Structures, kind: str, value: Any) -> Any:
    """A value made up of parts: members that repeat become arrays."""
    structure = structures.types.get(kind)
    if structure is None or not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        element, inner_kind = structure.by_key.get(name, (None, ""))
        items = [_shaped(structures, inner_kind, each) for each in (inner if isinstance(inner, list) else [inner])]
        found[name] = items if element is not None and element.many else items[0]
    return found


def _keyed(operation: Operation, element: Element) -> tuple[str, str]:
    """The JSON name for the value's type: value becomes valueQuantity."""
    for key, kind in element.keys:
        if len(element.keys) == 1 or (operation.kind or "").lower() == kind.lower():
            return key, kind
    raise _fails(operation, "the element cannot have a value of this type")


def _element(structures: Structures, operation: Operation, kind: str, name: str) -> Element:
    structure = structures.types.get(kind)
    element = structure.elements.get(name) if structure else None
    if element is None and structure is not None and name in structure.by_key:
        element = structure.by_key[name][0]
    if element is None:
        raise _fails(operation, "there is no such element")
    return element


def _add(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> None:
    spot = _one(operation, list(located(structures, tree, resource)))
    if not isinstance(spot.value, dict):
        raise _fails(operation, "a primitive has no members")
    element = _element(structures, operation, spot.kind, operation.name)
    key, kind = _keyed(operation, element)
    value = _shaped(structures, kind, operation.value)
    if element.many:
        spot.value.setdefault(key, []).append(value)
    elif any(other in spot.value for other, _ in element.keys):
        raise _fails(operation, "the element is there already")
    else:
        spot.value[key] = value


def _listed(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> tuple[list[Any], str]:
    """The array that a path names, made where it is not there."""
    if not isinstance(tree, Step) or tree.on is None:
        raise _fails(operation, "its path names no list")
    holder = _one(operation, list(located(structures, tree.on, resource)))
    element = _element(structures, operation, holder.kind, tree.name)
    if not element.many or not isinstance(holder.value, dict):
        raise _fails(operation, "its path names no list")
    key, kind = element.keys[0]
    if "_" + key in holder.value:
        raise _fails(operation, "values of the list have extensions, whose places would be lost")
    return holder.value.setdefault(key, []), kind


def _insert(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> None:
    items, kind = _listed(structures, operation, tree, resource)
    if operation.index is None or not 0 <= operation.index <= len(items):
        raise _fails(operation, "its index is not within the list")
    items.insert(operation.index, _shaped(structures, kind, operation.value))


def _move(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> None:
    items, _ = _listed(structures, operation, tree, resource)
    source, destination = operation.source, operation.destination
    if source is None or destination is None or not (0 <= source < len(items) and 0 <= destination < len(items)):
        raise _fails(operation, "source or destination is not within the list")
    items.insert(destination, items.pop(source))


def _delete(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> None:
    """Nothing to delete is no error; several are."""
    spots = list(located(structures, tree, resource))
    if not spots:
        return
    spot = _one(operation, spots)
    if spot.holder is None:
        raise _fails(operation, "a patch does not delete the resource")
    del spot.holder[spot.key]
    if isinstance(spot.holder, dict):
        spot.holder.pop(f"_{spot.key}", None)
    _prune(resource)


def _prune(value: Any) -> None:
    """Arrays and objects that are empty by now go: FHIR JSON has none (json.html)."""
    for key, inner in list(value.items()) if isinstance(value, dict) else ():
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                _prune(item)
        if isinstance(inner, list):
            inner[:] = [item for item in inner if item != {}]
        if inner in ([], {}):
            del value[key]


def _replace(structures: Structures, operation: Operation, tree: Tree, resource: Json) -> None:
    spot = _one(operation, list(located(structures, tree, resource)))
    if spot.holder is None:
        raise _fails(operation, "a patch does not replace the resource")
    if spot.element is None or isinstance(spot.holder, list):
        spot.holder[spot.key] = _shaped(structures, spot.kind, operation.value)
        return
    key, kind = _keyed(operation, spot.element)
    if key != spot.key:
        del spot.holder[spot.key]
    spot.holder[key] = _shaped(structures, kind, operation.value)


_APPLY = {"add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move}


def located(structures: Structures, tree: Tree, resource: Json) -> Iterator[Spot]:
    """The elements that a path leads to, where they stand. Errors: KnowledgeError for an expression that is no path."""
    match tree:
        case Step(None, name) if structures.is_resource(name):
            if resource.get("resourceType") == name:
                yield Spot(resource, name)
        case Step(on, name):
            begin = located(structures, on, resource) if on is not None else iter([Spot(resource, str(resource.get("resourceType")))])
            for spot in begin:
                yield from _members(structures, spot, name)
        case Index(on, at):
            yield from list(located(structures, on, resource))[at : at + 1]
        case Call(on, "first", ()) if on is not None:
            yield from list(located(structures, on, resource))[:1]
        case Call(on, "last", ()) if on is not None:
            yield from list(located(structures, on, resource))[-1:]
        case Call(on, "where", (condition,)) if on is not None:
            yield from _meeting(structures, located(structures, on, resource), condition)
        case Call(on, "extension", (Literal() as url,)) if on is not None:
            yield from _meeting(structures, located(structures, Step(on, "extension"), resource), Binary("=", Step(None, "url"), url))
        case Typed(on, "as" | "ofType", kind):
            yield from (spot for spot in located(structures, on, resource) if spot.kind.lower() == kind.lower())
        case _:
            raise KnowledgeError("not a path")


def _members(structures: Structures, spot: Spot, name: str) -> Iterator[Spot]:
    structure = structures.types.get(spot.kind)
    element = structure.elements.get(name) if structure else None
    if element is None or not isinstance(spot.value, dict):
        return
    for key, kind in element.keys:
        value = spot.value.get(key)
        if isinstance(value, list):
            yield from (Spot(item, kind, value, at, element) for at, item in enumerate(value))
        elif value is not None:
            yield Spot(value, str(value.get("resourceType")) if kind == "Resource" and isinstance(value, dict) else kind, spot.value, key, element)


def _meeting(structures: Structures, spots: Iterator[Spot], condition: Tree) -> Iterator[Spot]:
    compiled = path_evaluation.compile_tree(condition)
    for spot in spots:
        node = Node(spot.kind, spot.value)
        if path_evaluation.truth(compiled(Scope(structures, node, node), [node])) is True:
            yield spot
