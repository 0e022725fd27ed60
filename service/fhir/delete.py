"""delete: https://hl7.org/fhir/R4/http.html#delete"""

from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.update import expected
from service.workflows.change import Change, Requester
from service.workflows.receive import receive


async def delete(call: Call) -> Answer:
    """204, also where nothing stands (any more); versions stay readable. 412 for a stale If-Match."""
    kind, id_ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "delete", kind)
    house.types.check(kind, "delete", id_)
    change = Change("delete", kind, id_, expected=expected(call.headers.get(b"if-match")))
    stored = await receive(house, [change], Requester.of(call, reach))
    return Answer(204, b"", [(b"etag", b'W/"%d"' % stored[0].version)] if stored else [])
