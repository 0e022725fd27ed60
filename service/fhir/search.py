"""search of a type: https://hl7.org/fhir/R4/http.html#search"""

from functools import cache, partial
from typing import Any

from service.definitions import read_definition
from service.errors import Kind, Refusal
from service.fhir import searchset
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.including import included
from service.fhir.shaping import Shape, check_elements, shape_of
from service.house import House
from service.search.query import Include, Query, pairs
from service.security.reach import Reach
from service.store.unit import stored_row


async def search(call: Call) -> Answer:
    """GET [type]?..."""
    return await _search(call, call.query)


async def search_by_post(call: Call) -> Answer:
    """POST [type]/_search"""
    return await _search(call, await call.form_query())


async def search_compartment(call: Call) -> Answer:
    """GET Patient/[id]/[type]?... (http.html#vsearch; compartmentdefinition-patient.html)"""
    return await _search(call, call.query)


@cache
def _compartment() -> dict[str, list[str]]:
    found: dict[str, list[str]] = read_definition("compartments.json")["compartments"]["Patient"]
    return found


def compartment_parameters(house: House, kind: str) -> tuple[str, ...]:
    """The parameters that bind a type to the Patient compartment; none for a type outside it."""
    return tuple(name for name in _compartment().get(kind, ()) if name in house.types.parameters(kind))


def _confine(call: Call, query: Query) -> None:
    names = compartment_parameters(call.house, query.kind)
    if not names:
        raise Refusal(Kind.NOT_FOUND, "This type is not part of the Patient compartment", code="not-supported")
    call.house.searcher.confine(query, "/".join(call.parts[:2]), names)


async def _search(call: Call, raw: bytes) -> Answer:
    confined = len(call.parts) == 3
    kind, house = call.parts[2 if confined else 0], call.house
    reach = house.gate.authorise(call.principal, "search-type", kind)
    house.types.check(kind, "search-type")
    if kind == "AuditEvent" and confined:
        raise Refusal(Kind.NOT_FOUND, "AuditEvents are searched by themselves", code="not-supported")
    if kind == "AuditEvent":
        events = await house.audit.search(raw, reach.person, house.base)
        await house.audit.seen(call, "search-type", kind, None, reach.person)
        return Answer(200, events, [FHIR_JSON])
    query = house.searcher.understand(kind, raw, call.prefer("handling") == "lenient", partial(reaching, call))
    call.shape = _shape(call, query, raw)
    if confined:
        _confine(call, query)
    include_checked(query, call)
    await house.searcher.prepare(house.store, query)
    body = await found(call, query, reach)
    await house.audit.seen(call, "search-type", kind, None, reach.person)
    return Answer(200, body, [FHIR_JSON])


def _shape(call: Call, query: Query, raw: bytes) -> Shape | None:
    """What part of the matches is answered. Errors: 400; with handling=lenient a name that is no element is set aside."""
    shape = shape_of(pairs(raw))
    if shape is not None and shape.summary == "text" and query.includes:
        raise Refusal(Kind.INVALID, "_include and _revinclude do not go with _summary=text (search.html#summary)", "_summary", code="value")
    try:
        check_elements(call.house, shape, query.kind)
    except Refusal as refusal:
        if call.prefer("handling") != "lenient":
            raise
        query.ignored.append(refusal)
    return shape


def reaching(call: Call, kind: str) -> str | None:
    """The one person whose resources of this type a chain or _has may look at, None for all. Errors: 403."""
    if kind == "AuditEvent":
        raise Refusal(Kind.INVALID, "AuditEvents are searched by themselves", code="not-supported")
    reach = call.house.gate.authorise(call.principal, "search-type", kind)
    call.house.types.check(kind, "search-type")
    return reach.only


def include_checked(query: Query, call: Call) -> None:
    """Includes reach other types: each must be granted as well. `*` stands for every reference parameter of its type."""
    query.includes = [each for include in query.includes for each in _spread(include, call)]
    for include in query.includes:
        if include.source not in call.house.types.names or include.name not in call.house.types.parameters(include.source):
            name = "_revinclude" if include.reverse else "_include"
            raise Refusal(Kind.INVALID, "The include names no reference parameter of a type kept here", name, code="not-supported")
        if not include.reverse and not include.iterate and include.source != query.kind:
            raise Refusal(Kind.INVALID, "An _include starts at the searched type", "_include", code="value")
        if include.reverse:
            call.house.gate.authorise(call.principal, "search-type", include.source)


def _spread(include: Include, call: Call) -> list[Include]:
    if include.name != "*" or include.source not in call.house.types.names:
        return [include]
    known = call.house.types.parameters(include.source).values()
    return [include._replace(name=each.name) for each in known if each.type == "reference"]


async def found(call: Call, query: Query, reach: Reach) -> bytes:
    """The searchset Bundle of a query."""
    house = call.house
    person = reach.only
    links = [("self", searchset.link(house.base, query.path, query.used))]
    if query.only_count:
        return searchset.bundle("searchset", links, _ignored(query), await house.totals.of(query, person))
    rows = await _page(call, query, person)
    page = [stored_row(row) for row in rows[: query.count]]
    if len(rows) > query.count:
        following = house.searcher.cursors.sign(query, house.searcher.place(query, rows[query.count - 1]))
        links.append(("next", searchset.link(house.base, query.path, query.used, following)))
    complete = len(rows) <= query.count and query.cursor is None
    total = len(page) if complete else await house.totals.of(query, person) if query.total != "none" else None
    entries = [searchset.search_entry(house.base, stored) for stored in page]
    entries += [searchset.search_entry(house.base, stored, b"include") for stored in await included(call, query, page)]
    return searchset.bundle("searchset", links, entries + _ignored(query), total)


async def _page(call: Call, query: Query, person: str | None) -> list[Any]:
    """The rows of a page and one more. A statement may find a resource by several of its index rows: these stand side by side."""
    searcher, limit = call.house.searcher, query.count + 1
    found: dict[int, Any] = {}
    place = searcher.cursors.open(query)
    for rest in (False, True):
        while len(found) < limit and (statement := searcher.page(query, person, limit, place, rest)) is not None:
            rows = await call.house.store.fetch(statement.sql, statement.params)
            for row in rows:
                found.setdefault(row[0], row)
            if len(rows) < limit:
                if statement.is_whole:
                    return list(found.values())
                break
            place = searcher.place(query, rows[-1])
    return list(found.values())[:limit]


def _ignored(query: Query) -> list[bytes]:
    issues = [issue for refusal in query.ignored for issue in refusal.issues]
    return [searchset.outcome_entry(issues)] if issues else []
