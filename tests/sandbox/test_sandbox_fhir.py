"""The FHIR face of the sandbox, against https://hl7.org/fhir/R4/http.html and search.html."""

import asyncio
import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.sandbox import interactions
from adapters.sandbox.definitions import types
from adapters.sandbox.hospital import Hospital, stored_key
from adapters.sandbox.interactions import Call
from adapters.sandbox.outbound import Outbound
from adapters.sandbox.scopes import Access
from adapters.sandbox.storage import Storage
from tests.sandbox.support_sandbox import BASE, Client, issue, patient, plan


async def ready(**options: object) -> Client:
    client = await Client(**options).log_in()
    await client.put_patient()
    return client


async def test_create_read_update_delete_history() -> None:
    client = await ready()
    made = await client.post(plan())
    assert made.status_code == 201
    assert made.headers["etag"] == 'W/"1"'
    id_ = made.json()["id"]
    assert made.headers["location"] == f"{BASE}/fhir/CarePlan/{id_}/_history/1"
    assert "last-modified" in made.headers
    changed = await client.put(plan(id=id_, status="active"), if_match='W/"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    old = await client.http.get(f"/fhir/CarePlan/{id_}/_history/1")
    assert old.json()["status"] == "draft"
    assert (await client.http.get(f"/fhir/CarePlan/{id_}")).json()["status"] == "active"
    assert (await client.http.delete(f"/fhir/CarePlan/{id_}")).status_code == 204
    gone = await client.http.get(f"/fhir/CarePlan/{id_}")
    assert (gone.status_code, issue(gone)) == (410, "deleted")
    history = (await client.http.get(f"/fhir/CarePlan/{id_}/_history")).json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "POST"]
    assert "resource" not in history["entry"][0]
    revived = await client.put(plan(id=id_))
    assert (revived.status_code, revived.headers["etag"]) == (201, 'W/"4"')


async def test_numbers_keep_their_text() -> None:
    client = await ready()
    body = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.50},'
        '"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.0e2}}]}'
    )
    made = await client.http.post("/fhir/Observation", content=body, headers={"content-type": "application/fhir+json"})
    assert made.status_code == 201
    for text in (made.text, (await client.http.get("/fhir/Observation?patient=p1")).text):
        assert '"value":1.50' in text
        assert '"value":1.0e2' in text


@pytest.mark.parametrize(("header", "status"), [('W/"9"', 412), ("1", 400), ('"1"', 200), ("", 400)], ids=["stale", "malformed", "strong", "empty"])
async def test_if_match(header: str, status: int) -> None:
    client = await ready()
    await client.put(plan(id="c1"))
    assert (await client.put(plan(id="c1"), if_match=header)).status_code == status


@pytest.mark.parametrize(
    ("change", "status", "expression"),
    [
        ({"status": "planned"}, 422, "CarePlan.status"),
        ({"intent": None}, 422, "CarePlan.intent"),
        ({"subjct": {"reference": "Patient/p1"}}, 422, "CarePlan.subjct"),
        ({"category": []}, 422, "CarePlan.category"),
        ({"period": {}}, 422, "CarePlan.period"),
        ({"activity": [{"detail": {"status": "not-started", "code": {"coding": [{"sytem": "x"}]}}}]}, 422, "CarePlan.activity[0].detail.code.coding[0].sytem"),
        ({"activity": [{"detail": {"scheduledString": "a", "scheduledPeriod": {"start": "2026"}, "status": "unknown"}}]}, 422,
         "CarePlan.activity[0].detail.scheduled[x]"),
        ({"created": "today"}, 422, "CarePlan.created"),
        ({"title": ""}, 422, "CarePlan.title"),
        ({"title": 7}, 422, "CarePlan.title"),
        ({"subject": {"reference": "Patient/nobody"}}, 422, "CarePlan.subject"),
        ({"resourceType": "Flag"}, 400, "resourceType"),
    ],
)  # fmt: skip
async def test_a_resource_that_is_not_r4_is_refused(change: dict[str, object], status: int, expression: str) -> None:
    client = await ready()
    body = {name: value for name, value in (plan() | change).items() if value is not None}
    answer = await client.http.post("/fhir/CarePlan", content=json.dumps(body), headers={"content-type": "application/fhir+json"})
    assert answer.status_code == status
    assert answer.json()["issue"][0]["expression"] == [expression]
    assert client.hospital.storage.count("CarePlan") == 0


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b"\xff", b'{"a":' * 60 + b"1" + b"}" * 60, b"[" * 100_000],
    ids=["array", "cut", "duplicate", "nan", "nul", "surrogate", "bytes", "deep", "very-deep"],
)
async def test_bad_json_is_refused(body: bytes) -> None:
    client = await ready()
    answer = await client.http.post("/fhir/CarePlan", content=body, headers={"content-type": "application/fhir+json"})
    assert (answer.status_code, issue(answer)) == (400, "structure")


