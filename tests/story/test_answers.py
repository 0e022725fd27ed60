"""receive_response: score, ranges, deviation, in one commit; late, amended, repeated, withdrawn answers leave what one delivery in order leaves."""

import asyncio
import json
import random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROUNDS
from tests.fhir.persons import new_person
from tests.story.telling import ANSWERS, LOINC, OURS, PHQ9, change, derived, every, phq9, send, total_of, weeks_ago


async def observations(client: httpx.AsyncClient, person: str) -> list[dict[str, Any]]:
    return await every(client, f"Observation?patient={person.split('/')[1]}&_count=200")


async def test_a_phq9_becomes_panel_items_total_and_deviation(client: httpx.AsyncClient) -> None:
    """Kroenke 2001: nine items, each 0 to 3, summed; 13 is moderate (10 to 14)."""
    person = await new_person(client)
    response = await send(client, phq9(person, (2, 2, 2, 2, 1, 1, 2, 0, 1), weeks_ago(0)))
    found = await observations(client, person)
    assert len(found) >= 12
    (total,) = total_of(found)
    assert total["valueQuantity"]["value"] == 13
    assert {coding["code"] for coding in total["code"]["coding"]} == {"44261-6", "phq-9"}
    assert "moderate" in json.dumps(total["interpretation"])
    assert f"QuestionnaireResponse/{response['id']}" in json.dumps(total["derivedFrom"])
    panel = next(each for each in found if "hasMember" in each)
    assert len(panel["hasMember"]) >= 10
    item = next(each for each in found if "44260-8" in json.dumps(each["code"]))
    assert item["valueCodeableConcept"]["coding"][0]["code"] == "LA6569-3"
    (deviation,) = total_of(found, "deviation")
    assert {part["code"]["coding"][0]["code"] for part in deviation["component"]} >= {"z", "p", "set-point", "lower", "upper", "n", "method"}
    assert deviation["derivedFrom"] == [{"reference": f"Observation/{total['id']}"}]


