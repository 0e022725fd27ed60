"""Who may change what an import brought: its own source only, and only what nobody changed here since."""

import json
from pathlib import Path

from service.registry import Ehr
from tests.load.place import Json, Place, lines, patient, refusals, value
from tests.story.telling import phq9, weeks_ago


def named(family: str) -> Json:
    return patient("p", name=[{"family": family}])


async def test_the_same_again_is_unchanged_and_other_content_of_the_source_is_a_new_version(there: Place, tmp_path: Path) -> None:
    first, second = lines(tmp_path / "1.ndjson", [named("Old"), patient("q")]), lines(tmp_path / "2.ndjson", [named("New"), patient("q")])
    assert (await there.bring(first))["created"] == 2
    again = await there.bring(first)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)
    changed = await there.bring(second)
    assert (changed["updated"], changed["unchanged"]) == (1, 1)
    history = (await there.client.get("Patient/p/_history")).json()["entry"]
    assert [entry["resource"]["name"][0]["family"] for entry in history] == ["New", "Old"]
    assert await there.version("Patient/q") == 1


async def test_what_says_the_same_is_unchanged_to_the_letter_of_every_number(there: Place, tmp_path: Path) -> None:
    """JSON knows no order of members and no white space between them (RFC 8259); FHIR's decimals have a precision (datatypes.html#decimal)."""

    def with_value(number: str, spaced: bool = False) -> bytes:
        body = '"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"valueQuantity":{"value":' + number + "}"
        head = '"id":"o", "resourceType":"Observation"' if spaced else '"resourceType":"Observation","id":"o"'
        return f"{{{head},{body}}}".encode()

    await there.bring(lines(tmp_path / "p.ndjson", [patient("p"), with_value("1.50")]))
    assert (await there.bring(lines(tmp_path / "same.ndjson", [with_value("1.50", spaced=True)])))["unchanged"] == 1
    versioned = with_value("1.50").replace(b'"id":"o"', b'"id":"o","meta":{"versionId":"9","lastUpdated":"2020-01-01T00:00:00Z"}')
    assert (await there.bring(lines(tmp_path / "version.ndjson", [versioned])))["unchanged"] == 1
    assert (await there.bring(lines(tmp_path / "other.ndjson", [with_value("1.5")])))["updated"] == 1
    assert (await there.bring(lines(tmp_path / "text.ndjson", [with_value("1.5").replace(b'"text":"x"', b'"text":"1.5"')])))["updated"] == 1


async def test_two_sources_clash(there: Place, tmp_path: Path) -> None:
    await there.bring(lines(tmp_path / "a.ndjson", [named("Ours"), patient("q")]), source="ward-a")
    theirs = lines(tmp_path / "b.ndjson", [named("Theirs"), patient("q"), patient("r")])
    report = await there.bring(theirs, source="ward-b", refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["updated"], report["unchanged"], report["refused"]) == (1, 0, 1, 1)
    (refused,) = refusals(tmp_path / "refused.ndjson")
    assert (refused["line"], refused["status"], refused["issue"][0]["code"]) == (1, 409, "conflict")
    assert (await there.read("Patient/p"))["name"][0]["family"] == "Ours"


async def test_what_the_api_wrote_is_not_overwritten(there: Place, tmp_path: Path) -> None:
    await there.client.put("Patient/p", content=json.dumps(named("Clinic")))
    same = await there.bring(lines(tmp_path / "same.ndjson", [named("Clinic")]))
    other = await there.bring(lines(tmp_path / "other.ndjson", [named("Elsewhere")]))
    assert (same["unchanged"], other["refused"]) == (1, 1)
    assert (await there.read("Patient/p"))["name"][0]["family"] == "Clinic"


async def test_what_was_changed_here_since_stays(there: Place, tmp_path: Path) -> None:
    """The source that says nothing new is passed over; one that has news for it is refused, and a person has to look."""
    old = lines(tmp_path / "old.ndjson", [named("Old")])
    await there.bring(old)
    await there.client.put("Patient/p", content=json.dumps(named("Corrected")))
    assert (await there.bring(old))["unchanged"] == 1
    assert (await there.bring(lines(tmp_path / "new.ndjson", [named("New")])))["refused"] == 1
    assert (await there.read("Patient/p"))["name"][0]["family"] == "Corrected"
    await there.client.put("Patient/p", content=json.dumps(named("Old")))
    assert (await there.bring(lines(tmp_path / "newer.ndjson", [named("New")])))["updated"] == 1


