"""A site's own search parameter, for resources that stood before it: not offered until all are indexed, then complete, whatever is written meanwhile.

An expression of R4's own is the reference: what `Observation?status=` finds, a parameter of the same expression under another type must find.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.bulk.files import CannotRun
from service.bulk.reindexing import reindex, tasks
from service.definitions import compile_definitions
from service.knowledge import load
from service.store import fillings
from tests.fhir.persons import found, issue
from tests.load.place import Json, Place, lines, patient, place, value
from tests.load.test_load_export import indexes
from tests.load.test_load_resume import start


def definition(code: str = "note-text", kind: str = "string", expression: str = "Observation.note.text", base: str = "Observation") -> Json:
    url = f"https://hospital.example/fhir/SearchParameter/x-{code}"
    return {"resourceType": "SearchParameter", "id": f"x-{code}", "url": url, "name": "X", "status": "active", "description": "x", "code": code, "base": [base],
            "type": kind, "expression": expression}  # fmt: skip


class Site:
    """One database, opened with different definition files one after the other."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self._count = url, folder, 0

    def opened(self, *definitions: Json) -> AbstractAsyncContextManager[Place]:
        self._count += 1
        files = self.folder / str(self._count) / "search-parameters"
        files.mkdir(parents=True)
        for each in definitions:
            (files / f"{each['id']}.json").write_text(json.dumps(each))
        knowledge = load(str(files.parent))
        return place(self.url, knowledge, compile_definitions(knowledge), knowledge_dir=str(files.parent))

    @property
    def directory(self) -> str:
        return str(self.folder / str(self._count))


@pytest_asyncio.fixture
async def site(empty_database: str, tmp_path: Path) -> Site:
    return Site(empty_database, tmp_path / "sites")


async def fill(at: Place, *types: str) -> list[Json]:
    done = [await reindex(at.house, task, lambda _: None) for task in await tasks(at.house, types)]
    await at.house.filling.refresh()
    return done


async def stock(at: Place, count: int = 20, first: int = 0) -> None:
    noted = [value(f"o{number}", "p", note=[{"text": f"Note {number % 3}"}]) for number in range(first, first + count)]
    report = await at.bring(lines(Path(at.house.settings.knowledge_dir or ".") / "in.ndjson", [patient("p"), *noted]), source=f"stock-{first}")
    assert report["refused"] == 0


async def ids(at: Place, query: str) -> set[str]:
    return {str(each["id"]) for each in await found(at.client, query)}


async def stated(at: Place) -> bool:
    resources = (await at.read("metadata"))["rest"][0]["resource"]
    (observation,) = [each for each in resources if each["type"] == "Observation"]
    return any(each["name"] == "note-text" for each in observation["searchParam"])


@pytest_asyncio.fixture
async def older(site: Site) -> AsyncIterator[Site]:
    """Twenty Observations that stood before any definition."""
    async with site.opened() as at:
        await stock(at)
    yield site


async def test_until_it_is_filled_it_is_neither_stated_nor_searched_by(older: Site) -> None:
    async with older.opened(definition()) as at:
        assert not await stated(at)
        answer = await at.client.get("Observation?note-text=note")
        assert (answer.status_code, issue(answer)["code"]) == (400, "not-supported")
        assert "setpoint reindex" in issue(answer)["diagnostics"]
        assert issue(answer)["expression"] == ["note-text"]
        for query in ("Patient?_has:Observation:patient:note-text=x", "Observation?_sort=note-text", "Observation?note-text:exact=x"):
            assert (await at.client.get(query)).status_code == 400, query
        conditional = await at.client.post("Observation", content=json.dumps(value("x", "p")), headers={"if-none-exist": "note-text=x"})
        assert conditional.status_code == 412
        lenient = (await at.client.get("Observation?note-text=x", headers={"prefer": "handling=lenient"})).json()
        assert "note-text" not in lenient["link"][0]["url"]
        assert any(entry["search"]["mode"] == "outcome" for entry in lenient["entry"])


async def test_a_reindex_fills_it(older: Site) -> None:
    async with older.opened(definition()) as at:
        (done,) = await fill(at)
        assert done == {"type": "Observation", "resources": 20, "changed": 20, "filled": ["note-text"]}
        assert await stated(at)
        assert await ids(at, "Observation?note-text=NOTE+1") == {f"o{number}" for number in range(20) if number % 3 == 1}
        assert len(await ids(at, "Observation?note-text:missing=false")) == 20
        assert await fill(at) == []
        assert [each["changed"] for each in await fill(at, "Observation")] == [0]
    async with older.opened(definition()) as at:  # the next start knows it
        assert len(await ids(at, "Observation?note-text=note")) == 20


