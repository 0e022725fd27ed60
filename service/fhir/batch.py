"""batch and transaction: https://hl7.org/fhir/R4/http.html#transaction"""

import asyncio
from dataclasses import replace
from uuid import uuid4

import orjson

from mappings.outcome import Issue
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir import searchset
from service.fhir.answer import FHIR_JSON, Answer, refused
from service.fhir.call import Call
from service.fhir.entries import Entry, conditional_references, entries_of, rewrite
from service.fhir.intake import check, parsed
from service.fhir.update import ID, expected
from service.store.unit import Stored, instant
from service.workflows.change import Change, Matched, Requester
from service.workflows.receive import receive

LARGE = 200_000
"""Bodies above this many bytes are parsed beside the event loop, so that nobody waits for them."""
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}
_INTERACTIONS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


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
    done = await _each(call, entries) if kind == "batch" else await _together(call, entries)
    return Answer(200, searchset.bundle(f"{kind}-response", [], done), [FHIR_JSON])


async def _each(call: Call, entries: list[Entry]) -> list[bytes]:
    """Each entry as a request of its own."""
    return [_response(call, await _alone(call, entry), entry) for entry in entries]


async def _alone(call: Call, entry: Entry) -> Answer:
    from service.fhir.routes import find

    headers = {b"content-type": b"application/fhir+json"}
    if entry.if_match:
        headers[b"if-match"] = entry.if_match.encode()
    if entry.if_none_exist:
        headers[b"if-none-exist"] = entry.if_none_exist.encode()
    scope = {"method": entry.method, "query_string": entry.query.encode(), "headers": list(headers.items())}
    inner = Call(call.house, scope, call._receive, entry.parts, call.request_id)
    inner.principal, inner._body = call.principal, entry.body
    interaction = "batch"
    try:
        if not entry.parts:
            raise Refusal(Kind.INVALID, "A Bundle does not stand inside a Bundle request", entry.where)
        route = find(entry.method, entry.parts)
        interaction = route.interaction
        return await route.handler(inner)
    except Refusal as refusal:
        await call.house.audit.refused(inner, interaction, refusal.kind.status)
        return refused(refusal)


def _response(call: Call, answer: Answer, entry: Entry) -> bytes:
    """One entry of the response Bundle."""
    headers = dict(answer.headers)
    response: Json = {"status": str(answer.status)}
    for name, key in ((b"location", "location"), (b"etag", "etag")):
        if name in headers:
            response[key] = headers[name].decode()
    if answer.status >= 400:
        return b'{"response":%b,"outcome":%b}}' % (orjson.dumps(response)[:-1], answer.body)
    body = b'"resource":%b,' % answer.body if answer.body and entry.method != "HEAD" else b""
    return b'{%b"response":%b}' % (body, orjson.dumps(response))


async def _together(call: Call, entries: list[Entry]) -> list[bytes]:
    """All or nothing. A lost race of a conditional create starts again: then the other's resource is there."""
    for _ in range(10):
        try:
            return await _attempt(call, entries)
        except Matched:
            continue
    raise Refusal(Kind.CONFLICT, "Others create the same resources at this moment; try again")


async def _attempt(call: Call, entries: list[Entry]) -> list[bytes]:
    house, identities = call.house, dict[bytes, bytes]()
    standing: dict[int, Stored] = {}
    changes: dict[int, Change] = {}
    for entry in entries:
        if entry.method in _INTERACTIONS:
            change = _change(call, entry)
            matched = await _matched(call, entry, change)
            if matched is not None:
                standing[entry.number] = matched
            else:
                changes[entry.number] = change
            if entry.full_url:
                identities[entry.full_url.lower().encode()] = (matched.ref if matched else change.ref).encode()
    _refuse_duplicates(entries, changes)
    await _fill(call, entries, changes, identities)
    await _readable(call, entries, changes)
    order = sorted(changes, key=lambda number: (_ORDER[entries[number].method], number))
    who = Requester(call.principal, house.gate.bound(call.principal), call.request_id, "transaction")
    stored = {each.ref: each for each in await receive(house, [changes[number] for number in order], who)}
    return [await _done(call, entry, changes.get(entry.number), standing.get(entry.number), stored) for entry in entries]


def _change(call: Call, entry: Entry) -> Change:
    """The entry as a change, with its id given now so that others can refer to it."""
    house, interaction = call.house, _INTERACTIONS[entry.method]
    wanted = 1 if entry.method == "POST" else 2
    if len(entry.parts) != wanted or entry.query:
        raise Refusal(Kind.INVALID, "This url does not fit the method", f"{entry.where}.request.url", code="value")
    kind = entry.parts[0]
    house.gate.authorise(call.principal, interaction, kind)
    id_ = entry.parts[1] if wanted == 2 else str(uuid4())
    house.types.check(kind, interaction, id_)
    if not ID.fullmatch(id_):
        raise Refusal(Kind.INVALID, "The id in the url is not a FHIR id", f"{entry.where}.request.url", code="value")
    version = expected(entry.if_match.encode() if entry.if_match else None)
    return Change(interaction, kind, id_, expected=version, condition=entry.if_none_exist, given_id=wanted == 2)


