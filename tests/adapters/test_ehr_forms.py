"""Forms, patient matching, vendor profiles, capabilities and Retry-After."""

import base64
import copy
import json
import os
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.ehr import profile as profiles
from adapters.ehr.answers import Remote, codes, remote_of
from adapters.ehr.capabilities import offered, ways
from adapters.ehr.forms import Setting, shape
from adapters.ehr.patient import MatchedPatient, Refusal, find_patient
from adapters.ehr.session import token_value
from adapters.ehr.text import plain_text
from adapters.http import Answer
from adapters.retry_after import retry_after
from mappings.knowledge import KnowledgeError
from mappings.r4 import structures
from mappings.r4.validate import Validator
from mappings.vocabulary import DERIVED_ID, SUGGESTION_ID

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
NOW = 1_800_000_000.0
FOLDER = Path(profiles.__file__).parent / "profiles"
VENDORS = sorted(path.stem for path in FOLDER.glob("*.json"))
BASE = "https://ehr.example/fhir"
SYSTEM = "urn:example:mrn"
DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>Review the <b>dose</b> &amp; ask.</p><ul><li>CYP2D6</li><li>PHQ-9 21</li></ul>'
    "<table><tr><td>now</td><td>21</td></tr></table></div>"
)
PLAN: dict[str, Any] = {
    "resourceType": "CarePlan", "id": "plan-1", "meta": {"versionId": "3", "lastUpdated": "2026-01-02T10:00:00.000Z", "security": [{"code": "R"}]},
    "text": {"status": "generated", "div": DIV}, "identifier": [{"system": SUGGESTION_ID, "value": "sug-1"}], "status": "draft", "intent": "proposal",
    "title": "Medicine review", "subject": {"reference": "Patient/p1", "display": "Jane Doe"}, "created": "2026-01-02",
    "instantiatesCanonical": ["https://setpoint.example/fhir/PlanDefinition/x"],
    "contained": [{"resourceType": "Goal", "id": "g", "lifecycleStatus": "proposed", "description": {"text": "x"}, "subject": {"reference": "Patient/p1"}}],
    "goal": [{"reference": "#g"}], "author": {"reference": f"{BASE}/Practitioner/5"},
    "supportingInfo": [{"reference": "Observation/o1/_history/2"}, {"reference": "Patient/p2"}, {"reference": "https://other.example/Observation/9"}],
    "activity": [{"detail": {"status": "not-started", "description": "See", "performer": [{"reference": "Device/setpoint", "display": "Setpoint"}]}}],
}  # fmt: skip


def profile(name: str) -> profiles.Profile:
    return profiles.build(json.loads((FOLDER / f"{name}.json").read_text()))


def setting(vendor: str = "general", **more: Any) -> Setting:
    return Setting(profile(vendor), BASE, "Patient/77", "Patient/p1", (SUGGESTION_ID, "sug-1"), "2027-01-15T08:00:00Z", **more)


# Forms


def test_native_goes_with_references_that_the_ehr_can_resolve() -> None:
    before = copy.deepcopy(PLAN)
    made = shape(PLAN, "CarePlan", setting())
    assert before == PLAN
    assert "id" not in made
    assert made["meta"] == {"security": [{"code": "R"}]}
    assert made["subject"] == {"reference": "Patient/77"}
    assert made["contained"][0]["id"] == "g"
    assert made["contained"][0]["subject"] == {"reference": "Patient/77"}
    assert made["goal"] == [{"reference": "#g"}]
    assert made["author"] == {"reference": "Practitioner/5"}
    assert made["supportingInfo"][0] == {
        "type": "Observation", "identifier": {"system": DERIVED_ID, "value": "Observation/o1"}, "display": "Observation kept by Setpoint"
    }  # fmt: skip
    assert made["supportingInfo"][1]["identifier"]["value"] == "Patient/p2"
    assert made["supportingInfo"][2]["identifier"] == {"system": "urn:ietf:rfc:3986", "value": "https://other.example/Observation/9"}
    assert made["activity"][0]["detail"]["performer"][0]["display"] == "Setpoint"
    assert made["identifier"] == PLAN["identifier"]
    assert made["text"] == PLAN["text"]


def test_the_narrative_as_text() -> None:
    assert plain_text(PLAN) == (
        "Suggestion for review. It is a proposal, not an order.\nReview the dose & ask.\n- CYP2D6\n- PHQ-9 21\nnow 21"
    )  # fmt: skip
    assert plain_text(PLAN | {"status": "revoked"}).startswith("WITHDRAWN")
    assert plain_text({"resourceType": "Flag", "status": "active", "code": {"text": "Look"}}) == "In force.\nLook"


