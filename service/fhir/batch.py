"""batch and transaction: https://hl7.org/fhir/R4/http.html#transaction"""

import asyncio

import orjson

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir import searchset, transaction
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.entries import Entry, entries_of
from service.fhir.intake import parsed
from service.fhir.single import alone

LARGE = 200_000
"""Bodies above this many bytes are parsed beside the event loop, so that nobody waits for them."""


async def batch(call: Call) -> Answer:
    """POST [base]: all or nothing for a transaction, each for itself in a batch; answers stand in the order of the request."""
    body = await call.fhir_body()
    bundle = await asyncio.to_thread(parsed, body) if len(body) > LARGE else parsed(body)
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("batch", "transaction"):
        raise Refusal(Kind.INVALID, "The body must be a Bundle of type batch or transaction", "Bundle.type", code="value")
    listed = bundle.get("entry", [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise Refusal(Kind.INVALID, "Bundle.entry must be a list of entries", "Bundle.entry", code="structure")
    if len(listed) > call.house.settings.max_entries:
        raise Refusal(Kind.TOO_LARGE, f"A Bundle may have at most {call.house.settings.max_entries} entries", "Bundle.entry")
    entries = await asyncio.to_thread(entries_of, bundle, body, call.house.base) if len(body) > LARGE else entries_of(bundle, body, call.house.base)
    kind = bundle["type"]
    done = await _each(call, entries) if kind == "batch" else await transaction.together(call, entries)
    return Answer(200, searchset.bundle(f"{kind}-response", [], done), [FHIR_JSON])


async def _each(call: Call, entries: list[Entry]) -> list[bytes]:
    """Each entry as a request of its own."""
    return [response(await alone(call, entry), entry) for entry in entries]


def response(answer: Answer, entry: Entry) -> bytes:
    """One entry of the response Bundle."""
    headers = dict(answer.headers)
    found: Json = {"status": str(answer.status)}
    for name, key in ((b"location", "location"), (b"etag", "etag")):
        if name in headers:
            found[key] = headers[name].decode()
    if answer.status >= 400:
        return b'{"response":%b,"outcome":%b}}' % (orjson.dumps(found)[:-1], answer.body)
    if answer.body.startswith(b'{"resourceType":"OperationOutcome"'):
        return b'{"response":%b,"outcome":%b}}' % (orjson.dumps(found)[:-1], answer.body)
    body = b'"resource":%b,' % answer.body if answer.body and entry.method != "HEAD" else b""
    return b'{%b"response":%b}' % (body, orjson.dumps(found))
