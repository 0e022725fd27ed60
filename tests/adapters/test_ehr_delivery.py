"""Delivery against a small EHR made here: every way an attempt can end, and that a plan never stands there twice."""

import asyncio
import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.ehr import profile as profiles
from adapters.ehr.delivery import Dead, Delivered, EhrClient, Item, People, Retry
from adapters.http import Outbound
from adapters.jose import generate_key
from adapters.smart.client import Registration, TokenSource
from mappings.vocabulary import FLAG_ID, SUGGESTION_ID

BASE = "https://ehr.example/fhir"
SYSTEM = "urn:example:mrn"
ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
NOW = 1_800_000_000.0
FOLDER = Path(profiles.__file__).parent / "profiles"
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": SYSTEM, "value": "4711"}], "birthDate": "1990-06-15", "gender": "female"}
PLAN = {
    "resourceType": "CarePlan", "id": "plan-1", "meta": {"versionId": "1", "security": [{"code": "R"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Review the dose.</p><ul><li>because</li></ul></div>'},
    "identifier": [{"system": SUGGESTION_ID, "value": "sug-1"}], "status": "draft", "intent": "proposal", "title": "Medicine review",
    "subject": {"reference": "Patient/p1"}, "created": "2026-01-02T10:00:00Z", "supportingInfo": [{"reference": "Observation/o1"}],
}  # fmt: skip
FLAG = {
    "resourceType": "Flag", "id": "flag-1", "meta": {"versionId": "1"}, "identifier": [{"system": FLAG_ID, "value": "flag-1"}], "status": "active",
    "code": {"text": "Safety answer"}, "subject": {"reference": "Patient/p1"},
}  # fmt: skip
ALL = ("CarePlan", "Flag", "Task", "DocumentReference", "Communication")
Answering = Callable[[httpx.Request], httpx.Response | Exception | None]


def profile(name: str) -> profiles.Profile:
    return profiles.build(json.loads((FOLDER / f"{name}.json").read_text()))


class Hospital:
    """`creates`, `updates`: types taken; `faults`: what to do instead (or besides, for the timeout after) with the next writes."""

    def __init__(self, creates: tuple[str, ...] = ALL, updates: tuple[str, ...] = ALL, conditional: bool = True, says_where: bool = True) -> None:
        self.creates, self.updates, self.conditional, self.says_where = creates, updates, conditional, says_where
        self.kept: dict[str, dict[str, Any]] = {"Patient/77": dict(copy.deepcopy(PATIENT), id="77")}
        self.log: list[tuple[str, str]] = []
        self.headers: list[httpx.Headers] = []
        self.faults: list[Answering] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/fhir/")
        self.log.append((request.method, path))
        self.headers.append(request.headers)
        if request.method in ("POST", "PUT") and self.faults:
            result = self.faults.pop(0)(request)
            if isinstance(result, Exception):
                raise result
            if result is not None:
                return result
        return self.answer(request, path)

    def answer(self, request: httpx.Request, path: str) -> httpx.Response:
        if path == "metadata":
            return httpx.Response(200, json=self.statement())
        if request.method == "POST":
            return self.create(path, json.loads(request.content), request.headers)
        if request.method == "PUT":
            return self.update(path, json.loads(request.content), request.headers)
        if "/" in path:
            return httpx.Response(200, json=self.kept[path]) if path in self.kept else httpx.Response(404)
        return httpx.Response(200, json=self.bundle(path, parse_qs(request.url.query.decode())))

    def statement(self) -> dict[str, Any]:
        kinds = dict.fromkeys((*self.creates, *self.updates, "Patient", "Encounter"))
        resources = [
            {"type": kind, "conditionalCreate": self.conditional, "searchParam": [{"name": "identifier"}],
             "interaction": [{"code": "search-type"}] + [{"code": "create"}] * (kind in self.creates) + [{"code": "update"}] * (kind in self.updates)}
            for kind in kinds
        ]  # fmt: skip
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"mode": "server", "resource": resources}]}

    def found(self, kind: str, token: str) -> list[dict[str, Any]]:
        system, _, value = token.partition("|")
        wanted = {"system": system, "value": value}
        return [each for each in self.kept.values() if each["resourceType"] == kind and wanted.items() <= each.get("identifier", [{}])[0].items()]

    def bundle(self, kind: str, query: dict[str, list[str]]) -> dict[str, Any]:
        return {"resourceType": "Bundle", "entry": [{"resource": each} for each in self.found(kind, query["identifier"][0])]}

    def create(self, kind: str, body: dict[str, Any], headers: httpx.Headers) -> httpx.Response:
        if kind not in self.creates:
            return httpx.Response(405)
        condition = headers.get("if-none-exist")
        if condition and self.conditional and (there := self.found(kind, parse_qs(condition)["identifier"][0])):
            return httpx.Response(200, json=there[0], headers={"etag": f'W/"{there[0]["meta"]["versionId"]}"'})
        assert "id" not in body
        ref = f"{kind}/{len(self.kept) + 100}"
        self.kept[ref] = body | {"id": ref.split("/")[1], "meta": {"versionId": "1"}}
        headers_out = {"location": f"{BASE}/{ref}/_history/1", "etag": 'W/"1"'} if self.says_where else {}
        return httpx.Response(201, headers=headers_out)

    def update(self, ref: str, body: dict[str, Any], headers: httpx.Headers) -> httpx.Response:
        if ref not in self.kept:
            return httpx.Response(404)
        version = self.kept[ref]["meta"]["versionId"]
        if "if-match" in headers and headers["if-match"] != f'W/"{version}"':
            return httpx.Response(412)
        self.kept[ref] = body | {"meta": {"versionId": str(int(version) + 1)}}
        return httpx.Response(200, json=self.kept[ref], headers={"etag": f'W/"{int(version) + 1}"'})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.kept.values() if each["resourceType"] == kind]

    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.log if each[0] in ("POST", "PUT")]


