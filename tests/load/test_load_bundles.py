"""Bundles: their entries' resources, with what their references mean (http.html#trules, bundle.html#references)."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.load.place import Json, Place, document, lines, patient, refusals, value, without_version


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post(resource: Json, url: str | None = None, **request: str) -> Json:
    return {"fullUrl": url or f"urn:uuid:{uuid4()}", "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]} | request}


def nameless(resource: Json, subject: str | None = None) -> Json:
    bare = {key: item for key, item in resource.items() if key != "id"}
    return bare | ({"subject": {"reference": subject}} if subject else {})


async def ref_of(there: Place, kind: str) -> str:
    ((ref,),) = await there.table(f"SELECT ref FROM resource WHERE ref LIKE '{kind}/%' AND body IS NOT NULL")
    return str(ref)


async def test_a_transaction_refers_within_itself(there: Place, tmp_path: Path) -> None:
    """urn:uuids are replaced wherever they stand, also in a circle and in a narrative (3.1.0.11.2); an Observation may come before its Patient."""
    person, visit, seen = (f"urn:uuid:{uuid4()}" for _ in range(3))
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{visit}">visit</a></div>'}
    encounter: Json = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": person},
                       "reasonReference": [{"reference": seen}], "text": text}  # fmt: skip
    observation = nameless(value("x", "x"), person) | {"encounter": {"reference": visit.upper().replace("URN:UUID", "urn:uuid")}, "code": {"text": "seen"}}
    file = document(tmp_path / "t.json", bundle("transaction", post(observation, seen), post(encounter, visit), post(nameless(patient("x")), person)))
    report = await there.bring(file)
    assert (report["created"], report["refused"]) == (3, 0), report
    refs = {kind: await ref_of(there, kind) for kind in ("Patient", "Encounter", "Observation")}
    stored = await there.read(refs["Encounter"])
    assert stored["subject"]["reference"] == refs["Patient"]
    assert stored["reasonReference"][0]["reference"] == refs["Observation"]
    assert f'href="{refs["Encounter"]}"' in stored["text"]["div"]
    assert (await there.read(refs["Observation"]))["encounter"]["reference"] == refs["Encounter"]
    again = await there.bring(file)
    assert (again["created"], again["unchanged"]) == (0, 3)


async def test_ids_of_a_transaction_are_kept(there: Place, tmp_path: Path) -> None:
    """Generators give resources the id that their urn names, and the rest of a record refers to it."""
    id_ = str(uuid4())
    entries = post(patient(id_), f"urn:uuid:{id_}"), post(value("own", "") | {"subject": {"reference": f"urn:uuid:{id_}"}})
    assert (await there.bring(document(tmp_path / "t.json", bundle("transaction", *entries))))["created"] == 2
    assert (await there.read("Observation/own"))["subject"]["reference"] == f"Patient/{id_}"


async def test_conditional_creates_and_references(there: Place, tmp_path: Path) -> None:
    """ifNoneExist finds what an earlier Bundle brought, and the urn then means that; Type?criteria must find exactly one (3.1.0.11.2)."""
    doctor: Json = {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": "1"}]}
    for name in ("a", "b"):
        who = f"urn:uuid:{uuid4()}"
        visit: Json = {"resourceType": "Encounter", "id": f"visit-{name}", "status": "finished", "class": {"code": "AMB"},
                       "subject": {"reference": f"Patient/{name}"}, "participant": [{"individual": {"reference": who}}],
                       "serviceProvider": {"reference": "Organization?identifier=urn:org|1"}}  # fmt: skip
        entries = post(doctor, who, ifNoneExist="identifier=urn:npi|1"), post(patient(name)), post(visit)
        document(tmp_path / "in" / f"{name}.json", bundle("transaction", *entries))
    house: Json = {"resourceType": "Organization", "id": "house", "identifier": [{"system": "urn:org", "value": "1"}]}
    document(tmp_path / "in" / "z-house.json", house)
    report = await there.bring(tmp_path / "in")
    assert (report["created"], report["unchanged"], report["refused"]) == (6, 1, 0), report
    for name in ("a", "b"):
        visit = await there.read(f"Encounter/visit-{name}")
        assert visit["participant"][0]["individual"]["reference"] == await ref_of(there, "Practitioner")
        assert visit["serviceProvider"]["reference"] == "Organization/house"
    again = await there.bring(tmp_path / "in")
    assert (again["created"], again["updated"], again["unchanged"], again["refused"]) == (0, 0, 7, 0)


async def test_a_conditional_reference_to_nothing_is_refused_alone(there: Place, tmp_path: Path) -> None:
    lost = value("lost", "") | {"subject": {"reference": "Patient?identifier=urn:test:mrn|nobody"}}
    report = await there.bring(document(tmp_path / "t.json", bundle("transaction", post(patient("p")), post(lost))), refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (1, 1)
    (refused,) = refusals(tmp_path / "refused.ndjson")
    assert (refused["line"], refused["status"]) == (2, 412)


async def test_a_searchset_with_absolute_addresses(there: Place, tmp_path: Path) -> None:
    """A reference to the fullUrl of an entry is to that entry (bundle.html#references); one elsewhere stays as it is. Outcomes are no records."""
    base = "https://old.example/fhir"
    observation = value("o", "") | {"subject": {"reference": f"{base}/Patient/p"}, "performer": [{"reference": f"{base}/Practitioner/elsewhere"}]}
    form: Json = {"resourceType": "Questionnaire", "id": "form", "status": "active", "url": f"{base}/Questionnaire/form"}
    outcome = {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}, "search": {"mode": "outcome"}}
    entries: list[Json] = [{"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each} for each in (observation, patient("p"), form)]
    report = await there.bring(document(tmp_path / "s.json", bundle("searchset", *entries, outcome)))
    assert (report["created"], report["refused"]) == (3, 0), report
    stored = await there.read("Observation/o")
    assert stored["subject"]["reference"] == "Patient/p"
    assert stored["performer"][0]["reference"] == f"{base}/Practitioner/elsewhere"
    assert (await there.read("Questionnaire/form"))["url"] == f"{base}/Questionnaire/form"


async def test_collections_documents_and_single_resources(there: Place, tmp_path: Path) -> None:
    composition: Json = {"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "date": "2026-01-01", "title": "x",
                         "author": [{"display": "x"}]}  # fmt: skip
    person = {"fullUrl": "urn:uuid:0f3f1c5e-6a3f-4a51-8a4e-0d7f8a3b1c11", "resource": patient("in-document")}
    document(tmp_path / "in" / "collection.json", bundle("collection", {"resource": patient("in-collection")}))
    document(tmp_path / "in" / "document.json", bundle("document", {"resource": composition}, person))
    document(tmp_path / "in" / "one.json", patient("alone"))
    manifest: Json = {"transactionTime": "2026-01-01T00:00:00Z", "request": "x", "requiresAccessToken": False, "output": [], "error": []}
    document(tmp_path / "in" / "manifest.json", manifest)
    report = await there.bring(tmp_path / "in", refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (3, 1)
    (refused,) = refusals(tmp_path / "refused.ndjson")
    assert (refused["file"].rsplit("/", 1)[-1], refused["line"], refused["status"]) == ("document.json", 1, 404)  # Composition is not kept


async def test_what_an_import_does_not_do_is_refused_entry_by_entry(there: Place, tmp_path: Path) -> None:
    delete: Json = {"request": {"method": "DELETE", "url": "Patient/q"}}
    read: Json = {"request": {"method": "GET", "url": "Patient/q"}}
    other: Json = {"resource": patient("r"), "request": {"method": "PUT", "url": "Patient/another"}}
    sought: Json = {"resource": nameless(patient("x")), "request": {"method": "PUT", "url": "Patient?identifier=x"}}
    put: Json = {"resource": patient("p"), "request": {"method": "PUT", "url": "Patient/p"}}
    report = await there.bring(document(tmp_path / "t.json", bundle("transaction", delete, read, other, sought, put)), refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (1, 3)
    assert sorted(each["line"] for each in refusals(tmp_path / "refused.ndjson")) == [1, 3, 4]


async def test_a_history_and_a_broken_document_are_refused_as_a_whole(there: Place, tmp_path: Path) -> None:
    document(tmp_path / "in" / "history.json", bundle("history", {"resource": patient("p")}))
    (tmp_path / "in" / "broken.json").write_text('{"resourceType": "Bundle", "entry": [')
    document(tmp_path / "in" / "good.json", patient("q"))
    document(tmp_path / "in" / "odd.json", {"resourceType": "Bundle", "type": "collection", "entry": ["x"]})
    report = await there.bring(tmp_path / "in")
    assert (report["created"], report["refused"]) == (1, 3)


async def test_in_a_file_of_lines_a_bundle_is_a_resource_that_is_kept(there: Place, tmp_path: Path) -> None:
    kept: dict[str, Any] = {"resourceType": "Bundle", "id": "kept", "type": "collection", "entry": [{"resource": patient("inside")}]}
    assert (await there.bring(lines(tmp_path / "Bundle.ndjson", [kept])))["created"] == 1
    assert without_version(await there.read("Bundle/kept")) == kept
    assert (await there.client.get("Patient/inside")).status_code == 404


async def test_the_published_transaction_example(there: Place, tmp_path: Path) -> None:
    """bundle-transaction.json of the specification: two POSTs and two PUTs go in; a conditional PUT, two DELETEs and the call of an operation are
    refused, two reads passed over."""
    example = json.loads((Path(__file__).parent.parent / "r4/examples/Bundle-bundle-transaction.json").read_bytes())
    report = await there.bring(document(tmp_path / "t.json", example), refused=tmp_path / "refused.ndjson")
    assert (report["created"], report["refused"]) == (4, 4)
    asked = [example["entry"][each["line"] - 1]["request"] for each in refusals(tmp_path / "refused.ndjson")]
    wanted = {"PUT Patient?identifier=http:/example.org/fhir/ids|456456", "DELETE Patient/234", "DELETE Patient?identifier=123456", "POST ValueSet/$lookup"}
    assert {f"{request['method']} {request['url']}" for request in asked} == wanted
    assert {row[0] for row in await there.table("SELECT ref FROM resource WHERE ref IN ('Patient/123', 'Patient/123a')")} == {"Patient/123", "Patient/123a"}
