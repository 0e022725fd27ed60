"""Filling the index rows of resources that were stored before a search parameter was defined, while the service runs.

Small batches, each under the locks of its resources: a write that comes in between wins, for it brings rows of its own. It may be ended at
any moment and goes on from there.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from service.bulk.files import CannotRun
from service.store import fillings
from service.store.fillings import Filled, Name
from service.store.numbers import type_number
from service.store.refill import Wanted

if TYPE_CHECKING:
    from service.house import House

_PAGE = "SELECT rid, version, person, body FROM resource WHERE kind = $1 AND rid > $2 AND rid <= $3 AND NOT deleted ORDER BY rid LIMIT 200"


class Task(NamedTuple):
    """A type to go through, from behind a rid; and the parameters that are filled at its end."""

    kind: str
    after: int
    fills: tuple[Name, ...]


async def tasks(house: "House", types: Sequence[str]) -> list[Task]:
    """What is to be done: the types that have unfilled parameters, or those that are named, whether they have or not. Errors: CannotRun."""
    for kind in types:
        if kind not in house.types.names or kind == "AuditEvent":
            raise CannotRun(f"{kind} is not a type that is indexed")
    known = await fillings.every(house.store)
    lacking: dict[str, list[Name]] = {kind: [] for kind in types}
    for name in house.filling.defined:
        if not house.filling.is_filled(name, known.get(name)) and (not types or name[0] in types):
            lacking.setdefault(name[0], []).append(name)
    return [Task(kind, min((_begun(house, name, known.get(name)) for name in names), default=0), tuple(names)) for kind, names in sorted(lacking.items())]


def _begun(house: "House", name: Name, state: Filled | None) -> int:
    return state.position if state is not None and state.definition == house.filling.defined[name] else 0


async def reindex(house: "House", task: Task, seen: Callable[[int], None]) -> dict[str, Any]:
    """Go through one type; answers the report. `seen` is told the number of resources so far."""
    kind, done, changed, after = type_number(task.kind), 0, 0, task.after
    last = (await house.store.fetch("SELECT max(rid) FROM resource WHERE kind = $1", (kind,)))[0][0] or 0
    while rows := await house.store.fetch(_PAGE, (kind, after, last)):
        wanted = {rid: Wanted(version, house.indexer.rows(task.kind, house.parse_stored(bytes(body)), person)) for rid, version, person, body in rows}
        changed += await house.store.refill(kind, wanted)
        after = rows[-1][0]
        await _note(house, task, after, filled=False)
        done += len(rows)
        seen(done)
    await _note(house, task, after, filled=True)
    return {"type": task.kind, "resources": done, "changed": changed, "filled": [name for _, name in task.fills]}


async def _note(house: "House", task: Task, position: int, filled: bool) -> None:
    for name in task.fills:
        await fillings.put(house.store, name, Filled(house.filling.defined[name], position, filled))
