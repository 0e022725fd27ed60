"""_include and _revinclude: https://hl7.org/fhir/R4/search.html#include - each resource once, none counted."""

from collections.abc import Sequence

from service.errors import Refusal
from service.fhir.call import Call
from service.search.query import Include, Query
from service.store.numbers import param_number
from service.store.unit import Stored

MAX_INCLUDED = 1000


async def included(call: Call, query: Query, matches: Sequence[Stored]) -> list[Stored]:
    """The resources that the includes of a query bring along."""
    if not query.includes or not matches:
        return []
    seen = {stored.ref for stored in matches}
    found: list[Stored] = []
    for include in query.includes:
        refs = await (_pointing if include.reverse else _pointed)(call, include, matches)
        wanted = [ref for ref in dict.fromkeys(refs) if ref not in seen][: MAX_INCLUDED - len(found)]
        seen.update(wanted)
        stored = await call.house.store.read_many(wanted) if wanted else {}
        found += [stored[ref] for ref in wanted if ref in stored and not stored[ref].deleted and _granted(call, stored[ref])]
    return found


def _granted(call: Call, stored: Stored) -> bool:
    kind = stored.ref.split("/")[0]
    try:
        return call.house.gate.authorise(call.principal, "read", kind).covers(stored.person)
    except Refusal:
        return False


def _marks(count: int, first: int) -> str:
    return ", ".join(f"${number}" for number in range(first, first + count))


async def _pointed(call: Call, include: Include, matches: Sequence[Stored]) -> list[str]:
    """The targets of a reference parameter of the matches."""
    sql = f"SELECT DISTINCT i.target FROM idx_reference i WHERE i.param = $1 AND i.rid IN ({_marks(len(matches), 2)}) ORDER BY 1"
    rows = await call.house.store.fetch(sql, (param_number(include.source, include.name), *(stored.rid for stored in matches)))
    return [row[0] for row in rows if include.target is None or row[0].startswith(include.target + "/")]


async def _pointing(call: Call, include: Include, matches: Sequence[Stored]) -> list[str]:
    """The resources whose reference parameter points at a match."""
    sql = f"SELECT r.ref FROM idx_reference i JOIN resource r ON r.rid = i.rid WHERE i.param = $1 AND i.target IN ({_marks(len(matches), 2)}) ORDER BY r.rid"
    rows = await call.house.store.fetch(sql, (param_number(include.source, include.name), *(stored.ref for stored in matches)))
    return [row[0] for row in rows]
