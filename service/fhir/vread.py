"""vread: https://hl7.org/fhir/R4/http.html#vread"""

from service.errors import Kind, Refusal
from service.fhir import answer
from service.fhir.answer import Answer
from service.fhir.call import Call
from service.fhir.read import check_read
from service.workflows.people import was_about


async def vread(call: Call) -> Answer:
    """One version, also of a deleted resource; the version that was the deletion itself answers 410."""
    kind, id_, _, version = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "vread", kind)
    house.types.check(kind, "vread")
    if call.shape is not None:
        check_read(call, kind)
    ref = f"{kind}/{id_}"
    current = await house.read(kind, id_)
    if current is None or not reach.covers(current.person) or not version.isdecimal() or len(version) > 9:
        raise Refusal(Kind.NOT_FOUND, "No such version")
    stored = current if current.version == int(version) else await house.versions.one(current, int(version))
    if stored is None or (reach.only is not None and stored is not current and not await was_about(house, stored, reach.only)):
        raise Refusal(Kind.NOT_FOUND, "No such version")
    await house.audit.seen(call, "vread", kind, ref, stored.person)
    if stored.deleted:
        raise Refusal(Kind.GONE, "This version is the deletion of the resource")
    return answer.resource(stored)
