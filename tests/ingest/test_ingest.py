"""/ingest/pharmcat, /ingest/hl7v2, /ingest/csv: what is stored, what is refused and why, on both databases."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from service.app import create
from tests.fhir.persons import found, stored
from tests.ingest.messages import LOINC_ROWS, VENDOR_ROWS, oru, pharmcat
from tests.medicines.test_medicines_check import prescription

Json = dict[str, Any]
SYSTEM = "https://hospital.example/mrn"


@pytest_asyncio.fixture(scope="session")
async def door(house: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application, below its root."""
    app = create(house.settings, house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://setpoint.test") as opened:
        yield opened


async def person(client: httpx.AsyncClient, **more: Any) -> tuple[str, str]:
    """(ref, identifier value) of somebody new."""
    value = uuid4().hex
    made = await stored(client, {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], "name": [{"family": "Doe", "given": ["Jane"]}],
                                 "birthDate": "1980-01-02", "gender": "female"} | more)  # fmt: skip
    return f"Patient/{made['id']}", value


async def versions(client: httpx.AsyncClient, who: str) -> dict[str, str]:
    return {f"{each['resourceType']}/{each['id']}": each["meta"]["versionId"] for kind in ("DiagnosticReport", "Observation", "Task")
            for each in await found(client, f"{kind}?patient={who.split('/')[1]}")}  # fmt: skip


@pytest.mark.parametrize("shape", ["2", "3.1", "phenotype"])
async def test_pharmcat(client: httpx.AsyncClient, door: httpx.AsyncClient, shape: str) -> None:
    """Every shape gives the same report: genotype, phenotype, implication; a gene without a call is said; sending it again changes nothing."""
    who, value = await person(client)
    answer = await door.post(f"/ingest/pharmcat?patient={SYSTEM}|{value}", content=pharmcat(shape))
    assert answer.status_code == 201, answer.text
    rows = {row["row"]: row for row in answer.json()["rows"]}
    assert {place: (row["outcome"], row.get("phenotype")) for place, row in rows.items()} == {
        "genes.CYP2C19": ("created", "Poor Metabolizer"), "genes.CYP2D6": ("created", "Intermediate Metabolizer"), "genes.CYP2B6": ("refused", None),
    }  # fmt: skip
    (report,) = await found(client, f"DiagnosticReport?patient={who}")
    assert report["code"]["coding"][0]["code"] == "51969-4"
    assert "CYP2C19 *2/*2: Poor Metabolizer" in report["conclusion"]
    observations = {f"Observation/{each['id']}": each for each in await found(client, f"Observation?patient={who}")}
    assert set(observations) <= {each["reference"] for each in report["result"]}
    drugs = {component["valueCodeableConcept"]["text"] for each in observations.values() for component in each.get("component", ())
             if component["code"].get("coding", [{}])[0].get("code") == "51963-7"}  # fmt: skip
    assert {"sertraline", "citalopram", "atomoxetine"} <= drugs
    before = await versions(client, who)
    again = await door.post(f"/ingest/pharmcat?patient={value}", content=pharmcat(shape))
    assert (again.status_code, again.json()["status"], again.json()["created"]) == (200, "unchanged", [])
    assert await versions(client, who) == before