def client(hospital: Hospital, vendor: str = "general", people: People = People()) -> EhrClient:
    return EhrClient(Outbound(transport=httpx.MockTransport(hospital)), BASE, profile(vendor), None, lambda: NOW, people)


def item(resource: dict[str, Any] = PLAN, **more: Any) -> Item:
    return Item(copy.deepcopy(resource), copy.deepcopy(PATIENT), SYSTEM, **more)


def answers(status: int, body: Any = None, **headers: str) -> Answering:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, json=body, headers=named) if body is not None else httpx.Response(status, headers=named)


def lost_after(hospital: Hospital) -> Answering:
    """The EHR stores it and the answer is lost."""

    def fault(request: httpx.Request) -> Exception:
        hospital.answer(request, request.url.path.removeprefix("/fhir/"))
        return httpx.ReadTimeout("lost")

    return fault


def outcome(code: str, vendor: str | None = None) -> dict[str, Any]:
    details = {"details": {"coding": [{"code": vendor}]}} if vendor else {}
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": "Jane Doe 4711"} | details]}


# Delivered


async def test_conditional_create_with_our_identifier() -> None:
    hospital = Hospital()
    assert await client(hospital).deliver(item()) == Delivered("CarePlan/101", 'W/"1"', "CarePlan")
    stored = hospital.of("CarePlan")[0]
    assert stored["subject"] == {"reference": "Patient/77"}
    assert stored["supportingInfo"][0].keys() == {"identifier", "display", "type"}
    assert stored["identifier"] == PLAN["identifier"]
    assert hospital.headers[-1]["if-none-exist"] == f"identifier={httpx.QueryParams({'x': SUGGESTION_ID})!s}".replace("x=", "", 1) + "%7Csug-1"
    assert ("GET", "CarePlan") not in hospital.log


