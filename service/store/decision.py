"""Which units of a group may be stored: the version checks, done once for both databases."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.store.unit import ANY, STANDS, Expected, Stale, StaleStory, Unit, Write


class Standing(NamedTuple):
    """What stands under a ref when the group is decided."""

    rid: int
    version: int
    deleted: bool


class Found(NamedTuple):
    """What the locking read saw. Changed in place as the group's units are decided, so that a later one sees the earlier."""

    resources: dict[str, Standing]
    persons: dict[str, int]


def refs_to_lock(units: Sequence[Unit]) -> list[str]:
    """The refs that may already stand, sorted: every process locks in the same order."""
    return sorted({write.ref for unit in units for write in unit.writes if not write.fresh})


def persons_to_lock(units: Sequence[Unit]) -> list[str]:
    return sorted({person for unit in units for person in unit.persons})


def decide(unit: Unit, found: Found, now: int, mint: Callable[[], int]) -> Stale | None:
    """Check every version the unit read; when all hold, give its writes their rid, version and time.

    Errors: the Stale to tell its owner, with `found` untouched.
    """
    stale = _first_stale(unit, found)
    if stale is not None:
        return stale
    for person, version in unit.persons.items():
        found.persons[person] = version + 1
    for person in unit.new_persons:
        found.persons[person] = 1
    for write in unit.writes:
        _assign(write, found.resources.get(write.ref), now, mint)
        found.resources[write.ref] = Standing(write.rid, write.version, write.deleted)
    return None


def _first_stale(unit: Unit, found: Found) -> Stale | None:
    for write in unit.writes:
        standing = found.resources.get(write.ref)
        if write.fresh or write.expected == ANY:
            continue
        version = 0 if standing is None or (standing.deleted and write.expected in (0, STANDS)) else standing.version
        if not _is_expected(version, write.expected):
            return Stale(write.ref, version)
    for person, version in unit.persons.items():
        if found.persons.get(person, 0) != version:
            return StaleStory(person, found.persons.get(person, 0))
    return None


def _is_expected(version: int, expected: Expected) -> bool:
    if isinstance(expected, frozenset):
        return version in expected
    return version > 0 if expected == STANDS else version == expected


def _assign(write: Write, standing: Standing | None, now: int, mint: Callable[[], int]) -> None:
    write.rid = standing.rid if standing else mint()
    write.version = standing.version + 1 if standing else 1
    write.updated = now
    write.was_live = standing is not None and not standing.deleted
