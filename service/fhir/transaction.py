"""transaction: all entries or none, in one commit (https://hl7.org/fhir/R4/http.html#trules)."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import uuid4

import orjson

from mappings.outcome import Issue
from service.errors import Kind, Refusal
from service.fhir.answer import Answer, outcome_bytes
from service.fhir.call import Call
from service.fhir.create import matching
from service.fhir.delete import MOST
from service.fhir.entries import Entry, conditional_references, identities_of, patch_of, rewrite
from service.fhir.intake import check
from service.fhir.patch import change_of as patched
from service.fhir.single import alone
from service.fhir.update import ID, expected
from service.fhir.update import change_of as conditional_change
from service.store.unit import Expected, Stored, instant, pinned
from service.workflows.change import Change, Requester
from service.workflows.conditions import Target, look_up, until_it_holds
from service.workflows.receive import receive

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 3}
_INTERACTIONS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(slots=True)
class Intent:
    """What an entry is to do: its changes (several only for a conditional delete), or the resource that ifNoneExist found."""

    entry: Entry
    changes: list[Change] = field(default_factory=list)
    standing: Stored | None = None

    @property
    def ref(self) -> str | None:
        """What the entry's fullUrl means here."""
        return self.standing.ref if self.standing else self.changes[0].ref if self.changes else None


async def together(call: Call, entries: list[Entry]) -> list[bytes]:
    """The answers to all entries, in the order of the request. Errors: a Refusal, and nothing is stored."""
    bodies = [entry.body for entry in entries]

    async def once() -> list[bytes]:
        for entry, body in zip(entries, bodies, strict=True):
            entry.body = body
        return await _attempt(call, entries)

    return await until_it_holds(once)


async def _attempt(call: Call, entries: list[Entry]) -> list[bytes]:
    house = call.house
    intents = {entry.number: await _intent(call, entry) for entry in entries if entry.method in _INTERACTIONS}
    _refuse_duplicates(intents)
    identities = identities_of([(entry, intents[entry.number].ref if entry.number in intents else None) for entry in entries])
    for number, intent in intents.items():
        await _fill(call, intent, identities)
        if number % 50 == 49:
            await asyncio.sleep(0)
    answers = await _readable(call, entries, intents)
    order = sorted(intents, key=lambda number: (_ORDER[entries[number].method], number))
    who = Requester(call.principal, house.gate.bound(call.principal), call.request_id, "transaction")
    stored = {each.ref: each for each in await receive(house, [change for number in order for change in intents[number].changes], who)}
    return [await _done(call, entry, intents.get(entry.number), stored, answers) for entry in entries]


async def _intent(call: Call, entry: Entry) -> Intent:
    """The entry as changes, each with its id, so that others can refer to it."""
    house, interaction = call.house, _INTERACTIONS[entry.method]
    kind, by_id = entry.parts[0] if entry.parts else "", len(entry.parts) == 2 and not entry.query
    if not kind or not (by_id or (len(entry.parts) == 1 and bool(entry.query) == (entry.method != "POST"))) or (by_id and entry.method == "POST"):
        raise Refusal(Kind.INVALID, "This url does not fit the method", f"{entry.where}.request.url", code="value")
    house.gate.authorise(call.principal, interaction, kind)
    house.types.check(kind, interaction, entry.parts[1] if by_id else None)
    if by_id and not ID.fullmatch(entry.parts[1]):
        raise Refusal(Kind.INVALID, "The id in the url is not a FHIR id", f"{entry.where}.request.url", code="value")
    version = 0 if entry.if_none_match == "*" else expected(entry.if_match.encode() if entry.if_match else None)
    if by_id:
        return Intent(entry, [Change(interaction, kind, entry.parts[1], expected=version)])
    if entry.method == "POST":
        return await _created(call, entry, kind)
    return await _conditional(call, entry, kind, version)


async def _found(call: Call, entry: Entry, kind: str, criteria: str, limit: int = 2) -> Target:
    reach = call.house.gate.authorise(call.principal, "search-type", kind)
    try:
        target = await look_up(call.house, kind, criteria, reach.only, limit)
        if limit == 2:
            _ = target.one
    except Refusal as refusal:
        raise Refusal(refusal.kind, issues=tuple(replace(issue, expression=f"{entry.where}.request") for issue in refusal.issues)) from None
    return target


async def _created(call: Call, entry: Entry, kind: str) -> Intent:
    change = Change("create", kind, str(uuid4()), given_id=False)
    if entry.if_none_exist is not None:
        target = await _found(call, entry, kind, entry.if_none_exist.lstrip("?"))
        if target.one is not None:
            return Intent(entry, [], await matching(call.house, target.one))
        change.guard = target.guard
    return Intent(entry, [change])


async def _conditional(call: Call, entry: Entry, kind: str, version: Expected) -> Intent:
    """PUT, PATCH and DELETE by criteria."""
    house, interaction = call.house, _INTERACTIONS[entry.method]
    multiple = entry.method == "DELETE" and house.settings.conditional_delete == "multiple"
    target = await _found(call, entry, kind, entry.query, MOST + 1 if multiple else 2)
    if multiple and len(target.refs) > MOST:
        raise Refusal(Kind.SEVERAL, "More resources match the criteria than may be deleted together", f"{entry.where}.request.url")
    if entry.method == "PUT":
        named = orjson.loads(entry.body).get("id") if entry.body else None
        changes = [conditional_change(target, kind, named if isinstance(named, str) else None, version)]
        if not changes[0].id:
            changes[0].id, changes[0].given_id = str(uuid4()), False
    else:
        changes = [Change(interaction, kind, ref.split("/")[1], expected=version) for ref in target.refs]
    if entry.method == "PATCH" and not changes:
        raise Refusal(Kind.NOT_FOUND, "Nothing matches the criteria", f"{entry.where}.request.url")
    for change in changes:
        house.types.check(kind, interaction, change.id)
    if changes:
        changes[0].guard = target.guard
    return Intent(entry, changes)