async def test_twice_delivered_stands_once() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    first = await ehr.deliver(item())
    assert await ehr.deliver(item()) == first
    assert len(hospital.of("CarePlan")) == 1


@pytest.mark.parametrize("conditional", [True, False])
async def test_unanswered_post_is_unknown_and_is_looked_for_before_anything_is_sent(conditional: bool) -> None:
    hospital = Hospital(conditional=conditional)
    hospital.faults.append(lost_after(hospital))
    ehr = client(hospital)
    settlement = await ehr.deliver(item())
    assert isinstance(settlement, Retry)
    assert settlement.unknown
    hospital.log.clear()
    assert await ehr.deliver(item(unknown=True)) == Delivered("CarePlan/101", 'W/"1"', "CarePlan")
    assert hospital.writes() == []
    assert len(hospital.of("CarePlan")) == 1


async def test_unanswered_post_that_never_arrived_is_sent_again() -> None:
    hospital = Hospital(conditional=False)
    hospital.faults.append(lambda request: httpx.ReadTimeout("lost"))
    ehr = client(hospital)
    assert (await ehr.deliver(item())) == Retry(None, "outcome unknown: no answer in time", True)
    assert isinstance(await ehr.deliver(item(unknown=True)), Delivered)
    assert len(hospital.of("CarePlan")) == 1


async def test_look_before_send_without_conditional_create() -> None:
    hospital = Hospital(conditional=False)
    ehr = client(hospital)
    await ehr.deliver(item())
    assert hospital.log[-2:] == [("GET", "CarePlan"), ("POST", "CarePlan")]
    assert "if-none-exist" not in hospital.headers[-1]


async def test_a_201_without_location_is_found_by_identifier() -> None:
    assert await client(Hospital(says_where=False)).deliver(item()) == Delivered("CarePlan/101", 'W/"1"', "CarePlan")


async def test_an_older_version_that_is_found_is_brought_up_to_date() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    await ehr.deliver(item())
    assert await ehr.deliver(item(PLAN | {"status": "active"}, unknown=True)) == Delivered("CarePlan/101", 'W/"2"', "CarePlan")
    assert hospital.of("CarePlan")[0]["status"] == "active"


# Changes


async def test_a_new_version_is_put_with_if_match() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    await ehr.deliver(item())
    settlement = await ehr.deliver(item(PLAN | {"status": "revoked"}, remote="CarePlan/101", etag='W/"1"', form="CarePlan"))
    assert settlement == Delivered("CarePlan/101", 'W/"2"', "CarePlan")
    assert hospital.headers[-1]["if-match"] == 'W/"1"'
    assert hospital.of("CarePlan")[0]["status"] == "revoked"


async def test_a_lost_put_is_recognised_by_its_content() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    await ehr.deliver(item())
    hospital.faults.append(lost_after(hospital))
    changed = item(PLAN | {"status": "active"}, remote="CarePlan/101", etag='W/"1"', form="CarePlan")
    assert (await ehr.deliver(changed)).unknown  # type: ignore[union-attr]
    assert await ehr.deliver(changed) == Delivered("CarePlan/101", 'W/"2"', "CarePlan")


async def test_a_changed_etag_is_read_and_put_once_more() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    await ehr.deliver(item())
    hospital.kept["CarePlan/101"]["meta"]["versionId"] = "5"
    settlement = await ehr.deliver(item(PLAN | {"status": "active"}, remote="CarePlan/101", etag='W/"1"', form="CarePlan"))
    assert settlement == Delivered("CarePlan/101", 'W/"6"', "CarePlan")


async def test_what_somebody_closed_is_not_opened_again() -> None:
    hospital = Hospital()
    ehr = client(hospital)
    await ehr.deliver(item())
    hospital.kept["CarePlan/101"] |= {"status": "completed", "meta": {"versionId": "5"}}
    changed = item(PLAN | {"title": "New"}, remote="CarePlan/101", etag='W/"1"', form="CarePlan")
    assert await ehr.deliver(changed) == Dead("it was closed at the EHR by somebody else")


