"""One history in many orders: answers, values by several methods, medicines that change, stable periods, corrections and withdrawals.

A history is a list of resources, each with the versions it went through; what is left is the same whether they come in clinical order, mixed, or
in one transaction.
"""

import json
import random
from typing import Any

import httpx
import pytest

from tests.conftest import ROUNDS
from tests.fhir.persons import new_person
from tests.story.telling import derived, phq9, weeks_ago
from tests.story.test_treated_baselines import measured, stable, taken

Json = dict[str, Any]
VALUES = (
    ("14334-7", "mmol/L", 0.6, 0.1), ("3016-3", "m[IU]/L", 2.0, 0.5), ("2951-2", "mmol/L", 140, 3), ("29463-7", "kg", 80, 3), ("8480-6", "mm[Hg]", 125, 9),
)  # fmt: skip


def history(rng: random.Random, person: str) -> list[list[Json]]:
    """Resources in the order of clinical time, each with its versions, the last of them what stands; {} is a deletion."""
    made: list[tuple[float, list[Json]]] = []
    for weeks in sorted(rng.sample(range(1, 40), 9)):
        made.append((weeks, [phq9(person, rng.choice((4, 6, 15, 18, 20)), weeks_ago(weeks + 0.1))]))
    for code, unit, usual, spread in VALUES:
        for weeks in rng.sample(range(1, 40), rng.randint(1, 5)):
            more = {"method": {"text": rng.choice(("a", "b"))}} if code == "3016-3" else {}
            value = max(usual / 4, round(rng.gauss(usual, spread * rng.choice((1, 5))), 2))
            made.append((weeks, [measured(person, code, value, unit, weeks + rng.random() / 2, **more)]))
    for drug, doses in (("sertraline", (50, 100)), ("lithium", (600, 900)), ("lithium", (600, 900))):
        since = rng.randint(4, 36)
        until = since - rng.randint(1, 9) if rng.random() < 0.5 else None
        versions = [taken(person, drug, since, rng.choice(doses), until)]
        made.append((since, versions))
    for _ in range(rng.randint(0, 2)):
        begin = rng.randint(20, 40)
        made.append((begin, [stable(person, begin, begin - rng.randint(2, 18))]))
    for _, versions in made:
        _later(rng, versions)
    return [versions for _, versions in sorted(made, key=lambda each: -each[0])]


def _later(rng: random.Random, versions: list[Json]) -> None:
    """Some are corrected, withdrawn, or deleted."""
    first, fate = versions[0], rng.random()
    if fate < 0.12:
        versions.append({})
    elif fate < 0.24:
        versions.append(first | {"status": "entered-in-error"})
    elif fate < 0.36 and "valueQuantity" in first:
        versions.append(first | {"status": "amended", "valueQuantity": first["valueQuantity"] | {"value": round(first["valueQuantity"]["value"] * 1.1, 2)}})
    elif fate < 0.36 and first["resourceType"] == "QuestionnaireResponse":
        versions.append(phq9(first["subject"]["reference"], rng.choice((2, 12, 22)), weeks_ago(rng.randint(1, 40) + 0.3), status="amended"))
    elif fate < 0.36 and first["resourceType"] == "MedicationRequest":
        dose = first["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"]
        versions.append(taken(first["subject"]["reference"], first["medicationCodeableConcept"]["text"], rng.randint(4, 36), dose))


async def tell(client: httpx.AsyncClient, versions: list[Json], at: int, ids: dict[int, str], key: int) -> None:
    """Send one version of a resource."""
    resource = versions[at]
    if at == 0:
        answer = await client.post(resource["resourceType"], content=json.dumps(resource))
        ids[key] = f"{resource['resourceType']}/{answer.json()['id']}"
    elif not resource:
        answer = await client.delete(ids[key])
    else:
        answer = await client.put(ids[key], content=json.dumps(resource | {"id": ids[key].split("/")[1]}))
    assert answer.status_code in (200, 201, 204), answer.text


def mixed(rng: random.Random, told: list[list[Json]]) -> list[tuple[int, int]]:
    """(resource, version) in any order that keeps the versions of one resource in theirs."""
    slots = [key for key, versions in enumerate(told) for _ in versions]
    rng.shuffle(slots)
    seen: dict[int, int] = {}
    found = []
    for key in slots:
        found.append((key, seen.get(key, 0)))
        seen[key] = found[-1][1] + 1
    return found