async def _matched(call: Call, entry: Entry, change: Change) -> Stored | None:
    """The resource that ifNoneExist finds; its urn then means what is there."""
    if change.method != "create" or change.condition is None:
        return None
    reach = call.house.gate.authorise(call.principal, "search-type", change.kind)
    plan = call.house.searcher.condition(change.kind, change.condition, reach.only)
    rows = await call.house.store.fetch(plan.sql, plan.params)
    if len(rows) > 1:
        raise Refusal(Kind.SEVERAL, "More than one resource matches ifNoneExist", f"{entry.where}.request.ifNoneExist")
    return await call.house.store.read(rows[0][0]) if rows else None


def _refuse_duplicates(entries: list[Entry], changes: dict[int, Change]) -> None:
    seen: set[str] = set()
    for number, change in changes.items():
        if change.ref in seen:
            raise Refusal(Kind.INVALID, "Two entries change the same resource", f"{entries[number].where}.request.url", code="duplicate")
        seen.add(change.ref)


async def _fill(call: Call, entries: list[Entry], changes: dict[int, Change], identities: dict[bytes, bytes]) -> None:
    """Rewrite references, then validate every resource that is to be stored."""
    for number, change in changes.items():
        entry = entries[number]
        if change.method == "delete":
            continue
        rewrite(entry, identities)
        assert entry.resource is not None
        await _resolve_conditions(call, entry)
        try:
            check(call.house, change.kind, entry.resource, change.id if change.method == "update" else None)
        except Refusal as refusal:
            raise Refusal(refusal.kind, issues=tuple(_inside(issue, entry) for issue in refusal.issues)) from None
        change.resource, change.body = entry.resource, entry.body
        if number % 50 == 49:
            await asyncio.sleep(0)


def _inside(issue: Issue, entry: Entry) -> Issue:
    """The issue with its expression led through the Bundle."""
    _, _, inner = (issue.expression or "").partition(".")
    return replace(issue, expression=f"{entry.where}.resource" + (f".{inner}" if inner else ""))


async def _readable(call: Call, entries: list[Entry], changes: dict[int, Change]) -> None:
    """Reads and searches that cannot be done refuse the transaction before anything is stored; what it writes itself is there only afterwards."""
    written = {change.ref for change in changes.values()}
    for entry in entries:
        if entry.method in _INTERACTIONS or "/".join(entry.parts[:2]) in written:
            continue
        if (await _alone(call, entry)).status >= 400:
            raise Refusal(Kind.INVALID, "A read or search in this transaction cannot be done", entry.where)


async def _resolve_conditions(call: Call, entry: Entry) -> None:
    """Conditional references: each must find exactly one (http.html, 3.1.0.11.2)."""
    for reference, expression in conditional_references(entry.resource, f"{entry.where}.resource"):
        kind, _, criteria = reference.partition("?")
        call.house.types.check(kind, "search-type")
        reach = call.house.gate.authorise(call.principal, "search-type", kind)
        plan = call.house.searcher.condition(kind, criteria, reach.only)
        rows = await call.house.store.fetch(plan.sql, plan.params)
        if len(rows) != 1:
            raise Refusal(Kind.PRECONDITION, "This conditional reference does not find exactly one resource", expression, code="not-found")
        entry.body = entry.body.replace(orjson.dumps(reference), orjson.dumps(rows[0][0]))
        entry.resource = orjson.loads(entry.body)


async def _done(call: Call, entry: Entry, change: Change | None, standing: Stored | None, stored: dict[str, Stored]) -> bytes:
    """The answer to one entry of a transaction."""
    if change is None and standing is None:
        return _response(call, await _alone(call, entry), entry)
    version = standing or stored.get(change.ref)  # type: ignore[union-attr]
    if entry.method == "DELETE" or version is None:
        return b'{"response":{"status":"204"}}'
    status = b"200" if standing or (change and change.method == "update" and not change.revives) else b"201"
    location = orjson.dumps(f"{call.house.base}/{version.ref}/_history/{version.version}")
    head = b'{"response":{"status":"%b","location":%b,"etag":"W/\\"%d\\"","lastModified":"%b"}' % (status, location, version.version, instant(version.updated))
    return (head + b',"resource":%b}' % version.body) if call.prefer("return") == "representation" else head + b"}"
