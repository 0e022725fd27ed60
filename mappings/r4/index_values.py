"""What a resource is found by: one small tuple for each value of each search parameter (R4 search.html, types of parameters)."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

from mappings.r4 import dates, references
from mappings.vocabulary import Json


class Token(NamedTuple):
    """A code. `code` None: only `text` (for :text). `is_implied`: a plain code, boolean or contact, whose system is not written
    in the resource; it is found with its `system` (from the required binding; None: any system), with `|code` and with `code`.
    `types`: (system, code) of Identifier.type, for :of-type."""

    param: str
    system: str | None
    code: str | None
    text: str | None = None
    is_implied: bool = False
    types: tuple[tuple[str | None, str | None], ...] = ()


class Text(NamedTuple):
    """A string as written; a name or an address gives one for each of its parts."""

    param: str
    value: str


class Ref(NamedTuple):
    """A reference or canonical as written. `type` where the text or Reference.type tells it; `identifier` (system, value)."""

    param: str
    reference: str | None
    type: str | None = None
    identifier: tuple[str | None, str | None] | None = None


class Date(NamedTuple):
    """Microseconds since 1970 UTC, low inclusive, high exclusive; dates.BEGINNING and dates.END stand for open ends."""

    param: str
    low: int
    high: int


class Number(NamedTuple):
    """A number; `high` is set for a Range, which then reaches from `value` to it (infinite where open)."""

    param: str
    value: float
    high: float | None = None


class Quantity(NamedTuple):
    """A measured value as written, not converted; `high` as in Number (a Range, or a comparator such as <)."""

    param: str
    value: float
    system: str | None = None
    code: str | None = None
    unit: str | None = None
    high: float | None = None


class Uri(NamedTuple):
    """A URI, exactly as written."""

    param: str
    value: str


class Position(NamedTuple):
    """Where a Location is, in degrees WGS84 (parameter `near`)."""

    param: str
    latitude: float
    longitude: float


class Composite(NamedTuple):
    """The values of one element, one tuple for each component in its order; a match needs one of each from the same Composite."""

    param: str
    parts: tuple[tuple[Any, ...], ...]


IndexValue = Token | Text | Ref | Date | Number | Quantity | Uri | Position | Composite
Emit = Callable[[str, Any, list[IndexValue]], None]
"""Adds the index values of one JSON item under a parameter's name. Items of a wrong shape add nothing."""

CURRENCY = "urn:iso:std:iso:4217"


def _code(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str):
        found.append(Token(name, None, item, None, True))


def code_of(systems: Mapping[str, str]) -> Emit:
    """Emits plain codes with the system that their required binding implies."""

    def emit(name: str, item: Any, found: list[IndexValue]) -> None:
        if isinstance(item, str):
            found.append(Token(name, systems.get(item), item, None, True))

    return emit


def _boolean(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, bool):
        found.append(Token(name, None, "true" if item else "false", None, True))


def _plain(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str):
        found.append(Token(name, None, item))


def _coding(name: str, item: Json, found: list[IndexValue]) -> None:
    found.append(Token(name, item.get("system"), item.get("code"), item.get("display")))


def _concept(name: str, item: Json, found: list[IndexValue]) -> None:
    for coding in item.get("coding", ()):
        found.append(Token(name, coding.get("system"), coding.get("code"), coding.get("display")))
    if "text" in item:
        found.append(Token(name, None, None, item["text"]))


def _identifier(name: str, item: Json, found: list[IndexValue]) -> None:
    kind = item.get("type")
    types: tuple[tuple[str | None, str | None], ...] = ()
    text = None
    if kind:
        types = tuple((coding.get("system"), coding.get("code")) for coding in kind.get("coding", ()))
        text = kind.get("text")
    found.append(Token(name, item.get("system"), item.get("value"), text, False, types))


def _contact(name: str, item: Json, found: list[IndexValue]) -> None:
    if "value" in item:
        found.append(Token(name, item.get("system"), item["value"], None, True))


def _text(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str):
        found.append(Text(name, item))


def _parts(*members: str) -> Emit:
    def emit(name: str, item: Json, found: list[IndexValue]) -> None:
        for member in members:
            value = item.get(member)
            if isinstance(value, str):
                found.append(Text(name, value))
            elif value:
                found.extend(Text(name, part) for part in value if isinstance(part, str))

    return emit


def _reference(name: str, item: Json, found: list[IndexValue]) -> None:
    text, kind = item.get("reference"), item.get("type")
    logical = item.get("identifier")
    identifier = (logical.get("system"), logical.get("value")) if logical else None
    if text is not None and text[:1] == "#":
        text = None
    if text is not None:
        form = references.read(text)
        kind = form.type if form and form.type else kind
    if text is not None or identifier is not None:
        found.append(Ref(name, text, kind, identifier))


