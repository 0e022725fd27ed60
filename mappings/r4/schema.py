"""A JSON Schema (draft 4: there 1.0 is no integer) that accepts only what is certainly valid R4, for the compiled fast path.

What it refuses may still be valid (a `_birthDate`, a contained resource, a `#` reference): then walk.py decides.
"""

from typing import Any

from mappings.r4 import constraint_schema, invariants
from mappings.r4.primitives import PRIMITIVES
from mappings.r4.structures import Constraint, Element, Structure, Structures, is_primitive
from mappings.vocabulary import Json

DRAFT = "http://json-schema.org/draft-04/schema#"
LONGEST_CHOICE = 12
"""Choices with more types than this (Extension.value[x]) get their exclusivity from the number of members."""


def schema_of(structures: Structures, types: tuple[str, ...]) -> Json:
    """Definitions for `types` and all that they reach; each type is at `#/definitions/Type`."""
    definitions: Json = {name: _primitive(name) for name in PRIMITIVES}
    definitions["_sibling"] = {
        "type": "object",
        "properties": {"id": _ref("string"), "extension": _array(_ref("Extension"))},
        "additionalProperties": False,
        "minProperties": 1,
    }
    todo = list(types)
    while todo:
        name = todo.pop()
        if name in definitions:
            continue
        structure = structures.types[name]
        definitions[name] = _object(structures, structure, definitions)
        reached = {kind for element in structure.elements.values() for _, kind in element.keys}
        todo.extend(sorted(kind for kind in reached if kind not in definitions and kind != "Resource"))
    return {"$schema": DRAFT, "definitions": definitions}


def leftovers(structures: Structures, type: str) -> tuple[Constraint, ...]:
    """The invariants of a resource type that its schema does not carry: to be judged on the whole resource after it."""
    structure = structures.types[type]
    return tuple(
        c for c in structure.constraints if c.key not in invariants.ELSEWHERE and invariants.is_checked(c) and _carried(structures, structure, c) is None
    )


