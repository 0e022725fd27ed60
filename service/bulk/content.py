"""Whether two bodies say the same: to the letter of every number, whatever white space and order of members."""

import hashlib
import json
import re
from typing import Any

from mappings.r4.splice import splice
from mappings.vocabulary import Json
from service.store.unit import Stored, instant

_VERSION = re.compile(rb'"meta":\{"versionId":"\d++","lastUpdated":"[^"]*+"')


class Content:
    """What arrived, as it would be stored, around version and time."""

    def __init__(self, body: bytes, resource: Json, id_: str) -> None:
        self._head, self._tail = splice(body, resource, id_)

    @property
    def digest(self) -> bytes:
        return _digest(self._head, self._tail)

    def stands_as(self, stored: Stored) -> bool:
        """Whether just this stands there."""
        exact = b'%b"versionId":"%d","lastUpdated":"%b"%b' % (self._head, stored.version, instant(stored.updated), self._tail)
        return exact == stored.body or _plain(exact) == _plain(stored.body)


def digest_of(stored: Stored) -> bytes:
    """The digest of what stands, without its version and time."""
    found = _VERSION.search(stored.body)
    assert found is not None
    return _digest(stored.body[: found.start()] + b'"meta":{', stored.body[found.end() :])


def _digest(head: bytes, tail: bytes) -> bytes:
    return hashlib.blake2b(head + b"\0" + tail, digest_size=16).digest()


def _plain(body: bytes) -> Any:
    """Parsed, with numbers as they are written."""
    return json.loads(body, parse_float=_Literal, parse_int=_Literal)


class _Literal(str):
    """A number's text: never equal to a string with the same letters."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Literal) and str.__eq__(self, other)
