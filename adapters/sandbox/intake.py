"""What a resource must be like before the sandbox keeps it: R4's own shape, and the house rules of the mode.

The shape comes from R4's StructureDefinitions (definitions/shapes.json): element names, how many, JSON types, required
codes. https://hl7.org/fhir/R4/json.html
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from adapters.sandbox.definitions import Mode, shapes, types
from adapters.sandbox.document import Literal
from adapters.sandbox.refusal import Json, Refused

_TEXTS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "date": r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?",
    "dateTime": r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?",
    "instant": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?",
    "code": r"[^\s]+(\s[^\s]+)*",
    "uri": r"\S+", "url": r"\S+", "canonical": r"\S+", "oid": r"urn:oid:\S+", "uuid": r"urn:uuid:\S+",
    "base64Binary": r"[0-9A-Za-z+/=\s]+",
    "string": r"[\s\S]*\S[\s\S]*", "markdown": r"[\s\S]*\S[\s\S]*", "xhtml": r"\s*<div[\s\S]*</div>\s*",
}  # fmt: skip
_PATTERNS = {name: re.compile(text) for name, text in _TEXTS.items()}


def check(resource: Json, type_: str) -> None:
    """Errors: Refused 400 when this is not a `type_`, 422 with the first fault in its shape."""
    if resource.get("resourceType") != type_:
        raise Refused(400, "invalid", "The resourceType is not that of the URL", "resourceType")
    for expression, text in faults(resource, type_, type_, root=True):
        raise Refused(422, "structure", text, expression)


def faults(value: Any, shape: str, path: str, root: bool = False) -> Iterator[tuple[str, str]]:
    """Every (expression, text) in which `value` breaks `shape`."""
    if not isinstance(value, dict):
        yield path, "must be an object"
        return
    if not value:
        yield path, "must not be empty"
    elements = shapes()[shape]
    names = {key: _element(key.removeprefix("_"), elements) for key in value if not (root and key == "resourceType")}
    for key, name in names.items():
        if name is None:
            yield f"{path}.{key}", f"is no element of {shape}"
        elif not key.startswith("_"):
            yield from _occurrences(value[key], elements[name], f"{path}.{key}", _kind(key, name, elements))
    for name, element in elements.items():
        present = sum(1 for key, of in names.items() if of == name and not key.startswith("_"))
        if present > 1:
            yield f"{path}.{name}", "only one of its types may be present"
        if element[0] and name not in names.values():
            yield f"{path}.{name}", "is required"


def _element(key: str, elements: Any) -> str | None:
    """The element that a JSON key stands for; `effectiveDateTime` stands for `effective[x]`."""
    if key in elements:
        return key
    for name in elements:
        if name.endswith("[x]") and key.startswith(name[:-3]) and _suffix(key, name) in elements[name][2]:
            return str(name)
    return None


def _suffix(key: str, name: str) -> str:
    rest = key[len(name) - 3 :]
    lowered = rest[:1].lower() + rest[1:]
    return lowered if lowered in _PATTERNS or lowered in ("boolean", "integer", "decimal", "positiveInt", "unsignedInt") else rest


def _kind(key: str, name: str, elements: Any) -> str:
    return _suffix(key, name) if name.endswith("[x]") else str(elements[name][2][0])


def _occurrences(value: Any, element: list[Any], path: str, kind: str) -> Iterator[tuple[str, str]]:
    if element[1] == "1":
        yield from _one(value, element, path, kind)
    elif not isinstance(value, list) or not value:
        yield path, "must be an array that is not empty"
    else:
        for index, part in enumerate(value):
            if part is not None or kind in shapes() or kind == "Resource":
                yield from _one(part, element, f"{path}[{index}]", kind)


def _one(value: Any, element: list[Any], path: str, kind: str) -> Iterator[tuple[str, str]]:
    if kind == "Resource":
        yield from _contained(value, path)
    elif kind in shapes():
        yield from faults(value, kind, path)
    elif not _primitive(value, kind):
        yield path, f"is not a valid {kind}"
    elif len(element) > 3 and value not in element[3]:
        yield path, "is not a code of the required value set"


def _contained(value: Any, path: str) -> Iterator[tuple[str, str]]:
    type_ = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(type_, str):
        yield path, "must be a resource"
    elif type_ in types():
        yield from faults(value, type_, path, root=True)


def _primitive(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "positiveInt", "unsignedInt"):
        least = {"positiveInt": 1, "unsignedInt": 0}.get(kind, -(2**31))
        return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31
    if kind == "decimal":
        return isinstance(value, Literal) or (isinstance(value, int) and not isinstance(value, bool))
    return isinstance(value, str) and not isinstance(value, Literal) and bool(_PATTERNS[kind].fullmatch(value))


def check_house_rules(resource: Json, mode: Mode) -> None:
    """What this mode asks of documents and messages beyond R4. Errors: Refused 422."""
    if resource["resourceType"] == "DocumentReference" and "document" in mode.rules:
        _check_document(resource, mode.rules["document"])
    if resource["resourceType"] == "Communication" and resource["status"] not in mode.rules.get("communication", {}).get("status", [resource["status"]]):
        raise Refused(422, "business-rule", "A message from outside must be completed", "Communication.status")


def _check_document(resource: Json, rule: Json) -> None:
    content = resource["content"]
    attachment = content[0]["attachment"]
    if len(content) != rule["attachments"]:
        raise Refused(422, "business-rule", "A document has exactly one attachment", "DocumentReference.content")
    if rule["inline"] and not _is_base64(attachment.get("data")):
        raise Refused(422, "business-rule", "The attachment must carry base64 data", "DocumentReference.content[0].attachment.data")
    if attachment.get("contentType", "").partition(";")[0] not in rule["content_types"]:
        raise Refused(422, "business-rule", "This content type is not taken", "DocumentReference.content[0].attachment.contentType")
    if rule["encounter"] and not resource.get("context", {}).get("encounter"):
        raise Refused(422, "required", "A document must name its encounter", "DocumentReference.context.encounter")


def _is_base64(data: Any) -> bool:
    try:
        return isinstance(data, str) and bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False
