"""The worker against sandbox EHRs: delivered once, in order, brought up to date, taken back; to the right EHR, about the right patient."""

import json
from typing import Any

import pytest

from service.registry import Ehr
from tests.story.telling import change
from tests.worker.ward import ITEM9, MRN, Ward, mark


async def test_delivered_once_and_ledgered(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    await ward.drain()
    (plan,), (flag,) = await hospital.stands("CarePlan", person), await hospital.stands("Flag", person)
    (ours,) = await ward.plans(person)
    assert mark(plan) == mark(ours)
    assert (plan["status"], plan["intent"]) == ("draft", "proposal")
    assert {row.status for row in await ward.rows()} == {"delivered"}
    ledger = await ward.outbox.ledger("ward", f"CarePlan/{ours['id']}")
    assert ledger is not None
    assert (ledger.version, ledger.remote, ledger.form) == (1, f"CarePlan/{plan['id']}", "CarePlan")
    assert await ward.worker.drain() == 0
    assert len(await hospital.received("POST", "CarePlan")) == 1
    assert flag["status"] == "active"


async def test_a_revised_plan_is_a_new_version_there(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person, days_ago=1)
    await ward.drain()
    (before,) = await hospital.stands("CarePlan", person)
    await ward.answer(person, (3, 3, 2, 2, 1, 1, 2, 0, 2))
    await ward.drain()
    (after,) = await hospital.stands("CarePlan", person)
    assert (after["id"], int(after["meta"]["versionId"])) == (before["id"], int(before["meta"]["versionId"]) + 1)
    assert len(await hospital.received("POST", "CarePlan")) == 1
    assert [row.version for row in await ward.rows(person, "CarePlan")] == [1, 2]


async def test_a_withdrawn_answer_revokes_the_plan_and_the_flag_there(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    made = await ward.answer(person)
    await ward.drain()
    await change(ward.client, made | {"status": "entered-in-error"})
    await ward.drain()
    (plan,), (flag,) = await hospital.stands("CarePlan", person), await hospital.stands("Flag", person)
    assert plan["status"] in ("revoked", "entered-in-error")
    assert flag["status"] == "entered-in-error"


async def test_what_never_arrived_is_not_sent_only_to_be_taken_back(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    made = await ward.answer(person)
    await ward.house.store.execute("UPDATE outbox SET status = 'dead' RETURNING id")
    await change(ward.client, made | {"status": "entered-in-error"})
    await ward.drain()
    assert not await hospital.stands("CarePlan")
    assert not await hospital.stands("Flag")


@pytest.mark.parametrize(("decision", "status"), [("accept", "active"), ("decline", "revoked")])
async def test_a_decision_reaches_the_ehr(ward: Ward, decision: str, status: str) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    await ward.drain()
    (ours,) = await ward.plans(person)
    parameters = {"resourceType": "Parameters", "parameter": [
        {"name": "decision", "valueCode": decision}, {"name": "reason", "valueString": "Seen today."},
        {"name": "reviewer", "valueReference": {"reference": "Practitioner/dr-test"}},
    ]}  # fmt: skip
    answer = await ward.client.post(f"CarePlan/{ours['id']}/$review", content=json.dumps(parameters))
    assert answer.status_code == 200, answer.text
    await ward.drain()
    (plan,) = await hospital.stands("CarePlan", person)
    assert (plan["status"], plan["intent"], mark(plan)) == (status, "proposal", mark(ours))


async def test_versions_go_in_order_and_a_later_one_waits(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person, days_ago=1)
    await hospital.fault("503", retry_after=60)
    await ward.drain()
    await ward.answer(person, (3, 3, 2, 2, 1, 1, 2, 0, 2))
    await ward.drain()
    assert [row.status for row in await ward.rows(person, "CarePlan")] == ["due", "due"]
    assert not await hospital.stands("CarePlan")
    await ward.drain(2)
    (plan,) = await hospital.stands("CarePlan", person)
    assert plan["meta"]["versionId"] == "2"
    bodies = [each["body"] for each in await hospital.received("PUT", "CarePlan")]
    assert len(bodies) == 1


async def test_an_old_version_retried_by_hand_does_not_overwrite(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person, days_ago=1)
    await ward.house.store.execute("UPDATE outbox SET status = 'dead' RETURNING id")
    await ward.answer(person, (3, 3, 2, 2, 1, 1, 2, 0, 2))
    await ward.drain()
    (before,) = await hospital.stands("CarePlan", person)
    assert await ward.outbox.again(None) == 2
    await ward.drain()
    assert await hospital.stands("CarePlan", person) == [before]
    assert {row.status for row in await ward.rows()} == {"delivered"}
    assert (await ward.rows(person, "CarePlan"))[0].reason == "a later version stands in the EHR"


async def test_safety_goes_first(ward: Ward) -> None:
    hospital = await ward.hospital()
    worried, safe = await ward.person(hospital), await ward.person(hospital)
    await ward.worsening(safe)
    await ward.answer(worried)
    rows = await ward.outbox.claim(100, 20)
    order = [row.safety for row in rows]
    assert order == sorted(order, reverse=True)
    assert True in order
    assert False in order
    assert min(row.id for row in rows if not row.safety) < min(row.id for row in rows if row.safety)


# Whose and where


async def test_a_person_whom_no_ehr_knows_is_pushed_nowhere(ward: Ward) -> None:
    await ward.hospital()
    await ward.house.registry.put(Ehr(name="bare", base="http://bare.test/fhir", auth="none"))
    person = await ward.person(system="urn:test:elsewhere")
    await ward.answer(person)
    nameless = await ward.person(identifier=[{"value": "4711"}])
    await ward.answer(nameless)
    assert await ward.rows() == []


async def test_several_ehrs_and_the_default(ward: Ward) -> None:
    north, south = await ward.hospital("north"), await ward.hospital("south", default=True)
    other = await ward.hospital("other", system="urn:test:other")
    person, theirs = await ward.person(north, south), await ward.person(other, system="urn:test:other")
    await ward.answer(person)
    await ward.answer(theirs)
    await ward.drain()
    assert not await north.stands("CarePlan")
    assert len(await south.stands("CarePlan")) == len(await other.stands("CarePlan")) == 1


async def test_an_ehr_that_is_gone(ward: Ward) -> None:
    hospital = await ward.hospital()
    await ward.answer(await ward.person(hospital))
    await ward.house.registry.remove(Ehr, "ward")
    await ward.drain()
    assert {(row.status, row.reason) for row in await ward.rows()} == {("dead", "the EHR is not registered (any more)")}


MISMATCHES: list[tuple[dict[str, Any], str]] = [
    ({"birthDate": "1990-06-16"}, "the birth date differs"),
    ({"birthDate": None}, "the birth date is not known on both sides"),
    ({"gender": "male"}, "the sex differs"),
    ({"active": False}, "the patient is inactive at the EHR"),
    ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/h-new"}}]}, "the patient was replaced by another at the EHR"),
]


@pytest.mark.parametrize(("theirs", "reason"), MISMATCHES)
async def test_a_patient_who_may_be_another_is_a_dead_letter(ward: Ward, theirs: dict[str, Any], reason: str) -> None:
    hospital = await ward.hospital()
    person = await ward.person()
    known = {key: value for key, value in (person | theirs).items() if value is not None}
    await hospital.admit(known)
    await ward.answer(person)
    await ward.drain()
    assert {(row.status, row.reason) for row in await ward.rows()} == {("dead", reason)}
    assert not await hospital.stands("CarePlan")
    assert not await hospital.stands("Flag")


async def test_no_patient_or_two_is_a_dead_letter(ward: Ward) -> None:
    hospital = await ward.hospital()
    unknown, twice = await ward.person(), await ward.person(hospital)
    await hospital.admit(twice, id="h-second")
    await ward.answer(unknown)
    await ward.answer(twice)
    await ward.drain()
    assert {row.reason for row in await ward.rows(unknown)} == {"no patient at the EHR has this identifier"}
    assert {row.reason for row in await ward.rows(twice)} == {"several patients at the EHR have this identifier"}
    assert not await hospital.stands("CarePlan")


@pytest.mark.parametrize("past", [{"active": False}, {"link": [{"type": "replaced-by", "other": {"reference": "Patient/new"}}]}])
async def test_a_patient_who_is_past_here_is_a_dead_letter(ward: Ward, past: dict[str, Any]) -> None:
    hospital = await ward.hospital()
    person, new = await ward.person(hospital), await ward.person()
    await ward.answer(person)
    await change(ward.client, json.loads(json.dumps(person | past).replace("Patient/new", f"Patient/{new['id']}")))
    await ward.drain()
    assert {row.status for row in await ward.rows(person)} == {"dead"}
    assert not await hospital.stands("CarePlan")


# What is withheld


DENIES = {"resourceType": "Consent", "status": "active", "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
          "code": "patient-privacy"}]}, "category": [{"text": "disclosure"}], "policyRule": {"text": "opt-out"}, "provision": {"type": "deny"}}  # fmt: skip


