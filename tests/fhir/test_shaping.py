"""_summary, _elements, _pretty, _format (R4 search.html#summary, #elements; http.html#parameters). Summary elements as the Patient and Observation pages
mark them with the sum sign."""

import json
from typing import Any

import httpx
import pytest

from tests.fhir.persons import issue, new_person, observation, patient, stored

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'
WHOLE = {"text": {"status": "generated", "div": DIV}, "name": [{"family": "One"}], "maritalStatus": {"text": "m"}, "contact": [{"name": {"text": "c"}}],
         "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]}, "modifierExtension": [{"url": "urn:m", "valueBoolean": True}]}  # fmt: skip
ALWAYS = {"resourceType", "id", "meta", "modifierExtension"}
SHAPES = [
    ("_summary=true", {"identifier", "name", "gender", "birthDate", "_birthDate"}),
    ("_summary=text", {"text"}),
    ("_summary=data", {"identifier", "name", "gender", "birthDate", "_birthDate", "maritalStatus", "contact"}),
    ("_elements=name,birthDate", {"name", "birthDate", "_birthDate"}),
    ("_elements=gender", {"gender"}),
]


@pytest.mark.parametrize(("query", "names"), SHAPES)
async def test_shapes(client: httpx.AsyncClient, query: str, names: set[str]) -> None:
    made = await stored(client, patient(**WHOLE))
    for url in (f"Patient/{made['id']}", f"Patient/{made['id']}/_history/1"):
        answer = (await client.get(f"{url}?{query}")).json()
        assert set(answer) == names | ALWAYS
        assert [tag["code"] for tag in answer["meta"]["tag"]] == ["SUBSETTED"]
    searched = (await client.get(f"Patient?_id={made['id']}&{query}")).json()
    assert set(searched["entry"][0]["resource"]) == names | ALWAYS
    assert query.split("=")[0] in searched["link"][0]["url"]
    history = (await client.get(f"Patient/{made['id']}/_history?{query}")).json()
    assert set(history["entry"][0]["resource"]) == names | ALWAYS


async def test_mandatory_elements_stay_and_inner_ones_are_chosen(client: httpx.AsyncClient) -> None:
    component = [{"code": {"text": "c"}, "valueString": "v", "interpretation": [{"text": "i"}]}]
    made = await stored(client, observation(await new_person(client), component=component, note=[{"text": "n"}]))
    chosen = (await client.get(f"Observation/{made['id']}?_elements=note")).json()
    assert set(chosen) == {"resourceType", "id", "meta", "status", "code", "note"}
    summary = (await client.get(f"Observation/{made['id']}?_summary=true")).json()
    assert summary["component"] == [{"code": {"text": "c"}, "valueString": "v"}]
    assert "note" not in summary


async def test_includes_are_whole_beside_elements_and_cut_beside_a_summary(client: httpx.AsyncClient) -> None:
    who = await new_person(client, **WHOLE)
    made = await stored(client, observation(who))
    base = f"Observation?_id={made['id']}&_include=Observation:subject"
    chosen = (await client.get(f"{base}&_elements=code")).json()["entry"]
    assert [set(each["resource"]) >= {"maritalStatus"} for each in chosen] == [False, True]
    cut = (await client.get(f"{base}&_summary=true")).json()["entry"]
    assert "maritalStatus" not in cut[1]["resource"]
    refused = await client.get(f"{base}&_summary=text")
    assert (refused.status_code, issue(refused)["expression"]) == (400, ["_summary"])


async def test_counts_and_false(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient(**WHOLE))
    counted = (await client.get(f"Patient?_id={made['id']}&_summary=count")).json()
    assert (counted["total"], "entry" in counted) == (1, False)
    assert (await client.get(f"Patient/{made['id']}?_summary=false")).json() == made
    assert (await client.post("Patient/_search", content=f"_id={made['id']}&_summary=true", headers={"content-type": "application/x-www-form-urlencoded"})
            ).json()["entry"][0]["resource"]["meta"]["tag"]  # fmt: skip


BAD = [("_summary=all", "_summary"), ("_summary=count", "_summary"), ("_elements=", "_elements"), ("_elements=name,colour", "_elements"),
       ("_pretty=1", "_pretty")]  # fmt: skip


@pytest.mark.parametrize(("query", "name"), BAD)
async def test_bad_values_are_named(client: httpx.AsyncClient, query: str, name: str) -> None:
    made = await stored(client, patient())
    answer = await client.get(f"Patient/{made['id']}?{query}")
    assert (answer.status_code, issue(answer)["expression"]) == (400, [name])


async def test_lenient_sets_unknown_elements_aside(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    url = f"Patient?_id={made['id']}&_elements=name,colour"
    assert (await client.get(url)).status_code == 400
    entries = (await client.get(url, headers={"prefer": "handling=lenient"})).json()["entry"]
    assert [each["search"]["mode"] for each in entries] == ["match", "outcome"]


async def test_pretty_keeps_numbers(client: httpx.AsyncClient) -> None:
    body = json.dumps(observation(await new_person(client))).replace('"value": 72', '"value": 7.20e1')
    made = await client.post("Observation", content=body)
    plain = await client.get(f"Observation/{made.json()['id']}")
    pretty = await client.get(f"Observation/{made.json()['id']}?_pretty=true")
    assert pretty.json() == plain.json()
    assert b'\n  "valueQuantity": {\n    "value": 7.20e1' in pretty.content
    assert b"7.20e1" in (await client.get(f"Observation/{made.json()['id']}?_elements=value")).content
    assert pretty.headers["etag"] == plain.headers["etag"]


FORMATS = [("json", 200), ("application/fhir%2Bjson", 200), ("application/fhir+json", 200), ("application/json", 200), ("text/json", 200), ("xml", 406),
           ("application/fhir%2Bxml", 406), ("ttl", 406), ("text/html", 406)]  # fmt: skip


@pytest.mark.parametrize(("wanted", "status"), FORMATS)
async def test_formats(client: httpx.AsyncClient, wanted: str, status: int) -> None:
    made: dict[str, Any] = await stored(client, patient())
    for url in (f"Patient/{made['id']}", "Patient", "metadata", f"Patient/{made['id']}/_history"):
        assert (await client.get(f"{url}?_format={wanted}")).status_code == status
