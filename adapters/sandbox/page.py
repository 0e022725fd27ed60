"""The page at /: what the sandbox holds and received, for a person's eyes, with a clinician's review of draft plans.

Server-rendered, without script. Every value from outside is escaped; narratives go through narrative.clean.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from functools import cache
from hmac import compare_digest
from html import escape
from importlib.resources import files
from typing import Any, Final

from adapters.sandbox.capabilities import NOTICE
from adapters.sandbox.hospital import Hospital
from adapters.sandbox.interactions import instant
from adapters.sandbox.narrative import clean
from adapters.sandbox.refusal import Json, Refused
from adapters.sandbox.review import DECISIONS

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
}  # fmt: skip
_SHOWN_REQUESTS: Final = 60
_SHOWN_PLANS: Final = 50
_MESSAGES: Final = ("Communication", "DocumentReference", "Task")


def page(hospital: Hospital) -> str:
    """The whole page."""
    said = hospital.storage.setting("said", lambda: "")
    sections = [
        ("plans", "Care plans", _plans(hospital, said)),
        ("flags", "Flags", [_flag(item) for item in _newest(hospital, "Flag")]),
        ("messages", "Messages and documents", [_message(item) for type_ in _MESSAGES for item in _newest(hospital, type_)]),
        ("patients", "Patients", [_patient(item) for item in _newest(hospital, "Patient")]),
        ("faults", "Faults waiting", [_fault(item) for item in hospital.storage.faults()]),
        ("clients", "Registered clients", [_client(item) for item in hospital.storage.clients()]),
        ("requests", f"Requests (newest {_SHOWN_REQUESTS})", _requests(hospital)),
    ]
    links = "".join(f'<a href="#{id_}">{title}</a>' for id_, title, _ in sections)
    body = "".join(_section(id_, title, parts) for id_, title, parts in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>Sandbox EHR</title><link rel="stylesheet" href="/style.css"></head><body><header><h1>Sandbox EHR</h1>'
        f'<p class="notice">{escape(NOTICE)}</p><p>FHIR base <code>{escape(hospital.fhir_base)}</code> · mode <b>{escape(hospital.mode.name)}</b>: '
        f"{escape(hospital.mode.title)}</p><nav>{links}</nav></header><main>{body}</main></body></html>"
    )


@cache
def style() -> str:
    """The style sheet."""
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")


def _section(id_: str, title: str, parts: Iterable[str]) -> str:
    return f'<section id="{id_}"><h2>{escape(title)}</h2>{"".join(parts) or "<p>None.</p>"}</section>'


def _newest(hospital: Hospital, type_: str) -> list[Json]:
    found = hospital.storage.select(type_, [], "ORDER BY v.seq DESC", _SHOWN_PLANS)
    return [json.loads(version.body or "{}") for version in found]


# Resources


def _plans(hospital: Hospital, said: str) -> list[str]:
    last = [f'<p class="said" role="status">Last review: {escape(said)}</p>'] if said else []
    return last + [_plan(hospital, plan) for plan in _newest(hospital, "CarePlan")]


def _plan(hospital: Hospital, plan: Json) -> str:
    title = plan.get("title") or _words(plan.get("category")) or f"CarePlan {plan['id']}"
    facts = f"{_reference(plan, 'subject')} · {plan.get('intent', '')} · version {plan['meta']['versionId']} of {plan['meta']['lastUpdated']}"
    form = _review_form(hospital, plan) if plan.get("status") == "draft" and plan.get("identifier") else ""
    return f"<article><h3>{escape(title)} {_badge(plan)}</h3><p class=facts>{escape(facts)}</p>{_narrative(plan)}{form}</article>"


def _flag(flag: Json) -> str:
    title, about = escape(_words(flag.get("code")) or "Flag"), escape(_reference(flag, "subject"))
    return f"<article><h3>{title} {_badge(flag)}</h3><p class=facts>{about}</p>{_narrative(flag)}</article>"


def _message(item: Json) -> str:
    texts = [part.get("contentString", "") for part in item.get("payload", [])]
    texts += [_attachment(part.get("attachment", {})) for part in item.get("content", [])]
    title = item.get("description") or _words(item.get("type")) or _words(item.get("code")) or _words(item.get("category")) or item["resourceType"]
    body = "".join(f"<pre>{escape(text)}</pre>" for text in texts if text)
    facts = f"{item['resourceType']} · {_reference(item, 'for' if item['resourceType'] == 'Task' else 'subject')} · {item.get('priority', 'routine')}"
    return f"<article><h3>{escape(title)} {_badge(item)}</h3><p class=facts>{escape(facts)}</p>{_narrative(item)}{body}</article>"


def _attachment(attachment: Json) -> str:
    kind = str(attachment.get("contentType", ""))
    if not kind.startswith("text/plain") or "data" not in attachment:
        return f"({kind or 'attachment'}, not shown)"
    try:
        return base64.b64decode(attachment["data"]).decode("utf-8", "replace")
    except binascii.Error:
        return "(unreadable attachment)"


def _patient(patient: Json) -> str:
    names = patient.get("name", [{}])[0]
    shown = names.get("text") or " ".join([*names.get("given", []), names.get("family", "")]).strip() or "no name"
    identifiers = ", ".join(f"{part.get('system', '')}|{part.get('value', '')}" for part in patient.get("identifier", []))
    facts = f"Patient/{patient['id']} · {patient.get('birthDate', '')} · {patient.get('gender', '')} · {identifiers}"
    return f"<article><h3>{escape(shown)}</h3><p class=facts>{escape(facts)}</p></article>"


def _narrative(resource: Json) -> str:
    div = resource.get("text", {}).get("div")
    return f'<div class="narrative">{clean(div)}</div>' if div else ""


def _badge(resource: Json) -> str:
    status = str(resource.get("status", ""))
    known = status if status in ("draft", "active", "revoked", "completed") else "other"
    return f'<span class="badge {known}">{escape(status)}</span>'


def _reference(resource: Json, name: str) -> str:
    return str(resource.get(name, {}).get("reference", ""))


def _words(concepts: Any) -> str:
    """The text of a CodeableConcept or of the first of a list."""
    found = concepts[0] if isinstance(concepts, list) and concepts else concepts
    if not isinstance(found, dict):
        return ""
    coding: Json = next(iter(found.get("coding", [])), {})
    return str(found.get("text") or coding.get("display") or coding.get("code", ""))


# Review


def _review_form(hospital: Hospital, plan: Json) -> str:
    identifier = f"{plan['identifier'][0].get('system', '')}|{plan['identifier'][0].get('value', '')}"
    service = hospital.storage.setting("service", lambda: "")
    choices = "".join(f'<label><input type="radio" name="decision" value="{item}" required> {item}</label>' for item in DECISIONS)
    people = "".join(f"<option>{escape(item['id'])}</option>" for item in _newest(hospital, "Practitioner"))
    return (
        '<details><summary>Review this plan</summary><form method="post" action="/review">'
        f'<input type="hidden" name="token" value="{escape(hospital.form_secret)}"><input type="hidden" name="identifier" value="{escape(identifier)}">'
        f"<fieldset><legend>Decision</legend>{choices}</fieldset>"
        f'<label>Reason <textarea name="reason" rows="2" maxlength="2000"></textarea></label>{_activities(plan)}'
        f"<label>Reviewer <select name=reviewer>{people}</select></label>"
        f'<label>Service <input type="url" name="service" required value="{escape(service)}" placeholder="http://127.0.0.1:8000/fhir"></label>'
        "<button>Send review</button></form></details>"
    )


def _activities(plan: Json) -> str:
    """For modify: which activities stay, and a note."""
    named = enumerate(map(_activity, plan.get("activity", [])))
    boxes = "".join(f'<label><input type="checkbox" name="keep" value="{index}" checked> {escape(name)}</label>' for index, name in named)
    return f'<fieldset><legend>If modified: what stays</legend>{boxes}<label>Note <input name="note" maxlength="2000"></label></fieldset>'


def _activity(activity: Json) -> str:
    detail = activity.get("detail", {})
    return str(detail.get("description") or _words(detail.get("code")) or activity.get("reference", {}).get("display") or "activity")


def form_review(hospital: Hospital, pairs: Sequence[tuple[str, str]]) -> Json:
    """The JSON of review.review from the page's form. Errors: Refused 403 without the token that the page gave."""
    fields = {key: value for key, value in pairs if key != "keep"}
    if not compare_digest(fields.pop("token", "").encode(), hospital.form_secret.encode()):
        raise Refused(403, "forbidden", "The form is not from this page")
    keep = [int(value) for key, value in pairs if key == "keep" and value.isdecimal() and len(value) < 6]
    return {key: value for key, value in fields.items() if value} | {"keep": keep}


# Traffic


def _fault(fault: Json) -> str:
    where = " ".join(filter(None, (fault["method"] or "any method", fault["type"] or "any type")))
    return f"<p><b>{escape(fault['kind'])}</b> for {escape(where)}, {fault['remaining']} more</p>"


def _client(client: Json) -> str:
    return f"<article><h3>{escape(client['client_name'])}</h3><p class=facts>{escape(client['client_id'])} · {escape(client['scope'])}</p></article>"


def _requests(hospital: Hospital) -> list[str]:
    rows = hospital.storage.received(limit=_SHOWN_REQUESTS, newest_first=True)
    lines = "".join(
        f"<tr><td>{row['number']}</td><td>{instant(row['at'])[11:19]}</td><td>{escape(row['method'])}</td><td class=url>{escape(row['url'])}</td>"
        f"<td>{row['status'] or ''}</td><td>{escape(row['outcome'] or 'cut short')}</td></tr>"
        for row in rows
    )
    head = "<tr><th>#</th><th>UTC</th><th>Method</th><th>Address</th><th>Status</th><th>Outcome</th></tr>"
    return [f"<div class=wide><table>{head}{lines}</table></div><p>Bodies: <a href='/sandbox/received'>/sandbox/received</a></p>"] if rows else []
