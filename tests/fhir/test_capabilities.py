"""What /fhir/metadata states works, and what it does not state is refused: made from the statement itself, type by type."""

import json
import lzma
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest_asyncio

from mappings.r4.index_values import Ref, Text, Token, Uri

EXAMPLES = lzma.decompress((Path(__file__).parent.parent / "r4/examples.ndjson.xz").read_bytes()).splitlines()
VALUES = {"token": "x", "string": "x", "reference": "Patient/x", "date": "2026-01", "number": "1", "quantity": "1", "uri": "urn:x", "composite": "x$1"}
BODIES = {"patch": "[]"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def resources(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The stated types."""
    (rest,) = (await client.get("metadata")).json()["rest"]
    found: list[dict[str, Any]] = rest["resource"]
    return found


async def test_interactions(client: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    """Each that is stated is known to the route of its type, each that is not is refused with 405."""
    for each in resources:
        kind, stated = each["type"], {interaction["code"] for interaction in each["interaction"]}
        one = f"{kind}/{uuid4()}"
        requests = {
            "read": ("GET", one), "vread": ("GET", f"{one}/_history/1"), "update": ("PUT", one), "patch": ("PATCH", one), "delete": ("DELETE", one),
            "history-instance": ("GET", f"{one}/_history"), "history-type": ("GET", f"{kind}/_history"), "create": ("POST", kind), "search-type": ("GET", kind),
        }  # fmt: skip
        for interaction, (method, url) in requests.items():
            headers = {"content-type": "application/json-patch+json"} if interaction == "patch" else {}
            answer = await client.request(method, url, content=BODIES.get(interaction, "{}") if method not in ("GET", "DELETE") else None, headers=headers)
            assert (answer.status_code != 405) == (interaction in stated), (kind, interaction, answer.status_code)
            assert answer.status_code < 500


async def test_search_parameters(client: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    """Each takes a value of its type; one that is not stated is named in a 400."""
    for each in resources:
        if "search-type" not in {interaction["code"] for interaction in each["interaction"]}:
            continue
        for parameter in each["searchParam"]:
            value = VALUES[parameter["type"]]
            if parameter["type"] == "composite":
                value = await _composite(client, each["type"], parameter["name"])
            answer = await client.get(f"{each['type']}?{parameter['name']}={quote(value)}&_count=1")
            assert answer.status_code == 200, (each["type"], parameter, answer.text)
        refused = await client.get(f"{each['type']}?not-a-parameter=x")
        assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["not-a-parameter"])


async def _composite(client: httpx.AsyncClient, kind: str, name: str) -> str:
    """A value whose second part is of the right type."""
    for second in ("1", "2026-01", "x", "Patient/x"):
        if (await client.get(f"{kind}?{name}=x${second}&_count=1")).status_code == 200:
            return f"x${second}"
    raise AssertionError(name)


async def test_includes(client: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    for each in resources:
        if each["type"] == "AuditEvent":
            continue
        for name, stated in (("_include", each.get("searchInclude", [])), ("_revinclude", each.get("searchRevInclude", []))):
            for include in stated:
                answer = await client.get(f"{each['type']}?_id=none&{name}={include}")
                assert answer.status_code == 200, (each["type"], name, include, answer.text)
        assert (await client.get(f"{each['type']}?_include={each['type']}:not-a-parameter")).status_code == 400


async def test_operations(client: httpx.AsyncClient, resources: list[dict[str, Any]]) -> None:
    """Each answers, if only that it wants something else; an operation that is not stated is no address."""
    for each in resources:
        for operation in each["operation"]:
            answers = [await client.request(method, f"{each['type']}{id_}/${operation['name']}", content="{}" if method == "POST" else None)
                       for method in ("GET", "POST") for id_ in ("", f"/{uuid4()}")]  # fmt: skip
            assert any(answer.json()["issue"][0]["code"] != "not-supported" for answer in answers if "issue" in answer.json()), (each["type"], operation)
            assert all(answer.status_code < 500 for answer in answers)
        assert (await client.get(f"{each['type']}/$not-an-operation")).status_code == 404


async def test_what_is_extracted_is_found(client: httpx.AsyncClient, definitions: Any, resources: list[dict[str, Any]]) -> None:
    """An example is found by every value that the extractors (held against FHIRPath in tests/r4) see in it."""
    stated = {each["type"]: {parameter["name"] for parameter in each["searchParam"]} for each in resources}
    asked: dict[tuple[str, str], int] = {}
    for line in EXAMPLES:
        resource = json.loads(line)
        kind, id_ = resource["resourceType"], uuid4().hex
        if kind in ("AuditEvent", "Provenance", "Bundle"):
            continue
        nobody = {key: value for key, value in resource.items() if key not in ("subject", "patient", "for")} | {"id": id_}
        if (await client.put(f"{kind}/{id_}", content=json.dumps(nobody))).status_code not in (200, 201):
            continue
        for value in definitions.extractors[kind].extract(nobody):
            text = _query(value)
            count = asked[kind, value.param] = asked.get((kind, value.param), 0) + 1
            if text is None or value.param not in stated[kind] or count > 4:
                continue
            answer = await client.get(f"{kind}?{value.param}={quote(text)}&_id={id_}")
            assert [each["resource"]["id"] for each in answer.json().get("entry", [])] == [id_], (kind, value, answer.text[:300])
    assert len(asked) > 250


def _escaped(text: str) -> str:
    for mark in "\\,|$":
        text = text.replace(mark, "\\" + mark)
    return text


def _query(value: Any) -> str | None:
    """What a client would ask for to find this value."""
    if isinstance(value, Token) and value.code and len(value.code) < 200:
        return f"{_escaped(value.system)}|{_escaped(value.code)}" if value.system and not value.is_implied else _escaped(value.code)
    if isinstance(value, Text) and value.value.strip(" .,-") and len(value.value) < 200:
        return _escaped(value.value)
    if isinstance(value, Uri):
        return _escaped(value.value)
    if isinstance(value, Ref) and value.reference:
        return _escaped(value.reference)
    return None
