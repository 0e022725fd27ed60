"""_include and _revinclude: https://hl7.org/fhir/R4/search.html#include - each resource once, none counted."""

from collections.abc import Sequence

from service.errors import Refusal
from service.fhir.call import Call
from service.search.lookups import param_in, param_of
from service.search.query import Include, Query
from service.store.unit import Stored, stored_row

MAX_INCLUDED, MOST_ROWS = 1000, 5000
_COLUMNS = "r.rid, r.ref, r.version, r.updated, r.deleted, r.person, r.body"


async def included(call: Call, query: Query, matches: Sequence[Stored]) -> list[Stored]:
    """The resources that the includes of a query bring along."""
    if not query.includes or not matches:
        return []
    seen = {stored.ref for stored in matches}
    found: list[Stored] = []
    includes: Sequence[Include] = query.includes
    near = matches
    while near and includes:
        fresh: list[Stored] = []
        for include in includes:
            fresh += await _brought(call, include, near, seen, MAX_INCLUDED - len(found) - len(fresh))
        found += fresh
        includes, near = [include for include in includes if include.iterate], fresh
    return found


async def _brought(call: Call, include: Include, near: Sequence[Stored], seen: set[str], room: int) -> list[Stored]:
    """What one include brings along from these resources, and no other has yet; with :iterate it is asked again of what was brought."""
    found = {stored.ref: stored for stored in await (_pointing if include.reverse else _pointed)(call, include, near)}
    fresh = [stored for ref, stored in found.items() if ref not in seen and not stored.deleted and _granted(call, stored)][:room]
    seen.update(stored.ref for stored in fresh)
    return fresh


def _granted(call: Call, stored: Stored) -> bool:
    kind = stored.ref.split("/")[0]
    try:
        return call.house.gate.authorise(call.principal, "read", kind).covers(stored.person)
    except Refusal:
        return False


def _marks(count: int, first: int) -> str:
    return ", ".join(f"${number}" for number in range(first, first + count))


async def _pointed(call: Call, include: Include, matches: Sequence[Stored]) -> list[Stored]:
    """The targets of a reference parameter of the matches, by ref."""
    numbers, led = _source(call, include)
    targets = f"SELECT DISTINCT i.target FROM idx_reference i WHERE {param_of('i', numbers)} AND i.rid IN ({_marks(len(matches), 1)})"
    sql = f"SELECT {_COLUMNS} FROM ({targets}) t CROSS JOIN resource r WHERE r.ref = t.target"
    rows = [stored_row(row) for row in await call.house.store.fetch(sql, tuple(stored.rid for stored in matches))]
    wanted = [target + "/" for target in (include.target, led) if target]
    return sorted((stored for stored in rows if all(stored.ref.startswith(each) for each in wanted)), key=lambda stored: stored.ref)


async def _pointing(call: Call, include: Include, matches: Sequence[Stored]) -> list[Stored]:
    """The resources whose reference parameter points at a match, by rid."""
    numbers, led = _source(call, include)
    refs = [stored.ref for stored in matches if led is None or stored.ref.startswith(led + "/")]
    targets = f"i.target IN ({_marks(len(refs), 1)})"
    sql = f"SELECT {_COLUMNS} FROM idx_reference i CROSS JOIN resource r WHERE {param_in('i', numbers)} AND {targets} AND r.rid = i.rid LIMIT {MOST_ROWS}"
    rows = await call.house.store.fetch(sql, tuple(refs)) if refs else []
    return sorted((stored_row(row) for row in rows), key=lambda stored: stored.rid)


def _source(call: Call, include: Include) -> tuple[list[int], str | None]:
    """Where the rows of an include's parameter stand, and the type they must lead to."""
    sources = call.house.searcher.sources
    return sources.numbers(include.source, include.name), sources.of(include.source, include.name).target
