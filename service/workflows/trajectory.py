"""One measure of one person as a whole: every value judged by the earlier ones, with what acted on the level - as storing them judged them."""

from typing import TYPE_CHECKING, Any

from mappings.baseline.prior import Prior
from service.store.unit import Reading
from service.workflows.series import Entry, Series, Told, entry_of
from service.workflows.story import Rows, Story
from service.workflows.treating import Treating

if TYPE_CHECKING:
    from service.house import House

COLUMNS = "person, measure, at, source, received, value, body"
_FIRST = -(1 << 62)


def reading(row: Any) -> Reading:
    """A row of the table `reading`."""
    return Reading(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]))


async def entries_of(house: "House", person: str, measure: str) -> list[Entry]:
    """Every stored value of a measure, in the order of clinical time."""
    sql = f"SELECT {COLUMNS} FROM reading WHERE person = $1 AND measure = $2 ORDER BY at, received, source"
    return [entry_of(reading(row)) for row in await house.store.fetch(sql, (person, measure))]


async def trajectory(house: "House", person: str, rows: Rows, prior: Prior, before: int | None = None, then: Entry | None = None) -> tuple[Series, list[Told]]:
    """(the series, its values judged). `before`: only values earlier than this instant; `then`: a value that is judged after them, and not stored."""
    treating = Treating(house.knowledge, Story(person, rows))
    series = Series(prior.measure, prior, None, treating.timeline(prior.measure), treating.others(prior.measure))
    entries = [entry for entry in await entries_of(house, person, prior.measure) if before is None or entry.at < before]
    series.load([*entries, *([then] if then else [])])
    series.judge_again(_FIRST)
    return series, [told for told in series.settle() if told.judgement is not None]
