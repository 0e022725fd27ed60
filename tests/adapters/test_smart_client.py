"""Discovery, assertions and tokens; and the whole way against the sandbox EHR, which shares no code with this side."""

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import uvicorn

from adapters import jose
from adapters.ehr import profile as profiles
from adapters.ehr.delivery import Delivered, EhrClient, Item, Retry
from adapters.http import Limits, Outbound
from adapters.sandbox.app import create
from adapters.smart import assertion, jwks
from adapters.smart.client import NoToken, Registration, TokenSource
from adapters.smart.discovery import DiscoveryFailed, discover, from_capabilities, from_configuration
from mappings.vocabulary import SUGGESTION_ID

BASE = "https://ehr.example/fhir"
TOKEN = "https://auth.example/token"
NOW = 1_800_000_000.0
KEYS = {alg: jose.generate_key(alg) for alg in jose.SIGNING}


async def key_for(alg: str) -> jose.PrivateKey:
    return KEYS[alg]


class Server:
    """An authorisation server: `answers` are given in turn, the last for ever."""

    def __init__(self, *answers: httpx.Response | Exception, configuration: Any = None, metadata: Any = None) -> None:
        self.answers = list(answers)
        self.configuration = configuration if configuration is not None else {"token_endpoint": TOKEN}
        self.metadata = metadata
        self.forms: list[dict[str, list[str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("smart-configuration"):
            return self.configuration if isinstance(self.configuration, httpx.Response) else httpx.Response(200, json=self.configuration)
        if request.url.path.endswith("metadata"):
            return httpx.Response(200, json=self.metadata) if self.metadata else httpx.Response(404)
        self.forms.append(parse_qs(request.content.decode()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    @property
    def outbound(self) -> Outbound:
        return Outbound(transport=httpx.MockTransport(self))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def grant(token: str = "secret-token", **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "token_type": "bearer", "expires_in": 300} | more)


def source(server: Server, clock: Clock | None = None, algorithms: tuple[str, ...] = ("ES384", "RS384")) -> TokenSource:
    ids = iter(range(1000))
    return TokenSource(server.outbound, Registration(BASE, "us", "system/*.cruds", algorithms), key_for, clock or Clock(), lambda: f"jti-{next(ids)}")


# Discovery


@pytest.mark.parametrize(
    "document",
    [
        {}, {"token_endpoint": 1}, {"token_endpoint": "http://ehr.example/token"}, {"token_endpoint": "/token"}, {"token_endpoint": "ftp://ehr.example/"},
        {"token_endpoint": "https://user:pw@ehr.example/"}, {"token_endpoint": "https://["},
        {"token_endpoint": TOKEN, "token_endpoint_auth_methods_supported": ["client_secret_basic"]},
        {"token_endpoint": TOKEN, "grant_types_supported": ["authorization_code"]},
    ],
)  # fmt: skip
def test_a_configuration_that_is_of_no_use(document: dict[str, Any]) -> None:
    with pytest.raises(DiscoveryFailed):
        from_configuration(document)


def test_the_example_of_the_specification() -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2/conformance.html, example response (shortened)."""
    found = from_configuration({
        "issuer": "https://ehr.example.com", "token_endpoint": "https://ehr.example.com/auth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "grant_types_supported": ["authorization_code", "client_credentials"], "scopes_supported": ["openid", "patient/*.rs"],
    })  # fmt: skip
    assert (found.token_endpoint, found.issuer, found.algorithms) == ("https://ehr.example.com/auth/token", "https://ehr.example.com", ())


def oauth_uris(token: str) -> dict[str, Any]:
    extension = {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": [{"url": "token", "valueUri": token}]}
    return {"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [extension]}}]}


async def test_metadata_where_there_is_no_configuration() -> None:
    server = Server(configuration=httpx.Response(404), metadata=oauth_uris(TOKEN))
    found = await discover(server.outbound, BASE + "/")
    assert (found.token_endpoint, found.source) == (TOKEN, "metadata")
    with pytest.raises(DiscoveryFailed):
        from_capabilities({"rest": [{"security": "x"}]})
    with pytest.raises(DiscoveryFailed):
        from_capabilities(oauth_uris("http://evil.example/token"))


@pytest.mark.parametrize(("answer", "transient"), [(httpx.Response(503), True), (httpx.Response(404), False), (httpx.Response(200, text="<html>"), False)])
async def test_discovery_that_fails(answer: httpx.Response, transient: bool) -> None:
    with pytest.raises(DiscoveryFailed) as failed:
        await discover(Server(configuration=answer).outbound, BASE)
    assert failed.value.transient is transient


# Assertions and keys


async def test_what_is_sent() -> None:
    server = Server(grant())
    await source(server).token()
    form = server.forms[0]
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_assertion_type"] == [assertion.ASSERTION_TYPE]
    token = form["client_assertion"][0]
    header = jose.read_header(token)
    claims = jose.verify(token, jose.public_keys(jwks.document([KEYS[header.alg].public_jwk])))
    assert header.kid == KEYS[header.alg].kid
    assert (claims["iss"], claims["sub"], claims["aud"], claims["jti"]) == ("us", "us", TOKEN, "jti-0")
    assert 0 < claims["exp"] - NOW <= 300


@pytest.mark.parametrize(
    ("supported", "allowed", "chosen"),
    [((), ("ES384", "RS384"), "RS384"), (("RS384", "ES384"), ("ES384", "RS384"), "ES384"), (("RS384", "ES384"), ("RS384",), "RS384"),
     (("ES256",), ("ES384", "RS384"), None), (("ES384",), ("RS384",), None)],
)  # fmt: skip
def test_the_algorithm(supported: tuple[str, ...], allowed: tuple[str, ...], chosen: str | None) -> None:
    assert assertion.algorithm(supported, allowed) == chosen


def test_nothing_private_stands_in_the_key_set() -> None:
    private = dict(KEYS["ES384"].public_jwk) | {"d": "secret", "p": "secret"}
    document = jwks.document([private, KEYS["RS384"].public_jwk])
    assert "secret" not in json.dumps(document)
    assert len(document["keys"]) == 2


# Tokens


async def test_one_token_for_all_until_it_ends() -> None:
    server, clock = Server(grant("a"), grant("b")), Clock()
    tokens = source(server, clock)
    assert {token.value for token in await asyncio.gather(*(tokens.token() for _ in range(20)))} == {"a"}
    clock.now += 269
    assert (await tokens.token()).value == "a"
    clock.now += 2
    assert (await tokens.token()).value == "b"
    assert len(server.forms) == 2


async def test_a_refused_token_is_forgotten_once() -> None:
    server = Server(grant("a"), grant("b"), grant("c"))
    tokens = source(server)
    old = await tokens.token()
    tokens.refused(old)
    new = await tokens.token()
    tokens.refused(old)
    assert await tokens.token() is new


@pytest.mark.parametrize(
    ("answer", "reason", "after"),
    [
        (httpx.Response(400, json={"error": "invalid_client", "error_description": "Jane"}), "token endpoint answers 400 invalid_client", None),
        (httpx.Response(401, text="Jane"), "token endpoint answers 401", None),
        (httpx.Response(400, json={"error": "Jane Doe"}), "token endpoint answers 400", None),
        (httpx.Response(429, headers={"retry-after": "9"}), "token endpoint answers 429", 9.0),
        (httpx.Response(302, headers={"location": "https://evil.example"}), "token endpoint answers 302", None),
        (httpx.Response(200, json={"access_token": "a\r\nb", "token_type": "bearer"}), "the token endpoint's answer holds no bearer token", None),
        (httpx.Response(200, json={"access_token": "a", "token_type": "mac"}), "the token endpoint's answer holds no bearer token", None),
        (httpx.Response(200, text="<html>"), "the token endpoint's answer holds no bearer token", None),
        (httpx.ReadTimeout("x"), "token endpoint: no answer in time", None),
    ],
)
async def test_no_token(answer: Any, reason: str, after: float | None) -> None:
    with pytest.raises(NoToken) as failed:
        await source(Server(answer)).token()
    assert (failed.value.reason, failed.value.after_s) == (reason, after)


async def test_no_algorithm_in_common() -> None:
    server = Server(grant(), configuration={"token_endpoint": TOKEN, "token_endpoint_auth_signing_alg_values_supported": ["ES256"]})
    with pytest.raises(NoToken, match="algorithm"):
        await source(server).token()


async def test_no_token_in_logs_or_texts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        token = await source(Server(grant())).token()
    assert "secret-token" not in caplog.text + repr(token)
    assert "PRIVATE" not in repr(KEYS["ES384"])


# Against the sandbox EHR

SYSTEM = "urn:example:mrn"
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": SYSTEM, "value": "4711"}], "birthDate": "1990-06-15", "gender": "female"}
PLAN = {
    "resourceType": "CarePlan", "id": "plan-1", "meta": {"versionId": "1"}, "status": "draft", "intent": "proposal", "title": "Medicine review",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Review the dose.</p></div>'},
    "identifier": [{"system": SUGGESTION_ID, "value": "sug-1"}], "subject": {"reference": "Patient/p1"}, "supportingInfo": [{"reference": "Observation/o1"}],
}  # fmt: skip


class Hospital:
    """The sandbox in this process; `alg`: what we sign with."""

    def __init__(self, mode: str, alg: str, port: int = 9999, outbound: Outbound | None = None) -> None:
        base = f"http://127.0.0.1:{port}"
        self.app = create(":memory:", base, lambda: NOW, mode=mode)
        transport = httpx.ASGITransport(self.app)
        self.direct = httpx.AsyncClient(transport=transport, base_url=base)
        outbound = outbound or Outbound(transport=transport)
        text = (Path(profiles.__file__).parent / "profiles" / "general.json").read_text()
        ids = iter(range(1000))
        tokens = TokenSource(outbound, Registration(base + "/fhir", "setpoint", "system/*.cruds", (alg,)), key_for, lambda: NOW, lambda: f"jti-{next(ids)}")
        self.client = EhrClient(outbound, base + "/fhir", profiles.build(json.loads(text)), tokens, lambda: NOW)

    async def open(self, alg: str) -> None:
        keys = jwks.document([KEYS[alg].public_jwk])
        made = await self.direct.post("/auth/register", json={"client_id": "setpoint", "jwks": keys, "scope": "system/*.cruds"})
        assert made.status_code == 201, made.text
        loaded = await self.direct.post("/sandbox/load", json={"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT | {"id": "77"}}]})
        assert loaded.status_code == 201, loaded.text

    async def fault(self, kind: str, **more: Any) -> None:
        made = await self.direct.post("/sandbox/faults", json={"kind": kind, "match": {"method": "POST", "type": "CarePlan"}} | more)
        assert made.status_code == 201, made.text


@pytest.mark.parametrize("alg", jose.SIGNING)
@pytest.mark.parametrize(("mode", "form"), [("general", "CarePlan"), ("no-conditional", "CarePlan"), ("no-careplan", "Communication")])
async def test_the_sandbox_takes_a_plan_and_its_change(mode: str, form: str, alg: str) -> None:
    hospital = Hospital(mode, alg)
    await hospital.open(alg)
    report = await hospital.client.check()
    assert report["ok"], report
    settlement = await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM))
    assert isinstance(settlement, Delivered), settlement
    assert settlement.form == form
    again = await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM, unknown=True))
    assert isinstance(again, Delivered), again
    assert again.remote_ref == settlement.remote_ref
    changed = Item(PLAN | {"status": "revoked"}, PATIENT, SYSTEM, remote=settlement.remote_ref, etag=settlement.etag, form=settlement.form)
    assert isinstance(await hospital.client.deliver(changed), Delivered)


@pytest.mark.parametrize(
    ("fault", "settlement"),
    [
        ({"kind": "429", "retry_after": 7}, Retry(7.0, "the EHR answers 429 (throttled)", False)),
        ({"kind": "503", "retry_after": 3}, Retry(3.0, "the EHR answers 503 (transient)", True)),
        ({"kind": "500"}, Retry(None, "the EHR answers 500 (exception)", True)),
        ({"kind": "401", "times": 2}, Retry(None, "the EHR does not take our token", False)),
        ({"kind": "401"}, Delivered),
    ],
)
async def test_the_faults_of_the_sandbox(fault: dict[str, Any], settlement: Any) -> None:
    hospital = Hospital("general", "ES384")
    await hospital.open("ES384")
    await hospital.fault(**fault)
    first = await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM))
    assert first == settlement or (isinstance(first, Delivered) and settlement is Delivered)
    assert isinstance(await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM, unknown=getattr(first, "unknown", False))), Delivered)


@pytest.mark.parametrize("mode", ["general", "no-conditional"])
@pytest.mark.parametrize("kind", ["timeout-before", "timeout-after", "reset"])
async def test_lost_answers_over_a_real_connection_leave_one_plan(kind: str, mode: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        quick = Outbound(allow_private=True, limits=Limits({"connect": 2.0, "read": 0.5, "write": 2.0, "pool": 2.0}))
        hospital = Hospital(mode, "ES384", port, quick)
        server = uvicorn.Server(uvicorn.Config(hospital.app, log_level="error", lifespan="off"))
        taken.listen()
        running = asyncio.create_task(server.serve([taken]))
        await hospital.open("ES384")
        await hospital.fault(kind, hold_s=1.0)
        first = await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM))
        assert isinstance(first, Retry)
        assert first.unknown
        second = await hospital.client.deliver(Item(PLAN, PATIENT, SYSTEM, unknown=True))
        assert isinstance(second, Delivered)
        token = await hospital.client._tokens.token()  # type: ignore[union-attr]
        found = await quick.request("GET", f"http://127.0.0.1:{port}/fhir/CarePlan", {"authorization": f"Bearer {token.value}"})
        assert json.loads(found.body)["total"] == 1
        await quick.aclose()
        server.should_exit = server.force_exit = True
        await running
