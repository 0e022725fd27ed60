"""An export is what stands here, from one moment; an empty database that takes it in has the same record and goes on as this one would."""

import asyncio
import json
import random
import stat
from pathlib import Path
from typing import Any

import pytest

from service.bulk.exporting import Folder, scope
from service.bulk.files import CannotRun
from service.registry import Ehr
from service.workflows.clinical_time import microseconds
from tests.conftest import ROUNDS
from tests.fhir.persons import found
from tests.load.place import Json, Place, lines, patient, value, without_version
from tests.story.telling import NOW, phq9, weeks_ago
from tests.story.test_suggestions import plans, review


async def record(at: Place) -> dict[str, tuple[Any, ...]]:
    """Every resource that stands, to the letter, without version and time; and whose it is."""
    rows = await at.table("SELECT ref, person, body FROM resource WHERE NOT deleted")
    return {ref: (person, json.dumps(_lettered(bytes(body)), sort_keys=True)) for ref, person, body in rows}


def _lettered(body: bytes) -> Json:
    return without_version(json.loads(body, parse_float=lambda text: f"number {text}"))


async def memory(at: Place) -> list[list[tuple[Any, ...]]]:
    """What is remembered of persons."""
    story = await at.table("SELECT person, kind, key, body FROM story")
    return [story, await at.table("SELECT person, measure, at, source, received, value, body FROM reading"), await at.table("SELECT ref FROM person")]


INDEXES = {
    "token": "param, code, system", "string": "param, folded, exact", "reference": "param, target", "date": "param, low, high",
    "quantity": "param, low, high, system, code", "uri": "param, uri", "composite": "param, code, low, text, system, high, second",
}  # fmt: skip


async def indexes(at: Place) -> list[list[tuple[Any, ...]]]:
    return [await at.table(f"SELECT r.ref, {columns} FROM idx_{name} i JOIN resource r ON r.rid = i.rid") for name, columns in INDEXES.items()]


async def put(at: Place, resource: Json | bytes, id_: str | None = None) -> None:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    parsed = json.loads(body)
    answer = await at.client.put(f"{parsed['resourceType']}/{id_ or parsed['id']}", content=body)
    assert answer.status_code in (200, 201), answer.text


