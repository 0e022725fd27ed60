"""CarePlan/[id]/$review: a clinician's decision about a suggestion."""

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.workflows.change import Requester
from service.workflows.review import review as decide


async def review(call: Call) -> Answer:
    """POST Parameters: decision (accept, modify, decline), reason, plan (modify), reviewer; answers the CarePlan as it stands then."""
    _, id_, _ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "update", "CarePlan")
    body = await call.fhir_body()
    parameters = parsed(body)
    if parameters.get("resourceType") != "Parameters":
        raise Refusal(Kind.INVALID, "The body must be a Parameters resource", "Parameters")
    stored = await decide(house, id_, parameters, Requester.of(call, reach, "review"))
    return answer.resource(stored)
