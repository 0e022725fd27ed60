"""What stands already, read in one query for all changes of a use case: what they replace, whom and which Medication they refer to."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from service.references import local
from service.store.unit import Stored
from service.workflows.change import Change
from service.workflows.people import subject_of

if TYPE_CHECKING:
    from service.house import House


class Standing:
    """Answers from what was read together; anything else is read when it is asked for."""

    def __init__(self, house: "House", asked: Iterable[str] = (), found: Mapping[str, Stored] | None = None) -> None:
        self._house, self._asked, self._found = house, frozenset(asked), found or {}

    @classmethod
    async def of(cls, house: "House", changes: list[Change], more: Iterable[str] = ()) -> "Standing":
        """What these changes will ask for, and `more`. A single one asks when it comes to it: its reads travel with those of other requests."""
        if len(changes) < 2:
            return cls(house)
        refs = {ref for change in changes for ref in _refs(house, change)} | {ref for ref in more if ref}
        return cls(house, refs, await house.store.read_many(sorted(refs)) if refs else {})

    async def read(self, ref: str) -> Stored | None:
        """The current version under `ref` (it may be a deleted one)."""
        return self._found.get(ref) if ref in self._asked else await self._house.store.read(ref)


def _refs(house: "House", change: Change) -> Iterator[str]:
    if change.method != "create" or change.given_id:
        yield change.ref
    resource = change.resource or {}
    for reference in (subject_of(change.kind, resource)[0], resource.get("medicationReference")):
        if isinstance(reference, dict) and isinstance(reference.get("reference"), str):
            yield local(reference["reference"], house.base)
