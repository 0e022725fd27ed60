"""Ingest and operations under bearer tokens: the scopes they need, one person only for a patient-bound token, and an audit of each."""

import json
from typing import Any

import pytest

from tests.ingest.messages import pharmcat
from tests.medicines.test_medicines_check import prescription
from tests.smart.installation import LINKS, PUBLIC, Person, Smart, bearer, issued, speaking_for
from tests.story.telling import phq9, weeks_ago

ENOUGH = "system/DiagnosticReport.c system/Observation.c system/Patient.s"


async def sent(smart: Smart, who: dict[str, str], person: Person) -> Any:
    return await smart.http.post(f"{PUBLIC}/ingest/pharmcat?patient={LINKS}|{person.foreign}", content=pharmcat("3.1"), headers=who)


@pytest.mark.parametrize("left", ENOUGH.split())
async def test_ingest_needs_each_of_its_scopes(smart: Smart, left: str) -> None:
    person = await smart.person()
    scopes = " ".join(scope for scope in ENOUGH.split() if scope != left)
    assert (await sent(smart, bearer(issued(scopes)), person)).status_code == 403
    assert (await sent(smart, {}, person)).status_code == 401
    assert (await sent(smart, bearer(issued(ENOUGH)), person)).status_code == 201


async def test_a_patient_bound_token_brings_results_of_its_own_person_only(smart: Smart) -> None:
    own, other = await smart.person(), await smart.person()
    who = speaking_for(own)
    nobody = await sent(smart, who, Person(own.ref, "nobody-at-all"))
    refused = await sent(smart, who, other)
    assert (refused.status_code, refused.json()) == (nobody.status_code, nobody.json()) == (422, refused.json()), "who exists cannot be told"
    assert (await sent(smart, who, own)).status_code == 201


async def test_ingest_is_audited(smart: Smart) -> None:
    person = await smart.person()
    await sent(smart, smart.system, person)
    await smart.house.audit.close()
    events = await smart.send("GET", f"AuditEvent?patient={person.ref}&_count=200", smart.system)
    refs = {entity["what"]["reference"] for entry in events.json()["entry"] for entity in entry["resource"]["entity"] if "what" in entity}
    assert any(ref.startswith("DiagnosticReport/") for ref in refs)


@pytest.mark.parametrize("name", ["extract", "check", "next", "populate"])
async def test_operations_speak_of_the_own_person_only(smart: Smart, name: str) -> None:
    own, other = await smart.person(), await smart.person()
    who = speaking_for(own)
    for person, status in ((own, 200), (other, 403)):
        canonical = "https://setpoint.example/fhir/Questionnaire/phq-9"
        path, body = {
            "extract": ("QuestionnaireResponse/$extract", phq9(person.ref, 8, weeks_ago(0))),
            "check": ("MedicationRequest/$check", prescription(person.ref, "sertraline")),
            "next": ("Questionnaire/$next-question", {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": canonical,
                                                      "subject": {"reference": person.ref}}),
            "populate": ("Questionnaire/$populate", {"resourceType": "Parameters", "parameter": [
                {"name": "canonical", "valueUri": canonical}, {"name": "subject", "valueReference": {"reference": person.ref}}]}),
        }[name]  # fmt: skip
        answer = await smart.http.post(path, content=json.dumps(body), headers=who)
        assert answer.status_code == status, answer.text
    assert (await smart.http.post(path, content=json.dumps(body), headers=bearer(issued("system/Flag.r")))).status_code == 403
