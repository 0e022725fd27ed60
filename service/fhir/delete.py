"""delete, also conditional: https://hl7.org/fhir/R4/http.html#delete, #3.1.0.7.1"""

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.update import expected
from service.workflows.change import Change, Requester
from service.workflows.conditions import look_up, until_it_holds
from service.workflows.receive import receive

MOST = 1000
"""Most resources that one conditional delete takes away: they go in one commit."""


async def delete(call: Call) -> Answer:
    """204, also where nothing stands (any more); versions stay readable. 412 for a stale If-Match."""
    kind, id_ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "delete", kind)
    house.types.check(kind, "delete", id_)
    change = Change("delete", kind, id_, expected=expected(call.headers.get(b"if-match")))
    stored = await receive(house, [change], Requester.of(call, reach))
    return _gone(call, [(b"etag", b'W/"%d"' % stored[0].version)] if stored else [])


async def conditional_delete(call: Call) -> Answer:
    """DELETE [type]?criteria: one match goes; several are refused with 412, or go together where SETPOINT_CONDITIONAL_DELETE is multiple."""
    kind = call.parts[0]
    house = call.house
    reach = house.gate.authorise(call.principal, "delete", kind)
    house.gate.authorise(call.principal, "search-type", kind)
    house.types.check(kind, "delete")
    criteria, multiple = call.criteria(), house.settings.conditional_delete == "multiple"
    version = expected(call.headers.get(b"if-match"))

    async def once() -> Answer:
        target = await look_up(house, kind, criteria, reach.person, MOST + 1 if multiple else 2)
        if len(target.refs) > (MOST if multiple else 1):
            raise Refusal(Kind.SEVERAL, "More resources match the criteria than may be deleted together")
        changes = [Change("delete", kind, ref.split("/")[1], expected=version) for ref in target.refs]
        for change in changes:
            house.types.check(kind, "delete", change.id)
        if changes:
            changes[0].guard = target.guard
            await receive(house, changes, Requester.of(call, reach))
        return _gone(call, [])

    return await until_it_holds(once)


def _gone(call: Call, headers: list[answer.Header]) -> Answer:
    if call.prefer("return") == "OperationOutcome":
        return Answer(200, answer.outcome_bytes(), [answer.FHIR_JSON, *headers])
    return Answer(204, b"", headers)
