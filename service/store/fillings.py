"""Which search parameters of a site are filled: whether every resource of the type has its rows, by which definition."""

from collections.abc import Iterable
from typing import NamedTuple

from service.store.opening import Store

Name = tuple[str, str]
"""A resource type and the name of one of its search parameters."""


class Filled(NamedTuple):
    """`definition`: digest of the definition the rows are made by; `position`: the last rid that a reindex has done, until all are."""

    definition: str
    position: int
    filled: bool


async def every(store: Store) -> dict[Name, Filled]:
    """All that is known."""
    rows = await store.fetch("SELECT kind, name, definition, position, filled FROM filled_parameter")
    return {(row[0], row[1]): Filled(row[2], row[3], bool(row[4])) for row in rows}


async def put(store: Store, name: Name, state: Filled) -> None:
    """Set one."""
    await store.execute(
        "INSERT INTO filled_parameter (kind, name, definition, position, filled) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, name) "
        "DO UPDATE SET definition = excluded.definition, position = excluded.position, filled = excluded.filled RETURNING kind",
        (*name, *state),
    )


async def forget(store: Store, names: Iterable[Name]) -> None:
    """What is no longer defined is not kept up by writes either."""
    for name in names:
        await store.execute("DELETE FROM filled_parameter WHERE kind = $1 AND name = $2 RETURNING kind", name)
