"""POST /ingest/pharmcat?patient=IDENTIFIER: PharmCAT's report or phenotyper JSON."""

from adapters.laboratory import pharmcat
from adapters.laboratory.sheet import Unreadable
from service.errors import Kind, Refusal
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.ingest.arrival import answer, reach_of, taken, unreadable
from service.search.query import pairs


async def receive(call: Call) -> Answer:
    """The file is about the person of `patient`, `system|value` or a bare value. Errors: 400, 403, 413, 422 unknown person."""
    reach = reach_of(call)
    patient = dict(pairs(call.query)).get("patient", "").strip()
    if not patient:
        raise Refusal(Kind.INVALID, "A PharmCAT file names no person: say whose it is with ?patient=", "patient", code="required")
    try:
        reading = pharmcat.read(await call.body(), patient)
    except Unreadable as problem:
        raise unreadable(problem) from None
    return answer(await taken(call, reading, reach))
