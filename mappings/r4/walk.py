"""The exact check of a resource against R4: slow, complete, and with a text and an expression for each finding.

The compiled schema (schema.py) lets through at once what is certainly valid; everything else is judged here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mappings.outcome import Issue
from mappings.r4 import invariants, references
from mappings.r4.path_evaluation import Node
from mappings.r4.primitives import PRIMITIVES, is_well_formed
from mappings.r4.structures import Constraint, Element, Structure, Structures, is_primitive
from mappings.vocabulary import Json

MOST = 100
"""Findings after which the walk stops: a client mends some and asks again."""
_NAME_LENGTH = 64
_ENTRY = re.compile(r"Bundle\.entry\[[0-9]+\]\.resource")


class _Enough(Exception):
    pass


@dataclass(slots=True)
class _Within:
    """The resource that `#` references of the elements below resolve in."""

    resource: Json
    contained_types: Mapping[str, str | None]
    is_contained: bool = False
    fragments: set[str] = field(default_factory=set)


def walk(structures: Structures, resource: Any, path: str | None = None, into_entries: bool = True) -> list[Issue]:
    """Every error of `resource` (at most MOST), with expressions that begin with `path` or else with its type.

    Without `into_entries` the resources in the entries of a Bundle are not looked at.
    """
    found = _Walk(structures, into_entries)
    try:
        found.resource(resource, path, None)
    except _Enough:
        pass
    return found.issues


class _Walk:
    """One pass over one resource."""

    def __init__(self, structures: Structures, into_entries: bool) -> None:
        self.structures, self.into_entries = structures, into_entries
        self.issues: list[Issue] = []

    def report(self, code: str, text: str, path: str) -> None:
        self.issues.append(Issue("error", code, text, path))
        if len(self.issues) >= MOST:
            raise _Enough

    def resource(self, value: Any, path: str | None, within: _Within | None) -> None:
        """A resource: the document itself, a Bundle entry, a parameter (`within` None) or a contained one."""
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not self.structures.is_resource(kind):
            said = "A resourceType of R4 is required here." if kind is None else "The resourceType is not a type of R4."
            self.report("structure" if kind is None else "not-supported", said, path or "Resource")
            return
        path = path or str(kind)
        inner = within or _Within(value, _contained_types(value))
        self.object(self.structures.types[str(kind)], value, path, inner)
        if within is None:
            self.contained(value, path, inner)

    def contained(self, resource: Json, path: str, within: _Within) -> None:
        """dom-2 to dom-5 and dom-3: what is particular to contained resources."""
        listed = resource.get("contained")
        self.distinct_ids(listed, path)
        inside = _Within(resource, within.contained_types, True, within.fragments)
        for at, inner in enumerate(listed if isinstance(listed, list) else []):
            here = f"{path}.contained[{at}]"
            self.resource(inner, here, inside)
            if isinstance(inner, dict):
                self.contained_one(inner, here)
        for at, inner in enumerate(listed if isinstance(listed, list) else []):
            id = inner.get("id") if isinstance(inner, dict) else None
            if isinstance(id, str) and f"#{id}" not in within.fragments and not _names_container(inner):
                text = "dom-3: A contained resource SHALL be referred to from the resource, or refer to it."
                self.report("invariant", text, f"{path}.contained[{at}]")

    def distinct_ids(self, listed: Any, path: str) -> None:
        """resource.html#id: an id is unique among the contained resources, or a reference would lead to two."""
        seen: set[str] = set()
        for at, inner in enumerate(listed if isinstance(listed, list) else []):
            id = inner.get("id") if isinstance(inner, dict) else None
            if isinstance(id, str) and id in seen:
                self.report("duplicate", "Another contained resource has the same id.", f"{path}.contained[{at}].id")
            elif isinstance(id, str):
                seen.add(id)

    def contained_one(self, inner: Json, here: str) -> None:
        if "id" not in inner:
            self.report("required", "A contained resource needs an id: nothing could refer to it without.", f"{here}.id")
        if "contained" in inner:
            self.report("invariant", "dom-2: A contained resource SHALL NOT contain resources itself.", f"{here}.contained")
        meta = inner.get("meta")
        for name, key in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
            if isinstance(meta, dict) and name in meta:
                self.report("invariant", f"{key}: A contained resource SHALL NOT have meta.{name}.", f"{here}.meta.{name}")

    def object(self, structure: Structure, value: Any, path: str, within: _Within) -> bool:
        """An object of a complex type: names, cardinality, then each element, then the invariants. True where all is well."""
        if not isinstance(value, dict):
            self.report("structure", f"An object ({structure.name}) is expected here.", path)
            return False
        if not value:
            self.report("structure", "An empty object is not allowed: leave the element out.", path)
            return False
        before = len(self.issues)
        self.names(structure, value, path)
        for element in structure.elements.values():
            self.element(element, value, path, within)
        if len(self.issues) == before:
            self.constraints(structure.constraints, structure.name, value, path, within)
        return len(self.issues) == before

    def names(self, structure: Structure, value: Json, path: str) -> None:
        for key in value:
            known = structure.by_key.get(key) or (key[:1] == "_" and structure.by_key.get(key[1:]))
            if key == "resourceType" and structure.kind == "resource":
                continue
            if not known or (key not in structure.by_key and not _takes_sibling(structure, known)):
                named = f"'{key}'" if len(key) <= _NAME_LENGTH and key.replace("_", "").isalnum() and key.isascii() else "A name used here"
                self.report("structure", f"{named} is not an element of {structure.name} in R4.", path)

    def element(self, element: Element, holder: Json, path: str, within: _Within) -> None:
        present = [(key, kind) for key, kind in element.keys if key in holder or "_" + key in holder]
        here = f"{path}.{element.name}"
        if not present:
            if element.minimum:
                self.report("required", f"{element.name} is required.", here)
            return
        if len(present) > 1:
            self.report("structure", f"{element.name}[x] may be given once, with one type.", here)
        if not element.allowed:
            self.report("structure", f"{element.name} is not allowed here.", here)
        for key, kind in present:
            if is_primitive(kind):
                self.primitives(element, kind, key, holder, f"{path}.{key}", within)
            else:
                self.objects(element, kind, holder.get(key), f"{path}.{key}", within)

    def objects(self, element: Element, kind: str, value: Any, path: str, within: _Within) -> None:
        if not self.is_shape(element, value, path):
            return
        for at, item in enumerate(value if element.many else [value]):
            here = f"{path}[{at}]" if element.many else path
            if kind == "Resource":
                if not path.endswith(".contained") and (self.into_entries or not _ENTRY.fullmatch(here)):
                    self.resource(item, here, None)
                continue
            structure = self.structures.types[kind]
            if self.object(structure, item, here, within):
                self.in_context(element, kind, item, here, within)

    def is_shape(self, element: Element, value: Any, path: str) -> bool:
        """An array exactly where the element repeats, and never an empty one."""
        if isinstance(value, list) != element.many:
            self.report("structure", "An array is expected here." if element.many else "An array is not allowed here.", path)
            return False
        if element.many and not value:
            self.report("structure", "An empty array is not allowed: leave the element out.", path)
            return False
        return True

    def in_context(self, element: Element, kind: str, item: Json, path: str, within: _Within) -> None:
        """What an element adds to its type: binding, reference targets, invariants, `#` references."""
        if element.constraints:
            self.constraints(element.constraints, kind, item, path, within)
        if element.values and kind == "CodeableConcept":
            self.binding(element.values, item, path)
        if kind == "Reference":
            self.reference(element, item, path, within)

    def binding(self, value_set: str, concept: Json, path: str) -> None:
        systems = self.structures.value_sets.get(value_set)
        codings = concept.get("coding")
        if systems is None or not isinstance(codings, list):
            if systems is not None and "extension" not in concept:
                self.report("code-invalid", f"A coding of {value_set} is required here.", path)
            return
        if not any(isinstance(c, dict) and c.get("code") in systems.get(str(c.get("system")), ()) for c in codings):
            self.report("code-invalid", f"One of the codings must be of {value_set}, with its system.", path)

    def reference(self, element: Element, item: Json, path: str, within: _Within) -> None:
        text = item.get("reference")
        if not isinstance(text, str):
            return
        if not references.is_consistent(item):
            self.report("value", "Reference.type and the type in Reference.reference SHALL be the same.", f"{path}.type")
        form = references.read(text)
        here = f"{path}.reference"
        if form is None:
            self.report("value", "A reference is Type/id, an absolute URL, urn:uuid:, urn:oid: or #id of a contained resource.", here)
        elif form.is_fragment:
            self.fragment(text, here, within)
            self.target(element, within.contained_types.get(text[1:]), here)
        elif form.is_relative and not self.structures.is_resource(form.type):
            self.report("value", "The reference names a type that R4 does not have.", here)
        elif form.is_relative or self.structures.is_resource(form.type):
            self.target(element, form.type, here)

    def target(self, element: Element, kind: str | None, here: str) -> None:
        if kind is not None and element.targets and kind not in element.targets:
            self.report("value", f"The reference must lead to one of: {', '.join(element.targets)}.", here)

    def fragment(self, text: str, path: str, within: _Within) -> None:
        within.fragments.add(text)
        if text[1:] not in within.contained_types and not (text == "#" and within.is_contained):
            self.report("not-found", "ref-1: No contained resource has this id.", path)

    def primitives(self, element: Element, kind: str, key: str, holder: Json, path: str, within: _Within) -> None:
        value, sibling = holder.get(key), holder.get("_" + key)
        if key in holder and not self.is_shape(element, value, path):
            return
        if sibling is None and "_" + key not in holder:
            listed: list[Any] = value if isinstance(value, list) else [value]
            for at, item in enumerate(listed):
                self.primitive(element, kind, item, f"{path}[{at}]" if element.many else path, within)
            return
        self.with_siblings(element, kind, (value, key in holder), sibling, path, within)

    def with_siblings(self, element: Element, kind: str, given: tuple[Any, bool], sibling: Any, path: str, within: _Within) -> None:
        """A primitive with its `_name`: aligned by position where it repeats, null standing for the part that is missing."""
        value, is_given = given
        if not self.is_shape(element, sibling, path):
            return
        others = sibling if element.many else [sibling]
        values = (value if element.many else [value]) if is_given else [None] * len(others)
        if len(values) != len(others):
            self.report("structure", "The array and its _ twin must have the same length, with null for what is missing.", path)
            return
        for at, (item, other) in enumerate(zip(values, others, strict=True)):
            here = f"{path}[{at}]" if element.many else path
            if item is None and other is None:
                self.report("structure", "An element needs a value or an extension.", here)
            if item is not None or (is_given and not element.many):
                self.primitive(element, kind, item, here, within)
            if other is not None:
                self.object(self.structures.types["Element"], other, here, within)

    def primitive(self, element: Element, kind: str, value: Any, path: str, within: _Within) -> None:
        if value == "" or value is None:
            self.report("structure", "An empty value is not allowed: leave the element out.", path)
        elif kind == "xhtml":
            if not invariants.is_safe_narrative(value):
                self.report("invariant", "txt-1: The narrative is one XHTML div with formatting only: no scripts, forms or handlers.", path)
        elif not is_well_formed(kind, value):
            self.report("value", f"This is not a {kind}: {PRIMITIVES[kind].says} is expected.", path)
        elif element.values and isinstance(value, str):
            systems = self.structures.value_sets.get(element.values)
            if systems is not None and not any(value in codes for codes in systems.values()):
                self.report("code-invalid", f"The code is not one of {element.values}.", path)
        if kind in ("uri", "url", "canonical") and isinstance(value, str) and value[:1] == "#":
            within.fragments.add(value)

    def constraints(self, constraints: tuple[Constraint, ...], kind: str, value: Json, path: str, within: _Within) -> None:
        for constraint in constraints:
            if constraint.key in invariants.ELSEWHERE:
                continue
            if not invariants.holds(self.structures, constraint, Node(kind, value), Node("Resource", within.resource)):
                self.report("invariant", f"{constraint.key}: {constraint.text}", path)


def _takes_sibling(structure: Structure, known: tuple[Element, str]) -> bool:
    """Ids, Extension.url and XHTML are plain: they cannot be extended."""
    element, kind = known
    return is_primitive(kind) and kind != "xhtml" and element.name != "id" and (structure.name, element.name) != ("Extension", "url")


def _contained_types(resource: Json) -> dict[str, str | None]:
    """Id -> type of the contained resources."""
    listed = resource.get("contained")
    if not isinstance(listed, list):
        return {}
    return {inner["id"]: inner.get("resourceType") for inner in listed if isinstance(inner, dict) and isinstance(inner.get("id"), str)}


def _names_container(inner: Any) -> bool:
    """Whether a contained resource refers to the resource around it ("#")."""
    if isinstance(inner, dict):
        return any(_names_container(value) for value in inner.values())
    if isinstance(inner, list):
        return any(_names_container(value) for value in inner)
    return bool(inner == "#")
