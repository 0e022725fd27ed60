"""Parts of a resource: summaries and chosen elements (R4 search.html#summary, #elements)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.r4.structures import Structures
from mappings.vocabulary import Json

SUBSETTED: Json = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED", "display": "subsetted"}
_ALWAYS = frozenset({"id", "meta", "implicitRules", "modifierExtension"})
"""Elements without which the rest could not be named, or could be misread."""


@dataclass(frozen=True, slots=True)
class Subset:
    """What is wanted: `summary` is true, text or data, or None; `elements` the names asked for, or None."""

    summary: str | None = None
    elements: frozenset[str] | None = None


def subset(resource: Json, wanted: Subset, structures: Structures, summaries: Mapping[str, Iterable[str]]) -> Json:
    """The resource with what is wanted, its mandatory elements and the tag SUBSETTED. A type without a summary comes whole."""
    kind = str(resource.get("resourceType"))
    if kind not in summaries:
        return resource
    found = {key: value for key, value in resource.items() if key == "resourceType" or _kept(kind, key, wanted, structures, summaries)}
    if wanted.summary == "true":
        found = {key: _within(kind, key, value, structures, summaries) for key, value in found.items()}
    meta = found.get("meta", {})
    tags = [tag for tag in meta.get("tag", ()) if tag.get("code") != SUBSETTED["code"]]
    order = ["resourceType", "id", "meta"]
    marked = found | {"meta": meta | {"tag": [*tags, SUBSETTED]}}
    return {key: marked[key] for key in sorted(marked, key=lambda key: order.index(key) if key in order else len(order))}


def _kept(kind: str, key: str, wanted: Subset, structures: Structures, summaries: Mapping[str, Iterable[str]]) -> bool:
    element = _element(kind, key, structures)
    if element is None:
        return False
    name, is_mandatory = element
    if wanted.summary == "data":
        return name != "text"
    if name in _ALWAYS or is_mandatory:
        return True
    if wanted.elements is not None and name in wanted.elements:
        return True
    return (wanted.summary == "text" and name == "text") or (wanted.summary == "true" and name in summaries[kind])


def _element(kind: str, key: str, structures: Structures) -> tuple[str, bool] | None:
    """(element name, whether it is mandatory) of a JSON member; `_birthDate` goes with `birthDate`."""
    found = structures.types[kind].by_key.get(key.removeprefix("_"))
    return (found[0].name, bool(found[0].minimum)) if found else None


def _within(kind: str, key: str, value: Any, structures: Structures, summaries: Mapping[str, Iterable[str]]) -> Any:
    """A backbone element with those of its own elements that belong to the summary."""
    found = structures.types[kind].by_key.get(key)
    inner = found[1] if found else ""
    if inner not in summaries:
        return value
    if isinstance(value, list):
        return [_within(kind, key, item, structures, summaries) for item in value]
    kept = {name: each for name, each in value.items() if name in ("id", "extension") or _kept(inner, name, Subset("true"), structures, summaries)}
    return {name: _within(inner, name, each, structures, summaries) for name, each in kept.items()}