@pytest.mark.parametrize(("status", "settlement"), [("revoked", Delivered), ("active", Dead)])
async def test_deleted_at_the_ehr(status: str, settlement: type) -> None:
    hospital = Hospital()
    hospital.faults.append(answers(410))
    assert isinstance(await client(hospital).deliver(item(PLAN | {"status": status}, remote="CarePlan/101", form="CarePlan")), settlement)


async def test_what_never_arrived_need_not_be_taken_back() -> None:
    hospital = Hospital()
    assert await client(hospital).deliver(item(PLAN | {"status": "revoked"})) == Delivered("", None, "CarePlan")
    assert hospital.writes() == []


async def test_a_message_that_cannot_be_changed_is_followed_by_another() -> None:
    hospital = Hospital(creates=("Communication",), updates=())
    ehr = client(hospital)
    first = await ehr.deliver(item())
    assert first == Delivered("Communication/101", 'W/"1"', "Communication")
    revoked = PLAN | {"status": "revoked", "meta": {"versionId": "2"}}
    again = item(revoked, remote="Communication/101", form="Communication")
    assert isinstance(await ehr.deliver(again), Delivered)
    assert isinstance(await ehr.deliver(again), Delivered)
    assert [each["payload"][0]["contentString"].split("\n")[0] for each in hospital.of("Communication")] == [
        "Suggestion for review. It is a proposal, not an order.", "WITHDRAWN: this no longer holds."
    ]  # fmt: skip


# Retry


@pytest.mark.parametrize(
    ("status", "header", "after", "unknown"),
    [(429, "7", 7.0, False), (503, "Fri, 15 Jan 2027 08:01:40 GMT", 100.0, True), (503, "soon", None, True), (500, None, None, True), (504, None, None, True)],
)
async def test_later(status: int, header: str | None, after: float | None, unknown: bool) -> None:
    hospital = Hospital()
    hospital.faults.append(answers(status, **({"retry_after": header} if header else {})))
    assert await client(hospital).deliver(item()) == Retry(after, f"the EHR answers {status}", unknown)


async def test_nothing_sent_is_not_unknown() -> None:
    hospital = Hospital()
    hospital.faults.append(lambda request: httpx.ConnectError("refused"))
    assert await client(hospital).deliver(item()) == Retry(None, "no connection", False)


@pytest.mark.parametrize("unknown", [True, False])
async def test_an_ehr_that_is_away_keeps_what_was_unknown(unknown: bool) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    ehr = EhrClient(Outbound(transport=httpx.MockTransport(away)), BASE, profile("general"), None, lambda: NOW)
    assert await ehr.deliver(item(unknown=unknown)) == Retry(None, "no connection", unknown)


# Dead


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_business_errors_are_dead_and_say_nothing_of_the_record(status: int) -> None:
    hospital = Hospital()
    hospital.faults.append(answers(status, outcome("business-rule")))
    assert await client(hospital).deliver(item()) == Dead(f"the EHR answers {status} (business-rule)")


async def test_an_empty_403_is_dead_with_a_reason() -> None:
    hospital = Hospital(creates=("CarePlan",))
    hospital.faults.append(answers(403))
    settlement = await client(hospital).deliver(item())
    assert isinstance(settlement, Dead)
    assert "403 with an empty body" in settlement.reason


async def test_no_form_is_dead() -> None:
    settlement = await client(Hospital(creates=())).deliver(item())
    assert settlement == Dead("the EHR takes CarePlan in no form that can be made")


async def test_a_resource_about_somebody_else_is_never_sent() -> None:
    hospital = Hospital()
    settlement = await client(hospital).deliver(item(PLAN | {"subject": {"reference": "Patient/p2"}}))
    assert isinstance(settlement, Dead)
    assert hospital.writes() == []


