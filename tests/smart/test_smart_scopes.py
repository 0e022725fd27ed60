"""Scopes of both versions, by interaction and type, over every interaction, Bundle entries and includes."""

from typing import Any

import pytest

from tests.smart.installation import Person, Smart, bearer, condition, issued, observation, same, transaction

LETTER = {"create": "c", "read": "r", "head": "r", "vread": "r", "history": "r", "update": "u", "delete": "d", "search": "s", "search by POST": "s",
          "baseline": "r", "review": "u"}  # fmt: skip
FORM = {"content_type": "application/x-www-form-urlencoded"}
GRANTS = {"c": "c", "r": "r", "u": "u", "d": "d", "s": "s", "rs": "rs", "cruds": "cruds", "read": "rs", "write": "cud", "*": "cruds", "cud": "cud"}
DECIDED = {"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "accept"}]}


def request(interaction: str, person: Person, made: str) -> tuple[str, str, Any, dict[str, str]]:
    """Method, path, body and headers of one interaction on an Observation (a CarePlan for review)."""
    return {
        "create": ("POST", "Observation", observation(person.ref), {}),
        "read": ("GET", made, None, {}), "head": ("HEAD", made, None, {}), "vread": ("GET", f"{made}/_history/1", None, {}),
        "history": ("GET", f"{made}/_history", None, {}), "update": ("PUT", made, observation(person.ref, id=made.split("/")[1]), {}),
        "delete": ("DELETE", made, None, {}), "search": ("GET", f"Observation?patient={person.id}", None, {}),
        "search by POST": ("POST", "Observation/_search", None, FORM), "baseline": ("GET", f"{person.ref}/$baseline?measure=phq-9", None, {}),
        "review": ("POST", "CarePlan/none/$review", DECIDED, {}),
    }[interaction]  # fmt: skip


@pytest.mark.parametrize("level", ["system", "user"])
async def test_each_interaction_needs_its_letter_on_its_type(smart: Smart, level: str) -> None:
    person = await smart.person()
    for letters, granted in GRANTS.items() if level == "system" else (("read", "rs"), ("write", "cud"), ("u", "u")):
        held = {type_: bearer(issued(f"{level}/{type_}.{letters}", fhirUser="Practitioner/1")) for type_ in ("Observation", "CarePlan", "*", "Flag")}
        for interaction, needed in LETTER.items():
            kind = "CarePlan" if interaction == "review" else "Observation"
            made = f"Observation/{(await smart.store(observation(person.ref)))['id']}"
            method, path, body, headers = request(interaction, person, made)
            for type_, allowed in ((kind, needed in granted), ("*", needed in granted), ("Flag", False)):
                if allowed and type_ == "*" and interaction == "delete":
                    made = f"Observation/{(await smart.store(observation(person.ref)))['id']}"
                    path = made
                answer = await smart.send(method, path, held[type_], body, **headers)
                assert (answer.status_code == 403) is not allowed, (letters, interaction, type_, answer.status_code)
                if not allowed and method != "HEAD":
                    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
                    assert answer.json()["issue"][0]["code"] == "forbidden"


async def test_what_is_not_granted_is_refused_alike_whether_it_is_there_or_not(smart: Smart) -> None:
    person = await smart.person()
    made, none = person.record["Observation"], "Observation/none"
    who = bearer(issued("system/Flag.cruds"))
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {})):
        assert same(await smart.send(method, made, who, body), await smart.send(method, none, who, body))
    for path in ("/_history", "/_history/1"):
        assert same(await smart.send("GET", made + path, who), await smart.send("GET", none + path, who))
    for path in ("Patient/{}/$baseline?measure=phq-9",):
        assert same(await smart.send("GET", path.format(person.id), who), await smart.send("GET", path.format("none"), who))


async def test_a_scope_with_a_query_grants_nothing(smart: Smart) -> None:
    assert (await smart.send("GET", "Observation?_count=1", bearer(issued("system/Observation.rs?category=laboratory")))).status_code == 403