async def test_a_consent_that_denies_withholds_before_and_after(ward: Ward) -> None:
    hospital = await ward.hospital()
    early, late = await ward.person(hospital), await ward.person(hospital)
    await _deny(ward, early)
    await ward.answer(early)
    assert {row.status for row in await ward.rows(early)} == {"withheld"}
    await ward.answer(late)
    assert {row.status for row in await ward.rows(late)} == {"due"}
    consent = await _deny(ward, late)
    await ward.drain()
    assert {(row.status, row.reason) for row in await ward.rows()} == {("withheld", "an active Consent denies the disclosure")}
    assert not await hospital.stands("CarePlan")
    assert not await hospital.stands("Flag")
    await change(ward.client, consent | {"status": "inactive"})
    assert await ward.outbox.again([row.id for row in await ward.rows(late)]) == 2
    await ward.drain()
    assert len(await hospital.stands("CarePlan", late)) == 1


async def _deny(ward: Ward, person: dict[str, Any]) -> dict[str, Any]:
    answer = await ward.client.post("Consent", content=json.dumps(DENIES | {"patient": {"reference": f"Patient/{person['id']}"}}))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_labels_withhold_until_the_ehr_is_cleared(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    await ward.answer(person, ITEM9, meta={"security": [label]})
    await ward.drain()
    assert {(row.status, row.reason) for row in await ward.rows()} == {("withheld", "the EHR is not cleared for its security labels")}
    metrics = (await ward.client.get("http://setpoint.test/metrics")).text
    assert "setpoint_outbox_withheld 2" in metrics
    await ward.house.registry.put(Ehr(name="ward", base=f"{hospital.base}/fhir", auth="none", patient_system=MRN, labels=("R",)))
    assert await ward.outbox.again([row.id for row in await ward.rows()]) == 2
    await ward.drain()
    (plan,) = await hospital.stands("CarePlan", person)
    assert label in plan["meta"]["security"]


async def test_a_resolved_flag_is_resolved_there(ward: Ward) -> None:
    hospital = await ward.hospital()
    person = await ward.person(hospital)
    await ward.answer(person)
    await ward.drain()
    bundle = (await ward.client.get(f"Flag?patient={person['id']}")).json()
    await change(ward.client, bundle["entry"][0]["resource"] | {"status": "inactive"})
    await ward.drain()
    (flag,) = await hospital.stands("Flag", person)
    assert flag["status"] == "inactive"
