"""The entries of a batch or transaction Bundle: checked, with their bytes cut out of the body as received."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mappings.r4.splice import top_members, value_start
from mappings.vocabulary import Json
from service.errors import Kind, Refusal

_URN = re.compile(rb"urn:(?:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|oid:[0-9.]{3,100})")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


@dataclass(slots=True)
class Entry:
    """One entry. `parts`: path segments of request.url; `body`: the bytes of its resource."""

    number: int
    method: str
    parts: list[str]
    query: str
    full_url: str | None
    body: bytes
    if_match: str | None = None
    if_none_exist: str | None = None
    resource: Json | None = None

    @property
    def where(self) -> str:
        return f"Bundle.entry[{self.number}]"


def entries_of(bundle: Json, body: bytes, base: str) -> list[Entry]:
    """The entries in the order of the request. Errors: 400 naming the entry."""
    listed = bundle.get("entry", [])
    bodies = resource_bytes(body, len(listed))
    return [_entry(number, entry, bodies[number], base) for number, entry in enumerate(listed)]


def _refuse(number: int, element: str, text: str) -> Refusal:
    return Refusal(Kind.INVALID, text, f"Bundle.entry[{number}].{element}", code="value")


def _entry(number: int, entry: Json, body: bytes, base: str) -> Entry:
    request = entry.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise Refusal(Kind.INVALID, "Every entry needs a request with method and url", f"Bundle.entry[{number}].request", code="required")
    method = request.get("method")
    if method not in METHODS:
        raise _refuse(number, "request.method", "This method is not offered in a Bundle")
    url: str = request["url"]
    path, _, query = url.removeprefix(base).strip("/").partition("?")
    if method in ("POST", "PUT") and not body:
        raise Refusal(Kind.INVALID, "This entry needs a resource", f"Bundle.entry[{number}].resource", code="required")
    parts = path.split("/") if path else []
    return Entry(number, method, parts, query, entry.get("fullUrl"), body, request.get("ifMatch"), request.get("ifNoneExist"))


def resource_bytes(body: bytes, count: int) -> list[bytes]:
    """The bytes of each entry's resource, empty where it has none."""
    found: list[bytes] = []
    for name, start, _ in top_members(body):
        if name != "entry":
            continue
        array = value_start(body, body.index(b'"', start + 1) + 1)
        found += [_member(body, first, "resource") for first in _objects(body, array)]
    return found + [b""] * (count - len(found))


_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)


def _objects(body: bytes, array: int) -> Iterator[int]:
    """Where each object of the array that begins at `array` begins."""
    depth = 0
    for token in _TOKEN.finditer(body, array):
        word = body[token.start()]
        if word in b"{[":
            if depth == 1 and word == ord("{"):
                yield token.start()
            depth += 1
        elif word in b"}]":
            depth -= 1
            if depth == 0:
                return


def _member(body: bytes, start: int, wanted: str) -> bytes:
    for name, first, end in top_members(body, start):
        if name == wanted:
            return body[value_start(body, body.index(b'"', first + 1) + 1) : end]
    return b""


def rewrite(entry: Entry, identities: dict[bytes, bytes]) -> None:
    """Put real references where the Bundle's urns stand, wherever they stand (http.html, 3.1.0.11.2); parse the resource."""
    if not entry.body:
        return
    entry.body = rewrite_urns(entry.body, identities)
    entry.resource = orjson.loads(entry.body)


def rewrite_urns(body: bytes, identities: Mapping[bytes, bytes]) -> bytes:
    """The bytes with each urn (lower case in `identities`) replaced by what it means here."""
    return _URN.sub(lambda match: identities.get(match[0].lower(), match[0]), body) if identities and b"urn:" in body else body


def conditional_references(resource: Any, path: str) -> list[tuple[str, str]]:
    """(criteria, expression) of every reference of the form Type?criteria."""
    if isinstance(resource, list):
        return [found for number, item in enumerate(resource) for found in conditional_references(item, f"{path}[{number}]")]
    if not isinstance(resource, dict):
        return []
    found = [place for name, item in resource.items() if isinstance(item, dict | list) for place in conditional_references(item, f"{path}.{name}")]
    reference = resource.get("reference")
    if isinstance(reference, str) and re.match(r"[A-Z][A-Za-z]+\?", reference):
        found.append((reference, f"{path}.reference"))
    return found