async def test_unknown_outcome_where_the_ehr_cannot_be_searched() -> None:
    hospital = Hospital(conditional=False)
    statement = hospital.statement()
    for each in statement["rest"][0]["resource"]:
        if each["type"] != "Patient":
            each["interaction"] = [{"code": "create"}]
    hospital.statement = lambda: statement  # type: ignore[method-assign]
    settlement = await client(hospital).deliver(item(unknown=True))
    assert isinstance(settlement, Dead)
    assert hospital.writes() == []


# Forms and vendors


@pytest.mark.parametrize(
    ("creates", "form"),
    [(ALL, "CarePlan"), (("Task", "DocumentReference"), "Task"), (("DocumentReference",), "DocumentReference"), (("Communication",), "Communication")],
)
async def test_the_best_form_that_is_offered(creates: tuple[str, ...], form: str) -> None:
    hospital = Hospital(creates=creates)
    settlement = await client(hospital).deliver(item())
    assert isinstance(settlement, Delivered)
    assert settlement.form == form
    assert len(hospital.of(form)) == 1


async def test_a_safety_flag_goes_on_to_the_next_form_when_one_is_refused() -> None:
    hospital = Hospital()
    hospital.faults += [answers(422, outcome("invalid")), answers(403)]
    settlement = await client(hospital).deliver(item(FLAG, safety=True))
    assert settlement == Delivered("Task/101", 'W/"1"', "Task")
    assert hospital.of("Task")[0]["priority"] == "urgent"


async def test_epic_needs_an_encounter_for_a_document_and_takes_the_flag_as_a_communication() -> None:
    hospital = Hospital(creates=("DocumentReference", "Communication"), updates=("DocumentReference",), conditional=False)
    hospital.kept["Encounter/e9"] = {
        "resourceType": "Encounter", "id": "e9", "identifier": [{"system": "urn:visit", "value": "v1"}], "subject": {"reference": "Patient/77"}
    }  # fmt: skip
    encounter = {"resourceType": "Encounter", "identifier": [{"system": "urn:visit", "value": "v1"}]}
    epic = client(hospital, "epic")
    assert (await epic.deliver(item())).form == "Communication"  # type: ignore[union-attr]
    assert (await epic.deliver(item(PLAN | {"identifier": [{"system": SUGGESTION_ID, "value": "sug-2"}]}, encounter=encounter))).form == "DocumentReference"  # type: ignore[union-attr]
    assert hospital.of("DocumentReference")[0]["context"]["encounter"] == [{"reference": "Encounter/e9"}]
    assert (await epic.deliver(item(FLAG, safety=True))).form == "Communication"  # type: ignore[union-attr]


@pytest.mark.parametrize(("code", "kind"), [("59141", Delivered), ("4135", Retry), ("4130", Dead)])
async def test_vendor_codes(code: str, kind: type) -> None:
    hospital = Hospital(creates=("Communication",), conditional=False)
    hospital.faults.append(answers(400, outcome("business-rule", code)))
    assert isinstance(await client(hospital, "epic").deliver(item(FLAG)), kind)


async def test_oracle_takes_a_communication_only_from_and_to_somebody() -> None:
    hospital = Hospital(creates=("Communication", "DocumentReference"), conditional=False)
    settlement = await client(hospital, "oracle_millennium").deliver(item(FLAG, safety=True))
    assert isinstance(settlement, Dead)
    assert "needs author and recipient" in settlement.reason
    people = People("Practitioner/1", "Group/2")
    assert isinstance(await client(hospital, "oracle_millennium", people).deliver(item(FLAG, safety=True)), Delivered)
    assert hospital.of("Communication")[0]["sender"] == {"reference": "Practitioner/1"}


