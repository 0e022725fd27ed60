"""Who may review a suggestion: a clinician who signed in, or one whom a trusted backend client states."""

import json
from typing import Any

from tests.smart.installation import DOCTOR, ISS, OTHER_ISS, OTHER_KEY, Person, Smart, bearer, issued, same, speaking_for, user
from tests.story.telling import every, phq9, weeks_ago

Json = dict[str, Any]


async def suggestion(smart: Smart, person: Person) -> Json:
    """An open suggestion of ours, from answers that worsen and touch item 9."""
    for week in range(6, 0, -1):
        await smart.store(phq9(person.ref, 5, weeks_ago(week)))
    await smart.store(phq9(person.ref, (2, 2, 3, 2, 2, 2, 2, 1, 1), weeks_ago(0)))
    smart.http.headers.update(smart.system)
    try:
        found = await every(smart.http, f"CarePlan?patient={person.id}&status=draft")
    finally:
        del smart.http.headers["authorization"]
    assert found
    return found[0]


def parameters(decision: str = "accept", **reviewer: Any) -> Json:
    parameter: list[Json] = [{"name": "decision", "valueCode": decision}, {"name": "reason", "valueString": "agreed"}]
    return {"resourceType": "Parameters", "parameter": parameter + ([{"name": "reviewer"} | reviewer] if reviewer else [])}


async def reviewers(smart: Smart, plan: Json) -> list[Json]:
    """Who the Provenance of the plan's reviews names."""
    found = (await smart.send("GET", f"Provenance?target=CarePlan/{plan['id']}", smart.system)).json()["entry"]
    held = [each["resource"] for each in found if "review" in each["resource"].get("activity", {}).get("text", "")]
    return [agent["who"] for each in held for agent in each["agent"]]


async def test_who_may_not_review(smart: Smart) -> None:
    person = await smart.person()
    plan = await suggestion(smart, person)
    path, stated = f"CarePlan/{plan['id']}/$review", {"valueReference": {"reference": DOCTOR}}
    plain, full = bearer(await smart.token("plain")), smart.system
    for who, body in (
        (user("user/CarePlan.rs"), parameters()),  # may not update
        (user("user/Observation.cruds"), parameters()),
        (bearer(await smart.token("reader", "system/*.rs")), parameters(**stated)),
        (plain, parameters()), (plain, parameters(**stated)),  # a backend client that may not state the reviewer
        (full, parameters()),  # one that may, and does not
        (full, parameters(valueReference={"reference": person.ref})), (full, parameters(valueString=f"{ISS}/RelatedPerson/1")),
        (user(who=None), parameters()), (user(who=None), parameters(**stated)),  # nobody signed in
        (bearer(issued("system/*.cruds", setpoint_states_reviewer=True)), parameters(**stated)),  # a claim that only we make
        (user(who=f"{ISS}/Patient/{person.foreign}"), parameters()), (user(who=f"{ISS}/RelatedPerson/1"), parameters()),
        (user(who=f"{ISS}/Person/1"), parameters()), (user(who="somebody"), parameters()),
        (speaking_for(person), parameters()), (speaking_for(person, fhirUser=f"{ISS}/Patient/{person.foreign}"), parameters(**stated)),
    ):  # fmt: skip
        answer = await smart.send("POST", path, who, body)
        assert answer.status_code == 403, (body, answer.text)
        assert same(answer, await smart.send("POST", "CarePlan/none/$review", who, body))
    assert (await smart.send("GET", f"CarePlan/{plan['id']}", smart.system)).json() == plan
    assert await reviewers(smart, plan) == []


async def test_a_clinician_who_signed_in(smart: Smart) -> None:
    plan = await suggestion(smart, await smart.person())
    path = f"CarePlan/{plan['id']}/$review"
    stated = parameters(valueReference={"display": "Somebody Else"})
    assert (await smart.send("POST", path, user("user/CarePlan.u"), stated)).status_code == 200
    assert await reviewers(smart, plan) == [{"reference": DOCTOR}]
    assert (await smart.send("POST", path, user("user/CarePlan.u"), parameters())).status_code == 409


async def test_an_issuers_relative_clinician_is_not_one_of_ours(smart: Smart) -> None:
    plan = await suggestion(smart, await smart.person())
    token = bearer(issued("user/CarePlan.write", OTHER_KEY, iss=OTHER_ISS, fhirUser="Practitioner/1"))
    assert (await smart.send("POST", f"CarePlan/{plan['id']}/$review", token, parameters("decline"))).status_code == 200
    assert await reviewers(smart, plan) == [{"reference": f"{OTHER_ISS}/Practitioner/1"}]


async def test_a_clinician_with_a_patient_bound_token(smart: Smart) -> None:
    """An EHR launch with the patient in context: the plan of this patient, and as if there were no other."""
    person, other = await smart.person(), await smart.person()
    plan, theirs = await suggestion(smart, person), await suggestion(smart, other)
    who = speaking_for(person, "patient/CarePlan.rus", fhirUser=DOCTOR)
    refused = await smart.send("POST", f"CarePlan/{theirs['id']}/$review", who, parameters())
    assert refused.status_code == 404
    assert same(refused, await smart.send("POST", "CarePlan/none/$review", who, parameters()))
    assert (await smart.send("POST", f"CarePlan/{plan['id']}/$review", who, parameters())).status_code == 200


async def test_a_backend_client_that_may_state_the_reviewer(smart: Smart) -> None:
    plan = await suggestion(smart, await smart.person())
    path = f"CarePlan/{plan['id']}/$review"
    odd = await smart.send("POST", path, smart.system, parameters(valueReference={"reference": DOCTOR, "no-such-element": 1}))
    assert odd.status_code == 400
    assert await reviewers(smart, plan) == []
    stated = {"reference": DOCTOR, "display": "Dr Test"}
    assert (await smart.send("POST", path, smart.system, parameters(valueReference=stated))).status_code == 200
    assert await reviewers(smart, plan) == [stated]


async def test_review_in_a_batch(smart: Smart) -> None:
    person = await smart.person()
    plan = await suggestion(smart, person)
    request = {"method": "POST", "url": f"CarePlan/{plan['id']}/$review"}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": request, "resource": parameters()}]}
    refused = await smart.send("POST", "", speaking_for(person), bundle)
    assert refused.json()["entry"][0]["response"]["status"] == "403"
    done = await smart.send("POST", "", user(), bundle)
    assert done.json()["entry"][0]["response"]["status"] == "200", json.dumps(done.json())
