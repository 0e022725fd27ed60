"""Bulk Data files as they come: any order, compressed, broken in places. What can go in goes in, as it is written; the rest is named by file and line."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.bulk.files import CannotRun, find, holds_lines
from tests.load.place import Json, Place, lines, patient, refusals, value, without_version
from tests.story.telling import phq9, weeks_ago

EXAMPLES = Path(__file__).parent.parent / "r4" / "examples"


async def test_bytes_are_kept_and_ids(there: Place, tmp_path: Path) -> None:
    """Decimals are significant (R4 datatypes.html#decimal): 1.50 is not 1.5, and 1.0e2 is not 100."""
    body = (
        b'{"resourceType":"Observation","id":"as-it-is","status":"final","code":{"text":"x"},  "subject":{"reference":"Patient/p"},'
        b'"valueQuantity":{"value":1.50},"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.0e2}}]}'
    )
    report = await there.bring(lines(tmp_path / "Patient.ndjson", [patient("p")]), lines(tmp_path / "Observation.ndjson", [body]))
    assert (report["created"], report["refused"], report["finished"]) == (2, 0, True)
    found = (await there.client.get("Observation/as-it-is")).content
    assert b'"valueQuantity":{"value":1.50}' in found
    assert b'"valueQuantity":{"value":1.0e2}' in found
    assert b'},  "subject"' in found


async def test_what_is_referred_to_may_come_later(there: Place, tmp_path: Path) -> None:
    """Files of one type each, by name: Medication and Patient come after what refers to them, a Device before the Patient it belongs to."""
    prescription = {"resourceType": "MedicationRequest", "id": "rx", "status": "active", "intent": "order", "subject": {"reference": "Patient/p"},
                    "medicationReference": {"reference": "Medication/citalopram"}}  # fmt: skip
    drug = {"resourceType": "Medication", "id": "citalopram", "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2556"}]}}
    device = {"resourceType": "Device", "id": "watch", "patient": {"reference": "Patient/p"}}
    steps = value("of-the-watch", "p") | {"subject": {"reference": "Device/watch"}}
    task = {"resourceType": "Task", "id": "look", "status": "requested", "intent": "order", "for": {"reference": "Observation/of-the-watch"}}
    for name, resource in {"A-rx": prescription, "B-steps": steps, "C-task": task, "D-device": device, "E-drug": drug, "F-person": patient("p")}.items():
        lines(tmp_path / f"{name}.ndjson", [resource])
    report = await there.bring(tmp_path)
    assert (report["created"], report["refused"]) == (6, 0), report
    ((story,),) = await there.table("SELECT body FROM story WHERE kind = 'medicine'")
    assert json.loads(bytes(story))["ingredients"] == ["citalopram"]


async def test_one_file_of_everything_in_the_wrong_order(there: Place, tmp_path: Path) -> None:
    people = [f"p{number}" for number in range(30)]
    values = [value(f"{person}-{number}", person) for number in range(5) for person in people]
    report = await there.bring(lines(tmp_path / "all.ndjson", [*values, *map(patient, people)]), size=7)
    assert (report["created"], report["refused"]) == (180, 0)