async def test_entries_of_a_batch_are_authorised_one_by_one(smart: Smart) -> None:
    person = await smart.person()
    who = bearer(issued("system/Observation.crs system/Patient.r"))
    bundle = transaction(
        ("POST", "Observation", observation(person.ref)), ("POST", "Condition", condition(person.ref)), ("GET", person.ref, None),
        ("GET", person.record["Condition"], None), ("GET", "Condition/none", None), ("DELETE", person.record["Observation"], None),
        ("GET", f"Observation?patient={person.id}", None), ("GET", f"Patient?_id={person.id}", None), ("GET", f"{person.ref}/$baseline?measure=phq-9", None),
        ("GET", f"{person.record['Condition']}/_history", None), kind="batch",
    )  # fmt: skip
    answer = await smart.send("POST", "", who, bundle)
    found = [entry["response"]["status"] for entry in answer.json()["entry"]]
    assert found == ["201", "403", "200", "403", "403", "403", "200", "403", "200", "403"]
    assert answer.json()["entry"][3] == answer.json()["entry"][4]
    assert (await smart.send("GET", person.record["Observation"], smart.system)).status_code == 200


@pytest.mark.parametrize("entry", ["create", "update", "delete", "search", "read"])
async def test_a_transaction_with_an_entry_that_is_not_granted_stores_nothing(smart: Smart, entry: str) -> None:
    person = await smart.person()
    asked: tuple[str, str, Any] = {
        "create": ("POST", "Condition", condition(person.ref)), "update": ("PUT", "Condition/x", condition(person.ref, id="x")),
        "delete": ("DELETE", person.record["Condition"], None),
        "search": ("GET", "Condition?_count=1", None),
        "read": ("GET", person.record["Condition"], None),
    }[entry]  # fmt: skip
    answer = await smart.send("POST", "", bearer(issued("system/Observation.cruds")), transaction(("POST", "Observation", observation(person.ref)), asked))
    assert answer.status_code in ((400, 403) if entry in ("search", "read") else (403,))
    held = await smart.send("GET", f"Observation?patient={person.id}&_summary=count", smart.system)
    assert held.json()["total"] == 1


async def test_conditional_writes_need_search(smart: Smart) -> None:
    person = await smart.person()
    body = observation(person.ref)
    who = bearer(issued("system/Observation.c"))
    condition_ = f"identifier=urn:test:obs|{body['identifier'][0]['value']}"
    refused = await smart.send("POST", "Observation", who, body, if_none_exist=condition_)
    assert refused.status_code == 403
    await smart.store(body)
    assert same(refused, await smart.send("POST", "Observation", who, body, if_none_exist=condition_))
    bundle = transaction(("POST", "Observation", body))
    bundle["entry"][0]["request"]["ifNoneExist"] = condition_
    assert (await smart.send("POST", "", who, bundle)).status_code == 403
    by_reference = transaction(("POST", "Observation", observation(f"Patient?identifier=urn:test:ehr-patient|{person.foreign}")))
    assert (await smart.send("POST", "", who, by_reference)).status_code == 403


async def test_includes_bring_only_what_is_granted(smart: Smart) -> None:
    person = await smart.person()
    path = f"Observation?patient={person.id}&_include=Observation:subject"

    def kinds(answer: Any) -> list[str]:
        return [entry["resource"]["resourceType"] for entry in answer.json()["entry"]]

    assert kinds(await smart.send("GET", path, bearer(issued("system/Observation.rs")))) == ["Observation"]
    assert kinds(await smart.send("GET", path, bearer(issued("system/Observation.rs system/Patient.s")))) == ["Observation"]
    assert kinds(await smart.send("GET", path, bearer(issued("system/Observation.rs system/Patient.r")))) == ["Observation", "Patient"]
    back = f"Patient?_id={person.id}&_revinclude=Condition:subject"
    assert (await smart.send("GET", back, bearer(issued("system/Patient.rs")))).status_code == 403
    assert kinds(await smart.send("GET", back, bearer(issued("system/Patient.rs system/Condition.s")))) == ["Patient"]
    assert kinds(await smart.send("GET", back, bearer(issued("system/Patient.rs system/Condition.rs")))) == ["Patient", "Condition"]


async def test_the_audit_trail_is_a_type_like_others(smart: Smart) -> None:
    assert (await smart.send("GET", "AuditEvent?_count=1", bearer(issued("system/Observation.rs")))).status_code == 403
    assert (await smart.send("GET", "AuditEvent?_count=1", bearer(issued("system/AuditEvent.s")))).status_code == 200
    assert (await smart.send("POST", "AuditEvent", bearer(issued("system/AuditEvent.rs")), {})).status_code == 403
