"""The Questionnaire that a response answers: one of our scales, or one that somebody stored."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from mappings.outcome import Issue
from mappings.r4 import questionnaire_response as answered
from mappings.scales.questionnaire import questionnaire
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, Json
from service.errors import Refusal
from service.references import local
from service.security.principal import Principal

if TYPE_CHECKING:
    from service.house import House

_SEVERAL, _OTHER_VERSION = "Several Questionnaires have this address", "Only another version of the Questionnaire is known here"
_ESCAPED = str.maketrans({character: "\\" + character for character in "\\,|$"})


async def findings(house: "House", response: Json, principal: Principal) -> list[Issue]:
    """What the Questionnaire says about a response that is valid R4. Without one that is known: a warning that nothing was checked."""
    if "questionnaire" not in response:
        return [answered.not_checked("The response names no Questionnaire: its answers could not be checked.")]
    found = await _found(house, response, principal)
    if isinstance(found, str):
        return [answered.not_checked(f"{found}: the answers could not be checked.")]
    return answered.check(response, found, house.validator.members)


async def _found(house: "House", response: Json, principal: Principal) -> Json | str:
    """The Questionnaire, or why there is none."""
    address = str(response["questionnaire"])
    inside = answered.contained_questionnaire(response)
    if inside is not None:
        return inside
    url, _, version = address.partition("#")[0].partition("|")
    ours = own(house.knowledge.scales, url)
    known = [ours] if ours is not None else await _stored(house, url, principal)
    fitting = [each for each in known if not version or each.get("version") == version]
    if len(fitting) == 1:
        return fitting[0]
    return _SEVERAL if fitting else _OTHER_VERSION if known else "The Questionnaire is not known here"


def own(scales: Mapping[str, Scale], url: str) -> Json | None:
    """The Questionnaire of one of our scales by its canonical address."""
    scale = scales.get(url.removeprefix(f"{CANONICAL}/Questionnaire/")) if url.startswith(CANONICAL) else None
    return None if scale is None else questionnaire(scale)


async def _stored(house: "House", url: str, principal: Principal) -> list[Json]:
    """Those with this `url`, or the one at this address of ours, as far as the requester may read Questionnaires."""
    try:
        house.gate.authorise(principal, "search-type", "Questionnaire")
    except Refusal:
        return []
    refs = [local(url, house.base)]
    if not refs[0].startswith("Questionnaire/"):
        asked = house.searcher.condition("Questionnaire", f"url={quote(url.translate(_ESCAPED), safe='')}", None, 10)
        refs = [row[0] for row in await house.store.fetch(asked.sql, asked.params)]
    stored = await house.store.read_many(refs)
    return [house.parse_stored(each.body) for each in stored.values() if not each.deleted]
