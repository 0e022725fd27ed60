"""The forms that Reference.reference takes (R4 references.html#literal), and references led elsewhere."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from mappings.vocabulary import Json

RELATIVE = r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/([A-Za-z0-9.-]{1,64}))?"
_RELATIVE = re.compile(RELATIVE)
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,63})\?[^\x00-\x20]+")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:[^\x00-\x20]+")


class Form(NamedTuple):
    """What a reference text says. `type` and `id` where the text has them; `base` is an absolute address in front of them."""

    type: str | None = None
    id: str | None = None
    version: str | None = None
    base: str | None = None
    is_relative: bool = False
    is_fragment: bool = False


def read(text: str) -> Form | None:
    """The form of a reference text, or None where it has none. Type?criteria (transactions) counts as relative, without id."""
    found = _RELATIVE.fullmatch(text)
    if found:
        return Form(found[1], found[2], found[3], is_relative=True)
    if text.startswith("#"):
        return Form(is_fragment=True)
    if _ABSOLUTE.fullmatch(text):
        return _absolute(text)
    found = _CONDITIONAL.fullmatch(text)
    return Form(found[1], is_relative=True) if found else None


def is_consistent(reference: Json) -> bool:
    """Reference.type: "If both Reference.type and Reference.reference are populated and Reference.reference is a FHIR URL, both SHALL be consistent"."""
    text, kind = reference.get("reference"), reference.get("type")
    if not isinstance(text, str) or not isinstance(kind, str):
        return True
    form = read(text)
    return form is None or form.type is None or kind.removeprefix("http://hl7.org/fhir/StructureDefinition/") == form.type


def _absolute(text: str) -> Form:
    if not text.startswith(("http:", "https:")):
        return Form()
    parts = text.rsplit("/", 4)
    history = len(parts) == 5 and parts[3] == "_history"
    tail = "/".join(parts[1:]) if history else "/".join(text.rsplit("/", 2)[1:])
    found = _RELATIVE.fullmatch(tail)
    return Form(found[1], found[2], found[3], text[: -len(tail) - 1]) if found else Form()


_OF_OURS = re.compile(r"[A-Z][A-Za-z]{1,63}/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def led(resource: Json, to: Mapping[str, str]) -> Json:
    """The same with each Type/[uuid] that `to` knows led to what stands there, in references and wherever else it is named (a narrative)."""
    found: Json = orjson.loads(_OF_OURS.sub(lambda match: to.get(match[0], match[0]), orjson.dumps(resource).decode()))
    return found
