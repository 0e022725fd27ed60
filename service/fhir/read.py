"""read: https://hl7.org/fhir/R4/http.html#read"""

from email.utils import parsedate_to_datetime

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.shaping import check_elements
from service.security.reach import Reach
from service.store.unit import Stored


async def read(call: Call) -> Answer:
    """The current version. 404 unknown, 410 deleted, 304 when If-None-Match or If-Modified-Since says the client has it."""
    kind, id_ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "read", kind)
    if call.shape is not None:
        check_read(call, kind)
    ref = f"{kind}/{id_}"
    stored = await house.read(kind, id_)
    if stored is None or not reach.covers(stored.person):
        raise Refusal(Kind.NOT_FOUND, "No such resource")
    await house.audit.seen(call, "read", kind, ref, stored.person)
    if stored.deleted:
        raise Refusal(Kind.GONE, "This resource was deleted", headers=((b"etag", b'W/"%d"' % stored.version),))
    return unchanged(call, stored) or answer.resource(stored)


async def standing(call: Call, ref: str, reach: Reach) -> Stored:
    """The current version of what an operation or a patch is about. Errors: 404 unknown or out of reach, 410 deleted."""
    kind, id_ = ref.split("/")
    stored = await call.house.read(kind, id_)
    if stored is None or not reach.covers(stored.person):
        raise Refusal(Kind.NOT_FOUND, "No such resource")
    if stored.deleted:
        raise Refusal(Kind.GONE, "This resource was deleted")
    return stored


def check_read(call: Call, kind: str) -> None:
    """Refuse a shape that a single resource cannot have. Errors: 400."""
    check_elements(call.house, call.shape, kind)
    if call.shape is not None and call.shape.summary == "count":
        raise Refusal(Kind.INVALID, "_summary=count is for searches", "_summary", code="value")


def unchanged(call: Call, stored: Stored) -> Answer | None:
    """304 when the client already has this version (http.html, 3.1.0.8 conditional read)."""
    tags = call.headers.get(b"if-none-match")
    if tags is not None:
        same = any(tag.strip().removeprefix(b"W/") in (b'"%d"' % stored.version, b"*") for tag in tags.split(b","))
        return Answer(304, b"", answer.version_headers(stored)[1:]) if same else None
    since = call.headers.get(b"if-modified-since")
    if since is not None and _seconds(since) >= stored.updated // 1_000_000:
        return Answer(304, b"", answer.version_headers(stored)[1:])
    return None


def _seconds(header: bytes) -> float:
    """An HTTP date as seconds since 1970; before all times where it is none: the header is then ignored (RFC 9110, 13.1.3)."""
    try:
        return parsedate_to_datetime(header.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")
