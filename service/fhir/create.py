"""create, also conditional: https://hl7.org/fhir/R4/http.html#create"""

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import intake
from service.house import House
from service.store.unit import Stored
from service.workflows.change import Change, Requester
from service.workflows.conditions import look_up, until_it_holds
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
        return answer.written(stored_event, 201, house.base, call.prefer("return"))
    criteria = _criteria(call)
    if criteria is not None:
        house.gate.authorise(call.principal, "search-type", kind)

    async def once() -> Answer:
        change = Change("create", kind, resource=resource, body=body)
        if criteria is not None:
            target = await look_up(house, kind, criteria, reach.person)
            if target.one is not None:
                there = await matching(house, target.one)
                await house.audit.seen(call, "read", kind, there.ref, there.person)  # it is answered, and so it was read
                return answer.written(there, 200, house.base, call.prefer("return"))
            change.guard = target.guard
        (stored,) = await receive(house, [change], Requester.of(call, reach))
        return answer.written(stored, 201, house.base, call.prefer("return"))

    return await until_it_holds(once)


def _criteria(call: Call) -> str | None:
    header = call.headers.get(b"if-none-exist")
    return None if header is None else header.decode("latin-1").lstrip("?")


async def matching(house: House, ref: str) -> Stored:
    """What If-None-Exist found. Errors: 409 where it has just gone."""
    stored = await house.store.read(ref)
    if stored is None or stored.deleted:
        raise Refusal(Kind.CONFLICT, "The matching resource has just gone; try again")
    return stored
