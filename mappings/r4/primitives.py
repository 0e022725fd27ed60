"""The primitive types of R4 (datatypes.html): JSON kind, and a pattern that both Python and the compiled schema understand.

Patterns are stricter than the published ones where those let wrong values through (2024-02-30), and are free of nested
repetition, so that no text makes matching slow.
"""

import re
from dataclasses import dataclass

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]{1,18})?"
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TEXT = "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]+"
_WORD = "[^\\x00-\\x20]+"


@dataclass(frozen=True, slots=True)
class Primitive:
    """One primitive type. `json` is string, number, integer or boolean; `low`/`high` bound integers; `says` explains the format."""

    json: str
    says: str
    pattern: str | None = None
    low: int | None = None
    high: int | None = None
    longest: int | None = None


_HIGH = 2147483647
_MEGABYTE = 1024 * 1024

PRIMITIVES: dict[str, Primitive] = {
    "boolean": Primitive("boolean", "true or false, without quotes"),
    "decimal": Primitive("number", "a number, without quotes"),
    "integer": Primitive("integer", "a whole number of 32 bits, without quotes", low=-_HIGH - 1, high=_HIGH),
    "positiveInt": Primitive("integer", "a whole number from 1 up, without quotes", low=1, high=_HIGH),
    "unsignedInt": Primitive("integer", "a whole number from 0 up, without quotes", low=0, high=_HIGH),
    "string": Primitive("string", "text without control characters, at most 1 MB", _TEXT, longest=_MEGABYTE),
    "markdown": Primitive("string", "text without control characters, at most 1 MB", _TEXT, longest=_MEGABYTE),
    "code": Primitive("string", "a code: no white space at either end, single spaces inside", f"{_WORD}(?: {_WORD})*"),
    "id": Primitive("string", "an id: 1 to 64 of A-Z a-z 0-9 - .", "[A-Za-z0-9.-]{1,64}"),
    "uri": Primitive("string", "a URI without white space", _WORD),
    "url": Primitive("string", "a URL without white space", _WORD),
    "canonical": Primitive("string", "a canonical URL without white space", _WORD),
    "oid": Primitive("string", "urn:oid: and an OID", "urn:oid:[0-2](?:\\.(?:0|[1-9][0-9]*))+"),
    "uuid": Primitive("string", "urn:uuid: and a UUID in lower case", "urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "date": Primitive("string", "a date that exists: YYYY, YYYY-MM or YYYY-MM-DD", f"{_YEAR}(?:-{_MONTH})?|{_DAY}"),
    "dateTime": Primitive(
        "string",
        "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone, of a day that exists",
        f"{_YEAR}(?:-{_MONTH})?|{_DAY}(?:T{_CLOCK}{_ZONE})?",
    ),
    "instant": Primitive("string", "YYYY-MM-DDThh:mm:ss with a time zone, of a day that exists", f"{_DAY}T{_CLOCK}{_ZONE}"),
    "time": Primitive("string", "hh:mm:ss without a zone", _CLOCK),
    "base64Binary": Primitive("string", "base64", "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "xhtml": Primitive("string", "a div in the XHTML namespace"),
}
COMPILED = {name: re.compile(primitive.pattern) for name, primitive in PRIMITIVES.items() if primitive.pattern}
_BLANK = re.compile(r"\s+")


def is_well_formed(kind: str, value: object) -> bool:
    """Whether `value` (parsed JSON) is a value of the primitive type `kind`; xhtml is judged by mappings/r4/narrative.py."""
    primitive = PRIMITIVES[kind]
    if primitive.json == "boolean":
        return isinstance(value, bool)
    if primitive.json == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if primitive.json == "integer":
        return type(value) is int and (primitive.low or 0) <= value <= (primitive.high or 0)
    if not isinstance(value, str) or not value or (primitive.longest and len(value) > primitive.longest):
        return False
    if kind == "base64Binary":
        value = _BLANK.sub("", value)
    pattern = COMPILED.get(kind)
    return pattern is None or pattern.fullmatch(value) is not None
