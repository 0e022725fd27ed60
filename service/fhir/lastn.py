"""Observation/$lastn: https://hl7.org/fhir/R4/operation-observation-lastn.html - from the index tables, without a search engine."""

from functools import partial
from typing import Any
from urllib.parse import quote

import orjson

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir import searchset
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.parameters import asked_of
from service.fhir.search import reaching
from service.store.unit import Stored, stored_row

PAGE, MOST, LONGEST = 1000, 50_000, 1000


async def lastn(call: Call) -> Answer:
    """The newest `max` Observations of each code of one person, newest first, group by group. 400 without patient or subject.

    Codes that share a coding are one group. An Observation that was entered in error is none.
    """
    house = call.house
    reach = house.gate.authorise(call.principal, "search-type", "Observation")
    asked = await asked_of(call, None)
    most = asked.pop("max", "1")
    if not most.isdecimal() or not 1 <= int(most[:9]) <= LONGEST:
        raise Refusal(Kind.INVALID, f"max must be a whole number from 1 to {LONGEST}", "max", code="value")
    if not any(name in asked for name in ("patient", "subject")):
        raise Refusal(Kind.INVALID, "patient or subject is needed", "patient", code="required")
    for name in ("_sort", "_count", "_total", "_cursor", "_include", "_revinclude"):
        if name in asked:
            raise Refusal(Kind.INVALID, "This parameter has no meaning here", name, code="not-supported")
    raw = "&".join(f"{quote(name)}={quote(value)}" for name, value in asked.items())
    groups = _grouped(await every(call, f"{raw}&_sort=-date", reach.only), int(most))
    await house.audit.seen(call, "operation", "Observation", None, reach.person)
    entries = [searchset.search_entry(house.base, stored) for group in groups for stored in group]
    address = f"{house.base}/Observation/$lastn?{raw}&max={most}"
    return Answer(200, searchset.bundle("searchset", [("self", address)], entries, len(entries)), [FHIR_JSON])


async def every(call: Call, raw: str, person: str | None) -> list[Stored]:
    """Every Observation that a query finds, each once in its order, those without a value of its sort key last; `person` bounds it to one
    person's. Errors: 400, 413 past MOST."""
    searcher, found = call.house.searcher, dict[int, Stored]()
    query = searcher.understand("Observation", f"{raw}&_count={PAGE}".encode(), reaching=partial(reaching, call))
    await searcher.prepare(call.house.store, query)
    place: list[Any] | None = None
    for rest in (False, True):
        while (statement := searcher.page(query, person, PAGE, place, rest)) is not None:
            rows = await call.house.store.fetch(statement.sql, statement.params)
            for row in rows:
                found.setdefault(row[0], stored_row(row))
            if len(found) > MOST:
                raise Refusal(Kind.TOO_LARGE, "Too many Observations; narrow them by code or date", code="too-costly")
            if len(rows) < PAGE:
                break
            place = searcher.place(query, rows[-1])
    return list(found.values())


def _grouped(observations: list[Stored], most: int) -> list[list[Stored]]:
    """The newest of each group; groups in the order of their newest."""
    group_of: dict[str, int] = {}
    groups: dict[int, list[Stored]] = {}
    for number, stored in enumerate(observations):
        resource: Json = orjson.loads(stored.body)
        if resource.get("status") == "entered-in-error":
            continue
        keys = _keys(resource.get("code", {}))
        own = sorted({group_of[key] for key in keys if key in group_of}) or [number]
        for other in own[1:]:
            groups[own[0]] = sorted([*groups[own[0]], *groups.pop(other)], key=observations.index)
            group_of |= {key: own[0] for key, group in group_of.items() if group == other}
        group_of |= dict.fromkeys(keys, own[0])
        groups.setdefault(own[0], []).append(stored)
    return [group[:most] for _, group in sorted(groups.items())]


def _keys(code: Json) -> list[str]:
    """What makes two codes the same: a shared coding; without codings the text."""
    codings = [f"{coding.get('system', '')}|{coding.get('code', '')}" for coding in code.get("coding", ()) if coding.get("code")]
    return codings or [f"text {code.get('text', '')}"]
