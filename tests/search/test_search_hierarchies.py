"""What is above and below (R4 search.html, modifiers): codes of a stored CodeSystem by subsumption, resources by partOf, versions of canonicals."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored

SYSTEM = "urn:test:tree"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tree(client: httpx.AsyncClient) -> dict[str, str]:
    """mood > depressed > severe; mood > manic; severe is also a risk. One Observation each. A room in a ward in a hospital."""
    tag = "t" + uuid4().hex[:12]
    risk: dict[str, Any] = {"code": "severe", "property": [{"code": "parent", "valueCode": "risk"}]}
    concepts = [{"code": "mood", "concept": [{"code": "depressed", "concept": [risk]}, {"code": "manic"}]}, {"code": "risk"}]
    await stored(client, {"resourceType": "CodeSystem", "url": f"{SYSTEM}:{tag}", "status": "active", "content": "complete", "concept": concepts})
    who = await new_person(client)
    for code in ("mood", "depressed", "severe", "manic", "risk"):
        await stored(client, observation(who) | {"code": {"coding": [{"system": f"{SYSTEM}:{tag}", "code": code}]}, "note": [{"text": code}]})
    hospital = f"Location/{(await stored(client, {'resourceType': 'Location', 'name': 'h'}))['id']}"
    ward = f"Location/{(await stored(client, {'resourceType': 'Location', 'name': 'w', 'partOf': {'reference': hospital}}))['id']}"
    room = f"Location/{(await stored(client, {'resourceType': 'Location', 'name': 'r', 'partOf': {'reference': ward}}))['id']}"
    for name, where in (("hospital", hospital), ("ward", ward), ("room", room)):
        visit: dict[str, Any] = {"resourceType": "Encounter", "status": "finished", "subject": {"reference": who}, "identifier": [{"value": name}]}
        kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        await stored(client, visit | {"class": kind, "location": [{"location": {"reference": where}}]})
    return {"tag": tag, "who": who, "hospital": hospital, "ward": ward, "room": room}


@pytest.mark.parametrize(("query", "names"), [
    ("code:below={s}|mood", {"mood", "depressed", "severe", "manic"}), ("code:below={s}|depressed", {"depressed", "severe"}),
    ("code:below={s}|risk", {"risk", "severe"}), ("code:above={s}|severe", {"severe", "depressed", "mood", "risk"}),
    ("code:above={s}|mood", {"mood"}), ("code:below={s}|manic,{s}|risk", {"manic", "risk", "severe"}), ("code={s}|mood", {"mood"}),
])  # fmt: skip
async def test_codes(client: httpx.AsyncClient, tree: dict[str, str], query: str, names: set[str]) -> None:
    matches = await found(client, "Observation?" + query.replace("{s}", f"{SYSTEM}:{tree['tag']}"))
    assert {each["note"][0]["text"] for each in matches} == names


@pytest.mark.parametrize(("query", "names"), [
    ("location:below={hospital}", {"hospital", "ward", "room"}), ("location:below={ward}", {"ward", "room"}), ("location:below={room}", {"room"}),
    ("location:above={room}", {"hospital", "ward", "room"}), ("location:above={hospital}", {"hospital"}), ("location={ward}", {"ward"}),
])  # fmt: skip
async def test_parts(client: httpx.AsyncClient, tree: dict[str, str], query: str, names: set[str]) -> None:
    matches = await found(client, f"Encounter?subject={tree['who']}&{query.format(**tree)}")
    assert {each["identifier"][0]["value"] for each in matches} == names


@pytest.mark.parametrize("query", ["code:below=urn:unknown|x", "code:below=mood", "code:above=urn:x|", "subject:below=Patient/1"])
async def test_what_cannot_be_told_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"Observation?{query}")
    assert (answer.status_code, issue(answer)["expression"]) == (400, [query.split(":")[0]])


async def test_canonicals(client: httpx.AsyncClient) -> None:
    """references.html#canonical: a reference without version may lead to any version; one with a version to that one."""
    url = f"urn:test:form:{uuid4().hex}"
    for name, canonical in (("any", url), ("one", f"{url}|1.0"), ("two", f"{url}|2.0"), ("other", f"{url}x")):
        await stored(client, {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": canonical, "identifier": {"value": name}})
    for asked, names in ((url, {"any", "one", "two"}), (f"{url}\\|1.0", {"one"}), (f"{url}|2.0", {"two"}), (f"{url}|3", set())):
        matches = await found(client, f"QuestionnaireResponse?questionnaire={asked}")
        assert {each["identifier"]["value"] for each in matches} == names, asked
