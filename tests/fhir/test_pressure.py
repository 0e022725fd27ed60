"""Under pressure: what is too much is told to come back at once, a large transaction lets others in between."""

import asyncio
import json
import time
from typing import Any

import httpx

from tests.fhir.persons import new_person, observation, patient


async def test_past_the_bound_requests_are_told_to_come_back(client: httpx.AsyncClient, house: Any) -> None:
    person = await new_person(client)
    kept, house.settings = house.settings, house.settings.model_copy(update={"max_requests": 8})
    try:
        answers = await asyncio.gather(*(client.get(f"Observation?patient={person}&_count={number + 1}") for number in range(60)))
    finally:
        house.settings = kept
    seen = {answer.status_code for answer in answers}
    assert seen == {200, 429}
    assert sum(answer.status_code == 200 for answer in answers) >= 8
    for answer in answers:
        if answer.status_code == 429:
            assert (answer.headers["retry-after"], answer.json()["issue"][0]["code"]) == ("1", "throttled")
    assert (await client.get(person)).status_code == 200


async def test_the_writer_is_bounded(client: httpx.AsyncClient, house: Any) -> None:
    writer = house.store.writer
    kept, writer._bound = writer._bound, 4
    try:
        answers = await asyncio.gather(*(client.post("Patient", content=json.dumps(patient())) for _ in range(300)))
    finally:
        writer._bound = kept
    assert {answer.status_code for answer in answers} <= {201, 429}
    for answer in answers:
        if answer.status_code == 201:
            assert (await client.get(f"Patient/{answer.json()['id']}")).status_code == 200


async def test_a_large_transaction_lets_others_in(client: httpx.AsyncClient) -> None:
    """While 2,000 resources go in, reads are answered all along: many times, and none waits for the whole."""
    person = await new_person(client)
    entries = [{"resource": observation(person, value=number), "request": {"method": "POST", "url": "Observation"}} for number in range(2000)]
    body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    large = asyncio.create_task(client.post("", content=body, timeout=120))
    started, waits = time.perf_counter(), []
    while not large.done():
        before = time.perf_counter()
        assert (await client.get(person)).status_code == 200
        waits.append(time.perf_counter() - before)
        await asyncio.sleep(0.002)
    whole = time.perf_counter() - started
    assert (await large).status_code == 200
    assert len(waits) > 10
    assert max(waits) < whole * 0.75, (max(waits), whole)
