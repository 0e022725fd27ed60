"""Questionnaire/$next-question (SDC adaptive.html): one question at a time, whole scales only where their screen leads on."""

from typing import Any

import orjson

from mappings.questionnaires.pairing import listed
from mappings.scales import adaptive
from mappings.scales.recognition import SCORED
from mappings.vocabulary import CANONICAL, Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.fhir.parameters import resource_of
from service.store.clock import now_us
from service.workflows import people
from service.workflows.clinical_time import iso

KIND = "QuestionnaireResponse"
WEEK_US = 7 * 86_400_000_000
MOST = 50
"""How many responses of the week are looked at."""


async def next_question(call: Call) -> Answer:
    """POST with the QuestionnaireResponse so far (or Parameters with `questionnaire-response`). 200 with the same response, the Questionnaire of
    the session contained in it, ending with the next question; `completed` when there is none. What the person answered within the week is
    taken over and not asked. An item without an answer counts as refused. Errors: 400, 422 for a Questionnaire that is not adaptive here."""
    house = call.house
    house.gate.authorise(call.principal, "read", "Questionnaire")
    response = resource_of(house, parsed(await call.fhir_body()), KIND, "questionnaire-response")
    start = adaptive.entry(house.knowledge.follow_up, _scale_of(call, response))
    person = await people.resolve(house, KIND, response)
    if not house.gate.bound(call.principal).covers(person):
        raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
    before = await _week(call, person) if person else []
    await house.audit.seen(call, "operation", "Questionnaire", None, person)
    return Answer(200, orjson.dumps(await _go_on(call, response, start, person, before)), [FHIR_JSON])


def _scale_of(call: Call, response: Json) -> str:
    """The scale that the session is about: of the contained Questionnaire of an earlier call, or of the canonical."""
    canonical = str(response.get("questionnaire", ""))
    if canonical.startswith("#"):
        session = next((each for each in listed(response.get("contained")) if each.get("id") == canonical[1:]), {})
        canonical = str(next(iter(session.get("derivedFrom") or ()), ""))
    url, house = canonical.partition("|")[0], call.house
    for base in (f"{CANONICAL}/Questionnaire/", f"{house.base}/Questionnaire/", "Questionnaire/"):
        name = url.removeprefix(base)
        if name != url and name in house.knowledge.scales:
            return name
    raise Refusal(Kind.UNPROCESSABLE, "This Questionnaire is not adaptive here: name one of the scales", f"{KIND}.questionnaire", code="not-supported")


async def _week(call: Call, person: str) -> list[Json]:
    """What the person answered in the last seven days, newest first; nothing where the grant does not cover reading it."""
    house = call.house
    if not house.gate.allows(call.principal, "search-type", KIND):
        return []
    since = iso(now_us() - WEEK_US)
    query = house.searcher.understand(KIND, f"subject={person}&authored=ge{since}&_sort=-authored&_count={MOST}".encode())
    return [each for each in await house.first(query, person, MOST) if each.get("status") in SCORED]


async def _go_on(call: Call, response: Json, start: str, person: str | None, before: list[Json]) -> Json:
    known, man = call.house.knowledge, await _is_man(call, person)
    items = _flat(response.get("item"))
    links = {str(each.get("linkId")) for each in items}
    while True:
        asked = adaptive.ask(known.scales, known.follow_up, start, {"item": items}, man)
        more = adaptive.earlier(response, links, asked.scales, before)
        if not more:
            break
        items, links = items + more, links | {each["linkId"] for each in more}
    places = {link: place for place, link in enumerate(asked.links)}
    others = [each for each in listed(response.get("contained")) if each.get("id") != "adaptive"]
    made = {key: value for key, value in response.items() if key not in ("item", "contained")}
    made |= {"contained": [*others, adaptive.contained(asked)], "questionnaire": "#adaptive", "status": "in-progress" if asked.next else "completed"}
    if items:
        made["item"] = sorted(items, key=lambda each: places.get(str(each.get("linkId")), len(places)))
    return made | {"authored": made.get("authored") or iso(now_us())}


def _flat(items: Any) -> list[Json]:
    """The questions, groups left out: the session's Questionnaire has none."""
    return [leaf for each in listed(items) for leaf in ([each] if "answer" in each or "item" not in each else _flat(each["item"]))]


async def _is_man(call: Call, person: str | None) -> bool:
    stored = await call.house.store.read(person) if person else None
    return stored is not None and not stored.deleted and call.house.parse_stored(stored.body).get("gender") == "male"
