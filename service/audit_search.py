"""Reading the audit trail as AuditEvents: its own small search over the compact rows."""

from typing import Any

import orjson

from service.errors import Kind, Refusal
from service.fhir.searchset import bundle
from service.references import local
from service.search.query import pairs
from service.search.values import date_range, split_or, split_parts, split_prefix
from service.store.unit import Audit

PARAMETERS = {
    "_id": "token", "_lastUpdated": "date", "date": "date", "action": "token", "subtype": "token", "type": "token", "outcome": "token", "entity": "reference",
    "patient": "reference", "agent": "reference", "entity-type": "token",
}  # fmt: skip
"""The R4 parameters of AuditEvent that the trail answers; the others are not offered for this type."""
COLUMNS = "id, at, action, interaction, status, kind, ref, person, client, agent, request, body"
_MOMENT = {"eq": "at >= {l} AND at < {h}", "ne": "NOT (at >= {l} AND at < {h})", "gt": "at >= {h}", "sa": "at >= {h}", "lt": "at < {l}", "eb": "at < {l}",
           "ge": "at >= {l}", "le": "at < {h}", "ap": "at >= {l} AND at < {h}"}  # fmt: skip
_OUTCOME = {"0": "status < 400", "4": "status >= 400 AND status < 500", "8": "status >= 500", "12": "status < 0"}


class AuditQuery:
    """A query over the trail. Errors: 400 naming the parameter."""

    def __init__(self, raw: bytes, person: str | None, base: str) -> None:
        self.values: list[Any] = []
        self.where: list[str] = [f"person = {self._bind(person)}"] if person is not None else []
        self.count, self.newest_first, self.base = 50, True, base
        self.used: list[tuple[str, str]] = []
        for name, value in pairs(raw):
            if name not in ("_format", "_pretty", "_total") and value:
                self._take(name, value)

    def _bind(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def _take(self, name: str, value: str) -> None:
        if name == "_count" and value.isdecimal() and len(value) < 9:
            self.count = min(int(value), 1000)
        elif name == "_sort" and value in ("date", "-date", "_lastUpdated", "-_lastUpdated"):
            self.newest_first = value.startswith("-")
        elif name == "page" and value.isdecimal() and len(value) < 20:
            self.where.append(f"id {'<' if self.newest_first else '>'} {self._bind(int(value))}")
            return
        elif name in PARAMETERS:
            self.where.append("(" + " OR ".join(self._one(name, each) for each in split_or(value)) + ")")
        else:
            raise Refusal(
                Kind.INVALID,
                "This search parameter or value is not known for AuditEvent",
                name if name.isascii() and len(name) < 64 else None,
                code="not-supported",
            )
        self.used.append((name, value))

    def _one(self, name: str, value: str) -> str:
        kind = PARAMETERS[name]
        if kind == "date":
            return self._moment(name, value)
        if name == "outcome":
            return _OUTCOME.get(value, "1 = 0")
        text = split_parts(value)[-1]
        if name == "_id":
            return f"id = {self._bind(int(text))}" if text.isdecimal() and len(text) < 20 else "1 = 0"
        if name in ("entity", "patient"):
            return self._reference(name, text)
        column = {"action": "action", "subtype": "interaction", "agent": "client", "entity-type": "kind"}.get(name)
        if column is None:
            return "1 = 1" if text == "rest" else "1 = 0"
        return f"({column} = {self._bind(text)}" + (f" OR agent = {self._bind(text)})" if name == "agent" else ")")

    def _moment(self, name: str, value: str) -> str:
        prefix, text = split_prefix(value)
        found = date_range(text)
        if found is None:
            raise Refusal(Kind.INVALID, "This is not a date that can be searched for", name, code="value")
        form = _MOMENT[prefix]
        return "(" + form.format(l=self._bind(found[0]) if "{l}" in form else "", h=self._bind(found[1]) if "{h}" in form else "") + ")"

    def _reference(self, name: str, text: str) -> str:
        ref = local(text, self.base)
        if name == "patient" and "/" not in ref:
            ref = f"Patient/{ref}"
        return f"(ref = {self._bind(ref)} OR person = {self._bind(ref)})"

    @property
    def sql(self) -> str:
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {COLUMNS} FROM audit{where} ORDER BY id {'DESC' if self.newest_first else 'ASC'} LIMIT {self.count + 1}"


def audit_row(row: Any) -> Audit:
    """A row of the trail."""
    values = list(row)
    values[11] = None if values[11] is None else bytes(values[11])
    return Audit._make(values)


def searchset(query: AuditQuery, rows: list[Audit], base: str, render: Any) -> bytes:
    """The Bundle of one page."""
    page = rows[: query.count]
    text = "&".join(f"{name}={value}" for name, value in query.used)
    links = [("self", f"{base}/AuditEvent" + (f"?{text}" if text else ""))]
    if len(rows) > query.count and page:
        links.append(("next", f"{base}/AuditEvent?{text}{'&' if text else ''}page={page[-1].id}"))
    entries = [
        b'{"fullUrl":%b,"resource":%b,"search":{"mode":"match"}}' % (orjson.dumps(f"{base}/AuditEvent/{row.id}"), orjson.dumps(render(row))) for row in page
    ]
    return bundle("searchset", links, entries, len(page) if len(rows) <= query.count and "page" not in dict(query.used) else None)
