"""update, also as create: https://hl7.org/fhir/R4/http.html#update"""

import re

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import intake
from service.store.unit import ANY
from service.workflows.change import Change, Requester
from service.workflows.receive import receive

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TAG = re.compile(rb'(?:W/)?"(\d{1,9})"')


async def update(call: Call) -> Answer:
    """200 with the new version, 201 where nothing stood; 412 for a stale If-Match, 400 for a malformed one."""
    kind, id_ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "update", kind)
    house.types.check(kind, "update", id_)
    if not ID.fullmatch(id_):
        raise Refusal(Kind.INVALID, "The id in the address is not a FHIR id", code="value")
    body = await call.fhir_body()
    resource = intake(house, kind, body, id_)
    change = Change("update", kind, id_, resource, body, expected=expected(call.headers.get(b"if-match")))
    (stored,) = await receive(house, [change], Requester.of(call, reach))
    return answer.written(stored, 201 if change.revives else 200, house.base, call.prefer("return") or "representation")


def expected(header: bytes | None) -> int:
    """The version that If-Match names; ANY without the header. Errors: 400 when it is malformed."""
    if header is None:
        return ANY
    match = _TAG.fullmatch(header.strip())
    if match is None:
        raise Refusal(Kind.INVALID, 'If-Match must be a version tag such as W/"3"', "If-Match", code="value")
    return int(match[1])
