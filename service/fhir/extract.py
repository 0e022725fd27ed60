"""QuestionnaireResponse/$extract (SDC: OperationDefinition/QuestionnaireResponse-extract): what storing the response would create; nothing is stored."""

from uuid import uuid4

import orjson

from mappings.r4.references import led
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.fhir.parameters import resource_of, resources_in
from service.fhir.read import standing
from service.house import House
from service.workflows.change import Change, Requester
from service.workflows.receive import foresee

KIND = "QuestionnaireResponse"


async def extract(call: Call) -> Answer:
    """POST QuestionnaireResponse/$extract with the response, or Parameters with `questionnaire-response` (and `questionnaire`);
    GET or POST of a stored one. 200 with a transaction Bundle, empty where nothing would follow. Errors: as those of a create."""
    house, stored_ref = call.house, f"{KIND}/{call.parts[1]}" if len(call.parts) == 3 else None
    reach = house.gate.authorise(call.principal, "read" if stored_ref else "create", KIND)
    seen = house.gate.authorise(call.principal, "read", "Observation")
    if stored_ref is not None:
        response, questionnaire = house.parse_stored((await standing(call, stored_ref, reach)).body), None
    else:
        body = parsed(await call.fhir_body())
        response, questionnaire = resource_of(house, body, KIND, "questionnaire-response", "resource"), _questionnaire(body)
    told = response["id"] if isinstance(response.get("id"), str) and await _stands(house, response["id"]) else None
    change = Change("create", KIND, resource={key: value for key, value in response.items() if key != "id"}, related=questionnaire)
    person, made = None, list[Json]()
    for telling in await foresee(house, [change], Requester.of(call, reach, "operation")):
        person = telling.story.person
        made += [_labelled(resource, security) for resource, security in telling.derived.values()]
    if not seen.covers(person):
        raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
    if told is None and made:
        made.insert(0, {**response, "id": change.id})
    await house.audit.seen(call, "operation", KIND, stored_ref, person)
    bundle = await _bundle(house, made, {change.ref: f"{KIND}/{told}"} if told else {})
    return Answer(200, orjson.dumps(bundle), [FHIR_JSON])


def _questionnaire(body: Json) -> Json | None:
    """The Questionnaire sent with the response. Errors: 400."""
    found = resources_in(body).get("questionnaire")
    if found is not None and (not isinstance(found, dict) or found.get("resourceType") != "Questionnaire"):
        raise Refusal(Kind.INVALID, "The questionnaire must be a Questionnaire", "Parameters.parameter", code="value")
    return found


async def _stands(house: House, id_: str) -> bool:
    stored = await house.store.read(f"{KIND}/{id_}")
    return stored is not None and not stored.deleted


def _labelled(resource: Json, security: list[Json]) -> Json:
    return resource | {"meta": {**resource.get("meta", {}), "security": security}} if security else resource


async def _bundle(house: House, resources: list[Json], told: dict[str, str]) -> Json:
    """New ones are POSTed under urns that the others refer to; what stands already (an open Flag, a draft that is revised) is PUT.
    `told`: where references to the response lead, where it stands already."""
    refs = [f"{each['resourceType']}/{each['id']}" for each in resources]
    there = {ref for ref, stored in (await house.store.read_many(refs)).items() if not stored.deleted} if refs else set[str]()
    urns = {ref: f"urn:uuid:{_uuid(ref.split('/')[1])}" for ref in refs if ref not in there}
    bundle: Json = {"resourceType": "Bundle", "type": "transaction"}
    if resources:
        bundle["entry"] = [_entry(house, led(resource, urns | told), urns.get(ref)) for ref, resource in zip(refs, resources, strict=True)]
    return bundle


def _uuid(id_: str) -> str:
    """Ids of our making are UUIDs; a client's may be anything."""
    return id_ if len(id_) == 36 and id_.count("-") == 4 else str(uuid4())


def _entry(house: House, resource: Json, urn: str | None) -> Json:
    kind, ref = resource["resourceType"], f"{resource['resourceType']}/{resource['id']}"
    if urn is not None:
        bare = {key: value for key, value in resource.items() if key != "id"}
        return {"fullUrl": urn, "resource": bare, "request": {"method": "POST", "url": kind}}
    return {"fullUrl": f"{house.base}/{ref}", "resource": resource, "request": {"method": "PUT", "url": ref}}