async def test_content_types() -> None:
    client = await ready()
    for type_ in ("text/plain", "application/x-www-form-urlencoded", "application/fhir+xml", ""):
        assert (await client.http.post("/fhir/CarePlan", content=json.dumps(plan()), headers={"content-type": type_})).status_code == 415
    big = await client.http.post("/fhir/CarePlan", content=b" " * 10_000_001, headers={"content-type": "application/fhir+json"})
    assert big.status_code == 413


async def found(client: Client, query: str) -> list[str]:
    answer = await client.http.get(f"/fhir/{query}")
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


async def test_search() -> None:
    client = await ready()
    await client.put_patient("p2")
    await client.put(plan("s-1", id="a", period={"start": "2026-06-10"}))
    await client.put(plan("s-2", f"{BASE}/fhir/Patient/p2", id="b", status="active"))
    both = ["a", "b"]
    for query, wanted in {
        "CarePlan?identifier=urn:suggestion|s-1": ["a"],
        "CarePlan?identifier=s-1,s-2": both,
        "CarePlan?identifier=|s-1": [],
        "CarePlan?identifier=urn:suggestion|": both,
        "CarePlan?patient=p2": ["b"],
        "CarePlan?subject=Patient/p1": ["a"],
        f"CarePlan?subject={BASE}/fhir/Patient/p1": ["a"],
        "CarePlan?status:not=draft": ["b"],
        "CarePlan?status=draft&patient=p2": [],
        "CarePlan?_id=a,b": both,
        "CarePlan?_sort=-_lastUpdated": ["b", "a"],
        "CarePlan?date=gt2026-06-01": ["a"],
        "CarePlan?date=2026-06": [],
        "Patient?birthdate=1980-05": ["p1", "p2"],
        "Patient?birthdate=1980-05-02": [],
        "Patient?birthdate=ge1980-05-01&_id=p1": ["p1"],
        "Patient?family=mull&_id=p1": ["p1"],
        "Patient?family:exact=muller": [],
        "Patient?identifier=urn:mrn|MRN-p2&birthdate=1980-05-01": ["p2"],
        "Patient?given=%27%20OR%201=1--": [],
    }.items():
        assert await found(client, query) == wanted, query


@pytest.mark.parametrize("query", ["CarePlan?foo=1", "CarePlan?status:text=x", "Patient?birthdate=2024-02-30", "Patient?birthdate=today",
                                   "CarePlan?_count=-1", "CarePlan?patient.name=x", "CarePlan?_sort=status", "CarePlan?status="])  # fmt: skip
async def test_what_a_search_does_not_understand_is_400(query: str) -> None:
    client = await ready()
    assert (await client.http.get(f"/fhir/{query}")).status_code == 400


async def test_pages_follow_the_next_link() -> None:
    client = await ready()
    for number in range(5):
        await client.put(plan(f"s-{number}", id=f"c{number}"))
    url, seen = "/fhir/CarePlan?_count=2", []
    while url:
        page = (await client.http.get(url)).json()
        assert page["total"] == 5
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert seen == [f"c{number}" for number in range(5)]
    posted = await client.http.post("/fhir/CarePlan/_search", data={"identifier": "urn:suggestion|s-3"})
    assert posted.json()["total"] == 1


