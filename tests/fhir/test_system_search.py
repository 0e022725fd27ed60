"""Searches over several types (R4 http.html#vsearch, #search; compartmentdefinition-patient.html), and Patient/$everything
(operation-patient-everything.html)."""

import json
from typing import Any

import httpx
import pytest

from tests.fhir.persons import issue, new_person, observation, stored


async def pages(client: httpx.AsyncClient, url: str) -> list[list[tuple[str, str]]]:
    """(ref, mode) of every entry, page by page."""
    found: list[list[tuple[str, str]]] = []
    following: str | None = url
    while following:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        found.append([("/".join(each["fullUrl"].split("/")[-2:]), each["search"]["mode"]) for each in bundle.get("entry", [])])
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found


async def person_with(client: httpx.AsyncClient) -> dict[str, str]:
    """A person with an encounter at a clinic, two observations and a flag, and somebody else with an observation."""
    who, other = await new_person(client), await new_person(client)
    clinic = await stored(client, {"resourceType": "Organization", "name": "Clinic"})
    visit: dict[str, Any] = {
        "resourceType": "Encounter", "status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": who}, "serviceProvider": {"reference": f"Organization/{clinic['id']}"}, "period": {"start": "2025-03-01", "end": "2025-03-02"},
    }  # fmt: skip
    made = {"who": who, "other": other, "clinic": f"Organization/{clinic['id']}", "visit": f"Encounter/{(await stored(client, visit))['id']}"}
    for name, at in (("early", "2024-01-05"), ("late", "2026-01-05")):
        made[name] = f"Observation/{(await stored(client, observation(who, at=at)))['id']}"
    made["flag"] = "Flag/" + (await stored(client, {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": who}}))["id"]
    await stored(client, observation(other))
    return made


async def test_the_whole_compartment(client: httpx.AsyncClient) -> None:
    made = await person_with(client)
    mine = [made[name] for name in ("who", "visit", "flag", "early", "late")]
    for count in (50, 2, 1):
        found = await pages(client, f"{made['who']}/*?_count={count}")
        assert [ref for page in found for ref, _ in page] == mine
        assert all(len(page) == count for page in found[:-1])
    assert (await client.get(f"{made['who']}/*?_summary=count")).json()["total"] == 5
    assert [ref for page in await pages(client, f"{made['who']}/*?_type=Observation,Flag") for ref, _ in page] == mine[2:]


async def test_a_search_of_several_types(client: httpx.AsyncClient) -> None:
    made = await person_with(client)
    ids = ",".join(made[name].split("/")[1] for name in ("early", "flag", "who"))
    for request in (client.get(f"?_type=Flag,Observation&_id={ids}"), client.post("_search", content=f"_type=Flag,Observation&_id={ids}",
                    headers={"content-type": "application/x-www-form-urlencoded"})):  # fmt: skip
        bundle = (await request).json()
        assert ["/".join(each["fullUrl"].split("/")[-2:]) for each in bundle["entry"]] == [made["flag"], made["early"]]
        assert bundle["total"] == 2
        assert "_type=Flag" in bundle["link"][0]["url"]


ODD = [("_type=Medicine", "_type"), ("_sort=_id", "_sort"), ("value-quantity=1", "value-quantity"), ("_cursor=x", "_cursor")]


@pytest.mark.parametrize(("query", "name"), ODD)
async def test_what_not_all_types_have_is_refused(client: httpx.AsyncClient, query: str, name: str) -> None:
    answer = await client.get(f"?{query}")
    assert (answer.status_code, issue(answer)["expression"]) == (400, [name])


async def test_everything(client: httpx.AsyncClient) -> None:
    made = await person_with(client)
    mine = [(made[name], "match") for name in ("who", "visit", "flag", "early", "late")]
    (whole,) = await pages(client, f"{made['who']}/$everything")
    assert whole == [*mine, (made["clinic"], "include")]
    assert (await client.get(f"{made['who']}/$everything")).json()["total"] == 5
    paged = await pages(client, f"{made['who']}/$everything?_count=2")
    assert [each for page in paged for each in page if each[1] == "match"] == mine
    posted = await client.post(f"{made['who']}/$everything", content=json.dumps({"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueCode": "Observation"}, {"name": "_type", "valueCode": "Flag"}]}))  # fmt: skip
    assert [each["fullUrl"].split("/")[-2] for each in posted.json()["entry"]] == ["Flag", "Observation", "Observation"]


DATED = [("start=2025-06-01", {"who", "late"}), ("end=2024-12-31", {"who", "early"}), ("start=2025-01-01&end=2025-12-31", {"who", "visit"})]


@pytest.mark.parametrize(("query", "names"), DATED)
async def test_dates_of_care(client: httpx.AsyncClient, query: str, names: set[str]) -> None:
    """start, end: "the date range relates to care dates"; a type that has none, like Patient, stays."""
    made = await person_with(client)
    found = {ref for page in await pages(client, f"{made['who']}/$everything?{query}") for ref, mode in page if mode == "match"}
    assert found == {made[name] for name in names}


async def test_since_and_refusals(client: httpx.AsyncClient) -> None:
    made = await person_with(client)
    await client.put(made["flag"], content=json.dumps((await client.get(made["flag"])).json() | {"status": "inactive"}))
    since = (await client.get(made["flag"])).json()["meta"]["lastUpdated"]
    found = [ref for page in await pages(client, f"{made['who']}/$everything?_since={since}") for ref, mode in page if mode == "match"]
    assert found == [made["flag"]]
    assert (await client.get("Patient/nobody/$everything")).status_code == 404
    for query, name in (("start=soon", "start"), ("_since=x", "_since"), ("colour=red", "colour"), ("_type=Medicine", "_type"), ("_count=x", "_count")):
        answer = await client.get(f"{made['who']}/$everything?{query}")
        assert (answer.status_code, issue(answer)["expression"]) == (400, [name])
