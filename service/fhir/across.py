"""search over several types: [base]?_type=..., Patient/[id]/* (https://hl7.org/fhir/R4/http.html#vsearch, #search); $everything walks the same way.

Types are walked in a fixed order, each in the order of its rows; the cursor names the type and the row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from service.errors import Kind, Refusal
from service.fhir import searchset
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.including import included
from service.fhir.search import compartment_parameters, include_checked, reaching
from service.fhir.shaping import shape_of
from service.search.query import Query, pairs
from service.security.reach import Reach
from service.store.unit import Stored, stored_row


@dataclass(slots=True)
class Walk:
    """Queries on several types, as one. `path` and `used` make the links and bind the cursor."""

    path: str
    used: list[tuple[str, str]]
    queries: list[Query] = field(default_factory=list)
    reaches: list[Reach] = field(default_factory=list)
    ignored: list[Refusal] = field(default_factory=list)

    @property
    def whole(self) -> Query:
        """All of them as the one query that cursors are signed for."""
        first = self.queries[0]
        return Query("", self.path, used=self.used, cursor=first.cursor, count=first.count, total=first.total, only_count=first.only_count)


async def search_system(call: Call) -> Answer:
    """GET [base]?_type=A,B&..."""
    return await _search(call, call.query)


async def search_system_by_post(call: Call) -> Answer:
    """POST [base]/_search"""
    return await _search(call, await call.form_query())


async def _search(call: Call, raw: bytes) -> Answer:
    walk = walk_of(call, raw, call.house.types.searched(), "", lambda kind, query: None)
    body = await page(call, walk)
    await call.house.audit.seen(call, "search-system", "", None, walk.reaches[0].person)
    return Answer(200, body, [FHIR_JSON])


async def search_compartment_whole(call: Call) -> Answer:
    """GET Patient/[id]/*"""
    person = "/".join(call.parts[:2])
    kinds = ["Patient", *(kind for kind in call.house.types.searched() if kind != "Patient" and compartment_parameters(call.house, kind))]
    walk = walk_of(call, call.query, kinds, f"{person}/*", lambda kind, query: confine(call, query, person))
    body = await page(call, walk)
    await call.house.audit.seen(call, "search-system", "Patient", person, walk.reaches[0].person)
    return Answer(200, body, [FHIR_JSON])


def confine(call: Call, query: Query, person: str) -> None:
    """Keep a query to one person's compartment; the Patient is part of it."""
    if query.kind == "Patient":
        query.criteria += call.house.searcher.understand("Patient", f"_id={person.split('/')[1]}".encode()).criteria
    else:
        call.house.searcher.confine(query, person, compartment_parameters(call.house, query.kind))


def walk_of(call: Call, raw: bytes, kinds: Sequence[str], path: str, narrow: Callable[[str, Query], None]) -> Walk:
    """The walk that a query string asks for over those of `kinds` that `_type` names and the requester may search.

    Errors: 400 for parameters that not all of these types have, and for `_sort`; 403 when none may be searched.
    """
    asked = pairs(raw)
    wanted = [name for key, value in asked if key == "_type" for name in value.split(",")]
    if any(name not in kinds for name in wanted):
        raise Refusal(Kind.INVALID, "_type names a type that is not searched here", "_type", code="not-supported")
    if any(key == "_sort" for key, _ in asked):
        raise Refusal(Kind.INVALID, "A search over several types is not sorted", "_sort", code="not-supported")
    walk, lenient = Walk(path, [pair for pair in asked if pair[0] == "_type"]), call.prefer("handling") == "lenient"
    call.shape = shape_of(asked)
    rest = "&".join(f"{quote(key)}={quote(value)}" for key, value in asked if key != "_type").encode()
    for kind in kinds:
        if wanted and kind not in wanted:
            continue
        if not wanted and not call.house.gate.allows(call.principal, "search-type", kind):
            continue
        reach = call.house.gate.authorise(call.principal, "search-type", kind)
        query = call.house.searcher.understand(kind, rest, lenient, partial(reaching, call))
        include_checked(query, call)
        narrow(kind, query)
        walk.queries.append(query)
        walk.reaches.append(reach)
    if not walk.queries:
        call.house.gate.authorise(call.principal, "search-type", kinds[0])
        raise Refusal(Kind.INVALID, "No type is left to be searched", "_type", code="value")
    first = walk.queries[0]
    walk.used += first.used
    walk.ignored = first.ignored
    return walk


Beside = Callable[[Sequence[Stored]], Any]
"""Finds the resources that go with those of a page."""


async def page(call: Call, walk: Walk, beside: Beside | None = None) -> bytes:
    """One page of the walk as a searchset Bundle."""
    house, whole = call.house, walk.whole
    for query in walk.queries:
        await house.searcher.prepare(house.store, query)
    links = [("self", searchset.link(house.base, walk.path, walk.used))]
    if whole.only_count:
        return searchset.bundle("searchset", links, _outcomes(walk), await _total(call, walk))
    matches, following = await _rows(call, walk, whole)
    if following is not None:
        links.append(("next", searchset.link(house.base, walk.path, walk.used, house.searcher.cursors.sign(whole, following))))
    is_complete = following is None and whole.cursor is None
    total = len(matches) if is_complete else await _total(call, walk) if whole.total != "none" else None
    found = [searchset.search_entry(house.base, stored) for stored in matches]
    seen = {stored.ref for stored in matches}
    for stored in [*(await _included(call, walk, matches)), *(await beside(matches) if beside else ())]:
        if stored.ref not in seen:
            seen.add(stored.ref)
            found.append(searchset.search_entry(house.base, stored, b"include"))
    return searchset.bundle("searchset", links, found + _outcomes(walk), total)


async def _rows(call: Call, walk: Walk, whole: Query) -> tuple[list[Stored], list[int] | None]:
    """The resources of a page, and the place at which the next one begins."""
    begin = call.house.searcher.cursors.open(whole, 2) or [0, 0]
    found: dict[str, Stored] = {}
    for at in range(begin[0], len(walk.queries)):
        place: list[Any] | None = [begin[1]] if at == begin[0] and begin[1] else None
        limit = whole.count + 1 - len(found)
        while True:
            statement = call.house.searcher.page(walk.queries[at], walk.reaches[at].only, limit, place)
            assert statement is not None
            rows = [stored_row(row) for row in await call.house.store.fetch(statement.sql, statement.params)]
            for stored in rows:
                if len(found) == whole.count and stored.ref not in found:
                    return list(found.values()), [at, _last(found, walk.queries[at].kind)]
                found.setdefault(stored.ref, stored)
            if len(rows) < limit:
                break
            place = [rows[-1].rid]
    return list(found.values()), None


def _last(found: dict[str, Stored], kind: str) -> int:
    """The rid of the last resource of the type on the page; 0 when there is none of it yet."""
    last = next(reversed(found.values()))
    return last.rid if last.ref.startswith(kind + "/") else 0


async def _total(call: Call, walk: Walk) -> int:
    totals = call.house.totals
    return sum([await totals.of(query, reach.only) for query, reach in zip(walk.queries, walk.reaches, strict=True)])


async def _included(call: Call, walk: Walk, matches: Sequence[Stored]) -> list[Stored]:
    found: list[Stored] = []
    for query in walk.queries:
        mine = [stored for stored in matches if stored.ref.startswith(query.kind + "/")]
        found += await included(call, query, mine) if query.includes and mine else []
    return found


def _outcomes(walk: Walk) -> list[bytes]:
    issues = [issue for refusal in walk.ignored for issue in refusal.issues]
    return [searchset.outcome_entry(issues)] if issues else []
