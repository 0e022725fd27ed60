"""Conditional writes: what the criteria find becomes a guard that holds inside the commit (R4 http.html#ccreate, #cond-update, #3.1.0.7.1)."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from service.errors import Kind, Refusal
from service.store.unit import Guard
from service.workflows.change import Matched

if TYPE_CHECKING:
    from service.house import House

ATTEMPTS = 40
Result = TypeVar("Result")


class Target(NamedTuple):
    """What criteria found, and the guard that they still find just that when it is stored."""

    refs: tuple[str, ...]
    guard: Guard

    @property
    def one(self) -> str | None:
        """The one resource, None when nothing matches. Errors: 412 for several."""
        if len(self.refs) > 1:
            raise Refusal(Kind.SEVERAL, "More than one resource matches the criteria")
        return self.refs[0] if self.refs else None


async def look_up(house: "House", kind: str, criteria: str, person: str | None = None, limit: int = 2) -> Target:
    """What the criteria find, at most `limit`; a patient-bound token (`person`) looks only into its own record.

    Errors: 412 for criteria that are not understood: they are never widened.
    """
    plan = house.searcher.condition(kind, criteria, person, limit)
    refs = tuple(row[0] for row in await house.store.fetch(plan.sql, plan.params))
    return Target(refs, Guard(plan.lock, plan.sql, plan.params, refs))


async def until_it_holds(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do conditional work, and again from the look-up when others were faster. Errors: 409 when they always are."""
    for _ in range(ATTEMPTS):
        try:
            return await work()
        except Matched:
            continue
    raise Refusal(Kind.CONFLICT, "What the criteria find is being changed by others; try again")
