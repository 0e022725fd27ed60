"""Every access and every refusal leaves a row: who, what, with which result."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.smart.installation import BASE, DOCTOR, STRANGER, Smart, assertion, bearer, form, issued, observation, speaking_for, transaction, user

Json = dict[str, Any]


async def rows(smart: Smart) -> list[Json]:
    """The whole trail, newest first, once everything that waits is stored."""
    await smart.house.audit.close()
    found = (await smart.send("GET", "AuditEvent?_count=1000&_sort=-date", smart.system)).json()
    return [entry["resource"] for entry in found["entry"]]


async def newer(smart: Smart, than: list[Json]) -> list[tuple[str, str, str]]:
    """(interaction, HTTP status, client) of what was added, oldest first; the looking itself is left out."""
    known = {row["id"] for row in than}
    found = [row for row in reversed(await rows(smart)) if row["id"] not in known]
    told = [(row["subtype"][0]["code"], row["outcomeDesc"], row["agent"][0]["who"]["identifier"]["value"]) for row in found]
    return [row for row in told if row != ("search-type", "200", "full")]


@pytest.mark.parametrize("refused", ["no token", "forged", "unlinked", "scope", "missing", "not the tokens", "bad search"])
async def test_a_refusal_is_audited(smart: Smart, refused: str) -> None:
    person, other = await smart.person(), await smart.person()
    before = await rows(smart)
    method, path, who, body, status, interaction, client = {
        "no token": ("GET", person.ref, {}, None, 401, "read", "unknown"),
        "forged": ("GET", person.ref, bearer(issued("system/*.rs", STRANGER)), None, 401, "read", "unknown"),
        "unlinked": ("GET", person.ref, bearer(issued("patient/*.rs", patient=uuid4().hex)), None, 403, "read", "unknown"),
        "scope": ("DELETE", person.ref, bearer(issued("system/*.rs")), None, 403, "delete", "app"),
        "missing": ("GET", other.ref, speaking_for(person), None, 404, "read", "app"),
        "not the tokens": ("POST", "Observation", speaking_for(person), observation(other.ref), 403, "create", "app"),
        "bad search": ("GET", "Patient?nothing=1", bearer(issued("system/*.rs")), None, 400, "search-type", "app"),
    }[refused]  # fmt: skip
    assert (await smart.send(method, path, who, body)).status_code == status
    assert await newer(smart, before) == [(interaction, str(status), client)]


async def test_token_requests_are_audited(smart: Smart) -> None:
    before = await rows(smart)
    used = assertion("full")
    for fields in (form(used, "system/*.rs"), form(used, "system/*.rs"), form(assertion("nobody")), form(assertion("reader"), "system/*.c"), {}):
        await smart.ask(fields)
    assert await newer(smart, before) == [("token", "200", "full"), ("token", "401", "unknown"), ("token", "401", "unknown"), ("token", "400", "unknown"),
                                          ("token", "400", "unknown")]  # fmt: skip


async def test_entries_of_a_batch_are_audited(smart: Smart) -> None:
    person = await smart.person()
    before = await rows(smart)
    bundle = transaction(("GET", person.ref, None), ("DELETE", person.ref, None), ("GET", "Observation/none", None), kind="batch")
    assert (await smart.send("POST", "", bearer(issued("system/*.rs")), bundle)).status_code == 200
    assert await newer(smart, before) == [("read", "200", "app"), ("delete", "403", "app"), ("read", "404", "app")]


async def test_a_refused_transaction_is_audited(smart: Smart) -> None:
    person = await smart.person()
    before = await rows(smart)
    bundle = transaction(("POST", "Observation", observation(person.ref)))
    assert (await smart.send("POST", "", bearer(issued("system/*.rs")), bundle)).status_code == 403
    assert await newer(smart, before) == [("transaction", "403", "app")]


async def test_reading_the_trail_is_audited(smart: Smart) -> None:
    before = await rows(smart)
    assert (await smart.send("GET", "AuditEvent?_count=1", bearer(issued("system/AuditEvent.rs")))).status_code == 200
    assert await newer(smart, before) == [("search-type", "200", "app")]


async def test_who_signed_in_is_named_and_no_token_is_kept(smart: Smart) -> None:
    person = await smart.person()
    who = user()
    assert (await smart.send("GET", person.ref, who)).status_code == 200
    found = await rows(smart)
    mine = next(row for row in found if row["subtype"][0]["code"] == "read" and {"reference": person.ref} in [each.get("what") for each in row["entity"]])
    assert mine["agent"][0]["who"] == {"identifier": {"value": "app"}, "display": DOCTOR}
    assert not any(piece in str(found) for piece in who["authorization"].split()[1].split("."))


async def test_a_trail_under_load_keeps_every_row(smart: Smart) -> None:
    person = await smart.person()
    before = await rows(smart)
    refused, asked = bearer(issued("system/Flag.rs")), bearer(issued("system/Patient.r"))
    answers = await asyncio.gather(*(smart.send("GET", f"{BASE}/{person.ref}", refused if number % 2 else asked) for number in range(60)))
    assert sorted(answer.status_code for answer in answers) == [200] * 30 + [403] * 30
    found = await newer(smart, before)
    assert sorted(found) == [("read", "200", "app")] * 30 + [("read", "403", "app")] * 30
