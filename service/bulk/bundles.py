"""JSON documents: a Bundle's entries as resources with ids of their own, or one resource; a manifest holds none."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mappings.r4 import references
from mappings.vocabulary import Json, identity
from service.bulk.order import Kin, kin_of
from service.errors import Kind, Refusal
from service.fhir.entries import resource_bytes, rewrite_urns
from service.fhir.intake import parsed

_REFERENCE = re.compile(rb'("reference"\s*+:\s*+")([^"\\]++)"')


@dataclass(slots=True)
class Part:
    """One resource of a document. `number`: its entry, from 1; `said`: the id that it names itself, or its request does;
    `criteria`: those of ifNoneExist; `refusal`: why it cannot be taken."""

    number: int
    kin: Kin
    body: bytes
    full_url: str | None = None
    said: str | None = None
    criteria: str | None = None
    refusal: Refusal | None = None

    def id_in(self, source: str, file: str) -> str:
        """The id it gets: its own, else one made from where it stands, so that it is the same the next time."""
        return self.said or identity("import", source, self.full_url or f"{file}#{self.number}")


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a file. `requests`: a batch or transaction, in which references may be conditional."""

    parts: tuple[Part, ...]
    requests: bool = False


def read_document(body: bytes) -> Document:
    """The parts of a JSON document. Errors: Refusal."""
    found = parsed(body)
    if found.get("resourceType") == "Bundle":
        return _bundle(found, body)
    if "resourceType" not in found and isinstance(found.get("output"), list):  # a Bulk Data export manifest
        return Document(())
    return Document((Part(1, kin_of(found), body, said=_text(found.get("id"))),))


def _bundle(bundle: Json, body: bytes) -> Document:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refusal(Kind.INVALID, "Bundle.entry must be a list of entries", "Bundle.entry", code="structure")
    if bundle.get("type") == "history":
        raise Refusal(Kind.INVALID, "A history holds several versions of one resource and is not imported", "Bundle.type", code="not-supported")
    parts = (_part(number, entry, each) for number, (entry, each) in enumerate(zip(entries, resource_bytes(body, len(entries)), strict=True), 1))
    return Document(tuple(part for part in parts if part is not None), bundle.get("type") in ("transaction", "batch"))


def _part(number: int, entry: Json, body: bytes) -> Part | None:
    """One entry; None for one that gives nothing: a read, the outcome of a search, a link alone."""
    request, search = entry.get("request"), entry.get("search")
    method = request.get("method") if isinstance(request, dict) else "POST" if body else "GET"
    if method in ("GET", "HEAD") or (isinstance(search, dict) and search.get("mode") == "outcome"):
        return None
    where = f"Bundle.entry[{number - 1}]"
    if method not in ("POST", "PUT") or not body:
        text = "An import takes resources in; it deletes and patches nothing"
        return Part(number, kin_of(None), b"", refusal=Refusal(Kind.INVALID, text, f"{where}.request.method", code="not-supported"))
    resource, full_url = entry.get("resource"), _text(entry.get("fullUrl"))
    part = Part(number, kin_of(resource), body, full_url)
    _identify(part, request if isinstance(request, dict) else {}, resource if isinstance(resource, dict) else {}, where)
    return part


def _identify(part: Part, request: Json, resource: Json, where: str) -> None:
    """The id that the resource names itself, or the address of its request, or its fullUrl; the criteria of a conditional create."""
    own, literal, url = _text(resource.get("id")), references.read(part.full_url or ""), str(request.get("url", ""))
    asked = references.read(url) if request.get("method") == "PUT" else None
    part.said = own or (asked.id if asked else None) or (literal.id if literal else None)
    if request.get("method") != "PUT":
        part.criteria = _text(request.get("ifNoneExist"))
    elif "?" in url:
        part.refusal = Refusal(Kind.INVALID, "A conditional update is not imported", f"{where}.request.url", code="not-supported")
    elif asked is None or asked.type != part.kin.kind or asked.id != part.said:
        part.refusal = Refusal(Kind.INVALID, "The url of this request and its resource name different things", f"{where}.request.url", code="value")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def rewritten(body: bytes, identities: Mapping[bytes, bytes]) -> bytes:
    """References to other entries led to the ids that these have here: urns wherever they stand (http.html, 3.1.0.11.2), absolute
    addresses where a Reference names the fullUrl of an entry (bundle.html#references)."""
    body = rewrite_urns(body, identities)
    return _REFERENCE.sub(lambda match: match[1] + identities.get(match[2], match[2]) + b'"', body)


def identities(named: Iterable[tuple[str | None, str]]) -> dict[bytes, bytes]:
    """From (fullUrl, ref) of each entry to what its references become."""
    return {(url.lower() if url.startswith("urn:") else url).encode(): ref.encode() for url, ref in named if url}
