"""update, also as create and conditional: https://hl7.org/fhir/R4/http.html#update, #cond-update"""

import re

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.intake import intake
from service.store.unit import ANY, STANDS, Expected
from service.workflows.change import Change, Requester
from service.workflows.conditions import Target, look_up, until_it_holds
from service.workflows.receive import receive

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TAG = re.compile(rb'\s*(?:W/)?"(\d{1,9})"\s*')


async def update(call: Call) -> Answer:
    """200 with the new version, 201 where nothing stood; 412 for a stale If-Match or where If-None-Match: * finds something, 400 for a malformed one."""
    kind, id_ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "update", kind)
    house.types.check(kind, "update", id_)
    if not ID.fullmatch(id_):
        raise Refusal(Kind.INVALID, "The id in the address is not a FHIR id", code="value")
    body = await call.fhir_body()
    resource = intake(house, kind, body, id_)
    change = Change("update", kind, id_, resource, body, expected=wanted(call))
    (stored,) = await receive(house, [change], Requester.of(call, reach))
    return answer.written(stored, 201 if change.revives else 200, house.base, call.prefer("return"))


async def conditional_update(call: Call) -> Answer:
    """PUT [type]?criteria: nothing matches: created (under the id that the body names, where it does); one: updated; several: 412."""
    kind = call.parts[0]
    house = call.house
    reach = house.gate.authorise(call.principal, "update", kind)
    house.gate.authorise(call.principal, "search-type", kind)
    house.types.check(kind, "update")
    criteria = call.criteria()
    body = await call.fhir_body()
    resource = intake(house, kind, body)

    async def once() -> Answer:
        target = await look_up(house, kind, criteria, reach.person)
        change = change_of(target, kind, resource.get("id"), wanted(call))
        house.types.check(kind, "update", change.id or None)
        change.resource, change.body, change.guard = resource, body, target.guard
        (stored,) = await receive(house, [change], Requester.of(call, reach, "update"))
        is_new = change.method == "create" or change.revives
        return answer.written(stored, 201 if is_new else 200, house.base, call.prefer("return"))

    return await until_it_holds(once)


def change_of(target: Target, kind: str, named: str | None, version: Expected) -> Change:
    """What a conditional update does; `named`: the id in the body, `version`: what If-Match asks for. Errors: 400, 412."""
    if target.one is not None:
        id_ = target.one.split("/")[1]
        if named is not None and named != id_:
            raise Refusal(Kind.INVALID, "The body names another id than the resource that matches has", f"{kind}.id", code="value")
        return Change("update", kind, id_, expected=version)
    if version not in (ANY, 0):
        raise Refusal(Kind.PRECONDITION, "Nothing matches the criteria", "If-Match")
    return Change("update", kind, named, expected=0) if named is not None else Change("create", kind)


def wanted(call: Call) -> Expected:
    """The version that a write replaces: what If-Match names, 0 for If-None-Match: *, else ANY. Errors: 400 when one is malformed."""
    none = call.headers.get(b"if-none-match")
    if none is not None and none.strip() == b"*":
        return 0
    return expected(call.headers.get(b"if-match"))


def expected(header: bytes | None) -> Expected:
    """The version that If-Match names, or several of them (RFC 9110, 13.1.1); STANDS for `*`, ANY without the header. Errors: 400 when it is malformed."""
    if header is None:
        return ANY
    if header.strip() == b"*":
        return STANDS
    tags = [_TAG.fullmatch(each) for each in header.split(b",")]
    versions = frozenset(int(tag[1]) for tag in tags if tag is not None)
    if None in tags:
        raise Refusal(Kind.INVALID, 'If-Match must be * or version tags such as W/"3"', "If-Match", code="value")
    return next(iter(versions)) if len(versions) == 1 else versions
