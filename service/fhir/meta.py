"""$meta, $meta-add, $meta-delete: https://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add.html, -meta-delete.html"""

from collections.abc import Iterable
from typing import Any

import orjson

from mappings.r4 import exact_json
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import intake
from service.fhir.parameters import parameters_of
from service.fhir.read import standing
from service.store.unit import Stored
from service.workflows.change import Change, Requester
from service.workflows.conditions import ATTEMPTS
from service.workflows.receive import receive

_LISTS = ("profile", "security", "tag")


async def meta(call: Call) -> Answer:
    """The profiles, tags and labels of one resource, of a type, or of everything."""
    if len(call.parts) < 3:
        return await _of_many(call)
    kind, id_ = call.parts[:2]
    reach = call.house.gate.authorise(call.principal, "read", kind)
    stored = await standing(call, f"{kind}/{id_}", reach)
    await call.house.audit.seen(call, "operation", kind, stored.ref, stored.person)
    return _answer(orjson.loads(stored.body).get("meta", {}))


async def _of_many(call: Call) -> Answer:
    """One resource of each tag, label and profile tells how it is written; the index tells which there are."""
    house = call.house
    kinds = [call.parts[0]] if len(call.parts) == 2 else [kind for kind in house.types.searched() if house.gate.allows(call.principal, "search-type", kind)]
    found: dict[str, dict[str, Any]] = {name: {} for name in _LISTS}
    for kind in kinds:
        house.types.check(kind, "search-type")
        if house.gate.authorise(call.principal, "search-type", kind).only is not None:
            raise Refusal(Kind.FORBIDDEN, "This token speaks for one person only")
        for ref in await _telling(call, kind):
            _gather(found, await house.store.read(ref))
    await house.audit.seen(call, "operation", kinds[0] if len(kinds) == 1 else "", None, None)
    return _answer({name: [each for _, each in sorted(values.items())] for name, values in found.items() if values})


async def _telling(call: Call, kind: str) -> list[str]:
    """A ref for each different tag, label and profile of a type."""
    sources = call.house.searcher.sources
    tokens = ", ".join(str(number) for name in ("_tag", "_security") for number in sources.numbers(kind, name))
    uris = ", ".join(str(number) for number in sources.numbers(kind, "_profile"))
    sql = (
        f"SELECT r.ref FROM (SELECT min(i.rid) AS rid FROM idx_token i WHERE i.param IN ({tokens}) GROUP BY i.param, i.code, i.system "
        f"UNION SELECT min(i.rid) FROM idx_uri i WHERE i.param IN ({uris}) GROUP BY i.uri) m CROSS JOIN resource r WHERE r.rid = m.rid"
    )
    return [row[0] for row in await call.house.store.fetch(sql)]


def _gather(found: dict[str, dict[str, Any]], stored: Stored | None) -> None:
    told = orjson.loads(stored.body).get("meta", {}) if stored is not None and not stored.deleted else {}
    for name in _LISTS:
        for each in told.get(name, ()):
            found[name].setdefault(_key(each), each)


def _key(each: Any) -> str:
    """What makes two tags or profiles the same."""
    return each if isinstance(each, str) else f"{each.get('system', '')}|{each.get('code', '')}"


async def meta_add(call: Call) -> Answer:
    """Add tags, labels and profiles: a new version, unless they are all there."""
    return await _changed(call, _added)


async def meta_delete(call: Call) -> Answer:
    """Take tags, labels and profiles away: a new version, unless none is there."""
    return await _changed(call, _removed)


def _added(there: list[Any], given: Iterable[Any]) -> list[Any]:
    keys = {_key(each) for each in there}
    return [*there, *(each for each in given if _key(each) not in keys)]


def _removed(there: list[Any], given: Iterable[Any]) -> list[Any]:
    keys = {_key(each) for each in given}
    return [each for each in there if _key(each) not in keys]


async def _changed(call: Call, change: Any) -> Answer:
    kind, id_ = call.parts[:2]
    house = call.house
    reach = house.gate.authorise(call.principal, "update", kind)
    house.types.check(kind, "update", id_)
    given = _given(await call.fhir_body())
    for _ in range(ATTEMPTS):
        current = await standing(call, f"{kind}/{id_}", reach)
        resource = exact_json.loads(current.body)
        told = resource.get("meta", {})
        wanted = {name: change(told.get(name, []), given.get(name, ())) for name in _LISTS}
        if all(wanted[name] == told.get(name, []) for name in _LISTS):
            return _answer(told)
        resource["meta"] = {key: value for key, value in told.items() if key not in _LISTS} | {name: each for name, each in wanted.items() if each}
        body = exact_json.dumps(resource)
        made = Change("update", kind, id_, intake(house, kind, body, id_), body, expected=current.version)
        try:
            (stored,) = await receive(house, [made], Requester.of(call, reach, "update"))
        except Refusal as refusal:
            if refusal.kind is Kind.PRECONDITION:
                continue
            raise
        return _answer(orjson.loads(stored.body)["meta"])
    raise Refusal(Kind.CONFLICT, "This resource is being changed by others; try again")


def _given(body: bytes) -> Json:
    """The meta of the Parameters. Errors: 400."""
    for each in parameters_of(body).get("parameter", ()):
        if isinstance(each, dict) and each.get("name") == "meta" and isinstance(each.get("valueMeta"), dict):
            found: Json = each["valueMeta"]
            if all(isinstance(found.get(name, []), list) for name in _LISTS):
                return found
    raise Refusal(Kind.INVALID, "The parameter meta (valueMeta) is needed", "Parameters.parameter", code="required")


def _answer(found: Json) -> Answer:
    return Answer(200, orjson.dumps({"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": found}]}), [FHIR_JSON])