async def test_a_reference_to_nowhere_is_refused_and_the_rest_goes_in(there: Place, tmp_path: Path) -> None:
    file = lines(tmp_path / "Observation.ndjson", [value("a", "p"), value("b", "nobody"), value("c", "p")])
    report = await there.bring(lines(tmp_path / "Patient.ndjson", [patient("p")]), file, refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (3, 1)
    (refused,) = refusals(tmp_path / "refused.ndjson")
    assert (refused["file"], refused["line"], refused["status"], refused["type"]) == (str(file), 2, 422, "Observation")
    assert refused["issue"][0]["expression"] == "Observation.subject.reference"
    assert (await there.client.get("Observation/b")).status_code == 404


async def test_absolute_references_at_the_address_of_the_source(there: Place, tmp_path: Path) -> None:
    """References of a Bulk Data export may be absolute; with its address they are those of the files, and others stay (references.html#literal)."""
    base = "https://old.example/fhir"
    observation = value("o", "") | {"subject": {"reference": f"{base}/Patient/p"}, "performer": [{"reference": "https://else.example/fhir/Practitioner/d"}]}
    file = lines(tmp_path / "in.ndjson", [observation, patient("p")])
    assert (await there.bring(file))["refused"] == 1
    assert (await there.bring(file, base=base + "/"))["created"] == 1
    stored = await there.read("Observation/o")
    assert (stored["subject"], stored["performer"]) == ({"reference": "Patient/p"}, observation["performer"])


BROKEN: dict[str, tuple[bytes, int, str]] = {
    "bad UTF-8": (b'{"resourceType":"Patient","id":"x","name":[{"family":"SECRET\xff"}]}', 400, "structure"),
    "no JSON": (b'{"resourceType":"Patient","id":"x","name":SECRET}', 400, "structure"),
    "a list": (b'[{"resourceType":"Patient","id":"SECRET"}]', 400, "structure"),
    "no type": (b'{"id":"SECRET"}', 400, "required"),
    "a member twice": (b'{"resourceType":"Patient","id":"x","gender":"male","gender":"male"}', 400, "structure"),
    "not valid R4": (b'{"resourceType":"Patient","id":"x","gender":"SECRET"}', 400, "code-invalid"),
    "no FHIR id": (b'{"resourceType":"Patient","id":"SECRET SECRET"}', 400, "value"),
    "a type that is not kept": (b'{"resourceType":"Account","id":"x","status":"active"}', 404, "not-supported"),
    "no type at all": (b'{"resourceType":"Secret","id":"x"}', 404, "not-supported"),
    "an audit trail": (
        b'{"resourceType":"AuditEvent","id":"x","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z","agent":[{"requestor":true}],'
        b'"source":{"observer":{"display":"SECRET"}}}', 405, "not-supported",
    ),
    "50 MB": (b'{"resourceType":"Patient","id":"x","name":[{"family":"' + b"SECRET" * 8_700_000 + b'"}]}', 400, "structure"),
}  # fmt: skip


async def test_broken_lines_are_named_and_the_others_go_in(there: Place, tmp_path: Path) -> None:
    """No line stops the next, and none of what was in them is said."""
    body = [patient("first"), *(line for line, _, _ in BROKEN.values()), b"", b"  ", patient("last")]
    report = await there.bring(lines(tmp_path / "Patient.ndjson", body), refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (2, len(BROKEN))
    found = sorted(refusals(tmp_path / "refused.ndjson"), key=lambda each: each["line"])
    said = {name: (each["line"], each["status"], each["issue"][0]["code"]) for name, each in zip(BROKEN, found, strict=True)}
    wanted = {name: (number, status, code) for number, (name, (_, status, code)) in enumerate(BROKEN.items(), 2)}
    assert said == wanted
    assert "SECRET" not in (tmp_path / "refused.ndjson").read_text() + json.dumps(report)
    assert await there.version("Patient/first") == await there.version("Patient/last") == 1


async def test_a_file_with_windows_line_ends_and_a_byte_order_mark(there: Place, tmp_path: Path) -> None:
    body = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(patient(each)).encode() for each in ("a", "b")) + b"\r\n"
    (tmp_path / "Patient.ndjson").write_bytes(body)
    assert (await there.bring(tmp_path))["created"] == 2


async def test_compressed_files(there: Place, tmp_path: Path) -> None:
    """By .gz and by its first bytes; a damaged one gives what can be read of it."""
    lines(tmp_path / "in" / "Patient.ndjson.gz", map(patient, ("a", "b")))
    hidden = tmp_path / "in" / "More.ndjson"
    hidden.write_bytes(gzip.compress(json.dumps(patient("c")).encode()))
    whole = gzip.compress(b"".join(json.dumps(patient(f"d{number}")).encode() + b"\n" for number in range(2000)))
    (tmp_path / "in" / "Damaged.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    report = await there.bring(tmp_path / "in", refused=tmp_path / "refused.ndjson")
    (refused,) = refusals(tmp_path / "refused.ndjson")
    assert refused["file"].endswith("Damaged.ndjson.gz")
    assert "ends early" in refused["issue"][0]["text"]
    assert 2000 > report["created"] > 500
    assert refused["line"] == report["created"] - 3 + 1


async def test_resources_without_id_get_the_same_one_again(there: Place, tmp_path: Path) -> None:
    nameless = {"resourceType": "Patient", "birthDate": "1990-06-15"}
    file = lines(tmp_path / "Patient.ndjson", [nameless, nameless])
    assert (await there.bring(file))["created"] == 2
    again = await there.bring(file)
    assert (again["created"], again["unchanged"]) == (0, 2)
    assert (await there.bring(file, source="another"))["created"] == 2


async def test_every_example_of_the_specification_comes_back_as_it_is(there: Place, tmp_path: Path) -> None:
    """The published R4 examples, with Patients put in for those that they refer to. AuditEvents are not imported; a Bundle is tested by itself."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.json"))]
    held = [each for each in map(json.loads, texts) if each["resourceType"] not in ("AuditEvent", "Bundle")]
    named = {each for text in texts for each in re.findall(r'"Patient/([A-Za-z0-9.-]+)"', text)}
    standing = [patient(each) for each in sorted(named - {each["id"] for each in held if each["resourceType"] == "Patient"})]
    report = await there.bring(lines(tmp_path / "all.ndjson", [*held, *standing]))
    assert (report["created"], report["refused"]) == (len(held) + len(standing), 0), report
    for resource in held:
        assert without_version(await there.read(f"{resource['resourceType']}/{resource['id']}")) == without_version(resource)


async def test_it_is_scored_and_judged_as_by_the_api_and_told_once(there: Place, elsewhere: Place, tmp_path: Path) -> None:
    """The same answers, one by one over HTTP and as a file: the same derived content under the same ids. The story is told once a batch: one
    Provenance for all of it."""
    answers = [phq9("Patient/p", 5 + week % 2, weeks_ago(week), id=f"week-{week}") for week in range(10, 0, -1)]
    report = await there.bring(lines(tmp_path / "all.ndjson", [*reversed(answers), patient("p")]))
    assert (report["created"], report["refused"]) == (11, 0)
    for resource in (patient("p"), *answers):
        assert (await elsewhere.client.put(f"{resource['resourceType']}/{resource['id']}", content=json.dumps(resource))).status_code == 201
    assert await _derived(there) == await _derived(elsewhere)
    assert len(await there.table("SELECT ref FROM resource WHERE ref LIKE 'Provenance/%'")) == 1


async def _derived(at: Place) -> dict[str, Json]:
    """Everything derived from answers by its id, without times of issue."""
    rows = await at.table("SELECT body FROM resource WHERE ref LIKE 'Observation/%'")
    found = [without_version(json.loads(bytes(body))) for (body,) in rows]
    return {each["id"]: {key: item for key, item in each.items() if key != "issued"} for each in found}


async def test_every_write_is_audited_with_the_source(there: Place, tmp_path: Path) -> None:
    await there.bring(lines(tmp_path / "Patient.ndjson", [patient("p")]), source="old-ehr")
    assert ("C", "import old-ehr", "Patient/p") in await there.table("SELECT action, client, ref FROM audit WHERE ref = 'Patient/p'")


def test_what_is_lines_and_what_a_document(tmp_path: Path) -> None:
    one, two = json.dumps(patient("a")).encode(), json.dumps(patient("b")).encode()
    cases: list[tuple[str, bytes, bool]] = [
        ("one.ndjson", one, True), ("two.json", one + b"\n" + two, True), ("one.json", one, False),
        ("pretty.json", json.dumps(patient("a"), indent=1).encode(), False),
        ("stdin", one + b"\n\n" + two, True), ("stdin", one + b"\n", False), ("empty.json", b"", False),
    ]  # fmt: skip
    for name, body, is_lines in cases:
        (tmp_path / name).write_bytes(body)
        assert holds_lines(tmp_path / name, 1_000_000) is is_lines, (name, body[:30])


@pytest.mark.parametrize("name", ["nothing-here", "empty"])
def test_paths_that_hold_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotRun, match=name):
        find([str(tmp_path / name)])


def test_a_directory_gives_its_files_by_name(tmp_path: Path) -> None:
    for name in ("b.ndjson", "a.json", "c.ndjson.gz", "readme.txt", ".hidden.json"):
        (tmp_path / name).write_bytes(b"{}")
    found: list[Any] = [path.name for path in find([str(tmp_path), str(tmp_path / "readme.txt")])]
    assert found == ["a.json", "b.ndjson", "c.ndjson.gz", "readme.txt"]
