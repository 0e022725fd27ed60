"""Hostile and broken input: the right 4xx, an OperationOutcome, nothing stored, and quickly."""

import json
import time

import httpx
import pytest

from tests.fhir.persons import found, issue, new_person, observation, patient

DEEP = b'{"resourceType":"Patient","extension":[' * 60 + b"]}" * 60
BODIES: list[tuple[str, bytes, int]] = [
    ("not JSON", b"<Patient/>", 400),
    ("empty", b"", 400),
    ("a list", b"[]", 400),
    ("too deep", DEEP, 400),
    ("duplicate keys", b'{"resourceType":"Patient","id":"a","id":"b"}', 400),
    ("NaN", b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":NaN}}', 400),
    ("huge exponent", b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1e999999999}}', 400),
    ("NUL", b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}', 400),
    ("lone surrogate", b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', 400),
    ("bad UTF-8", b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}', 400),
    ("no type", b"{}", 400),
    ("other type", b'{"resourceType":"Group"}', 400),
    ("unknown element", b'{"resourceType":"Patient","colour":"red"}', 400),
    ("empty element", b'{"resourceType":"Patient","name":[]}', 400),
    ("a date that is none", b'{"resourceType":"Patient","birthDate":"2024-02-30"}', 400),
    ("today", b'{"resourceType":"Patient","birthDate":"today"}', 400),
    ("unknown contained type", b'{"resourceType":"Patient","contained":[{"resourceType":"Wizard","id":"w"}],"managingOrganization":{"reference":"#w"}}', 400),
    (
        "script in narrative",
        b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>x</script></div>"}}',
        400,
    ),
]


@pytest.mark.parametrize(("name", "body", "status"), BODIES, ids=[row[0] for row in BODIES])
async def test_bodies(client: httpx.AsyncClient, name: str, body: bytes, status: int) -> None:
    answer = await client.post("Patient", content=body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/fhir+xml", ""])
async def test_a_web_page_cannot_post(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("Patient", content=json.dumps(patient()), headers={"content-type": kind})
    assert answer.status_code == 415


async def test_compressed_and_foreign_formats(client: httpx.AsyncClient) -> None:
    assert (await client.post("Patient", content=b"\x1f\x8b", headers={"content-encoding": "gzip"})).status_code == 415
    assert (await client.get("metadata", headers={"accept": "application/fhir+xml"})).status_code == 406
    assert (await client.get("metadata?_format=xml")).status_code == 406
    assert (await client.get("metadata?_format=application/fhir%2Bjson")).status_code == 200


async def test_too_large(client: httpx.AsyncClient) -> None:
    answer = await client.post("Patient", content=b" " * (10 * 1024 * 1024 + 1))
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


async def test_a_hundred_thousand_entries(client: httpx.AsyncClient) -> None:
    entry = '{"request":{"method":"GET","url":"Patient/1"}}'
    answer = await client.post("", content='{"resourceType":"Bundle","type":"batch","entry":[' + ",".join([entry] * 100_000) + "]}")
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["Patient/%00", "Patient/a%2Fb", "Patient/%ff", "patient/1", "Patient/1/2/3/4", "$nothing", "Nope/1", "Patient/" + "a" * 70])
async def test_paths(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code in (400, 404)
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_no_value_is_echoed(client: httpx.AsyncClient) -> None:
    """An error names where, never what: the value may be the most private thing there is."""
    secret = "heroin-and-tears"
    person = await new_person(client)
    answers = [
        await client.post("Patient", content=json.dumps(patient(gender=secret))),
        await client.post("Patient", content=json.dumps(patient(birthDate=secret))),
        await client.post("Observation", content=json.dumps(observation(person, status=secret))),
        await client.post("Observation", content=json.dumps(observation(f"Patient/{secret}"))),
        await client.get(f"Patient?birthdate={secret}"),
        await client.get(f"Patient?_sort={secret}"),
        await client.get(f"Patient/{secret}"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert secret not in answer.text


async def test_another_patients_reference_stores_nothing(client: httpx.AsyncClient) -> None:
    before = len(await found(client, "Observation?code=99999-9"))
    answer = await client.post("Observation", content=json.dumps(observation("Patient/nobody", "99999-9")))
    assert answer.status_code == 422
    assert len(await found(client, "Observation?code=99999-9")) == before


async def test_hostile_bodies_are_refused_quickly(client: httpx.AsyncClient) -> None:
    """Linear work: ten times the body may take about ten times as long, never a hundred times."""

    async def seconds(size: int) -> float:
        best = 9.0
        for _ in range(5):
            started = time.perf_counter()
            assert (await client.post("Patient", content=b"[" * size)).status_code == 400
            best = min(best, time.perf_counter() - started)
        return best

    small, large = await seconds(9_000), await seconds(90_000)
    assert large < small * 60
