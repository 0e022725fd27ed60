"""The Questionnaire that a response answers: contained in it, here by reference, or here by canonical."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mappings.questionnaires.pairing import listed
from mappings.scales.recognition import names_ours
from mappings.vocabulary import CANONICAL, Json
from service.references import local

if TYPE_CHECKING:
    from service.house import House


async def of_canonical(house: "House", canonical: str) -> Json | None:
    """The Questionnaire of a canonical, of its version where it names one; or by a reference to ours."""
    url, _, version = canonical.partition("|")
    ref = local(url, house.base)
    if ref.startswith("Questionnaire/"):
        stored = await house.store.read(ref)
        return house.parse_stored(stored.body) if stored is not None and not stored.deleted else None
    query = house.searcher.understand("Questionnaire", b"_count=20")
    query.criteria.append(house.searcher.equal("Questionnaire", "url", url))
    return next((each for each in await house.first(query, None, 20) if not version or each.get("version") == version), None)


async def foreign(house: "House", response: Json, beside: Sequence[Json] = ()) -> Json | None:
    """The Questionnaire of a response that is none of our scales', whose items and marks are needed to understand it.
    `beside`: Questionnaires that come with it."""
    canonical = response.get("questionnaire")
    if not isinstance(canonical, str) or (names_ours(response) and _scale_id(canonical) in house.knowledge.scales):
        return None
    if canonical.startswith("#"):
        return next((each for each in listed(response.get("contained")) if each.get("id") == canonical[1:]), None)
    url, _, version = canonical.partition("|")
    here = [each for each in beside if each.get("url") == url and (not version or each.get("version") == version)]
    return here[0] if here else await of_canonical(house, canonical)


def _scale_id(canonical: str) -> str:
    return canonical.removeprefix(f"{CANONICAL}/Questionnaire/").partition("|")[0]