@pytest.fixture(scope="module")
def validator() -> Validator:
    definitions = files("mappings.r4") / "definitions"
    built = structures.build(*(json.loads((definitions / name).read_text()) for name in ("structures.json", "value_sets.json")))
    return Validator(built, profiles.FORMS)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", ["draft", "active", "revoked", "entered-in-error", "completed", "on-hold"])
def test_every_form_of_every_vendor_is_valid_r4(vendor: str, status: str, validator: Validator) -> None:
    people = {"encounter": "Encounter/1", "author": "Practitioner/1", "recipient": "Group/1"}
    flag = {"resourceType": "Flag", "status": "active" if status == "draft" else "inactive", "code": {"text": "Look"}, "subject": {"reference": "Patient/p1"},
            "identifier": PLAN["identifier"]}  # fmt: skip
    for resource in (PLAN | {"status": status}, flag):
        for form in profiles.FORMS:
            if form in ("CarePlan", "Flag") and form != resource["resourceType"]:
                continue
            for more in ({}, people, {"changed": True, "safety": True}):
                assert validator.validate(shape(resource, form, setting(vendor, **more))) == []


def test_a_document_holds_the_text() -> None:
    made = shape(PLAN, "DocumentReference", setting("oracle_millennium", encounter="Encounter/1", author="Practitioner/2"))
    attachment = made["content"][0]["attachment"]
    assert attachment["contentType"] == "text/plain; charset=utf-8"
    assert base64.b64decode(attachment["data"]).decode().splitlines()[1] == "Review the dose & ask."
    assert made["context"] == {"encounter": [{"reference": "Encounter/1"}], "period": {"start": "2026-01-02T10:00:00.000Z", "end": "2026-01-02T10:00:00.000Z"}}
    assert (made["docStatus"], made["status"], made["author"]) == ("final", "current", [{"reference": "Practitioner/2"}])
    assert shape(PLAN, "DocumentReference", setting("epic"))["docStatus"] == "preliminary"


def test_a_canvas_task() -> None:
    made = shape(PLAN | {"status": "revoked"}, "Task", setting("canvas", author="Practitioner/2"))
    assert (made["intent"], made["status"], made["requester"], made["for"]) == (
        "unknown", "cancelled", {"reference": "Practitioner/2"}, {"reference": "Patient/77"}
    )  # fmt: skip


# Profiles


@pytest.mark.parametrize("vendor", VENDORS)
def test_shipped_profiles_keep_to_their_schema(vendor: str) -> None:
    data = json.loads((FOLDER / f"{vendor}.json").read_text())
    assert [error.message for error in jsonschema_rs.validator_for(profiles.SCHEMA).iter_errors(data)] == []
    assert profiles.build(data).name == vendor


@pytest.mark.parametrize(
    "change", [{"typo": 1}, {"forms": {"CarePlan": ["Binder"]}}, {"algorithms": ["HS256"]}, {"codes": {"1": "maybe"}}, {"source": []}, {"concurrent": 0}]
)
def test_a_typo_in_a_profile_is_found(change: dict[str, Any]) -> None:
    data = json.loads((FOLDER / "general.json").read_text()) | change
    assert not jsonschema_rs.validator_for(profiles.SCHEMA).is_valid(data)


@pytest.mark.parametrize("change", [{"forms": {"CarePlan": ["Task"]}}, {"needs": {"Binder": ["author"]}}, {"task": {"intent": "x", "statuses": {}}}])
def test_a_profile_that_makes_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(KnowledgeError):
        profiles.build(json.loads((FOLDER / "general.json").read_text()) | change)


# Capabilities


def statement(**types: list[str]) -> dict[str, Any]:
    resources = [{"type": name, "interaction": [{"code": code} for code in codes_], "conditionalCreate": True} for name, codes_ in types.items()]
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": "client", "resource": [{"type": "Flag"}]}, {"mode": "server", "resource": resources}]}


def test_ways() -> None:
    types = offered(statement(CarePlan=["read"], Task=["create", "search-type"], Communication=["create", "update"]))
    found = ways("CarePlan", types, profile("general"))
    assert [(way.form, way.conditional, way.update, way.search) for way in found] == [("Task", True, False, True), ("Communication", True, True, False)]
    assert not any(way.conditional for way in ways("CarePlan", types, profile("canvas"), ["author"]))
    assert [way.form for way in ways("CarePlan", types, profile("canvas"))] == ["Communication"]


