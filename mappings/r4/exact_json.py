"""JSON whose numbers keep their literal text: 1.50 and 1.0e2 come out as they went in (R4 json.html#primitive: precision is significant)."""

import json
from typing import Any

import orjson


class Literal(float):
    """A number with the text that it was written as."""

    text: str

    def __new__(cls, text: str) -> "Literal":
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __deepcopy__(self, memo: object) -> "Literal":
        return self


def _whole(text: str) -> int | Literal:
    return Literal(text) if text == "-0" or len(text) > 18 else int(text)


def loads(body: bytes | str) -> Any:
    """The value of valid JSON; decimals and large whole numbers are Literals."""
    return json.loads(body, parse_float=Literal, parse_int=_whole)


def dumps(value: Any, option: int = 0) -> bytes:
    """The bytes of a value from `loads`, members in their order, without white space unless an orjson `option` says otherwise."""
    return orjson.dumps(value, default=_literal, option=orjson.OPT_PASSTHROUGH_SUBCLASS | option)


def _literal(value: Any) -> orjson.Fragment:
    if isinstance(value, Literal):
        return orjson.Fragment(value.text.encode())
    raise TypeError
