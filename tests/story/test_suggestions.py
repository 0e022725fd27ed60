"""Suggestions and their review: one open one per person and rule, quiet after a decision, a decided plan never altered."""

import json
from typing import Any

import httpx

from tests.fhir.persons import issue, new_person
from tests.story.telling import NOW, OURS, change, every, phq9, send, weeks_ago

Json = dict[str, Any]


async def plans(client: httpx.AsyncClient, person: str, rule: str) -> list[Json]:
    found = await every(client, f"CarePlan?patient={person.split('/')[1]}")
    return [plan for plan in found if f"/PlanDefinition/{rule}|" in plan["instantiatesCanonical"][0]]


async def with_history(client: httpx.AsyncClient, **more: Any) -> str:
    """A person with ten calm weekly PHQ-9 totals."""
    person = await new_person(client, **more)
    for week in range(10, 0, -1):
        await send(client, phq9(person, 5 + week % 2, weeks_ago(week)))
    return person


def at(minutes: int) -> str:
    """A moment within the last hour."""
    from datetime import timedelta

    return (NOW - timedelta(minutes=60 - minutes)).isoformat().replace("+00:00", "Z")


async def review(client: httpx.AsyncClient, plan: Json, decision: str, **more: Any) -> httpx.Response:
    parameter = [{"name": "decision", "valueCode": decision}, {"name": "reviewer", "valueReference": {"display": "Dr Test"}}]
    if "reason" in more:
        parameter.append({"name": "reason", "valueString": more["reason"]})
    if "own" in more:
        parameter.append({"name": "plan", "resource": more["own"]})
    return await client.post(f"CarePlan/{plan['id']}/$review", content=json.dumps({"resourceType": "Parameters", "parameter": parameter}))


