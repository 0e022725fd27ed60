"""Where a walk in the order of dates begins and ends, when the query also bounds the same dates."""

from collections.abc import Iterator

from mappings.r4.dates import BEGINNING, END
from service.search.paging import SortKey
from service.search.predicates import Binder, dated
from service.search.query import Query

_CLOSED = f"high < {END} AND low > {BEGINNING}"


def bounded(query: Query, key: SortKey, a: str, bind: Binder) -> Iterator[str]:
    """Conditions on rows `a` of the key's index, each a stretch of it, which together hold every row the query's own bound allows."""
    if key.type != "date" or len(key.numbers) > 1:
        yield ""
        return
    for criterion in query.criteria:
        if criterion.name == key.name and criterion.modifier is None and not criterion.hops and len(criterion.values) == 1:
            prefix, low, high = dated(criterion.name, criterion.values[0])
            found = _stretches(key, prefix, low, high, a, bind)
            if found is not None:
                yield from found
                return
    yield ""


def _stretches(key: SortKey, prefix: str, low: int, high: int, a: str, bind: Binder) -> list[str] | None:
    """A range of dates reaches into what is asked from before it (ascending) or after it (descending); how far is known from the widest."""
    number = key.numbers[0]
    widest = f"(SELECT COALESCE(max(w.high - w.low), 0) FROM idx_date w WHERE w.param = {number} AND w.high < {END} AND w.low > {BEGINNING})"
    if not key.descending and prefix in ("ge", "gt", "sa", "eq"):
        edge = bind(low)
        if prefix in ("sa", "eq"):
            return [f"{a}.low >= {edge}" + (f" AND {a}.low < {bind(high)}" if prefix == "eq" else "")]
        return [
            f"{a}.low >= {edge}",
            f"{a}.low < {edge} AND {a}.low >= {edge} - {widest} AND {a}.high < {END}",
            f"{a}.high = {END} AND {a}.low < {edge}",
            f"{a}.low = {BEGINNING} AND {a}.high < {END} AND {edge} - {widest} > {BEGINNING}",
        ]
    if key.descending and prefix in ("le", "lt", "eb", "eq"):
        edge = bind(high)
        if prefix in ("eb", "eq"):
            return [f"{a}.high <= {edge}"]
        return [
            f"{a}.high <= {edge}",
            f"{a}.high > {edge} AND {a}.high <= {edge} + {widest} AND {a}.low > {BEGINNING}",
            f"{a}.high = {END} AND {edge} + {widest} < {END}",
            f"{a}.low = {BEGINNING} AND {a}.high > {edge} AND {a}.high < {END}",
        ]
    return None