async def test_a_web_page_answered_to_a_post_is_not_a_delivery() -> None:
    hospital = Hospital(creates=("DocumentReference",), conditional=False)
    hospital.faults.append(lambda request: httpx.Response(200, html="<html>welcome</html>"))
    assert isinstance(await client(hospital, "veradigm").deliver(item()), Dead)


# With tokens, and the check


class Guarded(Hospital):
    """Asks for a token; `tokens` are those it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.taken = 0, {"token-1"}

    def answer(self, request: httpx.Request, path: str) -> httpx.Response:
        if path == ".well-known/smart-configuration":
            return httpx.Response(200, json={"token_endpoint": f"{BASE}/token", "token_endpoint_auth_signing_alg_values_supported": ["ES384"]})
        if path == "token":
            self.made += 1
            return httpx.Response(200, json={"access_token": f"token-{self.made}", "token_type": "Bearer", "expires_in": 300, "scope": "system/*.cruds"})
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.taken:
            return httpx.Response(401)
        return super().answer(request, path)


def guarded(hospital: Guarded) -> EhrClient:
    key = generate_key("ES384")

    async def key_for(alg: str) -> Any:
        return key

    outbound = Outbound(transport=httpx.MockTransport(hospital))
    tokens = TokenSource(outbound, Registration(BASE, "us", "system/*.cruds"), key_for, lambda: NOW, lambda: "jti")
    return EhrClient(outbound, BASE, profile("general"), tokens, lambda: NOW)


async def test_one_new_token_after_a_401() -> None:
    hospital = Guarded()
    ehr = guarded(hospital)
    assert isinstance(await ehr.deliver(item()), Delivered)
    hospital.taken = {"token-2"}
    changed = item(PLAN | {"status": "active"}, remote="CarePlan/101", form="CarePlan")
    assert isinstance(await ehr.deliver(changed), Delivered)
    assert hospital.made == 2


async def test_a_token_that_is_never_taken_is_tried_again_later() -> None:
    hospital = Guarded()
    hospital.taken = set()
    settlement = await guarded(hospital).deliver(item())
    assert isinstance(settlement, Retry)
    assert hospital.made == 2


async def test_check_says_what_works() -> None:
    report = await guarded(Guarded()).check()
    assert report["ok"]
    assert report["token"] == {"scope": "system/*.cruds", "expires_in": 300.0}
    assert [way["form"] for way in report["forms"]["CarePlan"]] == ["CarePlan", "Task", "DocumentReference", "Communication"]
    assert "token-1" not in json.dumps(report)


async def test_check_says_what_does_not() -> None:
    report = await client(Hospital(creates=())).check()
    assert not report["ok"]
    assert len(report["problems"]) == 2


# Answers that are not what FHIR promises

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Bundle", "CarePlan", "Patient", "CapabilityStatement", "4711", SYSTEM]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceType", "rest", "resource", "interaction", "entry", "link", "issue", "meta", "identifier", "id", "type", "code",
                         "status", "url"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([200, 201, 400, 403, 409, 412]), _JSON, st.booleans()), min_size=6, max_size=6), st.booleans(), st.integers(0, 3))
@settings(max_examples=80 * ROUNDS, deadline=None)
def test_whatever_an_ehr_answers_the_attempt_is_settled(broken: list[tuple[int, Any, bool]], unknown: bool, honest: int) -> None:
    hospital, left = Hospital(), list(broken)
    seen = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal seen
        seen += 1
        if seen <= honest or not left:
            return hospital(request)
        status, body, page = left.pop(0)
        return httpx.Response(status, html="<html>") if page else httpx.Response(status, json=body)

    ehr = EhrClient(Outbound(transport=httpx.MockTransport(handle)), BASE, profile("general"), None, lambda: NOW)
    assert isinstance(asyncio.run(ehr.deliver(item(unknown=unknown))), Delivered | Retry | Dead)
    left, seen = list(broken), 0
    assert isinstance(asyncio.run(ehr.check())["ok"], bool)
