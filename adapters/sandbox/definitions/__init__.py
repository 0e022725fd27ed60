"""What the sandbox knows about R4 and about its modes, read once from the JSON files beside this module."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """How one search parameter finds its values: kind (token, string, date, reference, uri) and element paths."""

    name: str
    kind: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kept type: the element that names the patient (None: not about one patient) and its search parameters."""

    name: str
    person: str | None
    search: Mapping[str, SearchParameter]


@dataclass(frozen=True, slots=True)
class Mode:
    """How the sandbox behaves towards writers; `rules` holds house rules of documents and messages."""

    name: str
    title: str
    writable: Mapping[str, frozenset[str]]
    conditional_create: bool
    answer: str
    location: str
    etag: bool
    rules: Mapping[str, Any]

    def takes(self, interaction: str, type_: str) -> bool:
        """Whether create, update or delete of this type is offered; reading always is."""
        return interaction not in self.writable or type_ in self.writable[interaction]


def _load(name: str) -> Json:
    loaded: Json = json.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))
    return loaded


@cache
def types() -> Mapping[str, ResourceType]:
    """The kept types by name."""
    data = _load("types.json")
    found = {}
    for name, entry in data["types"].items():
        search = {code: SearchParameter(code, how[0], tuple(how[1:])) for code, how in (data["every"] | entry["search"]).items()}
        found[name] = ResourceType(name, entry["person"], search)
    return found


@cache
def modes() -> Mapping[str, Mode]:
    """The modes by name."""
    return {name: _mode(name, entry) for name, entry in _load("modes.json")["modes"].items()}


@cache
def shapes() -> Mapping[str, Mapping[str, list[Any]]]:
    """Element tables by type or backbone path; see generate_shapes.py."""
    loaded: Mapping[str, Mapping[str, list[Any]]] = _load("shapes.json")["shapes"]
    return loaded


def _mode(name: str, entry: Json) -> Mode:
    writable = {what: frozenset(types() if entry[what] == "all" else entry[what]) for what in ("create", "update", "delete")}
    rules: Json = {key: entry[key] for key in ("document", "communication") if key in entry}
    return Mode(name, entry["title"], writable, entry["conditional_create"], entry["answer"], entry["location"], entry["etag"], rules)
