"""Whatever is sent, the sandbox answers with a 2xx or 4xx, and its page can still be shown."""

import asyncio
import copy
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.support_sandbox import Client, patient, plan

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just([None]), st.just([{}]), st.just("\ud800"),
    st.just({"reference": 3}), st.just("9999-12-31"), st.just("0001-01-01"), st.just("2024-02-30"), st.just(10**400),
)  # fmt: skip
FULL = plan(
    period={"start": "2026-01-01T00:00:00Z", "end": "2026-02"}, category=[{"coding": [{"system": "urn:x", "code": "y"}]}], note=[{"text": "n"}],
    activity=[{"detail": {"status": "unknown", "description": "one", "code": {"text": "c"}}}, {"reference": {"display": "two"}}],
    text={"status": "generated", "div": "<div>x</div>"}, contained=[patient("inner")],
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, part in steps for place in places(part, (*path, key))]


def spoilt(resource: Any, path: tuple[Any, ...], junk: Any) -> Any:
    result = copy.deepcopy(resource)
    owner = result
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = junk
    return result


async def send_and_look(resource: Any) -> None:
    client = Client(open_access=True)
    await client.put_patient()
    body = json.dumps(resource)
    sent = await client.http.post("/fhir/CarePlan", content=body, headers={"content-type": "application/fhir+json"})
    assert sent.status_code in (201, 400, 422)
    loaded = await client.http.post("/sandbox/load", content=json.dumps({"resources": [resource]}), headers={"content-type": "application/json"})
    assert loaded.status_code in (201, 400, 422)
    for path in ("/", "/sandbox/received", "/fhir/CarePlan?patient=p1"):
        assert (await client.http.get(path)).status_code == 200
    client.hospital.storage.close()


@settings(max_examples=30 * int(os.environ.get("SETPOINT_TEST_ROUNDS", "1")), deadline=None)
@given(st.sampled_from(places(FULL)), JUNK)
def test_a_spoilt_resource_breaks_nothing(path: tuple[Any, ...], junk: Any) -> None:
    asyncio.run(send_and_look(spoilt(FULL | {"id": "c1"}, path, junk)))


@pytest.mark.parametrize("path", ["/auth/register", *(f"/sandbox/{name}" for name in ("faults", "mode", "load", "clinician-token", "review"))])
@pytest.mark.parametrize("body", ["", "[]", "{}", "null", "7", "[[]]", '{"a":NaN}', '{"entry":[7]}', '{"resources":[7]}', '{"resources":{}}', '{"jwks":7}',
                                  '{"jwks":{"keys":[{"kid":"a","kty":7}]},"scope":"system/*.rs"}', '{"practitioner":"\\ud800"}', '{"client_name":"\\ud800"}',
                                  '{"decision":"modify","service":"http://127.0.0.1:1","plan":"x","keep":["1"]}', "[" * 100_000])  # fmt: skip
async def test_junk_for_the_controls(path: str, body: str) -> None:
    client = Client()
    answer = await client.http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500
    assert answer.status_code >= 400 or (path, body) in (("/sandbox/faults", "[]"), ("/sandbox/clinician-token", "{}"))
    assert (await client.http.get("/")).status_code == 200


@pytest.mark.parametrize("path", ["/fhir/%ED%A0%80", "/fhir/Patient/%00", "/fhir/Patient/x/_history/99999999999", "/fhir/Patient/x/_history/-1",
                                  "/fhir/Patient?name=%ED%A0%80%00", "/fhir/Patient?_after=x", "/fhir/Patient?birthdate=9999-12-31T23:59:59Z",
                                  "/fhir/Patient?birthdate=0001-01-01T00:00:00%2B14:00", "/fhir/Patient?identifier=a|b|c", "/fhir"])  # fmt: skip
async def test_junk_addresses(path: str) -> None:
    client = Client(open_access=True)
    assert (await client.http.get(path)).status_code in (200, 400, 404)


async def test_an_assertion_may_hold_anything() -> None:
    from tests.sandbox.support_sandbox import signed

    client = Client()
    await client.register()
    for changes in ({"iss": "\ud800"}, {"iss": 7}, {"jti": "\ud800"}, {"aud": {}}, {"aud": []}, {"exp": True}, {"nbf": "x"}):
        assert (await client.ask(signed(json.dumps(client.claims(**changes)).encode()))).json()["error"] == "invalid_client", changes
