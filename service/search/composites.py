"""Composite parameters (R4 search.html#composite): the parts hold in the same element.

Where the element is the whole resource, the parts are its own simple parameters, and where it is that or a component (combo-...), two siblings
say it. So only repeated elements have index rows: a code, and what stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from mappings.r4.index_values import Composite, Date, Quantity, Ref, Text, Token
from service.errors import Kind, Refusal
from service.references import local
from service.search.values import fold, split_composite
from service.store.numbers import param_number, system_number

MAX_TEXT = 512
COMBO = "combo-"
Row = tuple[int, str, float, str, int, float, int]
"""param, code, low, text, system of the code, high, system of the second part."""


class Part(Protocol):
    """One component of a composite parameter."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class Known(Protocol):
    """A search parameter as far as composites look at it."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def routes(self) -> Sequence[Any]: ...


class Second(NamedTuple):
    """A second part as its columns keep it."""

    low: float = 0.0
    text: str = ""
    high: float = 0.0
    system: int = 0


def is_whole(known: Known) -> bool:
    """Whether the composite's one element is the whole resource."""
    return known.type == "composite" and not any(route.hops for route in known.routes)


def is_derived(known: Known) -> bool:
    """Whether a composite is answered from other parameters."""
    return known.type == "composite" and (is_whole(known) or known.name.startswith(COMBO))


def siblings(known: Known, parameters: Mapping[str, Any]) -> list[Any]:
    """The parameters that together say what a combo- one says; itself for any other."""
    if not known.name.startswith(COMBO):
        return [known]
    stem = known.name.removeprefix(COMBO)
    return [parameters[name] for name in (stem, f"component-{stem}") if name in parameters]


def parts_of(known: Any, value: str) -> list[str]:
    """The parts of one alternative. Errors: 400 when they are not as many as the parameter has."""
    parts = split_composite(value)
    if len(parts) != len(known.components) or not all(parts):
        raise Refusal(Kind.INVALID, f"A value of this parameter has {len(known.components)} parts, parted by $", known.name, code="value")
    return parts


def rows(kind: str, value: Composite, base: str) -> set[Row]:
    """The index rows of one element: each of its codes with each second value."""
    number, found = param_number(kind, value.param), set()
    for one, other in ((one, other) for one in value.parts[0] for other in value.parts[1]):
        code = one if isinstance(one, Token) else other
        second = _second(other if code is one else one, base)
        if second is None or not isinstance(code, Token) or code.code is None:
            continue
        systems = {system_number(code.system or ""), *([0] if code.is_implied else [])}
        found |= {(number, code.code[:MAX_TEXT], each.low, each.text[:MAX_TEXT], system, each.high, each.system) for system in systems for each in second}
    return found


def _second(value: object, base: str) -> list[Second] | None:
    if isinstance(value, Quantity):
        low, system = float(value.value), system_number(value.system or "")
        high = low if value.high is None else float(value.high)
        return [Second(low, unit or "", high, system) for unit in {value.code or "", value.unit or value.code or ""}]
    if isinstance(value, Date):
        return [Second(float(value.low), "", float(value.high))]
    if isinstance(value, Text):
        return [Second(text=fold(value.value))]
    if isinstance(value, Ref) and value.reference:
        return [Second(text=local(value.reference, base))]
    if isinstance(value, Token) and value.code is not None:
        systems = {system_number(value.system or ""), *([0] if value.is_implied else [])}
        return [Second(text=value.code, system=system) for system in systems]
    return None
