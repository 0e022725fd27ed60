"""Modifiers (R4 search.html, 3.1.1.4.5): literal tables of query -> whether the resource is found."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored

V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
TEXTS = [
    # :text is a string search in text and display (search.html, 3.1.1.4.5); default string matching: from the start, folded
    ("code:text=Herz", True),
    ("code:text=HERZ", True),
    ("code:text=heart rate", True),
    ("code:text=rate", False),
    ("code:text=heart,other", True),
    ("combo-code:text=heart", True),
    ("combo-code:text=systol", True),
    ("code:text=systol", False),
    ("component-code:text=systol", True),
    ("category:text=vital", True),
    # :not is about all repetitions, and :not=a,b is neither
    ("category:not=vital", False),
    ("category:not=other", True),
    ("category:not=other,survey", False),
    ("category:not=other&category:not=another", True),
    # an element of text only is there
    ("method:missing=false", True),
    ("method:missing=true", False),
    ("device:missing=false", True),
    ("device:missing=true", False),
    ("specimen:missing=true", True),
    # :identifier asks the logical reference (3.1.1.4.12)
    ("device:identifier=urn:dev|7", True),
    ("device:identifier=7", True),
    ("device:identifier=urn:dev|8", False),
    ("device:identifier=|7", False),
]
OF_TYPE = [
    (f"identifier:of-type={V2}|MR|12345", True),
    (f"identifier:of-type={V2}|MR|99999", False),
    (f"identifier:of-type={V2}|SS|12345", False),
    (f"identifier:of-type={V2}|SS|99999", True),
    ("identifier:of-type=urn:other|MR|12345", False),
    (f"identifier:of-type={V2}|SS|1,{V2}|MR|12345", True),
    ("identifier:text=medical", True),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pulse(client: httpx.AsyncClient) -> str:
    person = await new_person(client)
    body = observation(person) | {
        "code": {"text": "Herzfrequenz", "coding": [{"system": "urn:test:codes", "code": "hr", "display": "Heart rate"}]},
        "category": [{"coding": [{"system": "urn:c", "code": "vital", "display": "Vital signs"}]}, {"coding": [{"system": "urn:c", "code": "survey"}]}],
        "method": {"text": "by hand"},
        "device": {"identifier": {"system": "urn:dev", "value": "7"}},
        "component": [{"code": {"text": "Systolic"}, "valueInteger": 1}],
    }
    return str((await stored(client, body))["id"])


@pytest.mark.parametrize(("query", "finds"), TEXTS)
async def test_modifiers(client: httpx.AsyncClient, pulse: str, query: str, finds: bool) -> None:
    assert bool(await found(client, f"Observation?_id={pulse}&{query}")) is finds


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def numbered(client: httpx.AsyncClient) -> str:
    identifiers: list[dict[str, Any]] = [
        {"type": {"coding": [{"system": V2, "code": "MR"}], "text": "Medical record"}, "system": "urn:a", "value": "12345"},
        {"type": {"coding": [{"system": V2, "code": "SS"}]}, "value": "99999"},
    ]
    return (await new_person(client, identifier=identifiers)).split("/")[1]


@pytest.mark.parametrize(("query", "finds"), OF_TYPE)
async def test_of_type(client: httpx.AsyncClient, numbered: str, query: str, finds: bool) -> None:
    """search.html, 3.1.1.4.5 `:of-type`: system|code|value, all three."""
    assert bool(await found(client, f"Patient?_id={numbered}&{query}")) is finds


@pytest.mark.parametrize("query", ["Patient?identifier:of-type=MR|1", "Patient?identifier:of-type=urn:a||1"])
async def test_of_type_needs_three_parts(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(query)
    assert answer.status_code == 400
    assert issue(answer)["code"] == "value"


@pytest.mark.parametrize("query", ["Patient?gender:exact=male", "Patient?family:text=a", "Patient?birthdate:exact=1990", "Patient?gender:identifier=a",
                                   "Observation?value-quantity:not=1", "Observation?code-value-quantity:missing=true"])  # fmt: skip
async def test_modifiers_of_other_types_are_refused(client: httpx.AsyncClient, query: str) -> None:
    """search.html, 3.1.1.4.5: an unknown modifier SHALL be refused."""
    answer = await client.get(query)
    assert answer.status_code == 400
    assert issue(answer)["code"] == "not-supported"


BY_URI = [
    ("url:below=urn:x", False),
    ("url:below=http://a.test/{tag}", True),
    ("url:below=http://a.test/{tag}/one", True),
    ("url:below=http://a.test/{tag}/on", False),
    ("url:above=http://a.test/{tag}/one/two/three", True),
    ("url:above=http://a.test/{tag}/one", False),
    ("url=http://a.test/{tag}/one/two", True),
    ("url=http://a.test/{tag}/one", False),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def published(client: httpx.AsyncClient) -> str:
    tag = uuid4().hex
    await stored(client, {"resourceType": "ValueSet", "status": "draft", "url": f"http://a.test/{tag}/one/two"})
    return tag


@pytest.mark.parametrize(("query", "finds"), BY_URI)
async def test_uris(client: httpx.AsyncClient, published: str, query: str, finds: bool) -> None:
    """search.html, 3.1.1.4.16: whole path segments, and the stored one itself."""
    matches = await found(client, f"ValueSet?{query.format(tag=published)}")
    assert any(published in each["url"] for each in matches) is finds
