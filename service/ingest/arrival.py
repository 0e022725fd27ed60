"""What every dialect shares: who may send, and the answer that says row by row what became of it."""

import orjson

from adapters.laboratory.sheet import Reading, Unreadable
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.security.reach import Reach
from service.workflows.change import Requester
from service.workflows.ingesting import Ingested, Row, ingest

JSON = (b"content-type", b"application/json; charset=utf-8")


def reach_of(call: Call) -> Reach:
    """How far the sender reaches. Errors: 403 without create on DiagnosticReport and Observation and search on Patient."""
    gate = call.house.gate
    gate.authorise(call.principal, "search-type", "Patient")
    gate.authorise(call.principal, "create", "Observation")
    return gate.authorise(call.principal, "create", "DiagnosticReport")


async def taken(call: Call, reading: Reading, reach: Reach) -> Ingested:
    """Store what was read, and note the access."""
    done = await ingest(call.house, reading, Requester.of(call, reach, "operation"))
    for person, report in dict.fromkeys(zip(done.persons, done.reports, strict=True)) or [(None, None)]:
        await call.house.audit.seen(call, "operation", "DiagnosticReport", report, person, _status(done))
    return done


def unreadable(problem: Unreadable) -> Refusal:
    """The refusal of an input that is not of its dialect."""
    return Refusal(Kind.INVALID, problem.text, problem.place or None, code="structure")


def answer(done: Ingested) -> Answer:
    """201 where something was created, 200 where it stood already, 422 where every row was refused; each row with its reason."""
    body: Json = {
        "status": {201: "created", 200: "unchanged", 422: "refused"}[_status(done)],
        "rows": [_row(row) for row in done.rows],
        "created": done.created,
        "reports": done.reports,
        "refused": sum(row.outcome == "refused" for row in done.rows),
    }
    return Answer(_status(done), orjson.dumps(body), [JSON])


def _row(row: Row) -> Json:
    said = {"row": row.place, "outcome": row.outcome, "gene": row.gene, "phenotype": row.phenotype, "text": row.text, "resources": list(row.refs)}
    return {name: value for name, value in said.items() if value not in (None, [])}


def _status(done: Ingested) -> int:
    outcomes = {row.outcome for row in done.rows}
    return 201 if "created" in outcomes else 200 if "unchanged" in outcomes else 422