async def test_in_a_new_database_it_is_filled_by_itself(site: Site) -> None:
    async with site.opened(definition()) as at:
        assert await stated(at)
        await stock(at, 3)
        assert len(await ids(at, "Observation?note-text=note")) == 3
        assert await fill(at) == []


async def test_another_expression_counts_as_not_filled(older: Site) -> None:
    async with older.opened(definition()) as at:
        await fill(at)
    async with older.opened(definition(expression="Observation.code.text")) as at:
        assert not await stated(at)
        (done,) = await fill(at)
        assert done["changed"] == 20
        assert await ids(at, "Observation?note-text=note") == set()
        assert len(await ids(at, "Observation?note-text=something")) == 20


async def test_a_definition_that_was_away_has_to_be_filled_again(older: Site) -> None:
    """What was written meanwhile has no rows for it."""
    async with older.opened(definition()) as at:
        await fill(at)
    async with older.opened() as at:
        await stock(at, 5, first=100)
    async with older.opened(definition()) as at:
        assert not await stated(at)
        (done,) = await fill(at)
        assert (done["resources"], done["changed"]) == (25, 5)
        assert len(await ids(at, "Observation?note-text=note")) == 25


async def test_one_that_means_the_same_as_a_parameter_of_r4_reads_its_rows(older: Site) -> None:
    """Its name comes first in the alphabet: R4's must keep their rows all the same, or `code` would lose the older resources."""
    same = definition("a-code", "token", "Observation.code")
    async with older.opened() as at:
        wanted = await ids(at, "Observation?code:text=something")
        assert len(wanted) == 20
    async with older.opened(same) as at:
        assert await fill(at) == []
        assert await ids(at, "Observation?code:text=something") == wanted
        assert await ids(at, "Observation?a-code:text=something") == wanted


@pytest.mark.parametrize("kind", ["token", "reference", "date", "quantity", "uri", "number"], scope="function", indirect=False)
async def test_every_type_of_parameter(kind: str, tmp_path: Path) -> None:
    expressions = {
        "token": "Observation.category", "reference": "Observation.note.author", "date": "Observation.note.time", "quantity": "Observation.component.value",
        "uri": "Observation.implicitRules", "number": "Observation.component.value",
    }  # fmt: skip
    values = {"token": "x", "reference": "Practitioner/d", "date": "2026-02", "quantity": "5", "uri": "https://rules.example/1", "number": "5"}
    other = Site(f"sqlite:///{tmp_path / 'types.sqlite'}", tmp_path / "sites")
    resource = value("whole", "p", category=[{"coding": [{"system": "urn:c", "code": "x"}]}], implicitRules="https://rules.example/1",
                     note=[{"text": "t", "authorReference": {"reference": "Practitioner/d"}, "time": "2026-02-03"}],
                     component=[{"code": {"text": "n"}} | ({"valueInteger": 5} if kind == "number" else {"valueQuantity": {"value": 5}})])  # fmt: skip
    async with other.opened() as at:
        report = await at.bring(lines(tmp_path / "in.ndjson", [patient("p"), resource, value("bare", "p")]))
        assert report["refused"] == 0
    async with other.opened(definition("mine", kind, expressions[kind])) as at:
        await fill(at)
        assert await ids(at, f"Observation?mine={values[kind]}") == {"whole"}


async def test_a_reindex_while_writes_go_on(older: Site) -> None:
    """Updates, deletions and new resources in between: in the end every row is what the indexer finds in the body that stands."""
    async with older.opened() as at:
        await stock(at, 600, first=1000)
    async with older.opened(definition()) as at:
        stop = asyncio.Event()

        async def write() -> int:
            count = 0
            while not stop.is_set():
                number = 1000 + count * 7 % 600
                await at.client.put(f"Observation/o{number}", content=json.dumps(value(f"o{number}", "p", note=[{"text": f"Changed {count}"}])))
                await at.client.put(f"Observation/n{count}", content=json.dumps(value(f"n{count}", "p", note=[{"text": "New"}])))
                if count % 5 == 0:
                    await at.client.delete(f"Observation/o{1000 + count * 11 % 600}")
                count += 1
            return count

        writing = asyncio.create_task(write())
        done = await fill(at)
        stop.set()
        assert await writing > 0
        assert done[0]["filled"] == ["note-text"]
        assert await _written_rows(at) == await _found_rows(at)
        assert [each["changed"] for each in await fill(at, "Observation")] == [0]


