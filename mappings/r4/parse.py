"""From received bytes to a resource: refuses what JSON allows and FHIR, storage or other readers do not (R4 json.html)."""

import json
from typing import Any

import orjson

from mappings.outcome import Issue
from mappings.vocabulary import Json


class Malformed(Exception):
    """A body that is not the JSON of one resource. `issue` says why, without anything from the body."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.text)
        self.issue = issue


def parse(body: bytes, max_depth: int = 50) -> Json:
    """The JSON object in `body`.

    Raises Malformed for bad UTF-8, a byte order mark, a lone surrogate, NaN or an infinite number, U+0000, a member named
    twice, more than `max_depth` levels, anything but one object. Time grows linearly with the body, hostile or not.
    """
    try:
        found = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as wrong:
        raise malformed(_reason(body, wrong, max_depth)) from None
    if type(found) is not dict:
        raise malformed("The body is JSON, but not an object: one resource was expected.")
    again = orjson.dumps(found)
    if again.count(b"{") + again.count(b"[") > max_depth and _deeper(found, max_depth):
        raise malformed(f"The body is nested deeper than {max_depth} levels.")
    # A member named twice is gone after parsing, and its colon with it. An escaped colon could hide that.
    if (again.count(b":") != body.count(b":") or b"\\u003" in body) and _twice(body):
        raise malformed("A member is named twice in one object.")
    if b"\\u0000" in again and _holds_nul(found):
        raise malformed("A string holds the character U+0000, which FHIR does not allow.")
    return found


def malformed(text: str, expression: str | None = None) -> Malformed:
    """A refusal as FHIR words it: IssueType `structure`, severity fatal."""
    return Malformed(Issue("fatal", "structure", text, expression))


def _reason(body: bytes, wrong: Exception, max_depth: int) -> str:
    """A text for what orjson refused. Its own message may name a position, never a value."""
    if not body.strip():
        return "The body is empty: one resource as JSON was expected."
    if "depth limit" in str(wrong) or isinstance(wrong, RecursionError):
        return f"The body is nested deeper than {max_depth} levels."
    if body.lstrip().startswith(b"<"):
        return "The body looks like XML or HTML: this server reads application/fhir+json only."
    return f"The body is not valid JSON: {wrong}."


def _deeper(found: Json, limit: int) -> bool:
    """Whether containers stand in each other more than `limit` deep (the object itself is level 1)."""
    level: list[Any] = [found]
    for _ in range(limit):
        level = [
            inner
            for container in level
            for inner in (container.values() if type(container) is dict else container)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


class _Twice(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Twice


def _twice(body: bytes) -> bool:
    """Whether some object of this valid JSON names a member twice: exact, and slower than counting colons."""
    try:
        json.loads(body, object_pairs_hook=_unique)
    except _Twice:
        return True
    return False


def _holds_nul(found: Json) -> bool:
    """Whether a name or a string holds U+0000. Depth is already known to be small."""
    todo: list[Any] = [found]
    while todo:
        here = todo.pop()
        if type(here) is str:
            if "\0" in here:
                return True
        elif type(here) is dict:
            todo.extend(here)
            todo.extend(here.values())
        elif type(here) is list:
            todo.extend(here)
    return False
