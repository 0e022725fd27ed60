"""read, vread, create, update, delete, history (R4 http.html), on both databases. Status, code, expression and headers together."""

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from tests.fhir.persons import SYSTEM, issue, new_person, observation, patient, stored


async def test_received_bytes_come_back_as_received(client: httpx.AsyncClient) -> None:
    """http.html, 3.1.0.1.4: decimals keep their precision; white space and member order stay."""
    person = await new_person(client)
    sent = (
        f'{{"resourceType":"Observation", "status" : "final","code":{{"text":"weight"}},"subject":{{"reference":"{person}"}},\n'
        ' "valueQuantity":{"value":1.50,"unit":"kg"},"component":[{"code":{"text":"c"},"valueQuantity":{"value":1.0e2}}]}'
    )
    created = await client.post("Observation", content=sent)
    assert created.status_code == 201
    text = (await client.get(f"Observation/{created.json()['id']}")).text
    rest = text[text.index('"status" :') :]
    assert rest == sent[sent.index('"status" :') :]
    searched = (await client.get(f"Observation?_id={created.json()['id']}")).text
    assert '"value":1.50' in searched
    assert '"value":1.0e2' in searched


async def test_create_answers_location_etag_and_last_modified(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "Patient", content=json.dumps(patient(id="mine", meta={"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"code": "t"}]}))
    )
    body = answer.json()
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"http://setpoint.test/fhir/Patient/{body['id']}/_history/1"
    assert answer.headers["last-modified"].endswith("GMT")
    assert body["id"] != "mine"
    assert body["meta"]["versionId"] == "1"
    assert body["meta"]["tag"] == [{"code": "t"}]
    assert not body["meta"]["lastUpdated"].startswith("2001")


@pytest.mark.parametrize(("wanted", "kind"), [("representation", "Patient"), ("OperationOutcome", "OperationOutcome"), ("minimal", None)])
async def test_prefer_return(client: httpx.AsyncClient, wanted: str, kind: str | None) -> None:
    answer = await client.post("Patient", content=json.dumps(patient()), headers={"prefer": f"return={wanted}"})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if kind else answer.text) == (kind or "")


async def test_update_needs_the_current_version(client: httpx.AsyncClient) -> None:
    """http.html, 3.1.0.5.1: a stale If-Match is 412, a malformed one 400."""
    made = await stored(client, patient())
    url = f"Patient/{made['id']}"
    changed = made | {"gender": "male"}
    good = await client.put(url, content=json.dumps(changed), headers={"if-match": 'W/"1"'})
    assert (good.status_code, good.headers["etag"]) == (200, 'W/"2"')
    stale = await client.put(url, content=json.dumps(changed), headers={"if-match": 'W/"1"'})
    assert (stale.status_code, issue(stale)["code"]) == (412, "conflict")
    malformed = await client.put(url, content=json.dumps(changed), headers={"if-match": "two"})
    assert malformed.status_code == 400
    assert (await client.get(url)).json()["meta"]["versionId"] == "2"


async def test_update_creates_and_the_id_must_agree(client: httpx.AsyncClient) -> None:
    id_ = str(uuid4())
    assert (await client.put(f"Patient/{id_}", content=json.dumps(patient(id=id_)))).status_code == 201
    for body in (patient(), patient(id="another")):
        refused = await client.put(f"Patient/{id_}", content=json.dumps(body))
        assert (refused.status_code, issue(refused)["expression"]) == (400, ["Patient.id"])


async def test_deleted_is_gone_but_its_versions_stay(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    url = f"Patient/{made['id']}"
    assert (await client.delete(url)).status_code == 204
    assert (await client.delete(url)).status_code == 204
    gone = await client.get(url)
    assert (gone.status_code, issue(gone)["code"]) == (410, "deleted")
    assert (await client.get(f"{url}/_history/1")).json()["meta"]["versionId"] == "1"
    assert (await client.get(f"{url}/_history/2")).status_code == 410
    history = (await client.get(f"{url}/_history")).json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "POST"]
    assert "resource" not in history["entry"][0]
    assert history["total"] == 2
    revived = await client.put(url, content=json.dumps(patient(id=made["id"])))
    assert (revived.status_code, revived.headers["etag"]) == (201, 'W/"3"')


async def test_history_pages(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    url = f"Patient/{made['id']}"
    for _ in range(4):
        await client.put(url, content=json.dumps(patient(id=made["id"])))
    seen: list[str] = []
    link: str | None = f"{url}/_history?_count=2"
    while link:
        page = (await client.get(link)).json()
        seen += [entry["resource"]["meta"]["versionId"] for entry in page["entry"]]
        link = next((each["url"] for each in page["link"] if each["relation"] == "next"), None)
    assert seen == ["5", "4", "3", "2", "1"]


async def test_conditional_read(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    url = f"Patient/{made['id']}"
    assert (await client.get(url, headers={"if-none-match": 'W/"1"'})).status_code == 304
    assert (await client.get(url, headers={"if-none-match": 'W/"2"'})).status_code == 200
    modified = (await client.get(url)).headers["last-modified"]
    assert (await client.get(url, headers={"if-modified-since": modified})).status_code == 304


async def test_conditional_create(client: httpx.AsyncClient) -> None:
    """http.html, 3.1.0.8.1: no match creates, one answers it, several are refused; criteria not understood are refused."""
    value = str(uuid4())
    body = json.dumps(patient(identifier=[{"system": SYSTEM, "value": value}]))
    condition = {"if-none-exist": f"identifier={SYSTEM}|{value}"}
    first = await client.post("Patient", content=body, headers=condition)
    second = await client.post("Patient", content=body, headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    await client.post("Patient", content=body)
    several = await client.post("Patient", content=body, headers=condition)
    assert (several.status_code, issue(several)["code"]) == (412, "multiple-matches")
    unknown = await client.post("Patient", content=body, headers={"if-none-exist": "favourite-colour=red"})
    assert unknown.status_code == 412


async def test_a_race_of_conditional_creates_has_one_winner(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    body = json.dumps(patient(identifier=[{"system": SYSTEM, "value": value}]))
    answers = await asyncio.gather(*(client.post("Patient", content=body, headers={"if-none-exist": f"identifier={SYSTEM}|{value}"}) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_deleted_match_lets_a_new_one_in(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    body = json.dumps(patient(identifier=[{"system": SYSTEM, "value": value}]))
    condition = {"if-none-exist": f"identifier={SYSTEM}|{value}"}
    first = await client.post("Patient", content=body, headers=condition)
    await client.delete(f"Patient/{first.json()['id']}")
    assert (await client.post("Patient", content=body, headers=condition)).status_code == 201


async def test_a_race_of_updates_has_one_winner(client: httpx.AsyncClient) -> None:
    made = await stored(client, patient())
    body = json.dumps(made)
    answers = await asyncio.gather(*(client.put(f"Patient/{made['id']}", content=body, headers={"if-match": 'W/"1"'}) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 49


async def test_knowledge_is_served_and_read_only(client: httpx.AsyncClient) -> None:
    url = "Questionnaire/phq-9"
    served = (await client.get(url)).json()
    assert served["url"].endswith("/Questionnaire/phq-9")
    assert (await client.put(url, content=json.dumps(served))).status_code == 405
    assert (await client.delete(url)).status_code == 405


async def test_provenance_and_audit_events_are_append_only(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    provenance = await stored(
        client, {"resourceType": "Provenance", "target": [{"reference": person}], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}
    )
    assert (await client.delete(f"Provenance/{provenance['id']}")).status_code == 405
    assert (await client.put(f"Provenance/{provenance['id']}", content=json.dumps(provenance))).status_code == 405


async def test_a_subject_is_found_in_every_form(client: httpx.AsyncClient) -> None:
    value = str(uuid4())
    person = await new_person(client, identifier=[{"system": SYSTEM, "value": value}])
    forms = [{"reference": person}, {"reference": f"http://setpoint.test/fhir/{person}"}, {"identifier": {"system": SYSTEM, "value": value}}]
    for subject in forms:
        made = await stored(client, observation(person, subject=subject))
        assert made["subject"] == subject
    matches = (await client.get(f"Observation?patient={person.split('/')[1]}")).json()
    assert len(matches["entry"]) == len(forms)


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/nobody"},
        {"reference": "https://elsewhere.example/fhir/Patient/1"},
        {"identifier": {"system": SYSTEM, "value": "nobody"}},
    ],
)
async def test_a_subject_that_leads_nowhere_is_refused(client: httpx.AsyncClient, subject: dict[str, object]) -> None:
    refused = await client.post("Observation", content=json.dumps(observation("Patient/x", subject=subject)))
    assert refused.status_code == 422
    assert issue(refused)["expression"][0].startswith("Observation.subject")


async def test_a_contained_subject_is_somebody_without_a_record(client: httpx.AsyncClient) -> None:
    """HL7's own Apgar examples speak of a contained newborn: kept as it is, found by its code, judged for nobody."""
    body = observation("Patient/x", code=f"c{uuid4().hex}", subject={"reference": "#p"}, contained=[{"resourceType": "Patient", "id": "p"}])
    made = await stored(client, body)
    assert made["subject"] == {"reference": "#p"}
    assert (await client.get(f"Observation?code={body['code']['coding'][0]['code']}")).json()["total"] == 1


async def test_every_access_is_audited(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await client.get(person)
    await client.get(f"Observation/{uuid4()}")
    await asyncio.sleep(0.3)
    bundle = (await client.get(f"AuditEvent?entity={person}&_count=20")).json()
    events = [entry["resource"] for entry in bundle["entry"]]
    assert {(event["action"], event["subtype"][0]["code"]) for event in events} == {("C", "create"), ("R", "read")}
    one = (await client.get(f"AuditEvent/{events[0]['id']}")).json()
    assert one["resourceType"] == "AuditEvent"
    refused = (await client.get("AuditEvent?outcome=4&_count=5")).json()
    assert refused["entry"]


GETS = ("metadata", "Patient", "{p}", "{p}/_history", "{p}/_history/1", "Patient/_history", "_history?_count=1", "{p}/$meta", "{p}/$everything", "{p}/*",
        "{p}/Observation", "Observation/$lastn?patient={p}", "{p}/$validate", "{p}/$baseline?measure=phq-9", "?_type=Patient&_count=1")  # fmt: skip


@pytest.mark.parametrize("url", GETS)
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, url: str) -> None:
    """RFC 9110, 9.3.2."""
    address = url.format(p=await new_person(client))
    got, head = await client.get(address), await client.head(address)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