async def test_three_calls_from_a_file_to_a_conflicting_prescription(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    who, value = await person(client)
    assert (await door.post(f"/ingest/pharmcat?patient={value}", content=pharmcat("3.1"))).status_code == 201
    await stored(client, prescription(who, "citalopram", 40))
    issues = await found(client, f"DetectedIssue?patient={who}")
    assert any("CPIC on citalopram" in each["detail"] and "CYP2C19 Poor Metabolizer" in each["detail"] for each in issues)
    assert any(each["code"]["text"] == "Dose above a limit" for each in issues)


@pytest.mark.parametrize(("rows", "expected"), [
    (LOINC_ROWS, {"OBX 1a": "Poor Metabolizer", "OBX 1b": "Intermediate Metabolizer", "OBX 1c": None}),
    (VENDOR_ROWS, {"OBX 4d": "Poor Metabolizer", "OBX 2a": "*31:01 positive"}),
])  # fmt: skip
async def test_hl7v2(client: httpx.AsyncClient, door: httpx.AsyncClient, rows: tuple[str, ...], expected: Json) -> None:
    who, value = await person(client)
    body = oru(patient=f"{value}^^^HOSP^MR", rows=rows)
    answer = await door.post("/ingest/hl7v2", content=body)
    assert answer.status_code == 200, answer.text
    segments = answer.text.split("\r")
    assert segments[0].startswith("MSH|^~\\&|SETPOINT||LIS|LAB|")
    assert segments[1].startswith("MSA|AA|MSG7|")
    assert ("ERR" in answer.text) is (None in expected.values()), "the preliminary row is named"
    (report,) = await found(client, f"DiagnosticReport?patient={who}")
    assert report["effectiveDateTime"] == "2026-09-30"
    for said in filter(None, expected.values()):
        assert said in report["conclusion"]
    before = await versions(client, who)
    assert (await door.post("/ingest/hl7v2", content=body.replace(b"MSG7", b"MSG8"))).text.split("\r")[1].startswith("MSA|AA|MSG8|")
    assert await versions(client, who) == before


async def test_the_laboratorys_own_phenotype_stands_beside_ours(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    who, value = await person(client)
    rows = tuple(row.replace("LA9657-3^Poor metabolizer^LN", "LA25391-6^Normal metabolizer^LN") for row in LOINC_ROWS[:3])
    await door.post("/ingest/hl7v2", content=oru(patient=value, rows=rows))
    notes = [note["text"] for each in await found(client, f"Observation?patient={who}") for note in each.get("note", ())]
    assert "Laboratory: Normal Metabolizer" in notes


@pytest.mark.parametrize(("what", "body", "status", "words"), [
    ("cut short", b"MSH|^~\\&|LIS|LAB|EHR|HOSP|2026||ORU^R01|MSG7|P|2.5.1\rPID|1||4711", 400, "no OBX"),
    ("no patient", b"MSH|^~\\&|LIS|LAB|EHR|HOSP|2026||ORU^R01|MSG7|P|2.5.1\rOBX|1|ST|84413-4||*1/*4||||||F", 400, "no PID"),
    ("another type", oru(msh="MSH|^~\\&|LIS|LAB|EHR|HOSP|2026||ADT^A01|MSG7|P|2.5.1"), 400, "no ORU"),
    ("separators", b"MSH||||||LIS\rPID|1||4711", 400, "separators"),
    ("charset", oru(msh="MSH|^~\\&|LIS|LAB|EHR|HOSP|2026||ORU^R01|MSG7|P|2.5.1||||||8859/5", rows=LOINC_ROWS), 400, "character set"),
    ("latin", oru(name="D\xf6e^J").decode().encode("latin-1"), 400, "UTF-8"),
    ("nonsense", b"hello", 400, "begin with MSH"),
    ("variants", b"##fileformat=VCF4.2\n#CHROM", 400, "VCF"),
    ("two patients", oru(rows=("PID|2||9999^^^HOSP^MR", *LOINC_ROWS)), 400, "more than one patient"),
    ("nobody", oru(patient="nobody-here", rows=LOINC_ROWS), 422, "No one person"),
])  # fmt: skip
async def test_bad_messages_are_refused_whole(door: httpx.AsyncClient, what: str, body: bytes, status: int, words: str) -> None:
    answer = await door.post("/ingest/hl7v2", content=body)
    assert (answer.status_code, answer.text.split("\r")[1][:6]) == (status, "MSA|AE"), what
    assert words in answer.text
    assert "nobody-here" not in answer.text, "a value is never said back"


@pytest.mark.parametrize(("name", "born", "sex"), [("Roe^Jane", "19800102", "F"), ("Doe^Jane", "19810102", "F"), ("Doe^Jane", "19800102", "M")])
async def test_a_message_that_contradicts_the_record_is_refused(client: httpx.AsyncClient, door: httpx.AsyncClient, name: str, born: str, sex: str) -> None:
    who, value = await person(client)
    answer = await door.post("/ingest/hl7v2", content=oru(patient=value, name=name, born=born, sex=sex, rows=LOINC_ROWS))
    assert (answer.status_code, "contradict" in answer.text) == (422, True)
    assert await found(client, f"Observation?patient={who}") == []


async def test_csv_row_by_row(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    who, value = await person(client)
    lines = [
        "patient,gene,diplotype,specimen_date,laboratory",
        f"{SYSTEM}|{value},CYP2C19,*2/*2,2026-09-30,Lab A",
        f"{SYSTEM}|{value},cyp2d6,*1/*4/*5,2026-09-30,Lab A",
        f"{SYSTEM}|{value},CYP2D6,*1x0/*4,2026-09-30,Lab A",
        f"{SYSTEM}|{value},CYP2D6,*a/*b,2026-09-30,Lab A",
        f"{SYSTEM}|{value},HLA-B,*15:02/*07:02,2026-09-30,Lab A",
        f"{SYSTEM}|{value},CYP1A2,*1F/*1F,2026-09-30,Lab A",
        f"{SYSTEM}|{value},CYP2B6,*6/*6,30.9.2026,Lab A",
        "somebody-else,CYP2C19,*1/*1,,",
        "too,few",
    ]
    answer = await door.post("/ingest/csv", content="\n".join(lines).encode())
    assert answer.status_code == 201, answer.text
    rows = {row["row"]: row["outcome"] for row in answer.json()["rows"]}
    assert rows == {"row 2": "created", "row 3": "refused", "row 4": "refused", "row 5": "refused", "row 6": "created", "row 7": "created",
                    "row 8": "refused", "row 9": "refused", "row 10": "refused"}  # fmt: skip
    assert all(row.get("text") for row in answer.json()["rows"] if row["outcome"] == "refused")
    assert "somebody-else" not in answer.text
    (report,) = await found(client, f"DiagnosticReport?patient={who}")
    assert (report["effectiveDateTime"], report["performer"]) == ("2026-09-30", [{"display": "Lab A"}])
    assert "HLA-B *07:02/*15:02: *15:02 positive" in report["conclusion"]
    again = await door.post("/ingest/csv", content="\n".join(lines).encode())
    assert again.status_code == 200
    assert (await door.post("/ingest/csv", content="\n".join([lines[0], *lines[8:]]).encode())).status_code == 422


async def test_each_person_is_audited_with_their_own_report(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    people = [await person(client) for _ in range(2)]
    rows = [f"{SYSTEM}|{value},CYP2C19,*2/*2,2026-09-30,Lab A" for _, value in people]
    done = await door.post("/ingest/csv", content="\n".join(["patient,gene,diplotype,specimen_date,laboratory", *rows]).encode())
    assert done.status_code == 201, done.text
    await asyncio.sleep(0.2)  # the trail is written in groups
    for (who, _), report in zip(people, done.json()["reports"], strict=True):
        events = await found(client, f"AuditEvent?patient={who}&subtype=operation&entity-type=DiagnosticReport")
        (event,) = [each for each in events if each["outcomeDesc"] == "201"]  # the others are the writes themselves
        assert [each["what"]["reference"] for each in event["entity"] if "what" in each] == [report, who]


@pytest.mark.parametrize(("path", "body", "words"), [
    ("csv", b"patient,gene\n1,CYP2D6", "header"), ("csv", b'patient,gene,diplotype,specimen_date,laboratory\n"x', "CSV"), ("csv", b"\xff\xfe", "UTF-8"),
    ("pharmcat?patient=1", b"{", "not JSON"), ("pharmcat?patient=1", b"[]", "no JSON object"), ("pharmcat?patient=1", b'{"a": 1}', "no PharmCAT"),
    ("pharmcat?patient=1", b"##fileformat=VCFv4.1\n", "VCF"), ("pharmcat", b"{}", "patient="),
])  # fmt: skip
async def test_what_is_not_of_the_dialect(door: httpx.AsyncClient, path: str, body: bytes, words: str) -> None:
    answer = await door.post(f"/ingest/{path}", content=body)
    assert answer.status_code == 400
    assert words in answer.json()["issue"][0]["diagnostics"]


async def test_too_large_unknown_and_other_methods(door: httpx.AsyncClient) -> None:
    assert (await door.post("/ingest/pharmcat?patient=1", content=b"x" * 11_000_000)).status_code == 413
    assert (await door.post("/ingest/fax", content=b"")).status_code == 404
    assert (await door.get("/ingest/csv")).status_code == 405
    assert (await door.post("/ingest/pharmcat?patient=nobody-at-all", content=pharmcat("3.1"))).status_code == 422


async def test_a_bare_value_must_be_one_persons(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    who, value = await person(client)
    await stored(client, {"resourceType": "Patient", "identifier": [{"system": "https://other.example/mrn", "value": value}]})
    assert (await door.post(f"/ingest/pharmcat?patient={value}", content=pharmcat("3.1"))).status_code == 422
    assert (await door.post(f"/ingest/pharmcat?patient={SYSTEM}|{value}", content=pharmcat("3.1"))).status_code == 201
    assert len(await found(client, f"DiagnosticReport?patient={who}")) == 1


async def test_a_genomics_bundle_through_the_api_is_understood(client: httpx.AsyncClient, door: httpx.AsyncClient) -> None:
    """What one ingest made can be sent to another person as a transaction, and means the same."""
    who, value = await person(client)
    other, _ = await person(client)
    await door.post(f"/ingest/pharmcat?patient={value}", content=pharmcat("3.1"))
    kept = [each for each in await found(client, f"Observation?patient={who}") if each["code"]["coding"][0]["code"] == "84413-4"]
    entries = [{"resource": {key: item for key, item in each.items() if key not in ("id", "meta", "identifier")} | {"subject": {"reference": other}},
                "request": {"method": "POST", "url": "Observation"}} for each in kept]  # fmt: skip
    done = await client.post("", content=json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert done.status_code == 200
    await stored(client, prescription(other, "citalopram"))
    assert any("CYP2C19 Poor Metabolizer" in each["detail"] for each in await found(client, f"DetectedIssue?patient={other}"))