async def test_personal_range_grows_out_of_the_population(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    for week in range(10, 0, -1):
        await send(client, phq9(person, 5 + week % 2, weeks_ago(week)))
    await send(client, phq9(person, 13, weeks_ago(0)))
    totals = total_of(await observations(client, person))
    widths = [each["referenceRange"][1]["high"]["value"] - each["referenceRange"][1]["low"]["value"] for each in totals]
    assert widths[-1] < widths[0] / 2
    last = totals[-1]
    assert last["referenceRange"][1]["high"]["value"] < 13 <= last["referenceRange"][0]["high"]["value"]
    assert "above this person's own" in json.dumps(last["note"]).lower()


async def test_a_received_observation_is_never_edited(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    sent = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": "3016-3"}]}, "subject": {"reference": person},
        "effectiveDateTime": weeks_ago(0), "valueQuantity": {"value": 38.0, "unit": "mIU/L", "system": "http://unitsofmeasure.org", "code": "m[IU]/L"},
        "referenceRange": [{"low": {"value": 0.4}, "high": {"value": 4.0}, "text": "the laboratory's own"}],
    }  # fmt: skip
    made = await send(client, sent)
    (deviation,) = total_of(await observations(client, person), "deviation")
    assert deviation["derivedFrom"] == [{"reference": f"Observation/{made['id']}"}]
    again = (await client.get(f"Observation/{made['id']}")).json()
    assert (again["meta"]["versionId"], again["referenceRange"]) == ("1", sent["referenceRange"])


async def test_a_flag_for_item_9_even_when_the_total_cannot_be_scored(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    item = [{"linkId": PHQ9[8], "answer": [{"valueCoding": {"system": LOINC, "code": ANSWERS[2]}}]}]
    await send(client, phq9(person, 0, weeks_ago(0), item=item))
    (total,) = total_of(await observations(client, person))
    assert "dataAbsentReason" in total
    (flag,) = await every(client, f"Flag?patient={person.split('/')[1]}")
    assert (flag["status"], flag["category"][0]["coding"][0]["code"]) == ("active", "safety")
    assert "for professional review" in flag["code"]["text"]


async def test_older_answers_stay_quiet(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await send(client, phq9(person, 5, weeks_ago(0)))
    await send(client, phq9(person, (3, 3, 3, 3, 3, 3, 3, 3, 3), weeks_ago(1)))
    await send(client, phq9(person, (3, 3, 3, 3, 3, 3, 3, 3, 3), weeks_ago(60)))
    assert not await every(client, f"Flag?patient={person.split('/')[1]}")
    assert len(total_of(await observations(client, person))) == 3


async def test_a_withdrawn_answer_takes_its_derivatives_with_it(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    first = await send(client, phq9(person, 6, weeks_ago(2)))
    before = await derived(client, person)
    wrong = await send(client, phq9(person, (3,) * 9, weeks_ago(1)))
    await change(client, wrong | {"status": "entered-in-error"})
    assert await derived(client, person) == before
    gone = [each for each in await observations(client, person) if each["status"] == "entered-in-error"]
    assert total_of(gone)
    (flag,) = await every(client, f"Flag?patient={person.split('/')[1]}")
    assert flag["status"] == "entered-in-error"
    assert (await client.delete(f"QuestionnaireResponse/{first['id']}")).status_code == 204
    assert await derived(client, person) == []


async def test_two_answers_at_once_lose_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await asyncio.gather(*(send(client, phq9(person, 4 + number % 3, weeks_ago(12 - number))) for number in range(12)))
    other = await new_person(client)
    for number in range(12):
        await send(client, phq9(other, 4 + number % 3, weeks_ago(12 - number)))
    assert await derived(client, person) == await derived(client, other)


HISTORY = [(10, 5), (9, 6), (8, 5), (7, 7), (6, 6), (5, 5), (4, 12), (3, 6)]


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
async def test_any_order_leaves_what_one_order_leaves(client: httpx.AsyncClient, seed: int) -> None:
    rng = random.Random(seed)
    person, other = await new_person(client), await new_person(client)
    for week, score in HISTORY:
        await send(client, phq9(other, score, weeks_ago(week)))
    shuffled = HISTORY[:]
    rng.shuffle(shuffled)
    for week, score in shuffled:
        if rng.random() < 0.3:
            wrong = await send(client, phq9(person, (score + 9) % 24, weeks_ago(week)))
            await change(client, phq9(person, score, weeks_ago(week), id=wrong["id"], status="amended") | {"status": "completed"})
        else:
            await send(client, phq9(person, score, weeks_ago(week)))
        if rng.random() < 0.3:
            await send(client, phq9(person, score, weeks_ago(week)))
        if rng.random() < 0.2:
            extra = await send(client, phq9(person, 20, weeks_ago(rng.uniform(3, 11))))
            await client.delete(f"QuestionnaireResponse/{extra['id']}")
    assert await derived(client, person) == await derived(client, other)


async def test_an_answer_moved_to_another_person_moves_what_it_gave(client: httpx.AsyncClient) -> None:
    person, other = await new_person(client), await new_person(client)
    made = await send(client, phq9(person, 9, weeks_ago(1)))
    await change(client, phq9(other, 9, weeks_ago(1), id=made["id"]))
    assert await derived(client, person) == []
    assert len(total_of(await observations(client, other))) == 1


async def test_derived_content_is_not_edited_by_hand(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await send(client, phq9(person, 9, weeks_ago(1)))
    (total,) = total_of(await observations(client, person))
    assert (await client.put(f"Observation/{total['id']}", content=json.dumps(total))).status_code == 409
    assert (await client.delete(f"Observation/{total['id']}")).status_code == 409


async def test_the_strictest_label_is_inherited(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    await send(client, phq9(person, (3,) * 9, weeks_ago(0), meta={"security": [label]}))
    made = await every(client, f"Observation?patient={person.split('/')[1]}&_tag={OURS}|derived")
    made += await every(client, f"Flag?patient={person.split('/')[1]}")
    assert all(label in each["meta"]["security"] for each in made)


async def test_a_bundle_of_answers_out_of_order_is_one_story(client: httpx.AsyncClient) -> None:
    person, other = await new_person(client), await new_person(client)
    for week, score in HISTORY:
        await send(client, phq9(other, score, weeks_ago(week)))
    entries = [
        {"resource": phq9(person, score, weeks_ago(week)), "request": {"method": "POST", "url": "QuestionnaireResponse"}} for week, score in reversed(HISTORY)
    ]
    answer = await client.post("", content=json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert answer.status_code == 200, answer.text
    assert await derived(client, person) == await derived(client, other)


@settings(max_examples=10 * ROUNDS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scores=st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_totals_are_sums(knowledge: Any, scores: list[int]) -> None:
    from mappings.scales.scoring import score

    scored = score(knowledge.scales["phq-9"], phq9("Patient/1", tuple(scores), "2026-01-01"))
    assert scored.totals[0].value == sum(scores)
    assert bool(scored.safety) is (scores[8] > 0)


async def test_a_total_says_how_it_changed(client: httpx.AsyncClient) -> None:
    """A late first answer moves what later ones are compared with: the content is that of one delivery in order."""
    person = await new_person(client)
    await send(client, phq9(person, 12, weeks_ago(2)))
    await send(client, phq9(person, 8, weeks_ago(1)))
    await send(client, phq9(person, 18, weeks_ago(6)))
    totals = {each["valueQuantity"]["value"]: " ".join(note["text"] for note in each["note"]) for each in total_of(await observations(client, person))}
    assert "change since" not in totals[18]
    assert "(18 to 12)" in totals[12]
    assert "the first answer of" in totals[8]
    assert "-10 (18 to 8)" in totals[8]
    assert "-4 (12 to 8)" in totals[8]