async def test_it_proposes_and_never_orders(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    response = await send(client, phq9(person, 13, at(0)))
    (plan,) = await plans(client, person, "depression-worsening")
    assert (plan["status"], plan["intent"]) == ("draft", "proposal")
    assert f"QuestionnaireResponse/{response['id']}" in json.dumps(plan["supportingInfo"])
    assert "proposal" in plan["text"]["div"]
    assert not await every(client, f"MedicationRequest?patient={person.split('/')[1]}")
    provenance = await every(client, f"Provenance?target=CarePlan/{plan['id']}")
    assert any("depression-worsening|" in policy for policy in provenance[0]["policy"])


async def test_new_evidence_makes_a_new_version_and_its_end_withdraws(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    await send(client, phq9(person, 13, at(0)))
    (first,) = await plans(client, person, "depression-worsening")
    await send(client, phq9(person, 16, at(1)))
    (second,) = await plans(client, person, "depression-worsening")
    assert (second["id"], second["meta"]["versionId"], second["status"]) == (first["id"], "2", "draft")
    await send(client, phq9(person, 5, at(2)))
    (third,) = await plans(client, person, "depression-worsening")
    assert (third["id"], third["status"]) == (first["id"], "revoked")


async def test_an_old_answer_raises_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for week in range(40, 29, -1):
        await send(client, phq9(person, 5, weeks_ago(week)))
    await send(client, phq9(person, (3,) * 9, weeks_ago(28)))
    assert not await every(client, f"CarePlan?patient={person.split('/')[1]}")
    assert not await every(client, f"Flag?patient={person.split('/')[1]}")


async def test_accepting_makes_it_active_and_nothing_alters_it_again(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    made = await send(client, phq9(person, 13, at(0)))
    (plan,) = await plans(client, person, "depression-worsening")
    accepted = await review(client, plan, "accept", reason="agreed")
    assert (accepted.status_code, accepted.json()["status"], accepted.json()["intent"]) == (200, "active", "proposal")
    assert (await review(client, plan, "accept")).status_code == 409
    provenance = [each for each in await every(client, f"Provenance?target=CarePlan/{plan['id']}") if "review" in each["activity"].get("text", "")]
    assert provenance[0]["agent"][0]["who"] == {"display": "Dr Test"}
    await send(client, phq9(person, 14, at(1)))
    await change(client, made | {"status": "entered-in-error"})
    now = (await client.get(f"CarePlan/{plan['id']}")).json()
    assert (now["status"], now["meta"]["versionId"]) == ("active", accepted.json()["meta"]["versionId"])


async def test_a_declined_one_returns_only_when_worse(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    await send(client, phq9(person, 13, at(0)))
    (plan,) = await plans(client, person, "depression-worsening")
    declined = await review(client, plan, "decline", reason="a bad week at work")
    assert declined.json()["status"] == "revoked"
    await send(client, phq9(person, 14, at(1)))
    assert len(await plans(client, person, "depression-worsening")) == 1
    await send(client, phq9(person, 22, at(2)))
    again = await plans(client, person, "depression-worsening")
    assert sorted(each["status"] for each in again) == ["draft", "revoked"]


async def test_modifying_keeps_what_it_is(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    await send(client, phq9(person, 13, at(0)))
    (plan,) = await plans(client, person, "depression-worsening")
    other = plan | {"title": "Together with the person", "subject": {"reference": await new_person(client)}}
    assert (await review(client, plan, "modify", own=other)).status_code == 400
    own = {key: value for key, value in plan.items() if key not in ("id", "meta")} | {"title": "Together with the person"}
    modified = await review(client, plan, "modify", own=own)
    assert (modified.status_code, modified.json()["status"], modified.json()["title"]) == (200, "active", "Together with the person")
    assert modified.json()["identifier"] == plan["identifier"]


async def test_a_review_must_be_whole(client: httpx.AsyncClient) -> None:
    person = await with_history(client)
    await send(client, phq9(person, 13, at(0)))
    (plan,) = await plans(client, person, "depression-worsening")
    refused = await review(client, plan, "perhaps")
    assert (refused.status_code, issue(refused)["code"]) == (400, "value")
    assert (await review(client, plan, "decline")).status_code == 400
    assert (await review(client, {"id": "nothing"}, "accept")).status_code == 404
    foreign = await send(client, {"resourceType": "CarePlan", "status": "draft", "intent": "proposal", "subject": {"reference": person}})
    assert (await review(client, foreign, "accept")).status_code == 409


async def test_a_prescription_against_genes(client: httpx.AsyncClient) -> None:
    """CPIC 2023 (SRI): CYP2C19 poor metabolisers and citalopram."""
    person = await new_person(client)
    genotype = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "84413-4"}]},
        "subject": {"reference": person},
        "valueCodeableConcept": {"text": "*2/*2"},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "48018-6"}]},
                "valueCodeableConcept": {"coding": [{"system": "http://www.genenames.org", "code": "HGNC:2621", "display": "CYP2C19"}]},
            }
        ],
    }
    result = await send(client, genotype)
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": person},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2556"}]},
    }
    made = await send(client, order)
    issues = await every(client, f"DetectedIssue?patient={person.split('/')[1]}")
    assert any("CPIC" in json.dumps(each) and f"MedicationRequest/{made['id']}" in json.dumps(each["implicated"]) for each in issues)
    assert any(f"Observation/{result['id']}" in json.dumps(each) for each in issues)
    (plan,) = await plans(client, person, "gene-drug-review")
    assert plan["status"] == "draft"
    await change(client, made | {"status": "stopped"})
    (plan,) = await plans(client, person, "gene-drug-review")
    assert plan["status"] == "revoked"
    assert {each["status"] for each in await every(client, f"DetectedIssue?patient={person.split('/')[1]}&_tag={OURS}|derived")} == {"cancelled"}


async def test_a_flag_is_resolved_by_a_person_and_then_stays_so(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    first = await send(client, phq9(person, (0, 0, 0, 0, 0, 0, 0, 0, 1), at(0)))
    (flag,) = await every(client, f"Flag?patient={person.split('/')[1]}")
    await send(client, phq9(person, 0, at(1)))
    assert (await client.get(f"Flag/{flag['id']}")).json()["status"] == "active"
    await change(client, flag | {"status": "inactive"})
    await change(client, first | {"status": "amended"})
    assert (await client.get(f"Flag/{flag['id']}")).json()["status"] == "inactive"
    await send(client, phq9(person, (0, 0, 0, 0, 0, 0, 0, 0, 2), at(2)))
    flags = await every(client, f"Flag?patient={person.split('/')[1]}")
    assert sorted(each["status"] for each in flags) == ["active", "inactive"]
