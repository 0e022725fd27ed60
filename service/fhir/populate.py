"""Questionnaire/$populate (SDC populate.html): a response in progress, filled with what is known already; nothing is stored."""

import asyncio
from typing import Any
from urllib.parse import quote

import orjson

from mappings.outcome import Issue, operation_outcome
from mappings.questionnaires.population import Filling, items, linked
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import check
from service.fhir.parameters import parameters_of, parts_of
from service.fhir.read import standing
from service.search.query import pairs
from service.security.reach import Reach
from service.store.clock import now_us
from service.workflows import people, questionnaires
from service.workflows.clinical_time import iso

KIND = "QuestionnaireResponse"


async def populate(call: Call) -> Answer:
    """POST Questionnaire/$populate or Questionnaire/[id]/$populate with Parameters: `questionnaire`, `questionnaireRef` or `canonical`, `subject`,
    `context` (name, content). 200 with Parameters: `response`, and `issues` for what could not be filled in. Errors: 400, 404, 422 subject."""
    house = call.house
    reach = house.gate.authorise(call.principal, "read", "Questionnaire")
    asked = _named(parts_of(parameters_of(await call.fhir_body())) if call.method == "POST" else []) | _queried(call)
    questionnaire = await _questionnaire(call, asked, reach)
    person = await _person(call, asked.get("subject"))
    patient = await _patient(call, person)
    filling = Filling(_context(asked.get("context"), patient), await _newest(call, questionnaire, person))
    filled = await asyncio.to_thread(items, questionnaire, filling)
    response: Json = {"resourceType": KIND, "status": "in-progress", "authored": iso(now_us()), "subject": {"reference": person}}
    if questionnaire.get("url"):
        response["questionnaire"] = questionnaire["url"] + (f"|{questionnaire['version']}" if questionnaire.get("version") else "")
    if filled:
        response["item"] = filled
    parameters: Json = {"resourceType": "Parameters", "parameter": [{"name": "response", "resource": response}]}
    if filling.notes:
        outcome = operation_outcome(*(Issue("warning", "not-supported", note) for note in filling.notes))
        parameters["parameter"].append({"name": "issues", "resource": outcome})
    await house.audit.seen(call, "operation", "Questionnaire", None, person)
    return Answer(200, orjson.dumps(parameters), [FHIR_JSON])


def _named(parameters: list[Json]) -> dict[str, Any]:
    """Parameters by name: a resource, a reference or a text; `context` as a list of its parts."""
    found: dict[str, Any] = {}
    for each in parameters:
        value = each.get("resource", next((value for key, value in each.items() if key.startswith("value")), None))
        if each["name"] == "context":
            found.setdefault("context", []).append(_named(parts_of(each, "part")))
        elif value is not None:
            found[each["name"]] = value
    return found


def _queried(call: Call) -> dict[str, Any]:
    return {name: {"reference": value} if name == "subject" else value for name, value in pairs(call.query) if name in ("subject", "canonical")}


async def _questionnaire(call: Call, asked: dict[str, Any], reach: Reach) -> Json:
    """The Questionnaire to fill. Errors: 400 without one, 404 for one that is not known here."""
    house = call.house
    if len(call.parts) == 3:
        return house.parse_stored((await standing(call, f"Questionnaire/{call.parts[1]}", reach)).body)
    given = asked.get("questionnaire")
    if isinstance(given, dict) and given.get("resourceType") == "Questionnaire":
        check(house, "Questionnaire", given)
        return given
    named = asked.get("canonical") or asked.get("questionnaireRef") or given
    named = named.get("reference") if isinstance(named, dict) else named
    if not isinstance(named, str):
        raise Refusal(Kind.INVALID, "A Questionnaire is needed: questionnaire, questionnaireRef or canonical", "Parameters.parameter", code="required")
    found = await questionnaires.of_canonical(house, named)
    if found is None:
        raise Refusal(Kind.NOT_FOUND, "This Questionnaire is not known here")
    return found


async def _person(call: Call, subject: Any) -> str:
    """Whom the response is about. Errors: 400, 422, 403."""
    if not isinstance(subject, dict):
        raise Refusal(Kind.INVALID, "A subject is needed", "Parameters.parameter", code="required")
    person = await people.resolve(call.house, KIND, {"subject": subject})
    if person is None or not call.house.gate.bound(call.principal).covers(person):
        raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
    return person


async def _patient(call: Call, person: str) -> Json:
    house = call.house
    reach = house.gate.authorise(call.principal, "read", "Patient")
    return house.parse_stored((await standing(call, person, reach)).body)


def _context(given: Any, patient: Json) -> dict[str, Json]:
    """Variables of the launch context; a context that comes as a resource is used as it is."""
    found: dict[str, Json] = {"patient": patient, "subject": patient}
    for each in given or ():
        name, content = each.get("name"), each.get("content")
        if isinstance(name, str) and isinstance(content, dict) and "resourceType" in content:
            found[name] = content
    return found


async def _newest(call: Call, questionnaire: Json, person: str) -> dict[str, Json]:
    """For each item that is filled from Observations, the newest final one within its period; none where the grant does not cover them."""
    house = call.house
    found: dict[str, Json] = {}
    if not house.gate.allows(call.principal, "search-type", "Observation"):
        return found
    for link, codes, days in linked(questionnaire):
        tokens = ",".join(f"{coding.get('system', '')}|{coding['code']}" for coding in codes if isinstance(coding.get("code"), str))
        since = iso(now_us() - int(days * 86_400_000_000))
        text = f"subject={person}&code={quote(tokens)}&date=ge{quote(since)}&status=final,amended,corrected&_sort=-date&_count=1"
        for newest in await house.first(house.searcher.understand("Observation", text.encode()), person, 1):
            found[link] = newest
    return found
