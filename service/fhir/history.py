"""history of an instance: https://hl7.org/fhir/R4/http.html#history"""

from urllib.parse import parse_qsl

from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.searchset import bundle, history_entry
from service.workflows.people import was_about


async def history(call: Call) -> Answer:
    """A history Bundle, newest version first; `_count` bounds a page and `page` (a version) continues it."""
    kind, id_, _ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "history-instance", kind)
    ref = f"{kind}/{id_}"
    current = await house.read(kind, id_)
    if current is None or not reach.covers(current.person):
        raise Refusal(Kind.NOT_FOUND, "No such resource")
    count, below = _window(call.query)
    versions = await house.versions.down_from(current, below, count + 1)
    await house.audit.seen(call, "history-instance", kind, ref, current.person)
    page = versions[:count]
    shown = page if reach.only is None else [each for each in page if each is current or await was_about(house, each, reach.only)]
    links = [("self", f"{house.base}/{ref}/_history")]
    if len(versions) > count:
        links.append(("next", f"{house.base}/{ref}/_history?_count={count}&page={page[-1].version}"))
    entries = [history_entry(house.base, stored) for stored in shown]
    return Answer(200, bundle("history", links, entries, current.version if reach.only is None else None), [FHIR_JSON])


def _window(query: bytes) -> tuple[int, int]:
    """(_count, the version below which the page begins). Errors: 400 naming the parameter."""
    count, below = 50, (1 << 31) - 1
    for name, value in parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True):
        if name in ("_count", "page"):
            if not value.isdecimal() or len(value) > 9 or int(value) < 1:
                raise Refusal(Kind.INVALID, f"{name} must be a positive whole number", name, code="value")
            if name == "_count":
                count = min(int(value), 1000)
            else:
                below = int(value)
        elif name not in ("_format", "_pretty"):
            raise Refusal(Kind.INVALID, "This parameter is not offered for history", name if name.isascii() and len(name) < 64 else None, code="not-supported")
    return count, below