def _ref(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


def _array(items: Json) -> Json:
    return {"type": "array", "minItems": 1, "items": items}


def _primitive(name: str) -> Json:
    primitive = PRIMITIVES[name]
    found: Json = {"type": primitive.json}
    if primitive.pattern:
        found["pattern"] = f"^(?:{primitive.pattern})$"
    if primitive.low is not None:
        found |= {"minimum": primitive.low, "maximum": primitive.high}
    if primitive.longest:
        found["maxLength"] = primitive.longest
    if name == "xhtml":
        found["narrative"] = True
    return found


def _object(structures: Structures, structure: Structure, definitions: Json) -> Json:
    properties: Json = {}
    rules: list[Json] = []
    if structure.kind == "resource":
        properties["resourceType"] = {"enum": [structure.name]}
    for element in structure.elements.values():
        if not element.allowed:
            continue
        for key, kind in element.keys:
            properties[key] = _element(structures, element, kind, definitions)
            if is_primitive(kind) and kind != "xhtml" and not element.many and len(element.keys) == 1 and element.name not in ("id", "url"):
                properties["_" + key] = _ref("_sibling")
    for element in structure.elements.values():
        rules.extend(_choice(element))
    found: Json = {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
    required = [e.keys[0][0] for e in structure.elements.values() if e.minimum and len(e.keys) == 1]
    if structure.kind == "resource":
        required.append("resourceType")
    if required:
        found["required"] = required
    if structure.name == "Extension":
        return _extension(found)
    if structure.name == "Parameters.parameter":
        properties["resource"] = {"not": {}}
    return found | _invariants(structures, structure, rules)


def _extension(found: Json) -> Json:
    """ext-1 and the one value: with `url` there is exactly one other member, which then is extension or value[x]."""
    properties = {key: value for key, value in found["properties"].items() if key != "id"}
    return found | {"properties": properties, "minProperties": 2, "maxProperties": 2}


def _choice(element: Element) -> list[Json]:
    """At most one (exactly one where required) of the names of a choice."""
    names = [key for key, _ in element.keys]
    if len(names) < 2:
        return []
    if len(names) > LONGEST_CHOICE:
        # No definition but Extension has such a choice on a hot path: only the walk may decide between several.
        pairs = [{"required": [a, b]} for i, a in enumerate(names) for b in names[i + 1 :]]
        return [{"not": {"anyOf": pairs}}, *_some(element, names)]
    others = {a: {"not": {"anyOf": [{"required": [b]} for b in names if b != a]}} for a in names}
    return [{"dependencies": others}, *_some(element, names)]


def _some(element: Element, names: list[str]) -> list[Json]:
    return [{"anyOf": [{"required": [name]} for name in names]}] if element.minimum else []


def _element(structures: Structures, element: Element, kind: str, definitions: Json) -> Json:
    item = _item(structures, element, kind, definitions)
    rules = [_carried(structures, structures.types[kind], constraint) for constraint in element.constraints]
    if not is_primitive(kind) and any(rule != {} for rule in rules):
        item = {"allOf": [item, *({"not": {}} if rule is None else rule for rule in rules if rule != {})]}
    return _array(item) if element.many else item


def _item(structures: Structures, element: Element, kind: str, definitions: Json) -> Json:
    if kind == "Resource":
        # The validator looks at Bundle entries one by one and walks what has contained resources; Parameters are small.
        return {"type": "object"}
    if kind == "Reference":
        return _reference(structures, element.targets, definitions)
    systems = structures.value_sets.get(element.values) if element.values else None
    if systems is None:
        return _ref(kind)
    if kind == "CodeableConcept":
        return {"allOf": [_ref(kind), _bound(systems)]}
    if not is_primitive(kind):
        return _ref(kind)
    name = str(element.values)
    definitions[name] = {"enum": sorted({code for codes in systems.values() for code in codes})}
    return _ref(name.replace("~", "~0").replace("/", "~1"))


def _bound(systems: Any) -> Json:
    """A concept all of whose codings are of the value set; a mixed one is left to the walk."""
    codings = [
        {"properties": {"system": {"enum": [system]}, "code": {"enum": sorted(codes)}}, "required": ["system", "code"]} for system, codes in systems.items()
    ]
    return {"required": ["coding"], "properties": {"coding": {"minItems": 1, "items": {"anyOf": codings}}}}


def _reference(structures: Structures, targets: tuple[str, ...], definitions: Json) -> Json:
    """Reference, with the types that this element may lead to in the pattern of its text."""
    name = "Reference:" + ",".join(targets)
    if name not in definitions:
        base = _object(structures, structures.types["Reference"], definitions)
        types = targets or [t for t in structures.types if structures.is_resource(t)]
        relative = f"(?:{'|'.join(types)})/[A-Za-z0-9.-]{{1,64}}(?:/_history/[A-Za-z0-9.-]{{1,64}})?"
        # Any other address may lead to a type that is not allowed here: the walk looks at it.
        pattern = f"^(?:(?:https?://[^\\x00-\\x20]+/)?{relative}|urn:[^\\x00-\\x20]+)$"
        base["properties"]["reference"] = {"type": "string", "pattern": pattern, "maxLength": 4096}
        base["allOf"] = [*base.get("allOf", ()), {"anyOf": [{"not": {"required": ["type"]}}, {"reference": True}]}]
        definitions[name] = base
    return _ref(name)


def _carried(structures: Structures, structure: Structure, constraint: Constraint) -> Json | None:
    """The schema that proves a constraint, or the name under which a Python function judges it; None where neither can."""
    if constraint.key in invariants.ELSEWHERE:
        return {}
    if not invariants.is_checked(constraint):
        return {}
    if constraint.key not in invariants.BY_HAND:
        translated = constraint_schema.proof(structures, structure, constraint.expression)
        if translated is not None:
            return translated
    if structure.kind == "resource" or "%resource" in constraint.expression or "%rootResource" in constraint.expression:
        return None
    return _guarded(structure, constraint)


def _guarded(structure: Structure, constraint: Constraint) -> Json:
    """The keyword that calls an invariant's function, behind what a schema can tell sooner."""
    if constraint.key == "bdl-8":
        return {"properties": {"fullUrl": {"not": {"pattern": "/_history/"}}}}
    judged: Json = {"invariant": [structure.name, constraint.key]}
    if constraint.key in ("per-1", "rng-2"):
        first, second = ("start", "end") if constraint.key == "per-1" else ("low", "high")
        return {"anyOf": [{"not": {"required": [first, second]}}, judged]}
    return judged


def _invariants(structures: Structures, structure: Structure, rules: list[Json]) -> Json:
    carried = [_carried(structures, structure, constraint) for constraint in structure.constraints]
    every = rules + [rule for rule in carried if rule]
    impossible = structure.kind != "resource" and None in carried
    return {"allOf": every + [{"not": {}}] * impossible} if every or impossible else {}