async def history(at: Place, rng: random.Random) -> None:
    """What may happen in a house: answers in any order, amended, withdrawn; values; a prescription beside genes; a review; deletions."""
    for person in ("ann", "ben", "cleo"):
        await put(at, patient(person, name=[{"family": "Ä", "given": [person]}]))
    for week in range(10, 0, -1):
        await put(at, phq9("Patient/ann", 5 + week % 2, weeks_ago(week), id=f"ann-{week}"))
    for person in ("ben", "cleo"):
        weeks = rng.sample(range(1, 20), rng.randint(6, 12))
        for week in weeks:
            await put(at, phq9(f"Patient/{person}", rng.randint(3, 7), weeks_ago(week), id=f"{person}-{week}"))
        for week in rng.sample(weeks, 2):
            await put(at, phq9(f"Patient/{person}", rng.randint(0, 24), weeks_ago(week), id=f"{person}-{week}", status="amended"))
        assert (await at.client.delete(f"QuestionnaireResponse/{person}-{weeks[0]}")).status_code == 204
        sent = value(f"{person}-value", person)
        await put(at, json.dumps(sent, indent=2).replace(": 7", ": 7.00").encode())
    await put(at, phq9("Patient/ann", (2, 2, 2, 2, 2, 1, 1, 1, 2), weeks_ago(0), id="ann-now"))
    (plan,) = await plans(at.client, "Patient/ann", "depression-worsening")
    assert (await review(at.client, plan, rng.choice(("accept", "decline")), reason="because")).status_code == 200
    citalopram = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2556"}
    await put(at, {"resourceType": "Medication", "id": "drug", "code": {"coding": [citalopram]}})
    for person in ("ann", "ben"):
        subject = {"identifier": {"system": "urn:test:mrn", "value": person}}
        await put(at, {"resourceType": "MedicationRequest", "id": f"rx-{person}", "status": "active", "intent": "order", "subject": subject,
                       "medicationReference": {"reference": "Medication/drug"}})  # fmt: skip
    made = {"resourceType": "Provenance", "target": [{"reference": "Patient/ben"}], "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"display": "A"}}]}  # fmt: skip
    assert (await at.client.post("Provenance", content=json.dumps(made))).status_code == 201


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_an_empty_database_gets_the_same_record_and_goes_on_with_it(there: Place, elsewhere: Place, tmp_path: Path, seed: int) -> None:
    await history(there, random.Random(seed))
    report = await there.take_out(tmp_path / "out")
    assert report["resources"] == len(await record(there)) + 3  # and three stories
    taken = await elsewhere.bring(tmp_path / "out", size=random.Random(seed).choice((3, 20, 1000)))
    assert (taken["refused"], taken["restored"], taken["updated"]) == (0, True, 0)
    assert await record(elsewhere) == await record(there)
    assert await memory(elsewhere) == await memory(there)
    assert await indexes(elsewhere) == await indexes(there)
    for place in (there, elsewhere):
        await put(place, phq9("Patient/ann", (2, 2, 2, 2, 2, 1, 1, 1, 2), NOW.isoformat(), id="ann-later"))
        await put(place, phq9("Patient/ben", 4, weeks_ago(30), id="ben-late"))
    here, over = await record(there), await record(elsewhere)
    assert {ref for ref in here if not ref.startswith("Provenance/")} == {ref for ref in over if not ref.startswith("Provenance/")}
    assert [len(await plans(place.client, "Patient/ann", "depression-worsening")) for place in (there, elsewhere)] == [1, 1]


async def test_a_restore_that_was_stopped_goes_on_as_a_restore(there: Place, elsewhere: Place, tmp_path: Path) -> None:
    await history(there, random.Random(1))
    await there.take_out(tmp_path / "out")
    runs = 0
    while not (report := await elsewhere.bring(tmp_path / "out", size=25, stop_after=4))["finished"]:
        runs += 1
    assert runs > 2
    assert (report["restored"], report["refused"]) == (True, 0)
    assert await record(elsewhere) == await record(there)
    assert await memory(elsewhere) == await memory(there)


async def test_a_restore_pushes_nothing(there: Place, elsewhere: Place, tmp_path: Path) -> None:
    await history(there, random.Random(2))
    await there.take_out(tmp_path / "out")
    await elsewhere.house.registry.put(Ehr(name="ehr", base="https://ehr.example/fhir", auth="none", patient_system="urn:test:mrn"))
    await elsewhere.bring(tmp_path / "out")
    assert await elsewhere.outbox() == []


async def test_where_persons_are_known_an_export_is_judged_anew(there: Place, elsewhere: Place, tmp_path: Path) -> None:
    """What is worked out again under the same id is left as worked out here; what is not, as a review, is kept as it was sent."""
    await history(there, random.Random(3))
    await there.take_out(tmp_path / "out")
    await put(elsewhere, patient("known-before"))
    report = await elsewhere.bring(tmp_path / "out")
    assert (report["refused"], report["restored"]) == (0, False)
    assert report["derived"] > 60  # our forms, and every score
    assert set(await record(there)) <= set(await record(elsewhere))
    standing = [each for each in await found(elsewhere.client, "Observation?patient=ann&_count=200") if each["status"] != "entered-in-error"]
    panels = [each for each in standing if "hasMember" in each]
    assert len(panels) == len({each["derivedFrom"][0]["reference"] for each in panels})


async def test_lines_are_as_stored_and_files_are_named_by_type(there: Place, tmp_path: Path) -> None:
    """One line each, decimals to the letter (Bulk Data: NDJSON; datatypes.html#decimal); the manifest counts them; nobody else may read them."""
    body = b'{\r\n "resourceType": "Observation",\n "id": "o", "status": "final",\n "code": {"text": "a\\nb"},\n "valueQuantity": {"value": 1.50}}'
    await put(there, body)
    await put(there, patient("p"))
    await there.take_out(tmp_path / "out", types=["Observation", "Patient"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Observation.ndjson", "Patient.ndjson", "manifest.json"]
    (line,) = (tmp_path / "out" / "Observation.ndjson").read_bytes().splitlines()
    assert b'"value": 1.50}' in line
    assert line == (await there.client.get("Observation/o")).content.replace(b"\r\n", b"  ").replace(b"\n", b" ")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["output"] == [
        {"type": "Patient", "url": "Patient.ndjson", "count": 1}, {"type": "Observation", "url": "Observation.ndjson", "count": 1},
    ]  # fmt: skip
    assert {"transactionTime", "request", "requiresAccessToken", "output", "error"} <= set(manifest)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


async def test_since(there: Place, tmp_path: Path) -> None:
    await put(there, patient("old"))
    await asyncio.sleep(0.01)
    await put(there, patient("new"))
    since = microseconds((await there.read("Patient/new"))["meta"]["lastUpdated"])
    await there.take_out(tmp_path / "out", since=since)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Patient.ndjson", "manifest.json"]
    assert [json.loads(line)["id"] for line in (tmp_path / "out" / "Patient.ndjson").read_bytes().splitlines()] == ["new"]


async def test_one_person(there: Place, elsewhere: Place, tmp_path: Path) -> None:
    """The record of one, what it refers to that is about nobody, who made it; and nothing of others. Elsewhere it is the same record."""
    await history(there, random.Random(4))
    await there.take_out(tmp_path / "out", person="Patient/ben")
    await elsewhere.bring(tmp_path / "out")
    whole, theirs = await record(there), await record(elsewhere)
    (sent,) = [ref for ref, (person, _) in whole.items() if ref.startswith("Provenance/") and person is None]
    wanted = {ref for ref, (person, _) in whole.items() if person == "Patient/ben"} | {"Medication/drug", sent}
    assert {ref for ref, (person, body) in theirs.items() if person is not None or "derived" not in body} == wanted
    assert {ref: whole[ref] for ref in wanted} == {ref: theirs[ref] for ref in wanted}
    assert await memory(elsewhere) == [[row for row in rows if row[0] == "Patient/ben"] for rows in await memory(there)]


async def test_it_is_of_one_moment(there: Place, tmp_path: Path) -> None:
    """A Patient and an Observation are written in pairs meanwhile: no half of a pair is in the export without what came before it."""
    await there.bring(lines(tmp_path / "first.ndjson", map(patient, (f"a{number}" for number in range(1500)))))
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            await put(there, patient(f"b{count}"))
            await put(there, value(f"b{count}", f"b{count}"))
            count += 1
            await asyncio.sleep(0)
        return count

    writing = asyncio.create_task(write())
    for number in range(3):
        await there.take_out(tmp_path / f"out{number}")
    stop.set()
    assert await writing > 0
    for number in range(3):
        kept = {name: _ids(tmp_path / f"out{number}" / f"{name}.ndjson") for name in ("Patient", "Observation")}
        people = {each for each in kept["Patient"] if each.startswith("b")}
        assert len(people) - 1 <= len(kept["Observation"]) <= len(people)
        assert kept["Observation"] <= people


def _ids(path: Path) -> set[str]:
    return {json.loads(line)["id"] for line in path.read_bytes().splitlines()} if path.exists() else set()


def test_it_never_mixes_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text("{}\n")
    with pytest.raises(CannotRun, match="not empty"):
        Folder(tmp_path)


def test_a_type_that_is_not_kept(tmp_path: Path) -> None:
    for name in ("Account", "AuditEvent"):
        with pytest.raises(CannotRun, match=name):
            scope(("Patient", "AuditEvent"), [name], None, None)