async def test_what_was_deleted_here_is_not_brought_back(there: Place, tmp_path: Path) -> None:
    file = lines(tmp_path / "p.ndjson", [patient("p"), value("o", "p")])
    await there.bring(file)
    assert (await there.client.delete("Observation/o")).status_code == 204
    report = await there.bring(file, refused=tmp_path / "refused.ndjson")
    assert (report["unchanged"], report["refused"]) == (1, 1)
    assert refusals(tmp_path / "refused.ndjson")[0]["issue"][0]["code"] == "deleted"
    assert (await there.client.get("Observation/o")).status_code == 410


async def test_one_address_twice_in_a_file(there: Place, tmp_path: Path) -> None:
    """The same twice is one; different content of one source is its history, in the order of the file."""
    report = await there.bring(lines(tmp_path / "p.ndjson", [named("A"), named("A"), named("B"), named("B"), named("C")]))
    assert (report["created"], report["updated"], report["unchanged"]) == (1, 2, 2)
    assert await there.version("Patient/p") == 3


async def test_append_only_types_are_not_changed(there: Place, tmp_path: Path) -> None:
    made: Json = {"resourceType": "Provenance", "id": "v", "target": [{"reference": "Patient/p"}], "recorded": "2026-01-01T00:00:00Z",
                  "agent": [{"who": {"display": "A"}}]}  # fmt: skip
    await there.bring(lines(tmp_path / "1.ndjson", [patient("p"), made]))
    report = await there.bring(lines(tmp_path / "2.ndjson", [made | {"agent": [{"who": {"display": "B"}}]}]), refused=tmp_path / "refused.ndjson")
    assert report["refused"] == 1
    assert refusals(tmp_path / "refused.ndjson")[0]["status"] == 405


async def test_knowledge_files_win(there: Place, tmp_path: Path) -> None:
    form = await there.read("Questionnaire/phq-9")
    report = await there.bring(lines(tmp_path / "q.ndjson", [form | {"title": "Another title"}]))
    assert (report["derived"], report["refused"]) == (1, 0)
    assert (await there.read("Questionnaire/phq-9"))["title"] == form["title"]


async def test_nothing_is_pushed_unless_it_is_asked_for(there: Place, tmp_path: Path) -> None:
    """Suggestion and safety Flag are raised as by the API; only --push queues them, and so does the next change that comes by the API."""
    await there.house.registry.put(Ehr(name="ehr", base="https://ehr.example/fhir", auth="none", patient_system="urn:test:mrn"))
    for person, push in (("quiet", False), ("loud", True)):
        answers = [phq9(f"Patient/{person}", 5, weeks_ago(week), id=f"{person}-{week}") for week in range(10, 0, -1)]
        worse = phq9(f"Patient/{person}", (2, 2, 2, 2, 2, 1, 1, 1, 2), weeks_ago(0), id=f"{person}-now")
        await there.bring(lines(tmp_path / f"{person}.ndjson", [patient(person), *answers, worse]), push=push)
        raised = {row[0].split("/")[0] for row in await there.table(f"SELECT ref FROM resource WHERE person = 'Patient/{person}'")}
        assert {"CarePlan", "Flag"} <= raised
        assert {kind for kind, _ in await there.outbox()} == ({"CarePlan", "Flag"} if push else set())
    withdrawn = phq9("Patient/quiet", (2, 2, 2, 2, 2, 1, 1, 1, 2), weeks_ago(0), id="quiet-now", status="entered-in-error")
    await there.bring(lines(tmp_path / "withdrawn.ndjson", [withdrawn]))
    rows = len(await there.outbox())
    await there.bring(lines(tmp_path / "more.ndjson", [phq9("Patient/quiet", (3, 3, 3, 3, 3, 1, 1, 1, 3), weeks_ago(-0.0001), id="more")]))
    assert len(await there.outbox()) == rows
    await there.client.post("QuestionnaireResponse", content=json.dumps(phq9("Patient/quiet", (3, 3, 3, 3, 3, 3, 1, 1, 3), weeks_ago(-0.0002))))
    assert len(await there.outbox()) > rows


async def test_a_flag_that_the_source_has_resolved_is_not_pushed_either(there: Place, tmp_path: Path) -> None:
    await there.house.registry.put(Ehr(name="ehr", base="https://ehr.example/fhir", auth="none", patient_system="urn:test:mrn"))
    await there.bring(lines(tmp_path / "1.ndjson", [patient("p"), phq9("Patient/p", (0,) * 8 + (2,), weeks_ago(0), id="answer")]))
    ((ref,),) = await there.table("SELECT ref FROM resource WHERE ref LIKE 'Flag/%'")
    resolved = await there.read(str(ref)) | {"status": "inactive"}
    report = await there.bring(lines(tmp_path / "2.ndjson", [resolved]))
    assert report["derived"] == 1
    assert (await there.read(str(ref)))["status"] == "active"
    assert await there.outbox() == []
