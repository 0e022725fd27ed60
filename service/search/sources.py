"""Where the index rows of a parameter stand. Most have rows of their own; the others are read from rows that are there anyway:

two parameters with one expression share rows, `patient` is `subject` led to a Patient, and `combo-x` is `x` with `component-x`.
What is not written need not be stored, kept and deleted: a third of the rows of an Observation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from service.search.composites import COMBO, is_derived
from service.store.numbers import param_number


class Source(NamedTuple):
    """The parameters whose rows are read, and the resource type that a reference must lead to (None: any)."""

    names: tuple[str, ...]
    target: str | None = None


class Sources:
    """The sources of every parameter. `parameters`: type -> name -> parameter."""

    def __init__(self, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        self._found = {kind: _of_type(known) for kind, known in parameters.items()}

    def of(self, kind: str, name: str) -> Source:
        """The source of this parameter of this type."""
        return self._found[kind].get(name) or Source((name,))

    def numbers(self, kind: str, name: str, modifier: str = "") -> list[int]:
        """The numbers under which its rows stand; a `modifier` with rows of its own has them under `name:modifier`."""
        return [param_number(kind, f"{each}:{modifier}" if modifier else each) for each in self.of(kind, name).names]

    def person(self, kind: str) -> list[int]:
        """The numbers under which the person stands whom a resource of this type is about; none for types about nobody."""
        known = self._found[kind]
        for name in ("subject", "patient"):
            if name in known and name in known[name].names:
                return self.numbers(kind, name)
        return []

    def keeps(self, kind: str, name: str) -> bool:
        """Whether the parameter has rows of its own."""
        return name in self.of(kind, name).names


def _of_type(known: Mapping[str, Any]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    first: dict[tuple[str, Any], str] = {}
    for name, parameter in sorted(known.items(), key=lambda pair: _is_a_sites(pair[1])):  # R4's keep the rows, or a site's would take them away
        routes = tuple(getattr(parameter, "routes", ()))
        same = first.setdefault((parameter.type, routes), name) if routes and parameter.type != "composite" else name
        found[name] = Source((same,))
    for name, parameter in known.items():
        stem = name.removeprefix(COMBO)
        siblings = tuple(each for each in (stem, f"component-{stem}") if each in known)
        if name.startswith(COMBO) and parameter.type != "composite" and len(siblings) == 2:
            found[name] = Source(siblings)
    if "patient" in known and "subject" in known and _ends(known["patient"].routes) == _ends(known["subject"].routes):
        found["patient"] = Source(("subject",), "Patient")
    return found


def _is_a_sites(parameter: Any) -> bool:
    return not getattr(parameter, "url", "").startswith("http://hl7.org/fhir/SearchParameter/")


def _ends(routes: Sequence[Any]) -> set[tuple[str, ...]]:
    return {tuple(hop.key for hop in route.hops) for route in routes}


def indexed(parameters: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """The parameters that the extractors have to look for."""
    sources = Sources({kind: {each.name: each for each in own} for kind, own in parameters.items()})
    return {
        kind: tuple(each for each in own if each.type != "special" and not is_derived(each) and sources.keeps(kind, each.name))
        for kind, own in parameters.items()
    }
