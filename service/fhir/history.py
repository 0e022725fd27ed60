"""history of an instance, a type, the system: https://hl7.org/fhir/R4/http.html#history"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.searchset import bundle, history_entry
from service.search.values import date_range
from service.store.unit import Stored
from service.store.versions import Place, Window
from service.workflows.people import was_about

DEFAULT_COUNT, MAX_COUNT = 50, 1000
_PLACE = re.compile(r"(\d{1,18})-(\d{1,19})-(\d{1,9})")


@dataclass(slots=True)
class _Asked:
    """The parameters as they were understood; `used` for the links."""

    window: Window
    used: list[str] = field(default_factory=list)


async def history(call: Call) -> Answer:
    """A history Bundle of one resource, newest version first, deletions without resource."""
    kind, id_, _ = call.parts
    house = call.house
    reach = house.gate.authorise(call.principal, "history-instance", kind)
    house.types.check(kind, "history-instance")
    ref = f"{kind}/{id_}"
    current = await house.read(kind, id_)
    if current is None or not reach.covers(current.person):
        raise Refusal(Kind.NOT_FOUND, "No such resource")
    asked = _asked(call.query)
    found = await house.versions.of_one(current, asked.window)
    await house.audit.seen(call, "history-instance", kind, ref, current.person)
    is_whole = asked.window.since is None and asked.window.at is None and reach.only is None
    return await _answer(call, ref, asked, found, reach.only, current.version if is_whole else None)


async def history_type(call: Call) -> Answer:
    """The history of all resources of a type, deleted ones included."""
    kind = call.parts[0]
    house = call.house
    reach = house.gate.authorise(call.principal, "history-type", kind)
    house.types.check(kind, "history-type")
    asked = _asked(call.query)
    found = await house.versions.of_types([kind], asked.window, reach.only)
    await house.audit.seen(call, "history-type", kind, None, reach.person)
    return await _answer(call, kind, asked, found, reach.only)


async def history_system(call: Call) -> Answer:
    """The history of everything that the requester may see the history of."""
    house = call.house
    offered = [kind for kind, kept in sorted(house.types.kept.items()) if "history-type" in kept.interactions]
    kinds = [kind for kind in offered if house.gate.allows(call.principal, "history-system", kind)]
    reach = house.gate.authorise(call.principal, "history-system", kinds[0] if kinds else "*")
    asked = _asked(call.query)
    found = await house.versions.of_types(kinds, asked.window, reach.person)
    await house.audit.seen(call, "history-system", "", None, reach.person)
    return await _answer(call, "", asked, found, reach.person)


async def _answer(call: Call, path: str, asked: _Asked, found: list[Stored], only: str | None, total: int | None = None) -> Answer:
    """One page; older versions that spoke of somebody else are not shown to a patient-bound token."""
    count = asked.window.limit - 1
    page = found[:count]
    shown = page if only is None else [each for each in page if await was_about(call.house, each, only)]
    address = f"{call.house.base}/{path}/_history" if path else f"{call.house.base}/_history"
    links = [("self", address + ("?" + "&".join(asked.used) if asked.used else ""))]
    if len(found) > count and page:
        last = page[-1]
        following = [*(each for each in asked.used if not each.startswith("page=")), f"page={last.updated}-{last.rid}-{last.version}"]
        links.append(("next", f"{address}?{'&'.join(following)}"))
    return Answer(200, bundle("history", links, [history_entry(call.house.base, stored) for stored in shown], total), [FHIR_JSON])


def _asked(query: bytes) -> _Asked:
    """_since, _at, _count and our page. Errors: 400 naming the parameter."""
    asked = _Asked(Window(DEFAULT_COUNT + 1))
    for part in query.split(b"&"):
        raw_name, _, raw = part.partition(b"=")
        name, value = raw_name.decode("latin-1"), unquote_plus(raw.decode("latin-1").replace("+", "%2B"), errors="replace")
        if name in ("", "_format", "_pretty", "_elements", "_summary"):
            continue
        take = _TAKE.get(name)
        if take is None:
            raise Refusal(Kind.INVALID, "This parameter is not offered for history", name if name.isalnum() and len(name) < 64 else None, code="not-supported")
        asked.window = take(asked.window, value)
        asked.used.append(f"{name}={quote(value, safe=':-.')}")
    return asked


def _bad(name: str, text: str) -> Refusal:
    return Refusal(Kind.INVALID, f"{name} must be {text}", name, code="value")


def _count(window: Window, value: str) -> Window:
    if not value.isdecimal() or len(value) > 9 or int(value) < 1:
        raise _bad("_count", "a positive whole number")
    return window._replace(limit=min(int(value), MAX_COUNT) + 1)


def _since(window: Window, value: str) -> Window:
    found = date_range(value)
    if found is None:
        raise _bad("_since", "an instant")
    return window._replace(since=found[0])


def _at(window: Window, value: str) -> Window:
    """A date or time of any precision: versions that were current at some time in it (http.html#history)."""
    found = date_range(value)
    if found is None:
        raise _bad("_at", "a date, a time or an instant")
    return window._replace(at=found)


def _page(window: Window, value: str) -> Window:
    match = _PLACE.fullmatch(value)
    if match is None or any(int(each) >= 1 << 63 for each in match.groups()):
        raise _bad("page", "what a next link says")
    return window._replace(after=Place(int(match[1]), int(match[2]), int(match[3])))


_TAKE = {"_count": _count, "_since": _since, "_at": _at, "page": _page}