def _canonical(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str) and item[:1] != "#":
        found.append(Ref(name, item))


def _resource(name: str, item: Json, found: list[IndexValue]) -> None:
    kind, id = item.get("resourceType"), item.get("id")
    if isinstance(kind, str) and isinstance(id, str):
        found.append(Ref(name, f"{kind}/{id}", kind))


def _date(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str):
        found.append(Date(name, *dates.range_of(item)))


def _period(name: str, item: Json, found: list[IndexValue]) -> None:
    low, high = _bounds(item)
    if low != dates.BEGINNING or high != dates.END:
        found.append(Date(name, low, high))


def _bounds(period: Json) -> dates.Range:
    start, end = period.get("start"), period.get("end")
    return (
        dates.range_of(start)[0] if start is not None else dates.BEGINNING,
        dates.range_of(end)[1] if end is not None else dates.END,
    )


def _timing(name: str, item: Json, found: list[IndexValue]) -> None:
    """The outer limits of the events and of the bounds (R4 search.html#date)."""
    ranges = [dates.range_of(event) for event in item.get("event", ()) if event is not None]
    bounds = item.get("repeat", {}).get("boundsPeriod")
    if bounds:
        ranges.append(_bounds(bounds))
    if ranges:
        found.append(Date(name, min(low for low, _ in ranges), max(high for _, high in ranges)))


def _number(name: str, item: Any, found: list[IndexValue]) -> None:
    if not isinstance(item, bool):
        found.append(Number(name, item))


def _number_range(name: str, item: Json, found: list[IndexValue]) -> None:
    found.append(Number(name, item.get("low", {}).get("value", -inf), item.get("high", {}).get("value", inf)))


def _quantity(name: str, item: Json, found: list[IndexValue]) -> None:
    value = item.get("value")
    if value is None:
        return
    high, comparator = None, item.get("comparator")
    if comparator in ("<", "<="):
        value, high = -inf, value
    elif comparator in (">", ">="):
        high = inf
    found.append(Quantity(name, value, item.get("system"), item.get("code"), item.get("unit"), high))


def _quantity_range(name: str, item: Json, found: list[IndexValue]) -> None:
    low, high = item.get("low", {}), item.get("high", {})
    unit = low or high
    if "value" in low or "value" in high:
        measured = (unit.get("system"), unit.get("code"), unit.get("unit"))
        found.append(Quantity(name, low.get("value", -inf), *measured, high.get("value", inf)))


def _money(name: str, item: Json, found: list[IndexValue]) -> None:
    if "value" in item:
        found.append(Quantity(name, item["value"], CURRENCY, item.get("currency")))


def _sampled(name: str, item: Json, found: list[IndexValue]) -> None:
    """The limits of a series, in the unit of its origin, where both are stated."""
    origin = item.get("origin", {})
    if "lowerLimit" in item and "upperLimit" in item:
        unit = (origin.get("system"), origin.get("code"), origin.get("unit"))
        found.append(Quantity(name, item["lowerLimit"], *unit, item["upperLimit"]))


def _uri(name: str, item: Any, found: list[IndexValue]) -> None:
    if isinstance(item, str):
        found.append(Uri(name, item))


def _position(name: str, item: Json, found: list[IndexValue]) -> None:
    found.append(Position(name, item["latitude"], item["longitude"]))


_URIS = ("uri", "url", "canonical", "oid", "uuid")
_NAME = _parts("family", "given", "text", "prefix", "suffix")
_ADDRESS = _parts("line", "city", "district", "state", "postalCode", "country", "text")

EMITTERS: Mapping[str, Mapping[str, Emit]] = {
    "token": {
        "code": _code,
        "boolean": _boolean,
        "Coding": _coding,
        "CodeableConcept": _concept,
        "Identifier": _identifier,
        "ContactPoint": _contact,
        **dict.fromkeys(("string", "id", "markdown", *_URIS), _plain),
    },
    "string": {"HumanName": _NAME, "Address": _ADDRESS, **dict.fromkeys(("string", "markdown", "code", "id", *_URIS), _text)}
    | {"CodeableConcept": _parts("text"), "Coding": _parts("display")},
    "reference": {"Reference": _reference, "Resource": _resource, **dict.fromkeys(_URIS, _canonical)},
    "date": {"Period": _period, "Timing": _timing, **dict.fromkeys(("date", "dateTime", "instant"), _date)},
    "number": {"Range": _number_range, **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), _number)},
    "quantity": {
        "Range": _quantity_range,
        "Money": _money,
        "SampledData": _sampled,
        **dict.fromkeys(("Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity", "MoneyQuantity"), _quantity),
    },
    "uri": dict.fromkeys(_URIS, _uri),
    "special": {"Location.position": _position},
}
"""Search parameter type -> FHIR type of the element -> how its index values are made."""
