"""An import that ends in the middle - killed, stopped, at a refusal - goes on where it was: nothing twice, nothing lost, one report in the end."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.store.opening import open_store
from tests.conftest import ROUNDS, SECRET
from tests.load.place import Json, Place, lines, patient, refusals, value
from tests.story.telling import phq9, weeks_ago

PEOPLE, ANSWERS = 30, 5
LINES = PEOPLE * (ANSWERS + 2)
"""Of all files together."""
Counts = dict[str, int]


def files(folder: Path) -> Counts:
    """Files of every step, with refusals among them; answers what must come of them."""
    people = [f"p{number}" for number in range(PEOPLE)]
    weeks = [(week, each) for week in range(ANSWERS, 0, -1) for each in people]
    answers: list[Json | bytes] = [phq9(f"Patient/{each}", 4 + week % 3, weeks_ago(week), id=f"{each}-{week}") for week, each in weeks]
    for number in range(0, len(answers), 40):
        answers[number] = b'{"resourceType":"QuestionnaireResponse"'
    lines(folder / "QuestionnaireResponse.ndjson", answers)
    lines(folder / "Observation.ndjson.gz", [value(f"o-{number}", f"p{number}" if number % 25 else "nobody") for number in range(PEOPLE)])
    lines(folder / "Patient.ndjson", map(patient, people))
    broken, lost = len(range(0, len(answers), 40)), len(range(0, PEOPLE, 25))
    return {"created": PEOPLE + len(answers) - broken + PEOPLE - lost, "updated": 0, "unchanged": 0, "refused": broken + lost}


async def all_is_there_once(there: Any, wanted: Counts) -> None:
    """Every resource in its first version, derived content once a source, each reading once."""
    received = await _rows(there, "SELECT r.ref, r.version FROM import_source s JOIN resource r ON r.ref = s.ref")
    assert len(received) == wanted["created"]
    assert {version for _, version in received} == {1}
    derived = [json.loads(bytes(body)) for (body,) in await _rows(there, "SELECT body FROM resource WHERE ref LIKE 'Observation/%' AND NOT ref LIKE '%/o-%'")]
    answers = [ref for ref, _ in received if str(ref).startswith("QuestionnaireResponse/")]
    panels = Counter(each["derivedFrom"][0]["reference"] for each in derived if "hasMember" in each)
    assert panels == Counter(map(str, answers))
    readings = await _rows(there, "SELECT source FROM reading WHERE measure = 'phq-9'")
    assert Counter(str(source) for (source,) in readings) == panels
    assert not await _rows(there, "SELECT source FROM import_progress")


async def _rows(there: Any, sql: str) -> list[Any]:
    return list(await (there.house.store if isinstance(there, Place) else there).fetch(sql))


@pytest.mark.parametrize("batches", [1, 3])
async def test_stopped_after_some_batches(there: Place, tmp_path: Path, batches: int) -> None:
    wanted = files(tmp_path / "in")
    refused, runs = tmp_path / "refused.ndjson", 0
    while True:
        report = await there.bring(tmp_path / "in", size=30, refused=refused, stop_after=batches)
        runs += 1
        assert report["resumed"] is (runs > 1)
        if report["finished"]:
            break
    assert runs > 1
    assert {name: report[name] for name in wanted} == wanted
    assert len(refusals(refused)) == len({(each["file"], each["line"]) for each in refusals(refused)}) == wanted["refused"]
    await all_is_there_once(there, wanted)
    again = await there.bring(tmp_path / "in")
    assert (again["resumed"], again["created"], again["unchanged"]) == (False, 0, wanted["created"])


async def test_killed_at_any_moment(empty_database: str, tmp_path: Path) -> None:
    """kill -9, again and again, while it runs as a process of its own."""
    wanted, folder, refused = files(tmp_path / "in"), tmp_path / "in", tmp_path / "refused.ndjson"
    rng, kills = random.Random(7), 0
    store = await open_store(empty_database)
    try:
        for _ in range(6 + 4 * ROUNDS):
            process = start(empty_database, "import", str(folder), "--batch", "15", "--refused", str(refused), "--json")
            if not await _till_it_works(store, process, rng):
                break
            process.kill()
            process.communicate()
            kills += 1
        else:
            process = start(empty_database, "import", str(folder), "--batch", "15", "--refused", str(refused), "--json")
        out, err = await asyncio.to_thread(process.communicate, None, 120)
        assert process.returncode == 1, err.decode()
        report = json.loads(out)
        assert kills >= 2
        assert report["resumed"]
        assert {name: report[name] for name in wanted} == wanted
        assert len(refusals(refused)) == wanted["refused"]
        await all_is_there_once(store, wanted)
    finally:
        await store.close()


async def _till_it_works(store: Any, process: subprocess.Popen[bytes], rng: random.Random) -> bool:
    """Wait until some batches more are in, and then a moment of any length; False when it came to its end instead, or is about to: a process
    that has finished and only not said so yet must not be killed for unfinished work."""
    before, more = await _progress(store), rng.randint(1, 6) * 15
    while process.poll() is None:
        if await _progress(store) >= before + more:
            await asyncio.sleep(rng.random() * 0.05)
            return process.poll() is None and 0 < await _progress(store) <= LINES - 30
        await asyncio.sleep(0.005)
    return False


async def _progress(store: Any) -> int:
    rows = await store.fetch("SELECT body FROM import_progress")
    return int(json.loads(bytes(rows[0][0]))["done"]) if rows else 0


def start(database: str, *words: str, more: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    environment = {name: item for name, item in os.environ.items() if not name.startswith("SETPOINT_")}
    environment |= {"SETPOINT_DATABASE_URL": database, "SETPOINT_AUTH": "open", "SETPOINT_SECRET": SECRET, "SETPOINT_PUBLIC_URL": "http://setpoint.test"}
    environment |= more or {}
    return subprocess.Popen([sys.executable, "-m", "service.cli", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def test_sigterm_ends_behind_a_batch(empty_database: str, tmp_path: Path) -> None:
    wanted = files(tmp_path / "in")
    store = await open_store(empty_database)
    try:
        process = start(empty_database, "import", str(tmp_path / "in"), "--batch", "5", "--json")
        assert await _till_it_works(store, process, random.Random(1))
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == (1 if json.loads(out)["refused"] else 2), err.decode()
        assert not json.loads(out)["finished"]
        process = start(empty_database, "import", str(tmp_path / "in"), "--json")
        out, err = await asyncio.to_thread(process.communicate, None, 60)
        assert {name: json.loads(out)[name] for name in wanted} == wanted
        await all_is_there_once(store, wanted)
    finally:
        await store.close()


async def test_other_files_begin_anew(there: Place, tmp_path: Path) -> None:
    """Progress counts for just these files; what was in them and is in others too is unchanged."""
    file = lines(tmp_path / "a.ndjson", map(patient, "abcdef"))
    await there.bring(file, size=2, stop_after=1)
    lines(tmp_path / "a.ndjson", map(patient, "abcdefg"))
    report = await there.bring(file)
    assert (report["resumed"], report["created"], report["unchanged"]) == (False, 5, 2)


async def test_it_can_stop_at_the_first_refusal(there: Place, tmp_path: Path) -> None:
    """What stands before it is in; with the line put right the rest follows."""
    bad = b'{"resourceType":"Patient","id":"c","gender":"x"}'
    file = lines(tmp_path / "Patient.ndjson", [patient("a"), patient("b"), bad, patient("d")])
    report = await there.bring(file, stop=True, refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"], report["finished"]) == (2, 1, False)
    assert [each["line"] for each in refusals(tmp_path / "refused.ndjson")] == [3]
    again = await there.bring(file, stop=True, refused=tmp_path / "refused.ndjson")
    assert (again["resumed"], again["created"], again["refused"]) == (True, 2, 1)
    assert [each["line"] for each in refusals(tmp_path / "refused.ndjson")] == [3]
    lines(file, [patient("a"), patient("b"), patient("c"), patient("d")])
    report = await there.bring(file, stop=True)
    assert (report["created"], report["unchanged"], report["refused"]) == (2, 2, 0)


async def test_others_write_to_the_same_persons_meanwhile(there: Place, tmp_path: Path) -> None:
    """Answers by the API and by the import on the same people at once: all are there, judged as one history."""
    people = [f"p{number}" for number in range(5)]
    await there.bring(lines(tmp_path / "Patient.ndjson", map(patient, people)))
    weeks = [(week, each) for week in range(30, 10, -1) for each in people]
    file = lines(tmp_path / "in" / "q.ndjson", [phq9(f"Patient/{each}", 5, weeks_ago(week), id=f"{each}-{week}") for week, each in weeks])

    async def send(person: str) -> None:
        for week in range(9, 0, -1):
            answer = await there.client.post("QuestionnaireResponse", content=json.dumps(phq9(f"Patient/{person}", 6, weeks_ago(week))))
            assert answer.status_code == 201, answer.text

    report, *_ = await asyncio.gather(there.bring(file, size=10), *map(send, people))
    assert (report["created"], report["refused"]) == (100, 0)
    counts = await there.table("SELECT person, count(*) FROM reading WHERE measure = 'phq-9' GROUP BY person")
    assert counts == [(f"Patient/{each}", 29) for each in people]
    panels = [json.loads(bytes(body)) for (body,) in await there.table("SELECT body FROM resource WHERE ref LIKE 'Observation/%'")]
    assert len([each for each in panels if "hasMember" in each]) == 29 * 5
