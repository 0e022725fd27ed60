"""The store under random work against a reference of a few lines in memory, on both databases."""

import json
import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from migrations import HEAD
from tests.conftest import ROUNDS


class Memory:
    """The reference: every version of every resource, newest last; None is a deletion."""

    def __init__(self) -> None:
        self.versions: dict[str, list[dict[str, Any] | None]] = {}

    def put(self, id_: str, body: dict[str, Any], expected: int | None) -> int:
        found = self.versions.setdefault(id_, [])
        current = len(found) if found and found[-1] is not None else 0
        if expected is not None and expected != (len(found) if found else 0):
            return 412
        found.append(body)
        return 200 if current else 201

    def delete(self, id_: str) -> int:
        found = self.versions.get(id_, [])
        if found and found[-1] is not None:
            found.append(None)
        return 204

    def read(self, id_: str) -> tuple[int, str | None]:
        found = self.versions.get(id_, [])
        if not found:
            return 404, None
        body = found[-1]
        return (410, None) if body is None else (200, body["birthDate"])

    def named(self, tag: str) -> set[str]:
        return {id_ for id_, found in self.versions.items() if found and found[-1] is not None and found[-1]["meta"]["tag"][0]["code"] == tag}


@pytest.mark.parametrize("seed", range(2 * ROUNDS))
async def test_the_store_agrees_with_memory(client: httpx.AsyncClient, seed: int) -> None:
    rng, memory, tag = random.Random(seed), Memory(), str(uuid4())
    ids = [str(uuid4()) for _ in range(5)]
    for _ in range(80):
        id_, what = rng.choice(ids), rng.random()
        if what < 0.5:
            body = {"resourceType": "Patient", "id": id_, "birthDate": f"{rng.randint(1950, 2000)}", "meta": {"tag": [{"system": "urn:t", "code": tag}]}}
            expected = rng.choice([None, None, len(memory.versions.get(id_, [])), 7])
            headers = {} if expected is None else {"if-match": f'W/"{expected}"'}
            answer = await client.put(f"Patient/{id_}", content=json.dumps(body), headers=headers)
            assert answer.status_code == memory.put(id_, body, expected), answer.text
        elif what < 0.65:
            assert (await client.delete(f"Patient/{id_}")).status_code == memory.delete(id_)
        elif what < 0.9:
            answer = await client.get(f"Patient/{id_}")
            status, born = memory.read(id_)
            assert (answer.status_code, answer.json().get("birthDate")) == (status, born)
        else:
            bundle = (await client.get(f"Patient?_tag=urn:t|{tag}")).json()
            assert {entry["resource"]["id"] for entry in bundle.get("entry", [])} == memory.named(tag)
    for id_, found in memory.versions.items():
        history = (await client.get(f"Patient/{id_}/_history?_count=200")).json()
        assert [entry.get("resource", {}).get("birthDate") for entry in history["entry"]] == [body and body["birthDate"] for body in reversed(found)]


def test_head_is_the_last_migration() -> None:
    from pathlib import Path

    import migrations

    scripts = sorted((Path(migrations.__file__).parent / "versions").glob("*.py"))
    assert scripts[-1].name.startswith(HEAD)
