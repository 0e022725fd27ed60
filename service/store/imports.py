"""What is kept of imports: where each resource came from, and how far an unfinished import is."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from mappings.vocabulary import Json
from service.store.opening import Store

_PAGE = 1000


class Origin(NamedTuple):
    """The source of a resource and the digest of what it sent last."""

    source: str
    digest: bytes


async def origins(store: Store, refs: Sequence[str]) -> dict[str, Origin]:
    """Where these resources came from; those that no import brought are left out."""
    found: dict[str, Origin] = {}
    for start in range(0, len(refs), _PAGE):
        part = refs[start : start + _PAGE]
        marks = ", ".join(f"${number}" for number in range(1, len(part) + 1))
        rows = await store.fetch(f"SELECT ref, source, digest FROM import_source WHERE ref IN ({marks})", part)
        found |= {row[0]: Origin(row[1], bytes(row[2])) for row in rows}
    return found


async def progress(store: Store, source: str) -> Json | None:
    """How far the last import of this source came, None when it was finished."""
    rows = await store.fetch("SELECT body FROM import_progress WHERE source = $1", (source,))
    return orjson.loads(bytes(rows[0][0])) if rows else None


async def finished(store: Store, source: str) -> None:
    """The import of this source is done: the next one begins anew."""
    await store.execute("DELETE FROM import_progress WHERE source = $1 RETURNING source", (source,))


async def is_empty(store: Store) -> bool:
    """Whether no person is known here yet."""
    return not await store.fetch("SELECT 1 FROM person LIMIT 1")
