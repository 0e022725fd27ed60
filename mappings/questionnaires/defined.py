"""Definition-based extraction (SDC extraction.html#definition-based): items say which element of which resource their answer is.

A context (itemExtractionContext, or definitionExtract of SDC 4) on the Questionnaire or an item makes a resource; below it `item.definition`
places answers (`...#Condition.code`), definitionExtractValue places fixed values. Repeated groups make repeated elements.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mappings.questionnaires.observed import Source
from mappings.questionnaires.pairing import Answered, extensions, listed, parts
from mappings.r4.structures import Element, Structures
from mappings.vocabulary import Json

PERSON_AT: Final[Mapping[str, str]] = {
    "Condition": "subject", "Observation": "subject", "Goal": "subject", "MedicationStatement": "subject", "Procedure": "subject",
    "FamilyMemberHistory": "patient", "AllergyIntolerance": "patient", "RelatedPerson": "patient",
}  # fmt: skip
"""What answers may become, and the element that names the person. Orders are not among them: an answer never orders anything."""
_LITERAL: Final = frozenset(("boolean", "integer", "decimal", "string", "uri", "date", "dateTime", "time"))


def marked(questionnaire: Json) -> bool:
    """Whether the Questionnaire or one of its items has a context."""
    return bool(_contexts(questionnaire)) or any(marked(item) for item in listed(questionnaire.get("item")))


def resources(source: Source, questionnaire: Json, items: Sequence[Answered], structures: Structures) -> list[Json]:
    """What the answers make. A context without a single answer below it makes nothing; what does not fit is passed over (docs/scales.md says what)."""
    found: list[Json] = []
    for number, kind in enumerate(_contexts(questionnaire), 1):
        found += _made(source, structures, kind, questionnaire, items, f"#{number}")
    for each in _everywhere(items):
        for number, kind in enumerate(_contexts(each.item), 1):
            found += _made(source, structures, kind, each.item, [each], f"{each.place}#{number}")
    return found


def _everywhere(items: Sequence[Answered]) -> Iterator[Answered]:
    for each in items:
        yield each
        yield from _everywhere(each.below)


def _contexts(element: Json) -> list[str]:
    """The types of the resources that an element makes."""
    stated: list[Any] = [next((value for key, value in each.items() if key.startswith("value")), None) for each in extensions(element, "itemExtractionContext")]
    kinds = [(str(value.get("expression", "")) if isinstance(value, dict) else str(value)).partition("?")[0] for value in stated]
    for each in extensions(element, "definitionExtract"):
        canonical = parts(each).get("definition", ("", ""))[1]
        kinds.append(str(canonical).partition("|")[0].rsplit("/", 1)[-1])
    return kinds


def _made(source: Source, structures: Structures, kind: str, context: Json, items: Sequence[Answered], place: str) -> list[Json]:
    """The resource of one context; none of a type that answers do not become, and none without an answer."""
    if kind not in PERSON_AT:
        return []
    made: Json = {"resourceType": kind, "id": source.id_of(f"{kind}{place}")}
    builder = _Builder(structures, kind, made)
    builder.level(items, place)
    if not builder.placed:
        return []
    builder.fixed(context)
    made[PERSON_AT[kind]] = {"reference": source.person}
    return [made]


@dataclass(slots=True)
class _Builder:
    """Puts answers into one resource. `placed`: how many of them it took."""

    structures: Structures
    kind: str
    made: Json
    placed: int = 0

    def fixed(self, element: Json) -> None:
        """The values that the Questionnaire itself states. They alone make no resource, and an answer goes before them; one by expression
        is not worked out."""
        for each in extensions(element, "definitionExtractValue"):
            stated = parts(each)
            path = self._path(stated.get("definition", ("", None))[1])
            if path and "fixed-value" in stated:
                self._put(path, *stated["fixed-value"], {}, fixed=True)

    def level(self, items: Sequence[Answered], place: str, within: Mapping[tuple[str, ...], Json] | None = None) -> None:
        """Answers of one level; `within`: elements that a group around them has begun, by path."""
        for each in items:
            below = dict(within or {})
            if _contexts(each.item) and not place.startswith(f"{each.place}#"):
                continue  # a resource of its own
            if not place.startswith(f"{each.place}#"):
                self.fixed(each.item)
            path = self._path(each.item.get("definition"))
            if path and each.item.get("type") == "group":
                below[path] = {}
                before = self.placed
                self.level(each.below, place, below)
                if self.placed > before and below[path]:
                    self._begin(path, below[path], within or {})
                continue
            if path:
                for key, value in each.values:
                    self._put(path, key, value, within or {})
            self.level(each.below, place, below)

    def _path(self, definition: Any) -> tuple[str, ...]:
        """Element names below the resource, without slices; none where it is about another type."""
        if not isinstance(definition, str) or "#" not in definition:
            return ()
        kind, *names = definition.rsplit("#", 1)[1].split(".")
        if kind != self.kind or not names:
            return ()
        return tuple(name.partition(":")[0].removesuffix("[x]") for name in names)

    def _begin(self, path: tuple[str, ...], element: Json, within: Mapping[tuple[str, ...], Json]) -> None:
        """Add the element that a group has filled, where the resource has such a one."""
        holder, kind, rest = self._holder(path[:-1], within, path[-1])
        known = self.structures.types[kind].elements.get(path[-1]) if not rest else None
        if known is not None and known.many:
            holder.setdefault(known.name, []).append(element)
        elif known is not None:
            holder[known.name] = element

    def _holder(self, path: tuple[str, ...], within: Mapping[tuple[str, ...], Json], child: str) -> tuple[Json, str, tuple[str, ...]]:
        """The element at `path`, made where it is not there yet, its type, and what of the path could not be followed. Of a choice it is the
        type that has the next name (`child` after the last one)."""
        holder, kind, start = self.made, self.kind, 0
        for length in range(len(path), 0, -1):
            if path[:length] in within:
                holder, start = within[path[:length]], length
                kind = self._type_at(path[:length])
                break
        for place in range(start, len(path)):
            element = self.structures.types[kind].elements.get(path[place]) if kind in self.structures.types else None
            following = path[place + 1] if place + 1 < len(path) else child
            fitting = [each for each in (element.keys if element else ()) if following in getattr(self.structures.types.get(each[1]), "elements", {})]
            if element is None or not fitting:
                return holder, kind, path[place:]
            key, kind = fitting[0]
            if element.many:
                held = holder.setdefault(key, [{}])
                holder = held[-1]
            else:
                holder = holder.setdefault(key, {})
        return holder, kind, ()

    def _type_at(self, path: tuple[str, ...]) -> str:
        kind = self.kind
        for name in path:
            kind = self.structures.types[kind].elements[name].keys[0][1]
        return kind

    def _put(self, path: tuple[str, ...], key: str, value: Any, within: Mapping[tuple[str, ...], Json], fixed: bool = False) -> None:
        """Place a value that fits its element. Of several for an element that is there once the first stands."""
        holder, kind, rest = self._holder(path[:-1], within, path[-1])
        element = self.structures.types[kind].elements.get(path[-1]) if not rest and kind in self.structures.types else None
        fitted = None if element is None else _fitted(element, key, value)
        if element is None or fitted is None:
            return
        name, converted = fitted
        if fixed and any(each in holder for each, _ in element.keys):
            return
        if element.many:
            holder.setdefault(name, []).append(converted)
        elif holder.setdefault(name, converted) != converted:
            return
        self.placed += not fixed


def _fitted(element: Element, key: str, value: Any) -> tuple[str, Any] | None:
    """(JSON name, value) in a form that the element takes; of several the one that needs no change."""
    given = key.removeprefix("value")
    exact = [(name, kind) for name, kind in element.keys if kind.lower() == given.lower()]
    for name, kind in [*exact, *element.keys]:
        converted = _converted(kind, given, value)
        if converted is not None:
            return name, converted
    return None


def _converted(kind: str, given: str, value: Any) -> Any:
    """An answer as a value of a FHIR type, or None."""
    if kind.lower() == given.lower():
        return value
    if given == "Coding" and isinstance(value, dict):
        return _of_coding(kind, value)
    if given in ("String", "Uri", "Text", "Markdown") and isinstance(value, str):
        return _of_text(kind, value)
    if given == "Integer" and kind in ("positiveInt", "unsignedInt", "decimal") and (value > 0 or (value == 0 and kind != "positiveInt")):
        return value
    if given in ("Integer", "Decimal") and kind in ("Quantity", "Age", "Duration", "Count"):
        return {"value": value}
    if given == "Quantity" and kind in ("Age", "Duration", "Count", "SimpleQuantity"):
        return value
    if given == "Date" and kind == "dateTime":
        return value
    if given == "DateTime" and kind == "date":
        return value[:10]
    if given in ("Date", "DateTime") and kind == "Period":
        return {"start": value}
    return None


def _of_coding(kind: str, coding: Json) -> Any:
    if kind == "CodeableConcept":
        return {"coding": [coding]} | ({"text": coding["display"]} if coding.get("display") else {})
    if kind in ("code", "uri"):
        return coding.get("code")
    return coding.get("display") if kind in ("string", "markdown") else None


def _of_text(kind: str, text: str) -> Any:
    if kind in ("string", "markdown", "uri", "url", "canonical", "code"):
        return text
    if kind in ("CodeableConcept", "Annotation", "HumanName"):
        return {"text": text}
    return {"value": text} if kind in ("Identifier", "ContactPoint") else None
