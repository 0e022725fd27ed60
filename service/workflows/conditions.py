"""Conditional writes: the criteria become a guard that holds inside the commit."""

from typing import TYPE_CHECKING

from service.store.unit import Guard
from service.workflows.change import Matched

if TYPE_CHECKING:
    from service.house import House


async def guard_of(house: "House", kind: str, criteria: str, person: str | None = None) -> Guard:
    """The guard "still nothing matches"; a patient-bound token (`person`) looks only into its own record.

    Errors: Matched when something does already; 412 for criteria that are not understood.
    """
    plan = house.searcher.condition(kind, criteria, person)
    refs = tuple(row[0] for row in await house.store.fetch(plan.sql, plan.params))
    if refs:
        raise Matched(refs)
    return Guard(plan.lock, plan.sql, plan.params, ())
