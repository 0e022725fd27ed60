"""Validation against base R4 4.0.1. A valid resource costs about as much as parsing it; an invalid one gets every reason."""

from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs

from mappings.outcome import Issue
from mappings.r4 import invariants, references, schema, walk
from mappings.r4.path_evaluation import Node
from mappings.r4.structures import Structures
from mappings.vocabulary import Json


class Validator:
    """Validates resources of any R4 type; those in `types` at the speed of a compiled schema. Build once, use from any thread."""

    def __init__(self, structures: Structures, types: Sequence[str]) -> None:
        self._structures = structures
        definitions = schema.schema_of(structures, tuple(types))
        keywords = {"invariant": _invariant_keyword(structures), "narrative": _Narrative, "reference": _Consistent}
        # One schema for all types, entered through a member named like the type: compiling one per type takes 20 times as long.
        members = {name: {"$ref": f"#/definitions/{name}"} for name in types}
        self._schema = jsonschema_rs.Draft4Validator(definitions | {"properties": members}, keywords=keywords, pattern_options=jsonschema_rs.RegexOptions())
        self._leftovers = {name: schema.leftovers(structures, name) for name in types}

    def validate(self, resource: Json) -> list[Issue]:
        """The errors of `resource`, the first walk.MOST of them; none for a valid one. Never raises for parsed JSON."""
        issues: list[Issue] = []
        for part in self.parts(resource):
            issues.extend(part)
            if len(issues) >= walk.MOST:
                break
        return issues[: walk.MOST]

    def parts(self, resource: Json) -> Iterator[list[Issue]]:
        """The errors in parts: a Bundle itself, then each entry; anything else in one. Lets others run between the parts."""
        entries = resource.get("entry") if resource.get("resourceType") == "Bundle" else None
        if not isinstance(entries, list):
            yield self._one(resource, None)
            return
        yield self._one(resource, None)
        for at, entry in enumerate(entries):
            if isinstance(entry, dict) and "resource" in entry:
                yield self.entry(entry["resource"], f"Bundle.entry[{at}].resource")

    def entry(self, resource: Any, path: str) -> list[Issue]:
        """The errors of a resource that stands at `path` of another document."""
        if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
            return [self._moved(issue, path) for issue in self.validate(resource)]
        return self._one(resource, path)

    def is_certainly_valid(self, resource: Any) -> bool:
        """Whether the fast path alone can tell that `resource` is valid; of a Bundle, without its entries' resources."""
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or kind not in self._leftovers or "contained" in resource:
            return False
        if not self._schema.is_valid({kind: resource}):
            return False
        node = Node(kind, resource)
        return all(invariants.holds(self._structures, constraint, node, node) for constraint in self._leftovers[kind])

    def _one(self, resource: Any, path: str | None) -> list[Issue]:
        return [] if self.is_certainly_valid(resource) else walk.walk(self._structures, resource, path, into_entries=False)

    @staticmethod
    def _moved(issue: Issue, path: str) -> Issue:
        return Issue(issue.severity, issue.code, issue.text, path + (issue.expression or "").removeprefix("Bundle"))


def _invariant_keyword(structures: Structures) -> type[Any]:
    """The schema keyword `invariant: [type, key]`, which calls the function of that invariant."""

    of_types = {(kind.name, c.key): c for kind in structures.types.values() for c in kind.constraints}
    of_elements = {c.key: c for kind in structures.types.values() for e in kind.elements.values() for c in e.constraints}

    class Invariant:
        def __init__(self, parent: Json, value: list[str], path: list[str | int]) -> None:
            self.kind, key = value
            self.constraint = of_types.get((self.kind, key)) or of_elements[key]

        def validate(self, instance: Any) -> None:
            node = Node(self.kind, instance)
            if not isinstance(instance, dict) or not invariants.holds(structures, self.constraint, node, node):
                raise ValueError("invariant")

    return Invariant


class _Narrative:
    """The schema keyword `narrative`: the text is a safe XHTML div."""

    def __init__(self, parent: Json, value: bool, path: list[str | int]) -> None:
        pass

    def validate(self, instance: Any) -> None:
        if not invariants.is_safe_narrative(instance):
            raise ValueError("narrative")


class _Consistent:
    """The schema keyword `reference`: Reference.type says the type that is in Reference.reference."""

    def __init__(self, parent: Json, value: bool, path: list[str | int]) -> None:
        pass

    def validate(self, instance: Any) -> None:
        if not isinstance(instance, dict) or not references.is_consistent(instance):
            raise ValueError("reference")
