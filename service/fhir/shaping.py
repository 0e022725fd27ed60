"""What part of a resource is answered, and how it is laid out: _summary, _elements, _pretty (R4 search.html#summary, #elements; http.html#parameters)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from mappings.r4 import exact_json
from mappings.r4.subset import Subset, subset
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer

if TYPE_CHECKING:
    from service.fhir.call import Call
    from service.house import House

SUMMARIES = ("true", "text", "data", "count", "false")
_NAMES = (b"_summary", b"_elements", b"_pretty")


@dataclass(frozen=True, slots=True)
class Shape:
    """What was asked for. `is_pretty`: indented."""

    summary: str = "false"
    elements: frozenset[str] | None = None
    is_pretty: bool = False

    @property
    def cuts(self) -> bool:
        return self.summary in ("true", "text", "data") or self.elements is not None


def shape_of(pairs: Iterable[tuple[str, str]]) -> Shape | None:
    """The shape that the parameters of a request ask for, None for the plain one. Errors: 400 naming the parameter."""
    asked = {name: value for name, value in pairs if name in ("_summary", "_elements", "_pretty")}
    if not asked:
        return None
    summary, pretty = asked.get("_summary", "false"), asked.get("_pretty", "false")
    if summary not in SUMMARIES:
        raise Refusal(Kind.INVALID, f"_summary must be one of {', '.join(SUMMARIES)}", "_summary", code="value")
    if pretty not in ("true", "false"):
        raise Refusal(Kind.INVALID, "_pretty must be true or false", "_pretty", code="value")
    names = [name.strip() for name in asked.get("_elements", "").split(",") if name.strip()]
    if "_elements" in asked and not names:
        raise Refusal(Kind.INVALID, "_elements must name elements", "_elements", code="value")
    return Shape(summary, frozenset(names) or None, pretty == "true")


def asked_of(call: "Call") -> Shape | None:
    """The shape that the address asks for. Errors: 400."""
    if not any(name in call.query for name in _NAMES):
        return None
    return shape_of(parse_qsl(call.query.decode("latin-1"), keep_blank_values=True))


def check_elements(house: "House", shape: Shape | None, kind: str) -> None:
    """Refuse names that are no elements of the type. Errors: 400."""
    structure = house.structures.types.get(kind)
    if shape is None or shape.elements is None or structure is None:
        return
    if any(name not in structure.elements and name not in structure.by_key for name in shape.elements):
        raise Refusal(Kind.INVALID, "_elements names an element that this type does not have", "_elements", code="value")


def shaped(house: "House", shape: Shape, answer: Answer) -> Answer:
    """The answer in its shape; numbers keep their text."""
    if not answer.body or FHIR_JSON not in answer.headers:
        return answer
    body = exact_json.loads(answer.body)
    if shape.cuts and answer.status < 400:
        body = _cut(house, shape, body)
    if shape.summary == "count" and body.get("resourceType") == "Bundle" and body.get("type") == "history":
        body.pop("entry", None)
    return Answer(answer.status, exact_json.dumps(body, orjson.OPT_INDENT_2 if shape.is_pretty else 0), answer.headers)


def _cut(house: "House", shape: Shape, body: Any) -> Any:
    """Matches and versions are cut; includes only to a summary, because _elements speaks of the searched type."""
    wanted = Subset(shape.summary if shape.summary in ("true", "text", "data") else None, shape.elements)
    if body.get("resourceType") != "Bundle" or body.get("type") not in ("searchset", "history"):
        return subset(body, wanted, house.structures, house.summaries)
    beside = Subset(wanted.summary)
    for entry in body.get("entry", ()):
        mode = entry.get("search", {}).get("mode", "match")
        each = wanted if mode == "match" else beside
        if "resource" in entry and mode != "outcome" and (each.summary or each.elements):
            entry["resource"] = subset(entry["resource"], each, house.structures, house.summaries)
    return body
