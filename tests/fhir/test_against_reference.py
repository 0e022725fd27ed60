"""The whole API under random work (hypothesis) against a reference of a few lines in memory, one by one and in parallel, on both databases."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROUNDS

SYSTEM = "urn:test:reference"
KEYS, SLOTS, DATES = ("a", "b", "c"), range(4), ("1980-01-01", "1985-06-15", "1990-12-31")


class Reference:
    """Every version of every Patient, oldest first; None is a deletion. A Patient is its (key, birth date)."""

    def __init__(self) -> None:
        self.versions: dict[str, list[tuple[str, str] | None]] = {}

    def write(self, id_: str, body: tuple[str, str] | None) -> None:
        self.versions.setdefault(id_, []).append(body)

    def now(self, id_: str) -> tuple[str, str] | None:
        return self.versions.get(id_, [None])[-1]

    def found(self, key: str | None = None, date: str | None = None) -> set[str]:
        return {id_ for id_ in self.versions if (body := self.now(id_)) and key in (None, body[0]) and date in (None, body[1])}

    def status(self, id_: str) -> int:
        return 404 if id_ not in self.versions else 200 if self.now(id_) else 410


keys, slots, dates = st.sampled_from(KEYS), st.sampled_from(SLOTS), st.sampled_from(DATES)
steps = st.one_of(
    st.tuples(st.just("create"), keys, dates), st.tuples(st.just("put"), slots, keys, dates), st.tuples(st.just("patch"), slots, dates),
    st.tuples(st.just("delete"), slots), st.tuples(st.just("stale"), slots, dates), st.tuples(st.just("create-if-none"), keys, dates),
    st.tuples(st.just("put-by"), keys, dates), st.tuples(st.just("delete-by"), keys), st.tuples(st.just("burst"), slots, st.integers(2, 5)),
    st.tuples(st.just("transaction"), slots, slots, keys, dates), st.tuples(st.just("look"), keys, dates),
)  # fmt: skip


class Run:
    """One run: its own identifiers, so that runs share a database."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client, self.tag, self.reference = client, uuid4().hex[:12], Reference()
        self.ids = [f"r{self.tag}{slot}" for slot in SLOTS]

    def body(self, key: str, date: str, id_: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": self.tag + key}], "birthDate": date}
        return made | ({"id": id_} if id_ else {})

    def by(self, key: str) -> str:
        return f"Patient?identifier={SYSTEM}|{self.tag}{key}"

    async def send(self, method: str, url: str, body: Any = None, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, url, content=None if body is None else json.dumps(body), headers=given)

    async def step(self, name: str, *more: Any) -> None:
        await getattr(self, "do_" + name.replace("-", "_"))(*more)

    async def do_create(self, key: str, date: str) -> None:
        answer = await self.send("POST", "Patient", self.body(key, date))
        assert answer.status_code == 201
        self.reference.write(answer.json()["id"], (key, date))

    async def do_put(self, slot: int, key: str, date: str) -> None:
        id_ = self.ids[slot]
        answer = await self.send("PUT", f"Patient/{id_}", self.body(key, date, id_))
        assert answer.status_code == (200 if self.reference.now(id_) else 201)
        self.reference.write(id_, (key, date))

    async def do_patch(self, slot: int, date: str) -> None:
        id_ = self.ids[slot]
        patch = [{"op": "replace", "path": "/birthDate", "value": date}]
        answer = await self.send("PATCH", f"Patient/{id_}", patch, content_type="application/json-patch+json")
        assert answer.status_code == self.reference.status(id_)
        if body := self.reference.now(id_):
            self.reference.write(id_, (body[0], date))

    async def do_delete(self, slot: int) -> None:
        id_ = self.ids[slot]
        assert (await self.send("DELETE", f"Patient/{id_}")).status_code == 204
        if self.reference.now(id_):
            self.reference.write(id_, None)

    async def do_stale(self, slot: int, date: str) -> None:
        id_ = self.ids[slot]
        standing = len(self.reference.versions.get(id_, []))
        answer = await self.send("PUT", f"Patient/{id_}", self.body("a", date, id_), if_match=f'W/"{standing + 1}"')
        assert answer.status_code == 412

    async def do_create_if_none(self, key: str, date: str) -> None:
        matches = self.reference.found(key)
        answer = await self.send("POST", "Patient", self.body(key, date), if_none_exist=f"identifier={SYSTEM}|{self.tag}{key}")
        assert answer.status_code == {0: 201, 1: 200}.get(len(matches), 412)
        if not matches:
            self.reference.write(answer.json()["id"], (key, date))

    async def do_put_by(self, key: str, date: str) -> None:
        matches = self.reference.found(key)
        answer = await self.send("PUT", self.by(key), self.body(key, date))
        assert answer.status_code == {0: 201, 1: 200}.get(len(matches), 412)
        if len(matches) < 2:
            self.reference.write(answer.json()["id"], (key, date))

    async def do_delete_by(self, key: str) -> None:
        matches = self.reference.found(key)
        assert (await self.send("DELETE", self.by(key))).status_code == (204 if len(matches) < 2 else 412)
        if len(matches) == 1:
            self.reference.write(matches.pop(), None)

    async def do_burst(self, slot: int, count: int) -> None:
        """Parallel updates: all stand, in some order."""
        id_ = self.ids[slot]
        bodies = [("a", f"19{60 + number}-01-01") for number in range(count)]
        answers = await asyncio.gather(*(self.send("PUT", f"Patient/{id_}", self.body(*body, id_)) for body in bodies))
        assert all(answer.status_code in (200, 201) for answer in answers)
        for answer in sorted(answers, key=lambda answer: int(answer.json()["meta"]["versionId"])):
            self.reference.write(id_, ("a", answer.json()["birthDate"]))

    async def do_transaction(self, one: int, other: int, key: str, date: str) -> None:
        """An update and a deletion together; on one resource they are refused, and nothing stands."""
        first, second = self.ids[one], self.ids[other]
        entries = [{"resource": self.body(key, date, first), "request": {"method": "PUT", "url": f"Patient/{first}"}},
                   {"request": {"method": "DELETE", "url": f"Patient/{second}"}}]  # fmt: skip
        answer = await self.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == (400 if one == other else 200)
        if one != other:
            self.reference.write(first, (key, date))
            if self.reference.now(second):
                self.reference.write(second, None)

    async def do_look(self, key: str, date: str) -> None:
        for query, wanted in ((self.by(key), self.reference.found(key)), (f"{self.by(key)}&birthdate={date}&_count=2", self.reference.found(key, date)),
                              (f"{self.by(key)}&_sort=-birthdate&_count=1", self.reference.found(key))):  # fmt: skip
            assert sorted(await self.pages(query)) == sorted(wanted)

    async def pages(self, url: str) -> list[str]:
        found: list[str] = []
        following: str | None = url
        while following:
            bundle = (await self.client.get(following)).json()
            found += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
            following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        return found

    async def check(self) -> None:
        """Every resource, every version."""
        for id_, versions in self.reference.versions.items():
            read = await self.client.get(f"Patient/{id_}")
            assert read.status_code == self.reference.status(id_)
            history = (await self.client.get(f"Patient/{id_}/_history?_count=1000")).json()
            seen = [entry.get("resource", {}).get("birthDate") for entry in history["entry"]]
            assert seen == [body[1] if body else None for body in reversed(versions)]
            assert history["total"] == len(versions)
        total = (await self.client.get(f"Patient?identifier={','.join(f'{SYSTEM}|{self.tag}{key}' for key in KEYS)}&_summary=count")).json()["total"]
        assert total == len(self.reference.found())


@given(work=st.lists(steps, min_size=5, max_size=25))
@settings(max_examples=10 * ROUNDS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
async def test_the_api_agrees_with_the_reference(client: httpx.AsyncClient, work: list[tuple[Any, ...]]) -> None:
    run = Run(client)
    for step in work:
        await run.step(*step)
    await run.check()
