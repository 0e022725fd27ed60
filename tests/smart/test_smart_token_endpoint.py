"""POST /auth/token over HTTP: SMART Backend Services (client_credentials with private_key_jwt), honest and forged."""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from jose import jwt

from adapters import jose
from service.registry import Client
from tests.smart.installation import (
    ASSERTION_TYPE,
    BASE,
    EC_KEY,
    ENDPOINT,
    FORM,
    JWKS,
    RSA_KEY,
    STRANGER,
    Smart,
    assertion,
    bearer,
    form,
    part,
)  # fmt: skip


def unsigned(client_id: str, header: dict[str, Any], signature: bytes = b"x" * 96) -> str:
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": ENDPOINT, "exp": now + 240, "jti": str(uuid4())}
    return f"{part(header)}.{part(claims)}.{part(signature) if signature else ''}"


def hs256_with_the_public_key() -> str:
    private = serialization.load_pem_private_key(RSA_KEY.private_pem, None)
    secret = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned("full", {"alg": "HS256", "kid": RSA_KEY.kid}).rsplit(".", 1)[0]
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def rs256() -> str:
    """RS256 is taken from issuers of tokens; a client signs with what SMART names: RS384 or ES384."""
    now = int(time.time())
    claims = {"iss": "full", "sub": "full", "aud": ENDPOINT, "exp": now + 240, "jti": str(uuid4())}
    return jwt.encode(claims, RSA_KEY.private_pem.decode(), "RS256", headers={"kid": RSA_KEY.kid})


def now(seconds: float) -> int:
    return int(time.time() + seconds)


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["ES384", "RS384"])
async def test_an_honest_client_gets_a_token(smart: Smart, key: jose.PrivateKey) -> None:
    answer = await smart.ask(form(assertion("full", key), "system/*.rs"))
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "bearer"
    assert (body["scope"], body["expires_in"]) == ("system/*.rs", 300)
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert (await smart.send("GET", "Patient?_count=1", bearer(body["access_token"]))).status_code == 200
    assert (await smart.send("DELETE", "Patient/nobody", bearer(body["access_token"]))).status_code == 403


