"""A response beside its Questionnaire: each answered item with its definition, in order, whatever the nesting."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mappings.vocabulary import Json

SDC: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"


@dataclass(frozen=True, slots=True)
class Answered:
    """One item of a response with its definition. `place`: its path of linkIds and numbers, unique in the response; `below`: its own
    items and those within its answers."""

    item: Json
    node: Json
    place: str
    below: tuple["Answered", ...]

    @property
    def values(self) -> list[tuple[str, Any]]:
        """(value[x], value) of each answer."""
        found = []
        for answer in listed(self.node.get("answer")):
            found += [(key, value) for key, value in answer.items() if key.startswith("value") and value is not None][:1]
        return found


def answered(questionnaire: Json, response: Json) -> tuple[Answered, ...]:
    """The items of the response that the Questionnaire defines. An item that it does not know is passed over."""
    return tuple(_level(listed(questionnaire.get("item")), listed(response.get("item")), ""))


def _level(defined: list[Json], nodes: list[Json], place: str) -> Iterator[Answered]:
    by_link = {item.get("linkId"): item for item in defined}
    seen: dict[Any, int] = {}
    for node in nodes:
        item = by_link.get(node.get("linkId"))
        if item is None:
            continue
        link = item.get("linkId")
        seen[link] = seen.get(link, 0) + 1
        here = f"{place}/{link}.{seen[link]}"
        inner = [*listed(node.get("item")), *(each for answer in listed(node.get("answer")) for each in listed(answer.get("item")))]
        yield Answered(item, node, here, tuple(_level(listed(item.get("item")), inner, here)))


def listed(value: Any) -> list[Json]:
    """The objects of a list; of anything else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def extensions(element: Json, name: str) -> list[Json]:
    """Its extensions of this name: the end of an SDC url, or a whole url."""
    url = name if "/" in name else SDC + name
    return [each for each in listed(element.get("extension")) if each.get("url") == url]


def extension(element: Json, name: str) -> Any:
    """The value of the first such extension, or None."""
    for each in extensions(element, name):
        return next((value for key, value in each.items() if key.startswith("value")), None)
    return None


def parts(complex_extension: Json) -> dict[str, tuple[str, Any]]:
    """The parts of a complex extension: url -> (value[x], value)."""
    found: dict[str, tuple[str, Any]] = {}
    for each in listed(complex_extension.get("extension")):
        stated = next(((key, value) for key, value in each.items() if key.startswith("value")), None)
        if stated is not None:
            found.setdefault(str(each.get("url")), stated)
    return found
