"""_list, compartments, includes that go on (R4 search.html, 3.1.1.4.15 _list, 3.1.1.5.4 includes; compartmentdefinition-patient.html)."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ward(client: httpx.AsyncClient) -> dict[str, str]:
    """Ann with two observations in an encounter at a house that is part of another; the first is on a list; Ben has one."""
    ann, ben = await new_person(client), await new_person(client)
    above = "Organization/" + (await stored(client, {"resourceType": "Organization", "name": "above"}))["id"]
    below = "Organization/" + (await stored(client, {"resourceType": "Organization", "name": "below", "partOf": {"reference": above}}))["id"]
    visit: dict[str, Any] = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": ann},
                             "serviceProvider": {"reference": below}}  # fmt: skip
    encounter = "Encounter/" + (await stored(client, visit))["id"]
    one = "Observation/" + (await stored(client, observation(ann, encounter={"reference": encounter})))["id"]
    two = "Observation/" + (await stored(client, observation(ann, value=80)))["id"]
    await stored(client, observation(ben))
    listed = await stored(
        client, {"resourceType": "List", "status": "current", "mode": "working", "entry": [{"item": {"reference": one}}, {"item": {"reference": ann}}]}
    )
    return {"ann": ann, "ben": ben, "above": above, "below": below, "encounter": encounter, "one": one, "two": two, "list": listed["id"]}


def refs(resources: list[dict[str, Any]]) -> set[str]:
    return {f"{each['resourceType']}/{each['id']}" for each in resources}


async def test_list(client: httpx.AsyncClient, ward: dict[str, str]) -> None:
    assert refs(await found(client, f"Observation?_list={ward['list']}")) == {ward["one"]}
    assert refs(await found(client, f"Patient?_list={ward['list']}")) == {ward["ann"]}
    assert refs(await found(client, "Observation?_list=none")) == set()
    assert (await client.get("Observation?_list=$current-allergies")).status_code == 400


async def test_compartment(client: httpx.AsyncClient, ward: dict[str, str]) -> None:
    assert refs(await found(client, f"{ward['ann']}/Observation")) == {ward["one"], ward["two"]}
    assert refs(await found(client, f"{ward['ann']}/Observation?_count=1")) == {ward["one"], ward["two"]}
    assert refs(await found(client, f"{ward['ann']}/Observation?value-quantity=gt75")) == {ward["two"]}
    assert refs(await found(client, f"{ward['ann']}/Encounter?_sort=-date")) == {ward["encounter"]}
    assert refs(await found(client, f"{ward['ben']}/Encounter")) == set()
    bundle = (await client.get(f"{ward['ann']}/Observation?_count=1")).json()
    assert bundle["link"][0]["url"].endswith(f"/fhir/{ward['ann']}/Observation?_count=1")


async def test_cursor_of_another_compartment(client: httpx.AsyncClient, ward: dict[str, str]) -> None:
    bundle = (await client.get(f"{ward['ann']}/Observation?_count=1")).json()
    moved = bundle["link"][1]["url"].replace(ward["ann"], ward["ben"])
    assert (await client.get(moved)).status_code == 400


async def test_type_outside_the_compartment(client: httpx.AsyncClient, ward: dict[str, str]) -> None:
    answer = await client.get(f"{ward['ann']}/Organization")
    assert answer.status_code == 404
    assert issue(answer)["code"] == "not-supported"


INCLUDES = [
    ("_include=Observation:encounter", {"encounter"}),
    ("_include=Observation:encounter&_include=Encounter:service-provider", None),
    ("_include=Observation:encounter&_include:iterate=Encounter:service-provider", {"encounter", "below"}),
    ("_include=Observation:encounter&_include:iterate=Encounter:service-provider&_include:iterate=Organization:partof", {"encounter", "below", "above"}),
    ("_include=*", {"ann", "encounter"}),
    ("_include=Observation:*", {"ann", "encounter"}),
    ("_include=Observation:patient&_revinclude:iterate=Encounter:subject", {"ann", "encounter"}),
    ("_include:once=Observation:encounter", None),
]


@pytest.mark.parametrize(("query", "names"), INCLUDES)
async def test_includes(client: httpx.AsyncClient, ward: dict[str, str], query: str, names: set[str] | None) -> None:
    """Without :iterate only the matches bring something along; with it, what was brought does too, once each."""
    answer = await client.get(f"Observation?_id={ward['one'].split('/')[1]}&{query}")
    if names is None:
        assert answer.status_code == 400
        return
    included = [f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in answer.json()["entry"] if each["search"]["mode"] == "include"]
    assert sorted(included) == sorted(ward[name] for name in names)
    assert answer.json()["total"] == 1
