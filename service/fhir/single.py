"""One entry of a Bundle as a request of its own: of a batch, and what a transaction reads."""

from service.errors import Kind, Refusal
from service.fhir.answer import Answer, refused
from service.fhir.call import Call
from service.fhir.entries import Entry, patch_of


async def alone(call: Call, entry: Entry, rehearses: bool = False) -> Answer:
    """The answer to the entry. Its own conditions count, and the Prefer header of the Bundle's request. `rehearses`: nobody gets to see it."""
    from service.fhir.routes import find

    inner = _call(call, entry)
    inner.rehearses = rehearses
    interaction = "batch"
    try:
        if not entry.parts and entry.method not in ("GET", "HEAD"):
            raise Refusal(Kind.INVALID, "A Bundle does not stand inside a Bundle request", entry.where)
        if entry.method == "PATCH":
            content_type, inner._body = patch_of(entry)
            inner.headers[b"content-type"] = content_type.encode()
        route = find(entry.method, entry.parts)
        interaction = route.interaction
        return await route.handler(inner)
    except Refusal as refusal:
        await call.house.audit.refused(inner, interaction, refusal.kind.status)
        return refused(refusal)


def _call(call: Call, entry: Entry) -> Call:
    headers = {b"content-type": b"application/fhir+json"}
    given = {b"if-match": entry.if_match, b"if-none-exist": entry.if_none_exist, b"if-none-match": entry.if_none_match,
             b"if-modified-since": entry.if_modified_since}  # fmt: skip
    headers |= {name: value.encode() for name, value in given.items() if value}
    if b"prefer" in call.headers:
        headers[b"prefer"] = call.headers[b"prefer"]
    scope = {"method": entry.method, "query_string": entry.query.encode(), "headers": list(headers.items())}
    inner = Call(call.house, scope, call._receive, entry.parts, call.request_id)
    inner.principal, inner._body = call.principal, entry.body
    return inner
