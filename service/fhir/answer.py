"""What goes back: status, headers, bytes. Every FHIR answer and every OperationOutcome is made here."""

from dataclasses import dataclass, field

import orjson

from mappings.outcome import Issue, operation_outcome
from service.errors import RETRY_AFTER_S, Kind, Refusal
from service.store.unit import Stored, instant

Header = tuple[bytes, bytes]
FHIR_JSON: Header = (b"content-type", b"application/fhir+json; charset=utf-8")
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


@dataclass(slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)


def http_date(us: int) -> bytes:
    """An IMF-fixdate (RFC 9110, 5.6.7) of these microseconds."""
    text = instant(us)
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    weekday = (us // 86_400_000_000 + 3) % 7
    return b"%b, %02d %b %d %b GMT" % (_DAYS[weekday], day, _MONTHS[month - 1], year, text[11:19])


def version_headers(stored: Stored) -> list[Header]:
    """ETag and Last-Modified of one version (http.html, 3.1.0.4)."""
    return [FHIR_JSON, (b"etag", b'W/"%d"' % stored.version), (b"last-modified", http_date(stored.updated))]


def resource(stored: Stored, status: int = 200) -> Answer:
    """The stored bytes of one version."""
    return Answer(status, stored.body, version_headers(stored))


def written(stored: Stored, status: int, base: str, prefer: str | None) -> Answer:
    """The answer to create and update: Location, ETag, and a body as Prefer asks (http.html, 3.1.0.5)."""
    headers = version_headers(stored)
    headers.append((b"location", f"{base}/{stored.ref}/_history/{stored.version}".encode()))
    if prefer == "minimal":
        return Answer(status, b"", headers[1:])
    if prefer == "OperationOutcome":
        return Answer(status, outcome_bytes(), headers)
    return Answer(status, stored.body, headers)


def outcome_bytes(*issues: Issue) -> bytes:
    return orjson.dumps(operation_outcome(*issues))


def refused(refusal: Refusal) -> Answer:
    """The answer to a request that cannot be done."""
    headers: list[Header] = [FHIR_JSON, *refusal.headers]
    retry = RETRY_AFTER_S.get(refusal.kind)
    if retry is not None:
        headers.append((b"retry-after", b"%d" % retry))
    if refusal.kind is Kind.UNAUTHENTICATED and not any(name == b"www-authenticate" for name, _ in headers):
        headers.append((b"www-authenticate", b"Bearer"))
    return Answer(refusal.kind.status, outcome_bytes(*refusal.issues), headers)
