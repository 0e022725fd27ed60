"""Giving received bytes an id and a meta without rewriting them: `1.50` stays `1.50`, white space and member order stay."""

import re
from collections.abc import Iterator

import orjson

from mappings.vocabulary import Json

Member = tuple[str, int, int]
"""Name, start of the quoted name, end of the value: byte offsets into the body."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]}\s]++")
_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
_TYPE_FIRST = re.compile(rb'[ \t\r\n]*+\{[ \t\r\n]*+"resourceType"[ \t\r\n]*+:[ \t\r\n]*+"[A-Za-z]*+"')
_OURS = {"versionId", "lastUpdated", "_versionId", "_lastUpdated"}


def top_members(body: bytes, start: int = 0) -> list[Member]:
    """The members of the object that begins at or after `start`, in their order. `body` must be valid JSON (see parse)."""
    return list(each_member(body, _after_space(body, start) + 1))


def each_member(body: bytes, at: int) -> Iterator[Member]:
    """The members from `at` (just behind the brace or a value) to the end of their object, found one by one."""
    while True:
        at = _after_space(body, at)
        if body[at : at + 1] == b",":
            at = _after_space(body, at + 1)
        if body[at : at + 1] != b'"':
            return
        name_end = _end(_STRING, body, at)
        end = _value_end(body, value_start(body, name_end))
        yield orjson.loads(body[at:name_end]), at, end
        at = end


def value_start(body: bytes, name_end: int) -> int:
    """Where the value begins whose quoted name ends at `name_end`."""
    colon = _end(_SPACE, body, name_end)
    return _end(_SPACE, body, colon + 1)


def _value_end(body: bytes, start: int) -> int:
    first = body[start : start + 1]
    if first == b'"':
        return _end(_STRING, body, start)
    if first not in (b"{", b"["):
        return _end(_SCALAR, body, start)
    depth = 0
    for token in _BRACKET.finditer(body, start):
        word = body[token.start()]
        if word in b"{[":
            depth += 1
        elif word in b"}]":
            depth -= 1
            if not depth:
                return token.end()
    raise ValueError("not valid JSON")


def splice(body: bytes, resource: Json, id: str) -> tuple[bytes, bytes]:
    """(head, tail) so that head + b'"versionId":"1","lastUpdated":"..."' + tail is `body` with our id and meta.

    `resource` is parse(body). A leading resourceType stays first; the client's id, meta.versionId and meta.lastUpdated go,
    its other meta members stay; every other byte stays. `id` must be a FHIR id: it is written as it is.
    """
    first = _TYPE_FIRST.match(body)
    opening = first.end() if first else _after_space(body, 0) + 1
    head = body[:opening] + (b"," if first else b"") + b'"id":"' + id.encode() + b'","meta":{'
    gone: set[str] = {name for name in ("id", "meta") if name in resource}
    meta, rest = _without(body, opening, gone, bool(first)) if gone else (b"", body[opening:])
    comma = b"" if first or len(resource) == len(gone) else b","
    return head, meta + b"}" + comma + rest


def _without(body: bytes, opening: int, gone: set[str], led: bool) -> tuple[bytes, bytes]:
    """The kept part of meta, and the bytes from `opening` on without the members in `gone`; looks no further than the last."""
    parts: list[bytes] = []
    meta, done, missing = b"", opening, set(gone)
    for name, start, end in each_member(body, opening):
        if name not in missing:
            led = True
            done, kept = end, body[done:end]
            parts.append(kept)
            continue
        missing.discard(name)
        if name == "meta":
            meta = _kept_meta(body, start)
        after = _after_space(body, end)
        # With a member before it the comma before goes too, else the one behind: one comma less either way.
        done = end if led or body[after : after + 1] != b"," else after + 1
        if not missing:
            break
    return meta, b"".join(parts) + body[done:]


def _kept_meta(body: bytes, start: int) -> bytes:
    """b',' and the members of the client's meta (named at `start`) that are its own to say; nothing when there are none."""
    value = value_start(body, _end(_STRING, body, start))
    if body[value : value + 1] != b"{":
        return b""
    kept = [body[begin:end] for name, begin, end in top_members(body, value) if name not in _OURS]
    return b"," + b",".join(kept) if kept else b""


def _end(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    found = pattern.match(body, at)
    if found is None:
        raise ValueError("not the bytes of a parsed resource")
    return found.end()


def _after_space(body: bytes, at: int) -> int:
    return _end(_SPACE, body, at)