async def standing_of(client: httpx.AsyncClient, person: str) -> list[str]:
    """What is derived and stands; an issue that came and went is history, and depends on what was heard when."""
    return [each for each in await derived(client, person) if '"status": "cancelled"' not in each]


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
async def test_what_is_left_is_the_same_in_any_order(client: httpx.AsyncClient, seed: int) -> None:
    ordered, shuffled, last_only = await new_person(client), await new_person(client), await new_person(client)
    for person in (ordered, shuffled):
        told, ids = history(random.Random(seed), person), {}
        steps = [(key, at) for key, versions in enumerate(told) for at in range(len(versions))]
        for key, at in steps if person == ordered else mixed(random.Random(seed + 1000), told):
            await tell(client, told[key], at, ids, key)
    standing = [versions[-1] for versions in history(random.Random(seed), last_only) if versions[-1]]
    entries = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in standing]
    random.Random(seed).shuffle(entries)
    answer = await client.post("", content=json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert answer.status_code == 200, answer.text
    left = await standing_of(client, ordered)
    assert left == await standing_of(client, shuffled)
    assert left == await standing_of(client, last_only)


async def test_a_dose_that_changes_in_place_is_the_same_before_and_after_the_values(client: httpx.AsyncClient) -> None:
    before, after = await new_person(client), await new_person(client)
    for person in (before, after):
        values = [measured(person, "14334-7", 0.6 if week > 6 else 0.9, "mmol/L", week) for week in (28, 25, 22, 19, 16, 13, 10, 7, 4, 1)]
        versions, ids = [taken(person, "lithium", 30, 600), taken(person, "lithium", 6, 900)], {}
        for at, resource in enumerate([*versions, *values] if person == before else [versions[0], *values, versions[1]]):
            is_medicine = resource in versions
            await tell(client, versions if is_medicine else [resource], versions.index(resource) if is_medicine else 0, ids, 0 if is_medicine else at + 1)
    assert await derived(client, before) == await derived(client, after)


async def test_a_measure_that_begins_late_takes_its_share_of_the_alarms_from_then_on(client: httpx.AsyncClient) -> None:
    """Five other measures before or after: the same alerts. With the share of one alone, one more value of these would alert."""
    first, last = await new_person(client), await new_person(client)
    for person in (first, last):
        beside = [measured(person, code, usual, unit, 70) for code, unit, usual, _ in VALUES]
        rng = random.Random(31)
        scores = [phq9(person, min(24, max(0, round(8 + 5 * (at > 40) + rng.gauss(0, 4)))), weeks_ago(60 - at)) for at in range(60)]
        for resource in (*beside, *scores) if person == first else (*scores, *beside):
            await tell(client, [resource], 0, {}, 0)
    assert await derived(client, first) == await derived(client, last)


async def test_two_methods_at_one_instant_both_stand(client: httpx.AsyncClient) -> None:
    one, two = await new_person(client), await new_person(client)
    for person in (one, two):
        at = [measured(person, "3016-3", value, "m[IU]/L", 2, method={"text": method}) for value, method in ((9.0, "a"), (0.1, "b"))]
        for resource in at if person == one else at[::-1]:
            await tell(client, [resource], 0, {}, 0)
    assert len(await derived(client, one)) == 2
    assert await derived(client, one) == await derived(client, two)


async def test_a_medicine_of_an_intake_judges_what_came_after_its_start_again(client: httpx.AsyncClient) -> None:
    def intake(person: str) -> Json:
        said = {"valueCoding": {"system": "http://hl7.org/fhir/CodeSystem/medication-statement-status", "code": "active", "display": "Active"}}
        answers = (("treatment.medicine", {"valueString": "sertraline"}), ("treatment.status", said), ("treatment.from", {"valueDate": weeks_ago(9)[:10]}))
        return {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "https://setpoint.example/fhir/Questionnaire/intake",
                "subject": {"reference": person}, "authored": weeks_ago(1),
                "item": [{"linkId": "treatment", "item": [{"linkId": link, "answer": [value]} for link, value in answers]}]}  # fmt: skip

    before, after = await new_person(client), await new_person(client)
    for person in (before, after):
        answers = [phq9(person, 20 if week > 8 else 12, weeks_ago(week)) for week in (20, 18, 16, 14, 12, 10, 6, 4)]
        for resource in (intake(person), *answers) if person == before else (*answers, intake(person)):
            await tell(client, [resource], 0, {}, 0)
    assert any("Treatment changed or acted" in each for each in await derived(client, after))
    assert await derived(client, before) == await derived(client, after)