FORGED: dict[str, Any] = {
    "alg none": lambda: unsigned("full", {"alg": "none"}, b""),
    "alg none with a kid": lambda: unsigned("full", {"alg": "none", "kid": EC_KEY.kid}),
    "HS256 with the public key": hs256_with_the_public_key,
    "RS256": rs256,
    "no kid": lambda: unsigned("full", {"alg": "ES384"}),
    "another audience": lambda: assertion("full", aud="https://evil.example/token"),
    "our FHIR base as audience": lambda: assertion("full", aud=BASE),
    "no audience": lambda: assertion("full", aud=None),
    "no exp": lambda: assertion("full", exp=None),
    "expired": lambda: assertion("full", exp=now(-5)),
    "exp beyond five minutes": lambda: assertion("full", exp=now(400)),
    "exp in a year": lambda: assertion("full", exp=now(31_536_000)),
    "exp is text": lambda: assertion("full", exp=str(now(200))),
    "not yet": lambda: assertion("full", nbf=now(200)),
    "no jti": lambda: assertion("full", jti=None),
    "an empty jti": lambda: assertion("full", jti=""),
    "an endless jti": lambda: assertion("full", jti="x" * 300),
    "a jti with NUL": lambda: assertion("full", jti="a\x00b"),
    "a jti with a lone surrogate": lambda: assertion("full", jti="a\ud800b"),
    "a jti that is a number": lambda: assertion("full", jti=7),
    "sub of another": lambda: assertion("full", sub="reader"),
    "no sub": lambda: assertion("full", sub=None),
    "unknown kid": lambda: assertion("full", STRANGER),
    "a stranger's key under a known kid": lambda: assertion("full", STRANGER, {"kid": EC_KEY.kid}),
    "crit": lambda: assertion("full", headers={"crit": ["exp"]}),
    "its own key along": lambda: assertion("full", STRANGER, {"jwk": STRANGER.public_jwk}),
    "an address of keys along": lambda: assertion("full", headers={"jku": "https://evil.example/keys"}),
    "a header of 30 KB": lambda: assertion("full", headers={"pad": "x" * 30_000}),
    "a disabled client": lambda: assertion("off"),
    "a client nobody knows": lambda: assertion("nobody"),
    "a client with SQL for a name": lambda: assertion("' OR 1=1 --"),
    "no token at all": lambda: "nonsense",
    "an array for a header": lambda: f"{part([1])}.{part({'iss': 'full'})}.{part(b'x')}",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_assertion_gets_one_and_the_same_answer(smart: Smart, name: str) -> None:
    answer = await smart.ask(form(FORGED[name]()))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_header_of_53_kb_is_not_even_read(smart: Smart) -> None:
    answer = await smart.ask(form(assertion("full", headers={"pad": "x" * 53_000})))
    assert (answer.status_code, answer.json()) == (413, {"error": "invalid_request"})


async def test_an_assertion_serves_once(smart: Smart) -> None:
    one = assertion("full")
    assert (await smart.ask(form(one))).status_code == 200
    assert (await smart.ask(form(one))).json() == {"error": "invalid_client"}
    racing = assertion("full")
    answers = await asyncio.gather(*(smart.ask(form(racing)) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_a_jti_is_its_clients_own(smart: Smart) -> None:
    jti = str(uuid4())
    assert (await smart.ask(form(assertion("full", jti=jti)))).status_code == 200
    assert (await smart.ask(form(assertion("reader", jti=jti), "system/*.rs"))).status_code == 200


async def test_a_client_that_is_disabled_gets_no_more_tokens(smart: Smart) -> None:
    entry = Client(name="leaving", client_id="leaving", scopes="system/*.rs", jwks=JWKS)
    await smart.house.registry.put(entry)
    assert (await smart.ask(form(assertion("leaving"), "system/*.rs"))).status_code == 200
    await smart.house.registry.put(entry.model_copy(update={"enabled": False}))
    assert (await smart.ask(form(assertion("leaving"), "system/*.rs"))).status_code == 401


@pytest.mark.parametrize(
    ("client_id", "asked", "granted"),
    [
        ("full", "system/*.rs", "system/*.rs"),
        ("full", "system/Observation.read system/Patient.write", "system/Observation.read system/Patient.write"),
        ("reader", "system/*.cruds", "system/*.rs"),
        ("reader", "system/Flag.*", "system/Flag.rs"),
        ("narrow", "system/*.cruds", "system/Observation.rs system/Patient.rs"),
        ("narrow", "system/Observation.r system/Flag.r openid launch", "system/Observation.r"),
    ],
)
async def test_scopes_are_narrowed(smart: Smart, client_id: str, asked: str, granted: str) -> None:
    answer = await smart.ask(form(assertion(client_id), asked))
    assert (answer.status_code, answer.json()["scope"]) == (200, granted)


@pytest.mark.parametrize("asked", ["", "system/Flag.c", "user/Observation.rs", "patient/*.rs", "openid", "system/Observation.rs?code=x", "nonsense", "*/*.*"])
async def test_scopes_that_give_nothing(smart: Smart, asked: str) -> None:
    answer = await smart.ask(form(assertion("narrow"), asked))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_scope"})


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"grant_type":"client_credentials"}', "application/json", 400, "invalid_request"),
        (b"grant_type=client_credentials", "text/plain", 400, "invalid_request"),
        (b"grant_type=client_credentials", "multipart/form-data; boundary=x", 400, "invalid_request"),
        (b"", FORM["content-type"], 400, "unsupported_grant_type"),
        (b"grant_type=password&username=a&password=b", FORM["content-type"], 400, "unsupported_grant_type"),
        (b"grant_type=client_credentials", FORM["content-type"], 400, "invalid_request"),
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM["content-type"], 400, "invalid_request"),
        (b"&".join(b"a%d=1" % number for number in range(50)), FORM["content-type"], 400, "invalid_request"),
        (b"scope=" + b"x" * 100_000, FORM["content-type"], 413, "invalid_request"),
        (b"\xff\xfe=%ff&grant_type=x", FORM["content-type"], 400, "unsupported_grant_type"),
    ],
)
async def test_a_request_that_is_no_token_request(smart: Smart, content: bytes, content_type: str, status: int, code: str) -> None:
    answer = await smart.http.post(ENDPOINT, content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()) == (status, {"error": code})


async def test_fields_that_contradict(smart: Smart) -> None:
    doubled = json.dumps(form(assertion("full")))
    fields = [*json.loads(doubled).items(), ("scope", "system/*.rs")]
    answer = await smart.http.post(ENDPOINT, content="&".join(f"{name}={value}" for name, value in fields), headers=FORM)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    another = await smart.ask(form(assertion("full"), client_id="reader"))
    assert (another.status_code, another.json()) == (401, {"error": "invalid_client"})
    assert (await smart.ask(form(assertion("full"), client_id="full"))).status_code == 200
    secret = await smart.ask({"grant_type": "client_credentials", "client_id": "full", "client_secret": "x", "scope": "system/*.rs"})
    assert secret.json() == {"error": "invalid_request"}
    typed = await smart.ask(form(assertion("full")) | {"client_assertion_type": ASSERTION_TYPE + "x"})
    assert typed.json() == {"error": "invalid_request"}


async def test_only_post(smart: Smart) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert (await smart.http.request(method, ENDPOINT)).status_code == 405


async def test_a_token_that_is_asked_for_with_every_scope_is_one_that_can_be_used(smart: Smart) -> None:
    """A token longer than what is read would be refused at every use: the endpoint may not make one."""
    letters = ("c", "r", "u", "d", "s", "cr", "rs", "cruds")
    asked = " ".join(f"system/{name}.{each}" for name in sorted(smart.house.types.names) for each in letters)
    answer = await smart.ask(form(assertion("full"), asked[:8190]))
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert (await smart.send("GET", "AllergyIntolerance?_count=1", bearer(answer.json()["access_token"]))).status_code == 200
