"""Patient-bound tokens: one person's record, by (issuer, id), and no way to learn what else is there."""

from typing import Any
from uuid import uuid4

import pytest

from tests.smart.installation import (
    AUD,
    DOCTOR,
    ISS,
    LINKS,
    OTHER_ISS,
    OTHER_KEY,
    OTHER_LINKS,
    UNLINKED_ISS,
    Person,
    Smart,
    bearer,
    issued,
    observation,
    same,
    speaking_for,
    transaction,
)

FORM = {"content_type": "application/x-www-form-urlencoded"}
NOBODY = "00000000-0000-4000-8000-000000000000"
FORBIDDEN = "This token speaks for one person only"


async def pair(smart: Smart) -> tuple[Person, Person, dict[str, str]]:
    """Two persons, and the token of the first."""
    own, other = await smart.person(), await smart.person()
    return own, other, speaking_for(own)


def matches(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


# Whose token it is


async def test_a_patient_who_is_not_linked(smart: Smart) -> None:
    own = await smart.person()
    refused = await smart.send("GET", own.ref, bearer(issued("patient/*.rs", patient=uuid4().hex)))
    assert refused.status_code == 403
    for who in (
        bearer(issued("patient/*.rs", patient=own.id)),  # our id, which is not the issuer's
        bearer(issued("patient/*.rs", patient=own.ref)),
        bearer(issued("patient/*.rs", OTHER_KEY, iss=OTHER_ISS, patient=own.foreign)),  # the right id of another issuer
        bearer(issued("patient/*.rs", OTHER_KEY, iss=UNLINKED_ISS, patient=own.foreign)),  # an issuer without a patient system
        bearer(issued("patient/*.rs", patient="' OR 1=1 --")),
        bearer(issued("patient/*.rs", patient=f"{LINKS}|{own.foreign}")),
    ):
        for path in (own.ref, f"Patient/{NOBODY}", "Observation", f"{own.ref}/$baseline?measure=phq-9"):
            assert same(await smart.send("GET", path, who), refused)


async def test_two_persons_with_one_link_are_nobodys(smart: Smart) -> None:
    own = await smart.person()
    twice = [{"system": LINKS, "value": own.foreign}]
    await smart.store({"resourceType": "Patient", "identifier": twice, "birthDate": "1990-06-15", "gender": "female"})
    assert (await smart.send("GET", own.ref, speaking_for(own))).status_code == 403


async def test_a_deleted_person_is_nobodys(smart: Smart) -> None:
    own = await smart.person()
    assert (await smart.send("GET", own.ref, speaking_for(own))).status_code == 200
    for ref in (*own.record.values(), own.ref):
        assert (await smart.send("DELETE", ref, smart.system)).status_code == 204
    assert (await smart.send("GET", own.ref, speaking_for(own))).status_code == 403


async def test_an_equal_id_is_an_accident(smart: Smart) -> None:
    """The issuer's patient has, by accident, the id of another person of ours: the link decides."""
    victim = await smart.person()
    linked = await smart.store({"resourceType": "Patient", "identifier": [{"system": OTHER_LINKS, "value": victim.id}], "birthDate": "1990-06-15"})
    who = bearer(issued("patient/*.rs", OTHER_KEY, iss=OTHER_ISS, patient=victim.id))
    assert (await smart.send("GET", victim.ref, who)).status_code == 404
    assert (await smart.send("GET", f"Patient/{linked['id']}", who)).status_code == 200
    assert [each["id"] for each in matches(await smart.send("GET", "Patient", who))] == [linked["id"]]


async def test_patient_scopes_without_a_patient_give_nothing(smart: Smart) -> None:
    own = await smart.person()
    who = bearer(issued("patient/*.cruds"))
    assert (await smart.send("GET", own.ref, who)).status_code == 403
    assert (await smart.send("GET", "Observation", who)).status_code == 403


async def test_where_patient_scopes_stand_the_whole_token_is_bound(smart: Smart) -> None:
    own, other, _ = await pair(smart)
    for scope in ("patient/Condition.rs user/*.cruds", "patient/Condition.rs system/*.cruds"):
        who = speaking_for(own, scope, fhirUser=DOCTOR)
        assert (await smart.send("GET", own.record["Observation"], who)).status_code == 200
        assert (await smart.send("GET", other.record["Observation"], who)).status_code == 404
        assert {each["subject"]["reference"] for each in matches(await smart.send("GET", "Observation", who))} == {own.ref}


async def test_a_patient_who_signs_in_sees_their_own_record(smart: Smart) -> None:
    """user/ scopes are what the user may see (SMART 2.0): of a patient that is their own record, of a relative we cannot say."""
    own, other, _ = await pair(smart)
    for named in (f"{ISS}/Patient/{own.foreign}", f"Patient/{own.foreign}"):
        who = bearer(issued("user/*.cruds", fhirUser=named))
        assert (await smart.send("GET", own.ref, who)).status_code == 200
        assert (await smart.send("GET", other.ref, who)).status_code == 404
        assert [each["id"] for each in matches(await smart.send("GET", "Patient", who))] == [own.id]
    assert (await smart.send("GET", own.ref, bearer(issued("user/*.rs", fhirUser=f"{ISS}/Patient/{own.id}")))).status_code == 403
    relative = f"{ISS}/RelatedPerson/mother"
    assert (await smart.send("GET", own.ref, bearer(issued("user/*.rs", fhirUser=relative)))).status_code == 403
    assert (await smart.send("GET", own.ref, speaking_for(own, "user/*.rs", fhirUser=relative))).status_code == 200
    assert (await smart.send("GET", other.ref, speaking_for(own, "user/*.rs", fhirUser=relative))).status_code == 404


# Reading


async def test_the_own_record_is_there(smart: Smart) -> None:
    own, _, who = await pair(smart)
    made = own.record["Observation"]
    for method, path in (("GET", own.ref), ("GET", made), ("HEAD", made), ("GET", f"{made}/_history"), ("GET", f"{made}/_history/1"), ("GET", "Observation")):
        assert (await smart.send(method, path, who)).status_code == 200, path
    assert (await smart.send("GET", f"{own.ref}/$baseline?measure=phq-9", who)).status_code == 200
    assert [each["id"] for each in matches(await smart.send("GET", "Patient", who))] == [own.id]


async def test_what_speaks_of_no_person_may_be_read_and_not_written(smart: Smart) -> None:
    _, _, who = await pair(smart)
    medication = await smart.store({"resourceType": "Medication", "code": {"text": "a medicine"}})
    assert (await smart.send("GET", f"Medication/{medication['id']}", who)).status_code == 200
    assert matches(await smart.send("GET", "Questionnaire?_id=phq-9", who))
    for kind in ("Medication", "Practitioner", "Organization", "Questionnaire", "PlanDefinition", "CodeSystem", "Group", "Bundle", "Provenance", "AuditEvent"):
        for method, path in (("POST", kind), ("PUT", f"{kind}/{medication['id']}"), ("DELETE", f"{kind}/{medication['id']}")):
            answer = await smart.send(method, path, who, {} if method != "DELETE" else None)
            assert answer.status_code == 403, (method, path)
        if kind in ("Group", "Provenance"):
            assert matches(await smart.send("GET", kind, who)) == []
    for each in (
        ("PUT", f"Medication/{medication['id']}", medication), ("POST", "Medication", {"resourceType": "Medication"}),
        ("DELETE", f"Medication/{medication['id']}", None), ("POST", "Group", {"resourceType": "Group", "type": "person", "actual": True}),
    ):  # fmt: skip
        assert (await smart.send("POST", "", who, transaction(each))).status_code == 403
        assert (await smart.send("POST", "", who, transaction(each, kind="batch"))).json()["entry"][0]["response"]["status"] == "403"


@pytest.mark.parametrize("path", ["{}", "{}/_history", "{}/_history/1", "{}/_history/9"])
@pytest.mark.parametrize("kind", ["Observation", "Condition", "Patient"])
async def test_what_is_anothers_is_as_if_it_were_not_there(smart: Smart, path: str, kind: str) -> None:
    _, other, who = await pair(smart)
    theirs = other.record.get(kind, other.ref)
    missing = await smart.send("GET", path.format(f"{kind}/{NOBODY}"), who)
    assert missing.status_code == 404
    assert same(await smart.send("GET", path.format(theirs), who), missing)
    assert same(await smart.send("GET", path.format(theirs), who, if_none_match='W/"1"', if_match='W/"1"'), missing)
    assert same(await smart.send("HEAD", theirs, who), await smart.send("HEAD", f"{kind}/{NOBODY}", who))
    deleted = await smart.store(observation(other.ref))
    assert (await smart.send("DELETE", f"Observation/{deleted['id']}", smart.system)).status_code == 204
    gone = await smart.send("GET", path.format(f"Observation/{deleted['id']}"), who)
    assert same(gone, await smart.send("GET", path.format(f"Observation/{NOBODY}"), who))


async def test_the_baseline_of_another(smart: Smart) -> None:
    _, other, who = await pair(smart)
    for query in ("measure=phq-9", "measure=nothing", "measure=phq-9&_format=image/svg%2Bxml"):
        answer = await smart.send("GET", f"{other.ref}/$baseline?{query}", who)
        assert answer.status_code == 404
        assert same(answer, await smart.send("GET", f"Patient/{NOBODY}/$baseline?{query}", who))


async def test_a_search_finds_the_own_record_only(smart: Smart) -> None:
    own, other, who = await pair(smart)
    held = (await smart.send("GET", other.record["Observation"], smart.system)).json()
    value = held["identifier"][0]["value"]
    queries = [
        "Observation?patient={}", "Observation?subject=Patient/{}", "Observation?patient=Patient/{}", "Observation?subject:Patient={}", "Patient?_id={}",
        "Condition?patient={}", "Observation?patient=http://setpoint.test/fhir/Patient/{}", "Flag?patient={}", "CarePlan?patient={}",
        "Observation?patient={}&_summary=count", "Observation?patient={}&_count=0", "Observation?patient={}&_total=accurate&_count=1", "AuditEvent?patient={}",
        "AuditEvent?entity=Patient/{}", "Patient?_id={}&_revinclude=Observation:subject", "Observation?patient={}&_include=Observation:subject",
    ]  # fmt: skip
    for query in queries:
        found = await smart.send("GET", query.format(other.id), who)
        nothing = await smart.send("GET", query.format(NOBODY), who)
        assert matches(found) == [], query
        assert found.content.replace(other.id.encode(), b"X") == nothing.content.replace(NOBODY.encode(), b"X"), query
    theirs = other.record["Observation"].split("/")[1]
    for query in (f"Observation?_id={theirs}", f"Observation?identifier=urn:test:obs|{value}", f"Observation?identifier={value}",
                  f"Patient?identifier={LINKS}|{other.foreign}", f"Observation?subject:identifier={LINKS}|{other.foreign}"):  # fmt: skip
        assert matches(await smart.send("GET", query, who)) == [], query
    for query in ("Observation?_sort=-_lastUpdated&_count=200", "Observation?code=no-measure", "Observation?code:not=x", "Observation?subject:missing=false",
                  "Observation"):  # fmt: skip
        assert {each["subject"]["reference"] for each in matches(await smart.send("GET", query, who))} == {own.ref}, query
    ids = f"{own.id},{other.id}"
    assert {each["subject"]["reference"] for each in matches(await smart.send("GET", f"Observation?patient={ids}", who))} == {own.ref}
    posted = await smart.http.post("Observation/_search", content=f"patient={ids}", headers=who | {"content-type": "application/x-www-form-urlencoded"})
    assert {each["subject"]["reference"] for each in matches(posted)} == {own.ref}


async def test_no_search_leads_through_anothers_record(smart: Smart) -> None:
    """A chain from the own record to another's, and _has from another's to the own, find nothing: or a value could be guessed bit by bit."""
    own, other, who = await pair(smart)
    theirs = {"reference": other.record["Observation"]}
    mine = await smart.store(observation(own.ref, hasMember=[theirs], derivedFrom=[theirs], performer=[{"reference": other.ref}]))
    await smart.store(observation(other.ref, performer=[{"reference": own.ref}], hasMember=[{"reference": f"Observation/{mine['id']}"}]))
    for query in (
        "Observation?has-member.code=no-measure", "Observation?has-member:Observation.status=final", "Observation?has-member.code:not=x",
        "Observation?has-member.subject:missing=false", f"Observation?has-member._id={theirs['reference'].split('/')[1]}",
        f"Observation?derived-from:Observation.subject.identifier={other.foreign}", f"Observation?performer:Patient.identifier={other.foreign}",
        "Observation?performer:Patient.birthdate=1990-06-15", "Patient?_has:Observation:performer:code=no-measure",
        "Observation?_has:Observation:has-member:code=no-measure", f"Patient?_has:Observation:performer:subject.identifier={other.foreign}",
        f"Observation?subject.identifier={other.foreign}",
    ):  # fmt: skip
        answer = await smart.send("GET", query, who)
        assert matches(answer) == [], query
        assert answer.json()["total"] == 0
        assert matches(await smart.send("GET", query, smart.system)), query
    assert matches(await smart.send("GET", f"Observation?subject.identifier={own.foreign}", who))
    assert (await smart.send("GET", "Observation?subject.name=x", speaking_for(own, "patient/Observation.rs"))).status_code == 403


async def test_includes_stay_within_the_record(smart: Smart) -> None:
    """An Observation of the own record that points at another's brings nothing of the other's along."""
    own, other, who = await pair(smart)
    await smart.store(observation(own.ref, hasMember=[{"reference": other.record["Observation"]}], performer=[{"reference": other.ref}]))
    await smart.store(observation(other.ref, performer=[{"reference": own.ref}]))
    for query in ("Observation?_include=Observation:has-member&_include=Observation:performer", f"Patient?_id={own.id}&_revinclude=Observation:performer"):
        assert other.id not in "".join(str(each.get("subject", each["id"])) for each in matches(await smart.send("GET", query, who))), query


async def test_another_persons_page_cursor_leads_nowhere(smart: Smart) -> None:
    own, other, who = await pair(smart)
    for _ in range(3):
        await smart.store(observation(other.ref))
    first = await smart.send("GET", "Observation?_count=1&_sort=date", smart.system)
    link = next(link["url"] for link in first.json()["link"] if link["relation"] == "next")
    found = matches(await smart.send("GET", link, who))
    assert {each["subject"]["reference"] for each in found} <= {own.ref}


async def test_the_audit_trail_of_the_own_record_only(smart: Smart) -> None:
    own, other, who = await pair(smart)
    for person in (own, other):
        await smart.send("GET", person.ref, smart.system)
    await smart.house.audit.close()
    found = matches(await smart.send("GET", "AuditEvent?_count=200", who))
    assert found
    assert all(own.ref in str(each["entity"]) and other.ref not in str(each["entity"]) for each in found)
    theirs = matches(await smart.send("GET", f"AuditEvent?patient={other.id}", smart.system))[0]
    assert same(await smart.send("GET", f"AuditEvent/{theirs['id']}", who), await smart.send("GET", "AuditEvent/1", who))
    assert (await smart.send("GET", f"AuditEvent/{found[0]['id']}", who)).status_code == 200


async def test_an_earlier_version_about_another_person(smart: Smart) -> None:
    """A record that was first filed under the wrong person and then corrected: the right person does not see whose it seemed to be."""
    own, other, who = await pair(smart)
    made = await smart.store(observation(other.ref))
    path = f"Observation/{made['id']}"
    assert (await smart.send("PUT", path, smart.system, made | {"subject": {"reference": own.ref}})).status_code == 200
    assert (await smart.send("GET", f"{path}/_history/2", who)).status_code == 200
    assert same(await smart.send("GET", f"{path}/_history/1", who), await smart.send("GET", f"{path}/_history/7", who))
    assert other.ref not in (await smart.send("GET", f"{path}/_history", who)).text


# Writing


async def test_writing_the_own_record(smart: Smart) -> None:
    own, _, who = await pair(smart)
    made = await smart.send("POST", "Observation", who, observation(own.ref))
    assert made.status_code == 201
    path = f"Observation/{made.json()['id']}"
    assert (await smart.send("PUT", path, who, made.json() | {"status": "amended"})).status_code == 200
    assert (await smart.send("DELETE", path, who)).status_code == 204
    bundle = transaction(("POST", "Observation", observation(own.ref)), ("GET", own.record["Condition"], None))
    assert (await smart.send("POST", "", who, bundle)).status_code == 200
    by_identifier = observation(own.ref, subject={"identifier": {"system": LINKS, "value": own.foreign}})
    assert (await smart.send("POST", "Observation", who, by_identifier)).status_code == 201


async def test_who_somebody_is_stays_with_the_organisation(smart: Smart) -> None:
    """A Patient's identifiers link tokens and incoming data: with them a patient could draw another's future data to themselves."""
    own, other, who = await pair(smart)
    patient = (await smart.send("GET", own.ref, who)).json()
    stolen = patient | {"identifier": [*patient["identifier"], {"system": LINKS, "value": other.foreign}]}
    for answer in (await smart.send("PUT", own.ref, who, stolen), await smart.send("POST", "Patient", who, stolen), await smart.send("DELETE", own.ref, who),
                   await smart.send("POST", "", who, transaction(("PUT", own.ref, stolen)))):  # fmt: skip
        assert answer.status_code == 403
    assert (await smart.send("GET", other.ref, speaking_for(other))).status_code == 200


async def test_a_subject_that_is_not_the_tokens(smart: Smart) -> None:
    """403, whether the other person is known here or not (anybody else is told 422)."""
    own, other, who = await pair(smart)
    device = await smart.store({"resourceType": "Device", "patient": {"reference": other.ref}})
    forms: list[dict[str, Any]] = [
        {"reference": other.ref}, {"reference": f"http://setpoint.test/fhir/{other.ref}"}, {"reference": f"Patient/{NOBODY}"},
        {"identifier": {"system": LINKS, "value": other.foreign}}, {"identifier": {"system": LINKS, "value": "nobody's"}},
        {"reference": f"Device/{device['id']}"}, {"reference": f"Device/{NOBODY}"}, {"reference": "https://elsewhere.test/fhir/Patient/1"}, {"display": "x"},
    ]  # fmt: skip
    answers = [await smart.send("POST", "Observation", who, observation(own.ref, subject=subject)) for subject in forms]
    assert {answer.status_code for answer in answers} == {403}
    assert all(same(answer, answers[0]) for answer in answers)
    none = observation(own.ref)
    del none["subject"]
    assert same(await smart.send("POST", "Observation", who, none), answers[0])
    assert (await smart.send("POST", "Observation", smart.system, observation(f"Patient/{NOBODY}"))).status_code == 422
    bundles = [await smart.send("POST", "", who, transaction(("POST", "Observation", observation(own.ref, subject=subject)))) for subject in forms]
    assert all(same(answer, bundles[0]) and answer.status_code == 403 for answer in bundles)


async def test_an_update_moves_nothing_to_another_person(smart: Smart) -> None:
    own, other, who = await pair(smart)
    body = (await smart.send("GET", own.record["Observation"], who)).json()
    assert (await smart.send("PUT", own.record["Observation"], who, body | {"subject": {"reference": other.ref}})).status_code == 403
    theirs = (await smart.send("GET", other.record["Observation"], smart.system)).json()
    assert (await smart.send("PUT", other.record["Observation"], who, theirs | {"subject": {"reference": own.ref}})).status_code == 403
    bundle = transaction(("PUT", other.record["Observation"], theirs | {"subject": {"reference": own.ref}}))
    assert (await smart.send("POST", "", who, bundle)).status_code == 403
    assert (await smart.send("GET", other.record["Observation"], smart.system)).json() == theirs


@pytest.mark.parametrize("state", ["standing", "deleted"])
async def test_writes_do_not_tell_what_is_there(smart: Smart, state: str) -> None:
    """An address that is another's, and one that is nobody's, answer alike: a patient-bound token makes no addresses of its own."""
    own, other, who = await pair(smart)
    theirs = other.record["Observation"]
    if state == "deleted":
        assert (await smart.send("DELETE", theirs, smart.system)).status_code == 204

    async def both(method: str, body: bool, **headers: str) -> list[Any]:
        found = []
        for path in (theirs, f"Observation/{NOBODY}"):
            found.append(await smart.send(method, path, who, observation(own.ref, id=path.split("/")[1]) if body else None, **headers))
            bundle = transaction((method, path, observation(own.ref, id=path.split("/")[1]) if body else None))
            if "if_match" in headers:
                bundle["entry"][0]["request"]["ifMatch"] = headers["if_match"]
            found.append(await smart.send("POST", "", who, bundle))
        return found

    for method, body in (("PUT", True), ("DELETE", False)):
        for headers in ({}, {"if_match": 'W/"1"'}, {"if_match": 'W/"7"'}):
            there, there_together, nowhere, nowhere_together = await both(method, body, **headers)
            assert there.status_code == 403, (method, headers)
            assert same(there, nowhere), (method, headers)
            assert same(there_together, nowhere_together), (method, headers)
    assert (await smart.send("GET", f"Observation/{NOBODY}", smart.system)).status_code == 404


async def test_conditional_creates_do_not_tell_what_is_there(smart: Smart) -> None:
    own, other, who = await pair(smart)
    value = (await smart.send("GET", other.record["Observation"], smart.system)).json()["identifier"][0]["value"]
    for criteria in (f"identifier=urn:test:obs|{value}", f"patient={other.id}", f"_id={other.record['Observation'].split('/')[1]}"):
        answer = await smart.send("POST", "Observation", who, observation(own.ref), if_none_exist=criteria)
        assert answer.status_code == 201, criteria
        assert other.ref not in answer.text
        bundle = transaction(("POST", "Observation", observation(own.ref)))
        bundle["entry"][0]["request"]["ifNoneExist"] = criteria
        together = await smart.send("POST", "", who, bundle, prefer="return=representation")
        assert together.json()["entry"][0]["response"]["status"] == "201", criteria
        assert other.ref not in together.text
        assert other.record["Observation"] not in together.text
    mine = (await smart.send("GET", own.record["Observation"], who)).json()["identifier"][0]["value"]
    again = await smart.send("POST", "Observation", who, observation(own.ref), if_none_exist=f"identifier=urn:test:obs|{mine}")
    assert (again.status_code, again.json()["id"]) == (200, own.record["Observation"].split("/")[1])


async def test_conditional_references_do_not_tell_what_is_there(smart: Smart) -> None:
    own, other, who = await pair(smart)
    answers = []
    for value in (other.foreign, "nobody's"):
        body = observation(own.ref, performer=[{"reference": f"Patient?identifier={LINKS}|{value}"}])
        answers.append(await smart.send("POST", "", who, transaction(("POST", "Observation", body))))
    assert answers[0].status_code == 412
    assert same(*answers)
    body = observation(own.ref, subject={"reference": f"Patient?identifier={LINKS}|{own.foreign}"})
    assert (await smart.send("POST", "", who, transaction(("POST", "Observation", body)))).status_code == 200


async def test_a_batch_is_no_way_around(smart: Smart) -> None:
    own, other, who = await pair(smart)
    theirs = other.record["Observation"]
    entries: list[tuple[str, str, Any]] = [
        ("GET", theirs, None), ("GET", f"Observation?patient={other.id}", None), ("PUT", theirs, observation(own.ref, id=theirs.split("/")[1])),
        ("DELETE", theirs, None), ("POST", "Observation", observation(other.ref)), ("GET", f"{other.ref}/$baseline?measure=phq-9", None),
        ("GET", f"{theirs}/_history", None), ("GET", own.ref, None),
    ]  # fmt: skip
    answer = await smart.send("POST", "", who, transaction(*entries, kind="batch"))
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["404", "200", "403", "403", "403", "404", "404", "200"]
    assert other.record["Condition"] not in answer.text
    assert answer.json()["entry"][1]["resource"]["total"] == 0
    inside = await smart.send("POST", "", who, transaction(("POST", "Observation", observation(own.ref)), ("GET", theirs, None)))
    assert inside.status_code == 400
    nowhere = await smart.send("POST", "", who, transaction(("POST", "Observation", observation(own.ref)), ("GET", f"Observation/{NOBODY}", None)))
    assert same(inside, nowhere)
    assert len(matches(await smart.send("GET", "Observation", who))) == 1
    assert (await smart.send("GET", theirs, smart.system)).status_code == 200


async def test_a_token_of_another_issuer_for_the_same_person(smart: Smart) -> None:
    """One person, known by two issuers under two ids: both lead to the one record."""
    mine, theirs = uuid4().hex, uuid4().hex
    made = await smart.store({"resourceType": "Patient", "identifier": [{"system": LINKS, "value": mine}, {"system": OTHER_LINKS, "value": theirs}]})
    first = bearer(issued("patient/*.rs", patient=mine))
    second = bearer(issued("patient/*.rs", OTHER_KEY, iss=OTHER_ISS, aud=AUD, patient=theirs))
    for who in (first, second):
        assert (await smart.send("GET", f"Patient/{made['id']}", who)).status_code == 200


async def test_validation_tells_nothing_of_other_people(smart: Smart) -> None:
    """Whether another person is known here is not told by $validate either: what is refused is the same for all that are not the token's."""
    own, other, who = await pair(smart)
    assert (await smart.send("POST", "Observation/$validate", who, observation(own.ref))).status_code == 200
    for ref in (other.ref, "Patient/nobody-here"):
        refused = await smart.send("POST", "Observation/$validate", who, observation(ref))
        assert (refused.status_code, refused.json()["issue"][0]["diagnostics"]) == (403, FORBIDDEN)
    for ref in (other.record["Observation"], "Observation/nothing-here"):
        refused = await smart.send("POST", f"{ref}/$validate", who, {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]})
        assert (refused.status_code, refused.json()["issue"][0]["diagnostics"]) == (403, FORBIDDEN)


async def test_nobody_confirms_their_own_stable_period(smart: Smart) -> None:
    """It is what later change is measured from: a clinician's word, also under a token for one person."""
    own, _, who = await pair(smart)
    code = {"coding": [{"system": "https://setpoint.example/fhir/CodeSystem/setpoint", "code": "stable-period"}]}
    said = {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": own.ref},
            "effectivePeriod": {"start": "2025-01-01", "end": "2025-03-01"}}  # fmt: skip
    assert (await smart.send("POST", "Observation", who, said)).status_code == 403
    confirmed = await smart.send("POST", "Observation", speaking_for(own, fhirUser=DOCTOR), said)
    assert confirmed.status_code == 201
    there = f"Observation/{confirmed.json()['id']}"
    assert (await smart.send("PUT", there, who, confirmed.json() | {"status": "amended"})).status_code == 403
    assert (await smart.send("DELETE", there, who)).status_code == 403
