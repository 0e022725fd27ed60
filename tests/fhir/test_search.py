"""Search (R4 search.html): literal tables of stored values x query -> who is found, from the specification's own sentences."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored

# birth date -> name of the person; the table of search.html, 3.1.1.4.7 (dates are ranges on both sides)
BIRTHS = {"whole-year": "1990", "june": "1990-06", "fifteenth": "1990-06-15", "later": "1991-01-01"}
BY_DATE = [
    ("1990", {"whole-year", "june", "fifteenth"}),
    ("1990-06", {"june", "fifteenth"}),
    ("1990-06-15", {"fifteenth"}),
    ("ne1990-06-15", {"whole-year", "june", "later"}),
    ("gt1990-06-15", {"whole-year", "june", "later"}),
    ("lt1990-06-15", {"whole-year", "june"}),
    ("ge1990-06-15", {"whole-year", "june", "fifteenth", "later"}),
    ("le1990-06-15", {"whole-year", "june", "fifteenth"}),
    ("sa1990-06-15", {"later"}),
    ("sa1990", {"later"}),
    ("eb1991", {"whole-year", "june", "fifteenth"}),
    ("1990-06-15,1991-01-01", {"fifteenth", "later"}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def born(client: httpx.AsyncClient) -> str:
    tag = str(uuid4())
    for name, date in BIRTHS.items():
        await new_person(client, birthDate=date, name=[{"text": name}], meta={"tag": [{"system": "urn:t", "code": tag}]})
    return tag


@pytest.mark.parametrize(("query", "names"), BY_DATE)
async def test_dates(client: httpx.AsyncClient, born: str, query: str, names: set[str]) -> None:
    assert {each["name"][0]["text"] for each in await found(client, f"Patient?_tag=urn:t|{born}&birthdate={query}")} == names


VALUES = {"5.4": 5.4, "5.40": 5.4, "5.36": 5.36, "5.45": 5.45, "6": 6}
BY_QUANTITY = [
    # implicit precision of the search text: 5.4 is [5.35, 5.45), 5.40 is [5.395, 5.405) (search.html, 3.1.1.4.2)
    ("5.4", {"5.4", "5.40", "5.36"}),
    ("5.40", {"5.4", "5.40"}),
    ("gt5.4", {"5.45", "6"}),
    ("ge5.4", {"5.4", "5.40", "5.45", "6"}),
    ("lt5.4", {"5.36"}),
    ("5.4||kg", {"5.4", "5.40", "5.36"}),
    ("5.4|http://unitsofmeasure.org|kg", {"5.4", "5.40", "5.36"}),
    ("5.4||g", set()),
    ("ap6", {"6", "5.4", "5.40", "5.45"}),
    ("ne5.4", {"5.45", "6"}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def weighed(client: httpx.AsyncClient) -> str:
    person = await new_person(client)
    for name, value in VALUES.items():
        await stored(client, observation(person, "1234-5", value, "kg", note=[{"text": name}]))
    return person.split("/")[1]


@pytest.mark.parametrize(("query", "names"), BY_QUANTITY)
async def test_quantities(client: httpx.AsyncClient, weighed: str, query: str, names: set[str]) -> None:
    assert {each["note"][0]["text"] for each in await found(client, f"Observation?patient={weighed}&value-quantity={query}")} == names


BY_STRING = [
    ("family=mull", True),
    ("family=MÜLL", True),
    ("family=uller", False),
    ("family:contains=uller", True),
    ("family:exact=Müller", True),
    ("family:exact=müller", False),
    ("family=m%25", False),
    ("family=m_ller", False),
    ("given=anna maria", True),
    ("name=obrien", True),
    ("name=O'Brien", True),
    ("given=Maria", False),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def named(client: httpx.AsyncClient) -> str:
    return (await new_person(client, name=[{"family": "Müller", "given": ["Anna Maria"]}, {"family": "O'Brien"}])).split("/")[1]


@pytest.mark.parametrize(("query", "finds"), BY_STRING)
async def test_strings(client: httpx.AsyncClient, named: str, query: str, finds: bool) -> None:
    """search.html, 3.1.1.4.8: case, accents and punctuation are folded; % and _ are ordinary characters."""
    assert bool(await found(client, f"Patient?_id={named}&{query}")) is finds


BY_TOKEN = [
    ("identifier=a|1", True),
    ("identifier=1", True),
    ("identifier=a|", True),
    ("identifier=|1", False),
    ("identifier=b|1", False),
    ("identifier=|2", True),
    ("identifier=a|1,b|9", True),
    ("identifier=a|1&identifier=2", True),
    ("identifier=a|1&identifier=9", False),
    ("gender=female", True),
    ("gender=http://hl7.org/fhir/administrative-gender|female", True),
    ("gender:not=male", True),
    ("gender:not=female,male", False),
    ("deceased=false", True),
    ("active:missing=true", True),
    ("active:missing=false", False),
    ("identifier=c|x\\,y", True),
    ("identifier=c|x,y", False),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def identified(client: httpx.AsyncClient) -> str:
    return (await new_person(client, identifier=[{"system": "a", "value": "1"}, {"value": "2"}, {"system": "c", "value": "x,y"}])).split("/")[1]


@pytest.mark.parametrize(("query", "finds"), BY_TOKEN)
async def test_tokens(client: httpx.AsyncClient, identified: str, query: str, finds: bool) -> None:
    assert bool(await found(client, f"Patient?_id={identified}&{query}")) is finds


async def test_references(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    id_ = person.split("/")[1]
    made = await stored(client, observation(person))
    for query in (f"subject={person}", f"subject={id_}", f"patient={id_}", f"subject:Patient={id_}", f"subject=http://setpoint.test/fhir/{person}"):
        assert [each["id"] for each in await found(client, f"Observation?{query}")] == [made["id"]], query
    assert not await found(client, f"Observation?subject:Group={id_}")


async def test_uris(client: httpx.AsyncClient) -> None:
    matches = await found(client, "Questionnaire?url=https://setpoint.example/fhir/Questionnaire/phq-9")
    assert [each["id"] for each in matches] == ["phq-9"]
    assert len(await found(client, "Questionnaire?url:below=https://setpoint.example/fhir/Questionnaire")) >= 3


async def test_sort_both_ways_and_missing_last(client: httpx.AsyncClient, born: str) -> None:
    unborn = await new_person(client, name=[{"text": "unborn"}], birthDate="1980", meta={"tag": [{"system": "urn:t", "code": born + "s"}]})
    await new_person(client, name=[{"text": "late"}], birthDate="2000", meta={"tag": [{"system": "urn:t", "code": born + "s"}]})
    body: dict[str, Any] = {"resourceType": "Patient", "name": [{"text": "none"}], "meta": {"tag": [{"system": "urn:t", "code": born + "s"}]}}
    await stored(client, body)
    up = [each["name"][0]["text"] for each in await found(client, f"Patient?_tag=urn:t|{born}s&_sort=birthdate")]
    down = [each["name"][0]["text"] for each in await found(client, f"Patient?_tag=urn:t|{born}s&_sort=-birthdate&_count=1")]
    assert up == ["unborn", "late", "none"]
    assert down == ["late", "unborn", "none"]
    assert unborn


async def test_pages_are_complete_while_others_write_and_delete(client: httpx.AsyncClient) -> None:
    """Keyset paging: rows already seen may be deleted, new ones may come; what stands all the while is seen exactly once."""
    person = await new_person(client)
    made = [await stored(client, observation(person, value=number)) for number in range(12)]
    first = (await client.get(f"Observation?patient={person.split('/')[1]}&_count=5")).json()
    seen = [entry["resource"]["id"] for entry in first["entry"]]
    await client.delete(f"Observation/{seen[0]}")
    await stored(client, observation(person, value=99))
    link = next(each["url"] for each in first["link"] if each["relation"] == "next")
    seen += [each["id"] for each in await found(client, link)]
    assert len(seen) == len(set(seen))
    assert {each["id"] for each in made} <= set(seen)


async def test_a_cursor_cannot_be_forged_or_moved(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for number in range(3):
        await stored(client, observation(person, value=number))
    page = (await client.get(f"Observation?patient={person.split('/')[1]}&_count=1")).json()
    link = next(each["url"] for each in page["link"] if each["relation"] == "next")
    forged = await client.get(link[:-4] + "AAAA")
    moved = await client.get(link.replace("patient=", "code=8867-4&patient="))
    assert (forged.status_code, moved.status_code) == (400, 400)
    assert issue(forged)["expression"] == ["_cursor"]


async def test_includes_stand_once_and_count_in_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for number in range(3):
        await stored(client, observation(person, value=number))
    bundle = (await client.get(f"Observation?patient={person.split('/')[1]}&_include=Observation:subject&_count=3")).json()
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert (modes, bundle["total"]) == (["match"] * 3 + ["include"], 3)
    back = (await client.get(f"Patient?_id={person.split('/')[1]}&_revinclude=Observation:subject")).json()
    assert [entry["search"]["mode"] for entry in back["entry"]] == ["match"] + ["include"] * 3


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("favourite=red", "favourite"),
        ("_count=-1", "_count"),
        ("_count=x", "_count"),
        ("birthdate=today", "birthdate"),
        ("birthdate=2024-02-30", "birthdate"),
        ("name:below=x", "name:below"),
        ("_sort=favourite", "_sort"),
        ("_include=Patient", "_include"),
        ("gender:missing=perhaps", "gender:missing"),
        ("_total=many", "_total"),
    ],
)
async def test_what_is_not_understood_is_refused_by_name(client: httpx.AsyncClient, query: str, named: str) -> None:
    refused = await client.get(f"Patient?{query}")
    assert (refused.status_code, issue(refused)["expression"]) == (400, [named])


async def test_lenient_ignores_and_says_so(client: httpx.AsyncClient, identified: str) -> None:
    answer = await client.get(f"Patient?_id={identified}&favourite=red", headers={"prefer": "handling=lenient"})
    bundle = answer.json()
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "outcome"]
    assert "favourite" not in next(each["url"] for each in bundle["link"] if each["relation"] == "self")


async def test_post_search_and_count(client: httpx.AsyncClient, identified: str) -> None:
    posted = await client.post("Patient/_search", content=f"_id={identified}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert posted.json()["total"] == 1
    counted = (await client.get(f"Patient?_id={identified}&_summary=count")).json()
    assert counted["total"] == 1
    assert "entry" not in counted


async def test_injection_is_only_text(client: httpx.AsyncClient) -> None:
    for hostile in ("' OR 1=1 --", '"; DROP TABLE resource; --', "%", "\\", "$1", "?1"):
        answer = await client.get("Patient", params={"family": hostile, "identifier": hostile})
        assert answer.status_code == 200
        assert not answer.json().get("entry")


async def test_concurrent_writers_and_readers(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await asyncio.gather(*(stored(client, observation(person, value=number)) for number in range(40)))
    assert len(await found(client, f"Observation?patient={person.split('/')[1]}&_count=7")) == 40
    assert json.loads((await client.get("metadata")).text)["fhirVersion"] == "4.0.1"