async def test_conditional_create() -> None:
    client = await ready()
    criteria = "identifier=urn:suggestion|s-1"
    first = await client.post(plan(), if_none_exist=criteria)
    second = await client.post(plan(), if_none_exist=criteria)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"] == second.headers["location"]
    await client.post(plan())
    assert (await client.post(plan(), if_none_exist=criteria)).status_code == 412
    assert (await client.post(plan(), if_none_exist="foo=bar")).status_code == 400
    assert (await client.post(plan(), if_none_exist="")).status_code == 412


async def test_twenty_conditional_creates_make_one() -> None:
    client = await ready()
    answers = await asyncio.gather(*(client.post(plan(), if_none_exist="identifier=urn:suggestion|s-1") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


def hospital_on(database: str) -> Hospital:
    storage = Storage(database)
    return Hospital(BASE, storage, lambda: 1.8e9, Outbound(), stored_key(storage), "x")


def create_once(database: str) -> int:
    call = Call(hospital_on(database), Access("t", everything=True), types()["CarePlan"], {"if-none-exist": "identifier=urn:suggestion|s-1"})
    return interactions.create(call, json.dumps(plan()).encode()).status


def test_twenty_connections_racing_on_one_file_make_one(tmp_path: object) -> None:
    database = f"{tmp_path}/race.sqlite"
    interactions.store(hospital_on(database), patient(), "p1", "PUT")
    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(create_once, [database] * 20)) == [200] * 19 + [201]
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as processes:
        assert processes.map(create_once, [database] * 4) == [200] * 4


async def test_modes() -> None:
    client = await ready()
    capability = (await client.http.get("/fhir/metadata")).json()
    uris = capability["rest"][0]["security"]["extension"][0]
    assert uris["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    assert "synthetic" in capability["description"]
    assert offer(capability, "CarePlan") == (True, True)
    await client.http.post("/sandbox/mode", json={"mode": "no-conditional"})
    assert offer((await client.http.get("/fhir/metadata")).json(), "CarePlan") == (True, False)
    twice = [await client.post(plan(), if_none_exist="identifier=urn:suggestion|s-1") for _ in range(2)]
    assert [answer.status_code for answer in twice] == [201, 201]
    await client.http.post("/sandbox/mode", json={"mode": "no-careplan"})
    assert offer((await client.http.get("/fhir/metadata")).json(), "CarePlan") == (False, False)
    refused = await client.post(plan())
    assert (refused.status_code, issue(refused)) == (405, "not-supported")
    assert (await client.http.post("/sandbox/mode", json={"mode": "other"})).status_code == 422


def offer(capability: dict[str, object], type_: str) -> tuple[bool, bool]:
    entry = next(item for item in capability["rest"][0]["resource"] if item["type"] == type_)  # type: ignore[index]
    return {"code": "create"} in entry["interaction"], entry["conditionalCreate"]


async def test_documents_and_messages_where_no_care_plan_is_taken() -> None:
    client = await ready(mode="no-careplan")
    await client.http.post("/sandbox/load", json={"resources": [
        {"resourceType": "Encounter", "id": "e1", "status": "in-progress", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"}}]})  # fmt: skip
    content = [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": "aGVsbG8="}}]
    document = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/p1"}, "content": content}
    assert (await client.post(document)).status_code == 422
    context = {"encounter": [{"reference": "Encounter/e1"}]}
    assert (await client.post(document | {"context": context, "content": content * 2})).status_code == 422
    made = await client.post(document | {"context": context})
    assert (made.status_code, made.text) == (201, "")
    assert made.headers["location"].startswith("DocumentReference/")
    assert "etag" not in made.headers
    message = {"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/p1"}, "payload": [{"contentString": "x"}]}
    assert (await client.post(message | {"status": "in-progress"})).status_code == 422
    full = await client.post(message, prefer="return=representation")
    assert full.json()["payload"] == [{"contentString": "x"}]
