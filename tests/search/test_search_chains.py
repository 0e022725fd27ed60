"""Chains and _has (R4 search.html, 3.1.1.4.13 and 3.1.1.4.14): literal tables of query -> who is found."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored

# Ann was seen at the Clinic and pulse 70 measured there; Ben has pulse 90 and no encounter.
CHAINS = [
    ("subject:Patient.family={tag}ann", {"pulse-ann"}),
    ("subject.family={tag}", {"pulse-ann", "pulse-ben"}),
    ("patient.family={tag}ben", {"pulse-ben"}),
    ("patient.family:exact={tag}ann", set()),
    ("patient.identifier=urn:chain|{tag}-1", {"pulse-ann"}),
    ("patient.identifier=urn:chain|{tag}-1,urn:chain|{tag}-2", {"pulse-ann", "pulse-ben"}),
    ("encounter.service-provider.name={tag}clinic", {"pulse-ann"}),
    ("encounter.service-provider:Organization.name={tag}none", set()),
    ("encounter.subject:Patient.birthdate=1990&subject.identifier=urn:chain|{tag}-1", {"pulse-ann"}),
    ("patient.family={tag}&patient.gender:not=male", {"pulse-ann"}),
    ("patient._id={ann}", {"pulse-ann"}),
    ("patient.general-practitioner:missing=true&patient.family={tag}", {"pulse-ann", "pulse-ben"}),
    ("patient._has:Encounter:subject:service-provider.name={tag}clinic", {"pulse-ann"}),
]
REVERSE = [
    ("_has:Observation:patient:code={tag}-pulse", {"ann", "ben"}),
    ("_has:Observation:patient:value-quantity=gt80&family={tag}", {"ben"}),
    ("_has:Encounter:subject:service-provider.name={tag}clinic", {"ann"}),
    ("_has:Encounter:patient:_has:Observation:encounter:code={tag}-pulse", {"ann"}),
    ("_has:Encounter:patient:_has:Observation:encounter:code={tag}-other", set()),
    ("_has:Observation:subject:code={tag}-pulse&_has:Encounter:patient:class=AMB", {"ann"}),
    ("_has:Observation:patient:status:not=final&family={tag}", set()),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(client: httpx.AsyncClient) -> dict[str, str]:
    tag = "x" + uuid4().hex[:12]
    ann = await new_person(client, name=[{"family": f"{tag}Ann", "text": "ann"}], identifier=[{"system": "urn:chain", "value": f"{tag}-1"}])
    ben = await new_person(client, name=[{"family": f"{tag}Ben", "text": "ben"}], gender="male", identifier=[{"system": "urn:chain", "value": f"{tag}-2"}])
    clinic = await stored(client, {"resourceType": "Organization", "name": f"{tag} Clinic".replace(" ", "")})
    visit: dict[str, Any] = {
        "resourceType": "Encounter", "status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": ann}, "serviceProvider": {"reference": f"Organization/{clinic['id']}"},
    }  # fmt: skip
    encounter = await stored(client, visit)
    await stored(client, observation(ann, f"{tag}-pulse", 70, encounter={"reference": f"Encounter/{encounter['id']}"}, note=[{"text": "pulse-ann"}]))
    await stored(client, observation(ben, f"{tag}-pulse", 90, note=[{"text": "pulse-ben"}]))
    return {"tag": tag, "ann": ann.split("/")[1]}


@pytest.mark.parametrize(("query", "names"), CHAINS)
async def test_chains(client: httpx.AsyncClient, seen: dict[str, str], query: str, names: set[str]) -> None:
    matches = await found(client, f"Observation?code={seen['tag']}-pulse&{query.format(**seen)}")
    assert {each["note"][0]["text"] for each in matches} == names


@pytest.mark.parametrize(("query", "names"), REVERSE)
async def test_has(client: httpx.AsyncClient, seen: dict[str, str], query: str, names: set[str]) -> None:
    assert {each["name"][0]["text"] for each in await found(client, f"Patient?{query.format(**seen)}")} == names


async def test_chain_is_in_the_self_link(client: httpx.AsyncClient, seen: dict[str, str]) -> None:
    bundle = (await client.get(f"Observation?patient.family={seen['tag']}ann")).json()
    assert bundle["link"][0]["url"].endswith(f"/Observation?patient.family={seen['tag']}ann")


BAD = ["patient.nothing=1", "code.family=1", "subject:Device.family=1", "patient.=1", "_has:Observation:code:code=1", "_has:Observation:patient=1",
       "_has:Nothing:patient:code=1", "patient.family:below=1", "." + "a.b=1"]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
async def test_chains_that_lead_nowhere(client: httpx.AsyncClient, query: str) -> None:
    """search.html, 3.1.1.3.1: what is not understood is refused, by default, and set aside when the client says lenient."""
    answer = await client.get(f"Observation?{query}")
    assert answer.status_code == 400
    assert issue(answer)["code"] == "not-supported"
    lenient = await client.get(f"Observation?{query}&_count=1", headers={"prefer": "handling=lenient"})
    assert lenient.status_code == 200
    assert lenient.json()["entry"][-1]["search"]["mode"] == "outcome"


async def test_chain_of_a_condition_is_refused(client: httpx.AsyncClient) -> None:
    """A conditional write follows no chain: its criteria are refused, never widened."""
    answer = await client.post("Patient", json={"resourceType": "Patient"}, headers={"if-none-exist": "general-practitioner.name=x"})
    assert answer.status_code == 412