async def _written_rows(at: Place) -> set[tuple[Any, ...]]:
    """The rows of the string index of every Observation, deleted ones among them."""
    sql = "SELECT i.rid, i.param, i.folded, i.exact FROM idx_string i JOIN resource r ON r.rid = i.rid WHERE r.ref LIKE 'Observation/%'"
    return {tuple(row) for row in await at.table(sql)}


async def _found_rows(at: Place) -> set[tuple[Any, ...]]:
    wanted: set[tuple[Any, ...]] = set()
    for rid, person, body in await at.table("SELECT rid, person, body FROM resource WHERE ref LIKE 'Observation/%' AND NOT deleted"):
        wanted |= {(rid, *row) for row in at.house.indexer.rows("Observation", json.loads(bytes(body)), person).string}
    return wanted


async def test_a_resource_that_was_changed_after_it_was_read_is_left_alone(older: Site) -> None:
    """The write brings its own rows; the reindex that read the version before must not put the old ones back."""
    async with older.opened(definition()) as at:
        task, refill = (await tasks(at.house, ()))[0], at.house.store.refill

        async def late(kind: int, wanted: Any) -> int:
            await at.client.put("Observation/o4", content=json.dumps(value("o4", "p", note=[{"text": "Later"}])))
            await at.client.delete("Observation/o5")
            return await refill(kind, wanted)

        at.house.store.refill = late  # type: ignore[method-assign]
        await reindex(at.house, task, lambda _: None)
        await at.house.filling.refresh()
        assert await ids(at, "Observation?note-text=later") == {"o4"}
        assert await _written_rows(at) == await _found_rows(at)


async def test_it_goes_on_where_it_was_ended(older: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.bulk.reindexing._PAGE", _page_of(6))
    async with older.opened(definition()) as at:

        class Ended(Exception):
            pass

        def end(done: int) -> None:
            if done >= 12:
                raise Ended

        (task,) = await tasks(at.house, ())
        with pytest.raises(Ended):
            await reindex(at.house, task, end)
        assert not (await fillings.every(at.house.store))["Observation", "note-text"].filled
        (task,) = await tasks(at.house, ())
        assert task.after > 0
        assert (await reindex(at.house, task, lambda _: None))["resources"] == 8
        await at.house.filling.refresh()
        assert len(await ids(at, "Observation?note-text=note")) == 20


def _page_of(size: int) -> str:
    from service.bulk.reindexing import _PAGE

    return _PAGE.replace("LIMIT 200", f"LIMIT {size}")


async def test_a_reindex_of_what_lacks_nothing_changes_nothing(older: Site) -> None:
    async with older.opened() as at:
        before = await indexes(at)
        assert await fill(at) == []
        for each in await fill(at, "Observation", "Patient", "Questionnaire"):
            assert each["changed"] == 0
        assert await indexes(at) == before
        with pytest.raises(CannotRun):
            await tasks(at.house, ["Account"])


async def test_kept_totals_do_not_outlive_a_reindex(older: Site) -> None:
    """Rows that were lost, put back: a total that was counted before is counted again."""
    async with older.opened() as at:
        await at.house.store.execute("DELETE FROM idx_string WHERE rid = (SELECT rid FROM resource WHERE ref = 'Observation/o3') RETURNING rid")
        query = "Observation?code:text=something&_total=accurate&_count=1"
        assert (await at.read(query))["total"] == 19
        assert [each["changed"] for each in await fill(at, "Observation")] == [1]
        assert (await at.read(query))["total"] == 20


async def test_the_command_fills_while_the_service_runs(older: Site) -> None:
    """Another process: the service offers the parameter a moment later, without a restart."""
    async with older.opened(definition()) as at:
        environment = {"SETPOINT_KNOWLEDGE_DIR": older.directory}
        process = start(older.url, "reindex", "--json", more=environment)
        out, err = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == 0, err.decode()
        assert json.loads(out) == [{"type": "Observation", "resources": 20, "changed": 20, "filled": ["note-text"]}]
        for _ in range(200):
            if (await at.client.get("Observation?note-text=note")).status_code == 200:
                break
            await asyncio.sleep(0.05)
        assert len(await ids(at, "Observation?note-text=note")) == 20
        process = start(older.url, "reindex", more=environment)
        out, _ = await asyncio.to_thread(process.communicate, None, 60)
        assert out.decode().strip() == "every search parameter is filled"
