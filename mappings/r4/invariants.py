"""The R4 invariants that are errors: each as a function of one element. Expressions come from the definitions; a few are by hand.

By hand is what runs on every write of a common type, what looks across a resource, and what FHIRPath cannot say well.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from mappings.knowledge import KnowledgeError
from mappings.r4 import comparison, narrative, references
from mappings.r4.path_evaluation import Compiled, Node, Scope, compile_expression, truth
from mappings.r4.structures import Constraint, Structures
from mappings.vocabulary import Json

ELSEWHERE = frozenset({"ele-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})
"""Held by the walk itself (walk.py): they need the containing resource, or are about one primitive."""


MAY_BE_OPEN = frozenset({"inv-1", "ras-2"})
"""Invariants that hold when they cannot be decided: dates of different precision (Task inv-1), no probability at all (ras-2)."""


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Compiled | None:
    """The function of an invariant's expression, or None where it needs FHIRPath that is not supported (unkept types only)."""
    try:
        return compile_expression(expression)
    except KnowledgeError:
        return None


def is_checked(constraint: Constraint) -> bool:
    """Whether this constraint is held by validation."""
    return constraint.key in ELSEWHERE or constraint.key == "ctm-1" or by_hand(constraint) is not None or compiled(constraint.expression) is not None


def by_hand(constraint: Constraint) -> Callable[[Json], bool] | None:
    """The hand-written function of a constraint; it says whether the constraint holds for an element."""
    return BY_HAND.get(constraint.key)


def holds(structures: Structures, constraint: Constraint, node: Node, resource: Node) -> bool:
    """Whether a constraint holds for an element (`node`) of `resource`. Like other validators, {} counts as a failure."""
    function = by_hand(constraint)
    if function is not None:
        return function(node.value)
    if constraint.key == "ctm-1":
        return _on_behalf(node.value, resource.value)
    expression = compiled(constraint.expression)
    if expression is None:
        return True
    decided = truth(expression(Scope(structures, resource, resource), [node]))
    return decided is True or (decided is None and constraint.key in MAY_BE_OPEN)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _period(period: Json) -> bool:
    start, end = period.get("start"), period.get("end")
    return not (isinstance(start, str) and isinstance(end, str)) or comparison.compare_dates(start, end) != 1


def _range(between: Json) -> bool:
    return comparison.ordered("<=", between.get("low"), between.get("high")) is not False


def _on_behalf(participant: Json, team: Json) -> bool:
    """ctm-1: only a Practitioner acts on behalf of an organization. Held as far as the reference itself tells the type of the member."""
    member = participant.get("member")
    text = member.get("reference") if isinstance(member, dict) else None
    if "onBehalfOf" not in participant or not isinstance(text, str):
        return True
    if text.startswith("#"):
        found = [each.get("resourceType") for each in _items(team.get("contained")) if isinstance(each, dict) and each.get("id") == text[1:]]
        return not found or found[0] == "Practitioner"
    form = references.read(text)
    return form is None or form.type in (None, "Practitioner")


def _codings(concept: Any) -> set[str]:
    return {comparison.identity(coding) for coding in _items(concept.get("coding"))} if isinstance(concept, dict) else set()


def _observation_value(observation: Json) -> bool:
    """obs-7: with a value, no component may carry a coding of the observation's own code."""
    components = observation.get("component")
    if not components or not any(key.lstrip("_").startswith("value") for key in observation):
        return True
    own = _codings(observation.get("code"))
    return not any(own & _codings(component.get("code")) for component in components)


def _entries_have(member: str, *types: str) -> Callable[[Json], bool]:
    def holds(bundle: Json) -> bool:
        wanted = bundle.get("type") in types
        return all((member in entry) == wanted for entry in _items(bundle.get("entry")))

    return holds


def _full_urls(bundle: Json) -> bool:
    """bdl-7: one version of one full URL at most, except in a history."""
    if bundle.get("type") == "history":
        return True
    seen = [_versioned(entry) for entry in _items(bundle.get("entry")) if "fullUrl" in entry]
    return len(set(seen)) == len(seen)


def _versioned(entry: Json) -> tuple[str, str]:
    meta = entry.get("resource", {}).get("meta", {})
    return str(entry["fullUrl"]), str(meta.get("versionId", "")) if isinstance(meta, dict) else ""


def _nested(element: Json, member: str, name: str) -> Iterator[str]:
    for item in _items(element.get(member)):
        if isinstance(item, dict):
            if isinstance(item.get(name), str):
                yield item[name]
            yield from _nested(item, member, name)


def _distinct(member: str, name: str) -> Callable[[Json], bool]:
    def holds(resource: Json) -> bool:
        names = list(_nested(resource, member, name))
        return len(set(names)) == len(names)

    return holds


BY_HAND: dict[str, Callable[[Json], bool]] = {
    "per-1": _period,
    "rng-2": _range,
    "obs-7": _observation_value,
    "bdl-3": _entries_have("request", "batch", "transaction", "history"),
    "bdl-4": _entries_have("response", "batch-response", "transaction-response", "history"),
    "bdl-7": _full_urls,
    "bdl-8": lambda entry: "/_history/" not in str(entry.get("fullUrl", "")),
    "que-2": _distinct("item", "linkId"),
    "csd-1": _distinct("concept", "code"),
}


def is_safe_narrative(div: object) -> bool:
    """txt-1 and txt-2."""
    return narrative.is_safe(div)