def _refuse_duplicates(intents: dict[int, Intent]) -> None:
    seen: set[str] = set()
    for intent in intents.values():
        for change in intent.changes:
            wanted = {change.ref, change.guard.lock if change.guard and change.method == "create" else change.ref}
            if wanted & seen:
                raise Refusal(Kind.INVALID, "Two entries change the same resource", f"{intent.entry.where}.request.url", code="duplicate")
            seen |= wanted


async def _fill(call: Call, intent: Intent, identities: dict[bytes, bytes]) -> None:
    """Rewrite references, then validate the resource that is to be stored."""
    entry = intent.entry
    if entry.method == "DELETE" or not intent.changes:
        return
    (change,) = intent.changes
    rewrite(entry, identities)
    try:
        if entry.method == "PATCH":
            await _patch(call, entry, change)
            return
        assert entry.resource is not None
        await _resolve_conditions(call, entry)
        check(call.house, change.kind, entry.resource, change.id if len(entry.parts) == 2 else None)
    except Refusal as refusal:
        raise Refusal(refusal.kind, issues=tuple(_inside(issue, entry) for issue in refusal.issues)) from None
    change.resource, change.body = entry.resource, entry.body


async def _patch(call: Call, entry: Entry, change: Change) -> None:
    """The update that the patch makes of what stands now."""
    house = call.house
    reach = house.gate.authorise(call.principal, "patch", change.kind)
    current = await house.store.read(change.ref)
    if current is None or current.deleted or not reach.covers(current.person):
        raise Refusal(Kind.NOT_FOUND, "There is nothing to patch")
    content_type, document = patch_of(entry)
    made = patched(house, current, document, content_type)
    change.method, change.resource, change.body = "update", made.resource, made.body
    change.expected = pinned(change.expected, current.version)


def _inside(issue: Issue, entry: Entry) -> Issue:
    """The issue with its expression led through the Bundle."""
    if issue.expression and issue.expression.startswith("Bundle."):
        return issue
    _, _, inner = (issue.expression or "").partition(".")
    return replace(issue, expression=f"{entry.where}.resource" + (f".{inner}" if inner else ""))


async def _readable(call: Call, entries: list[Entry], intents: dict[int, Intent]) -> dict[int, Answer]:
    """Reads and searches that cannot be done refuse the transaction before anything is stored; what it writes itself is there only afterwards.
    Where it writes, they are only tried, and done after the writes; where it does not, these are the answers, by number."""
    written = {change.ref for intent in intents.values() for change in intent.changes}
    answers: dict[int, Answer] = {}
    for entry in entries:
        if entry.method in _INTERACTIONS or "/".join(entry.parts[:2]) in written:
            continue
        tried = await alone(call, entry, rehearses=bool(written))
        if tried.status >= 400:
            raise Refusal(Kind.INVALID, "A read or search in this transaction cannot be done", entry.where)
        if not written:
            answers[entry.number] = tried
    return answers


async def _resolve_conditions(call: Call, entry: Entry) -> None:
    """Conditional references: each must find exactly one (http.html, 3.1.0.11.2)."""
    for reference, expression in conditional_references(entry.resource, f"{entry.where}.resource"):
        kind, _, criteria = reference.partition("?")
        call.house.types.check(kind, "search-type")
        reach = call.house.gate.authorise(call.principal, "search-type", kind)
        target = await look_up(call.house, kind, criteria, reach.only)
        if len(target.refs) != 1:
            raise Refusal(Kind.PRECONDITION, "This conditional reference does not find exactly one resource", expression, code="not-found")
        entry.body = entry.body.replace(orjson.dumps(reference), orjson.dumps(target.refs[0]))
        entry.resource = orjson.loads(entry.body)


async def _done(call: Call, entry: Entry, intent: Intent | None, stored: dict[str, Stored], answers: dict[int, Answer]) -> bytes:
    """The answer to one entry."""
    from service.fhir.batch import response

    if intent is None:
        return response(answers.get(entry.number) or await alone(call, entry), entry)
    if intent.standing is not None:  # it is answered, and so it was read
        await call.house.audit.seen(call, "read", entry.parts[0], intent.standing.ref, intent.standing.person)
    change = intent.changes[0] if intent.changes else None
    version = intent.standing or (stored.get(change.ref) if change else None)
    outcome = b',"outcome":%b' % outcome_bytes() if call.prefer("return") == "OperationOutcome" else b""
    if entry.method == "DELETE" or version is None:
        return b'{"response":{"status":"%b"%b}}' % (b"200" if outcome else b"204", outcome)
    is_new = change is not None and (change.method == "create" or change.revives)
    location = orjson.dumps(f"{call.house.base}/{version.ref}/_history/{version.version}")
    head = b'{"response":{"status":"%b","location":%b,"etag":"W/\\"%d\\"","lastModified":"%b"%b}' % (
        b"201" if is_new else b"200", location, version.version, instant(version.updated), outcome
    )  # fmt: skip
    return (head + b',"resource":%b}' % version.body) if call.prefer("return") == "representation" else head + b"}"
