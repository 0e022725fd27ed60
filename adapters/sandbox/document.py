"""JSON documents as the sandbox keeps them: read strictly, written with every number as it was received."""

import json
from typing import Any

from adapters.sandbox.refusal import Json, Refused

DEEPEST = 50


class Literal(str):
    """A number with fraction or exponent, kept as its text: `1.50` stays `1.50`."""

    __slots__ = ()


def parse(body: bytes) -> Json:
    """One JSON object. Errors: Refused 400 for bad UTF-8, bad JSON, duplicate keys, NaN, NUL, lone surrogates, depth over 50."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_float=Literal, parse_int=_integer, parse_constant=_constant)
    except UnicodeDecodeError:
        raise Refused(400, "structure", "The body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Refused(400, "structure", "The body is not strict JSON") from None
    if not isinstance(found, dict):
        raise Refused(400, "structure", "The body is not a JSON object")
    check(found)
    return found


def text(value: Any) -> str:
    """The JSON text of a parsed value."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{text(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _integer(text: str) -> Any:
    return Literal(text) if text == "-0" else int(text)


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _constant(name: str) -> Any:
    raise ValueError("not a JSON number")


def check(value: Any, depth: int = 1) -> None:
    """Depth, NUL and lone surrogates, which Python's parser lets through. Errors: Refused 400."""
    if depth > DEEPEST:
        raise Refused(400, "structure", "The body is nested too deeply")
    if isinstance(value, dict):
        for key, part in value.items():
            check(key, depth)
            check(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            check(part, depth + 1)
    elif isinstance(value, str) and any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        raise Refused(400, "structure", "A text holds a character that JSON text may not hold")
