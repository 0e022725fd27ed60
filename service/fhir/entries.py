"""The entries of a batch or transaction Bundle: checked, with their bytes cut out of the body as received."""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mappings.r4.splice import top_members, value_start
from mappings.vocabulary import Json
from service.errors import Kind, Refusal

_URN = re.compile(rb"urn:(?:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|oid:[0-9.]{3,100})")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


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
    if_none_match: str | None = None
    if_modified_since: str | None = None
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
    if "resource" in entry and not isinstance(entry["resource"], dict):
        raise Refusal(Kind.INVALID, "The resource of an entry is an object", f"Bundle.entry[{number}].resource", code="structure")
    method = request.get("method")
    if method not in METHODS:
        raise _refuse(number, "request.method", "This method is not offered in a Bundle")
    url: str = request["url"]
    path, _, query = url.removeprefix(base).strip("/").partition("?")
    if method in ("POST", "PUT", "PATCH") and not body and parts_of(path)[1:] != ["_search"]:
        raise Refusal(Kind.INVALID, "This entry needs a resource", f"Bundle.entry[{number}].resource", code="required")
    conditions = [request.get(name) for name in ("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince")]
    if not all(each is None or isinstance(each, str) for each in conditions):
        raise _refuse(number, "request", "ifMatch, ifNoneExist, ifNoneMatch and ifModifiedSince are texts")
    full_url = entry.get("fullUrl")
    return Entry(number, method, parts_of(path), query, full_url if isinstance(full_url, str) else None, body, *conditions)


def parts_of(path: str) -> list[str]:
    """The segments of a relative address."""
    return path.split("/") if path else []


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


def identities_of(entries: Iterable[tuple[Entry, str | None]]) -> dict[bytes, bytes]:
    """What each fullUrl means here: urns in lower case, other addresses as they are written."""
    found: dict[bytes, bytes] = {}
    for entry, ref in entries:
        if entry.full_url and ref:
            url = entry.full_url
            found[(url.lower() if url[:4].lower() == "urn:" else url).encode()] = ref.encode()
    return found


def rewrite(entry: Entry, identities: Mapping[bytes, bytes]) -> None:
    """Put real references where the Bundle's fullUrls stand, wherever they stand (http.html, 3.1.0.11.2; bundle.html#references); parse the resource."""
    if not entry.body:
        return
    entry.body = rewrite_urns(entry.body, identities)
    if any(not url.startswith(b"urn:") for url in identities):
        entry.body = _rewrite_addresses(entry, identities)
    entry.resource = orjson.loads(entry.body)


_ROOT = re.compile(r"(.*/)([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})")
_ADDRESS = re.compile(rb'"(https?://[^"\\\s]+)"')
_RELATIVE = re.compile(rb'("reference"\s*:\s*)"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})"')


def _rewrite_addresses(entry: Entry, identities: Mapping[bytes, bytes]) -> bytes:
    """Absolute fullUrls, and their relative forms where the entry that refers to them has the same root; one pass over the body each."""
    body = _ADDRESS.sub(lambda match: b'"%b"' % identities.get(match[1], match[1]), entry.body)
    own = _ROOT.fullmatch(entry.full_url or "")
    if own is None:
        return body
    root = own[1].encode()
    return _RELATIVE.sub(lambda match: match[1] + b'"%b"' % identities.get(root + match[2], match[2]), body)


def patch_of(entry: Entry) -> tuple[str, bytes]:
    """(media type, patch) of a PATCH entry: a Binary that holds a JSON Patch, or Parameters that are a FHIRPath Patch. Errors: 400."""
    resource = entry.resource or orjson.loads(entry.body or b"null")
    where = f"{entry.where}.resource"
    if isinstance(resource, dict) and resource.get("resourceType") == "Parameters":
        return "application/fhir+json", entry.body
    if not isinstance(resource, dict) or resource.get("resourceType") != "Binary" or resource.get("contentType") != "application/json-patch+json":
        raise Refusal(Kind.INVALID, "A PATCH has a Binary of contentType application/json-patch+json, or Parameters", where, code="value")
    try:
        return "application/json-patch+json", b64decode(str(resource.get("data", "")), validate=True)
    except ValueError:
        raise Refusal(Kind.INVALID, "The data of the Binary are not base64", f"{where}.data", code="value") from None


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
