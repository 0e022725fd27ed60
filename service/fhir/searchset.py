"""Bundles that answer: searchset, history, batch-response. Stored bytes go in as they are, so decimals keep their text."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import orjson

from mappings.outcome import Issue, operation_outcome
from service.store.unit import Stored, instant


def bundle(kind: str, links: Sequence[tuple[str, str]], entries: Iterable[bytes], total: int | None = None) -> bytes:
    """The bytes of a Bundle of this type."""
    head = b'{"resourceType":"Bundle","type":%b' % orjson.dumps(kind)
    if total is not None:
        head += b',"total":%d' % total
    if links:
        head += b',"link":' + orjson.dumps([{"relation": relation, "url": url} for relation, url in links])
    inner = b",".join(entries)
    return head + (b',"entry":[' + inner + b"]}" if inner else b"}")


def link(base: str, path: str, used: Sequence[tuple[str, str]], cursor: str | None = None) -> str:
    """What was used, so that asking it again finds the same (search.html#conformance); with a cursor the page after it."""
    asked = [*used, *([("_cursor", cursor)] if cursor else [])]
    text = "&".join(f"{quote(name, safe=':-_.')}={quote(value, safe=':-_.,|/$')}" for name, value in asked)
    return (f"{base}/{path}" if path else base) + (f"?{text}" if text else "")


def search_entry(base: str, stored: Stored, mode: bytes = b"match", body: bytes | None = None) -> bytes:
    """One entry of a searchset: a match or an include."""
    url = orjson.dumps(f"{base}/{stored.ref}")
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (url, stored.body if body is None else body, mode)


def outcome_entry(issues: Sequence[Issue]) -> bytes:
    """An entry that says what was ignored (search.html, 3.1.1.3.1)."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % orjson.dumps(operation_outcome(*issues))


def history_entry(base: str, stored: Stored) -> bytes:
    """One version; a deletion has no resource (http.html#history)."""
    kind = stored.ref.split("/", 1)[0]
    method, url = ("POST", kind) if stored.version == 1 else ("DELETE" if stored.deleted else "PUT", stored.ref)
    status = {"POST": "201", "PUT": "200", "DELETE": "204"}[method]
    response = b'{"status":"%b","etag":"W/\\"%d\\"","lastModified":"%b"}' % (status.encode(), stored.version, instant(stored.updated))
    request = orjson.dumps({"method": method, "url": url})
    resource = b"" if stored.deleted else b'"resource":%b,' % stored.body
    return b'{"fullUrl":%b,%b"request":%b,"response":%b}' % (orjson.dumps(f"{base}/{stored.ref}"), resource, request, response)
