"""POST /ingest/csv: patient,gene,diplotype,specimen_date,laboratory."""

from adapters.laboratory import table
from adapters.laboratory.sheet import Unreadable
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.ingest.arrival import answer, reach_of, taken, unreadable


async def receive(call: Call) -> Answer:
    """Each row is taken or refused by itself. Errors: 400 for another header or no CSV, 403, 413."""
    reach = reach_of(call)
    try:
        reading = table.read(await call.body())
    except Unreadable as problem:
        raise unreadable(problem) from None
    return answer(await taken(call, reading, reach))
