"""create, also conditional: https://hl7.org/fhir/R4/http.html#create"""

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import intake
from service.store.unit import Stored
from service.workflows.change import Change, Matched, Requester
from service.workflows.receive import receive


async def create(call: Call) -> Answer:
    """201 with Location; with If-None-Exist 200 and the match where one stands, 412 where several do."""
    kind = call.parts[0]
    house = call.house
    reach = house.gate.authorise(call.principal, "create", kind)
    house.types.check(kind, "create")
    body = await call.fhir_body()
    resource = intake(house, kind, body)
    if kind == "AuditEvent":
        row = await house.audit.record(resource, body, None, call.principal.client_id, call.request_id)
        stored_event = await house.audit.read(str(row.id), house.base)
        assert stored_event is not None
        return answer.written(stored_event, 201, house.base, call.prefer("return") or "representation")
    change = Change("create", kind, resource=resource, body=body, condition=_condition(call))
    if change.condition is not None:
        house.gate.authorise(call.principal, "search-type", kind)
    try:
        (stored,) = await receive(house, [change], Requester.of(call, reach))
    except Matched as matched:
        return await _matched(call, matched.refs)
    return answer.written(stored, 201, house.base, call.prefer("return") or "representation")


def _condition(call: Call) -> str | None:
    header = call.headers.get(b"if-none-exist")
    if header is None:
        return None
    text = header.decode("latin-1").lstrip("?")
    if not text:
        raise Refusal(Kind.PRECONDITION, "If-None-Exist holds no criteria", "If-None-Exist", code="invalid")
    return text


async def _matched(call: Call, refs: tuple[str, ...]) -> Answer:
    """The resource that is already there; several are refused."""
    if len(refs) != 1:
        raise Refusal(Kind.SEVERAL, "More than one resource matches If-None-Exist")
    stored: Stored | None = await call.house.store.read(refs[0])
    if stored is None or stored.deleted:
        raise Refusal(Kind.CONFLICT, "The matching resource has just gone; try again")
    return answer.written(stored, 200, call.house.base, call.prefer("return") or "representation")