@pytest.mark.parametrize("body", [{}, {"resourceType": "OperationOutcome"}])
def test_no_capability_statement(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no CapabilityStatement"):
        offered(body)


# Patients

OURS: dict[str, Any] = {
    "resourceType": "Patient", "id": "p1", "identifier": [{"system": SYSTEM, "value": "4711"}], "birthDate": "1990-06-15", "gender": "female"
}  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ([], "no patient"), ([{"identifier": [{"system": "urn:other", "value": "4711"}]}], "no patient"), ([{"identifier": []}], "no patient"),
        ([{"identifier": [{"system": SYSTEM, "value": "4711", "use": "old"}]}], "no patient"), ([{"resourceType": "Person"}], "no patient"),
        ([{}, {"id": "other"}], "several"), ([{"birthDate": "1990-06-16"}], "birth date differs"), ([{"birthDate": None}], "not known on both"),
        ([{"gender": "male"}], "sex differs"), ([{"active": False}], "inactive"), ([{"link": [{"type": "replaced-by", "other": {}}]}], "replaced"),
    ],
)  # fmt: skip
def test_never_a_guess(theirs: list[dict[str, Any]], reason: str) -> None:
    match = find_patient([OURS | {"id": "77"} | each for each in theirs], OURS, SYSTEM)
    assert isinstance(match, Refusal)
    assert reason in match.reason
    assert "4711" not in match.reason


@pytest.mark.parametrize("change", [{}, {"active": True}, {"birthDate": "1990-06"}, {"gender": "unknown"}, {"gender": None}, {"link": [{"type": "replaces"}]}])
def test_a_match(change: dict[str, Any]) -> None:
    theirs = OURS | {"id": "77"} | change
    assert find_patient([theirs, theirs, {"resourceType": "OperationOutcome"}], OURS, SYSTEM) == MatchedPatient("Patient/77")


@pytest.mark.parametrize("identifiers", [[], [{"system": SYSTEM, "value": "1"}, {"system": SYSTEM, "value": "2"}], [{"system": "x", "value": "1"}]])
def test_a_person_without_one_identifier(identifiers: list[Any]) -> None:
    assert isinstance(find_patient([OURS], OURS | {"identifier": identifiers}, SYSTEM), Refusal)


# Answers


@pytest.mark.parametrize(
    ("headers", "body", "remote"),
    [
        ({"location": f"{BASE}/CarePlan/9/_history/2"}, b"", Remote("CarePlan/9", 'W/"2"')),
        ({"location": "CarePlan/9"}, b"", Remote("CarePlan/9", None)),
        ({"location": "/fhir/CarePlan/9", "etag": '"abc"'}, b"", Remote("CarePlan/9", '"abc"')),
        ({"location": "Task/9"}, b"", None),
        ({}, b'{"resourceType":"CarePlan","id":"9","meta":{"versionId":"4"}}', Remote("CarePlan/9", 'W/"4"')),
        ({"etag": 'W/"4"\r\nx: y'}, b'{"resourceType":"CarePlan","id":"../9"}', None),
        ({}, b"<html>", None), ({}, b"", None), ({}, b'{"resourceType":"OperationOutcome","id":"1"}', None),
    ],
)  # fmt: skip
def test_where_it_stands(headers: dict[str, str], body: bytes, remote: Remote | None) -> None:
    assert remote_of(Answer(201, headers, body), "CarePlan") == remote


def test_codes_are_short_words_only() -> None:
    details = {"coding": [{"code": "59012"}, {"code": "Jane Doe was born"}]}
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": "invalid", "details": details}, "x"]}
    assert codes(Answer(400, {}, json.dumps(outcome).encode())) == ("59012", "invalid")


def test_token_values_are_escaped() -> None:
    assert token_value("urn:a,b", "1|2$3\\") == "urn:a\\,b|1\\|2\\$3\\\\"


# Retry-After


@given(st.integers(0, 10**9))
@settings(max_examples=100 * ROUNDS, deadline=None)
def test_seconds(seconds: int) -> None:
    assert retry_after(str(seconds), NOW) == min(seconds, 86400)


@given(st.integers(-(10**6), 10**6))
@settings(max_examples=100 * ROUNDS, deadline=None)
def test_http_date(ahead: int) -> None:
    header = format_datetime(datetime.fromtimestamp(NOW + ahead, UTC), usegmt=True)
    assert retry_after(header, NOW) == min(max(ahead, 0), 86400)


@given(st.none() | st.text(max_size=60))
@settings(max_examples=300 * ROUNDS, deadline=None)
def test_anything_is_read_or_not(value: str | None) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86400


@pytest.mark.parametrize("value", ["-1", "soon", "", "1e9", "nan", "inf", "Fri, 99 Jan 2027 08:00:00 GMT", "٣"])
def test_what_is_no_retry_after(value: str) -> None:
    assert retry_after(value, NOW) is None


def test_the_obsolete_date_forms_of_rfc_9110() -> None:
    assert retry_after("Friday, 15-Jan-27 08:01:00 GMT", NOW) == 60
    assert retry_after("Fri Jan 15 08:01:00 2027", NOW) == 60
