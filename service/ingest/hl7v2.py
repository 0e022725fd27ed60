"""POST /ingest/hl7v2: an ORU^R01 in ER7, answered with an ACK in ER7 (HL7 v2.5.1, 2.9.2): AA, or AE with the reasons."""

from datetime import UTC, datetime

from adapters.laboratory import hl7v2
from adapters.laboratory.sheet import Unreadable
from service.errors import Kind, Refusal
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.ingest.arrival import reach_of, taken

ER7 = (b"content-type", b"application/hl7-v2; charset=utf-8")


async def receive(call: Call) -> Answer:
    """200 with AA where something was taken or stood already (rows that were not are named in ERR), else AE and 400 or 422. Errors: 403, 413."""
    reach = reach_of(call)
    body = await call.body()
    head = hl7v2.header(body)
    try:
        done = await taken(call, hl7v2.read(body, call.house.knowledge.authorities), reach)
    except Unreadable as problem:
        await call.house.audit.refused(call, "operation", Kind.INVALID.status)
        return _answer(400, head, "AE", problem.text, [(problem.place, problem.text)])
    except Refusal as refusal:
        await call.house.audit.refused(call, "operation", refusal.kind.status)
        return _answer(refusal.kind.status, head, "AE", refusal.issues[0].text, [("PID", refusal.issues[0].text)])
    refused = [(row.place, row.text or "") for row in done.rows if row.outcome == "refused"]
    stands = any(row.outcome != "refused" for row in done.rows)
    if stands:
        return _answer(200, head, "AA", f"{len(done.rows) - len(refused)} result(s) taken, {len(refused)} refused", refused)
    return _answer(422, head, "AE", refused[0][1] if refused else "Nothing in the message is a result of a gene", refused)


def _answer(status: int, head: hl7v2.Header, code: str, text: str, errors: list[tuple[str, str]]) -> Answer:
    return Answer(status, hl7v2.acknowledgement(head, code, text, datetime.now(UTC), errors).encode(), [ER7])
