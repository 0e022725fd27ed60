"""The authorisation server: SMART Backend Services (STU 2.1), RFC 6749 errors, scopes, forged tokens."""

import base64
import json
import time

import httpx
import pytest
from jose import jws

from tests.sandbox.support_sandbox import BASE, EC_KEY, JWKS, RSA_KEY, Client, issue, patient, plan, public, signed


async def registered(scope: str = "system/*.cruds") -> Client:
    client = Client()
    await client.register(scope)
    return client


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(EC_KEY, "ec", "ES384"), (RSA_KEY, "rsa", "RS384")])
async def test_a_token_for_both_algorithms(key: object, kid: str, algorithm: str) -> None:
    client = await registered()
    answer = await client.ask(signed(client.claims(), key, kid, algorithm))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 300, "system/*.cruds")
    assert answer.headers["cache-control"] == "no-store"
    keys = (await client.http.get("/auth/jwks")).json()
    assert "d" not in keys["keys"][0]
    claims = json.loads(jws.verify(body["access_token"], keys["keys"][0], ["ES384"]))
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (BASE, f"{BASE}/fhir", client.client_id)
    assert claims["exp"] - claims["iat"] == 300


def rsa_pem_as_secret() -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def compact(header: dict[str, object], claims: dict[str, object], secret: bytes | None = None) -> str:
    import hashlib
    import hmac

    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.digest(secret, b".".join(parts), hashlib.sha256) if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


FORGERIES = {
    "alg none": lambda c: compact({"alg": "none", "kid": "ec"}, c.claims()),
    "HS256 with the public key": lambda c: compact({"alg": "HS256", "kid": "rsa"}, c.claims(), rsa_pem_as_secret().encode()),
    "the other algorithm's kid": lambda c: signed(c.claims(), EC_KEY, "rsa", "ES384"),
    "unknown kid": lambda c: signed(c.claims(), kid="other"),
    "another key": lambda c: signed(c.claims(), __import__("cryptography").hazmat.primitives.asymmetric.ec.generate_private_key(EC_KEY.curve)),
    "RS256": lambda c: signed(c.claims(), RSA_KEY, "rsa", "RS256"),
    "crit": lambda c: signed(c.claims(), crit=["x"]),
    "own jwk": lambda c: signed(c.claims(), jwk=JWKS["keys"][0]),
    "jku": lambda c: signed(c.claims(), jku="http://evil.test/jwks"),
    "wrong aud": lambda c: signed(c.claims(aud=f"{BASE}/fhir")),
    "expired": lambda c: signed(c.claims(exp=int(time.time()) - 1)),
    "no exp": lambda c: signed(c.claims(exp=None)),
    "exp as text": lambda c: signed(json.dumps(c.claims(exp="9999999999")).encode()),
    "too long": lambda c: signed(c.claims(exp=int(time.time()) + 400)),
    "not yet": lambda c: signed(c.claims(nbf=int(time.time()) + 100)),
    "iss is not sub": lambda c: signed(c.claims(sub="somebody")),
    "no jti": lambda c: signed(c.claims(jti=None)),
    "unknown client": lambda c: signed(c.claims(iss="x", sub="x")),
    "53 KB": lambda c: signed(c.claims(pad="x" * 40_000)),
    "not a token": lambda c: "abc",
    "deep": lambda c: base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.x",
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_forged_assertions(name: str) -> None:
    client = await registered()
    answer = await client.ask(FORGERIES[name](client))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


async def test_a_replayed_assertion_is_refused() -> None:
    client = await registered()
    assertion = signed(client.claims())
    assert (await client.ask(assertion)).status_code == 200
    assert (await client.ask(assertion)).json()["error"] == "invalid_client"


async def test_errors_of_rfc_6749() -> None:
    client = await registered("system/CarePlan.cud")
    assert (await client.ask(signed(client.claims()), grant_type="password")).json()["error"] == "unsupported_grant_type"
    assert (await client.ask(signed(client.claims()), scope="system/Patient.rs")).json()["error"] == "invalid_scope"
    assert (await client.ask(signed(client.claims()), client_assertion_type="x")).json()["error"] == "invalid_client"
    posted = await client.http.post("/auth/token", json={})
    assert (posted.status_code, posted.json()["error"]) == (400, "invalid_request")
    narrowed = await client.ask(signed(client.claims()), scope="system/*.cruds openid")
    assert narrowed.json()["scope"] == "system/CarePlan.cud"


async def test_registration_refuses_bad_keys() -> None:
    client = Client()
    for change in (
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}},
        {"jwks": {"keys": [public(EC_KEY, "a", "ES384") | {"d": "AA"}]}},
        {"jwks": JWKS, "jwks_uri": "https://x.test/jwks"},
        {"jwks_uri": "http://169.254.169.254/jwks"},
        {"jwks_uri": "http://example.org/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://user:pw@127.0.0.1/jwks"},
    ):
        answer = await client.http.post("/auth/register", json={"client_name": "x", "scope": "system/*.rs"} | change)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), change


async def test_jwks_uri_is_fetched_without_redirects() -> None:
    answers = {"/good": httpx.Response(200, json=JWKS), "/moved": httpx.Response(302, headers={"location": "/good"}),
               "/large": httpx.Response(200, content=b" " * 1_100_000), "/text": httpx.Response(200, content=b"no")}  # fmt: skip
    client = Client(transport=httpx.MockTransport(lambda request: answers[request.url.path]))
    for path, status in {"/good": 200, "/moved": 400, "/large": 400, "/text": 400}.items():
        made = await client.http.post("/auth/register", json={"client_name": "x", "scope": "system/*.rs", "jwks_uri": f"http://127.0.0.1:9{path}"})
        client.client_id = made.json()["client_id"]
        assert (await client.ask(signed(client.claims()))).status_code == status, path


async def test_scopes_are_enforced_by_type_and_interaction() -> None:
    client = await Client().log_in("system/CarePlan.c system/Patient.read")
    await client.put_patient()
    assert (await client.post(plan())).status_code == 201
    assert (await client.http.get("/fhir/Patient?_id=p1")).status_code == 200
    for method, path in (("GET", "CarePlan?patient=p1"), ("GET", "Observation/1"), ("DELETE", "CarePlan/1"), ("GET", "CarePlan/1/_history")):
        answer = await client.http.request(method, f"/fhir/{path}")
        assert (answer.status_code, issue(answer)) == (403, "forbidden")
        assert "insufficient_scope" in answer.headers["www-authenticate"]


async def test_bearer_tokens_are_checked() -> None:
    client = await Client().log_in()
    good = client.http.headers["authorization"]
    foreign = await Client().log_in()
    other_audience = (await client.http.post("/sandbox/clinician-token", json={"audience": "http://service.test/fhir"})).json()["access_token"]
    for header in (None, "Basic abc", "Bearer", "Bearer x", foreign.http.headers["authorization"], f"Bearer {other_audience}", good[:-4] + "AAAA"):
        client.http.headers.pop("authorization", None)
        answer = await client.http.get("/fhir/Patient", headers={"authorization": header} if header else {})
        assert answer.status_code == 401, header
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await client.http.get("/fhir/Patient", headers={"authorization": good})).status_code == 200
    client.clock.ahead = 301
    assert (await client.http.get("/fhir/Patient", headers={"authorization": good})).status_code == 401


async def test_a_client_bound_to_one_patient() -> None:
    client = Client()
    await client.http.post("/sandbox/load", json={"resources": [patient("p1"), patient("p2"), plan(subject="Patient/p2", id="other")]})
    await client.log_in("patient/*.cruds", patient="p1")
    assert (await client.post(plan())).status_code == 201
    assert (await client.post(plan(subject="Patient/p2"))).status_code == 403
    assert (await client.http.get("/fhir/CarePlan/other")).status_code == 404
    assert (await client.http.get("/fhir/Patient/p2")).status_code == 404
    assert (await client.http.get("/fhir/CarePlan?subject=Patient/p2")).json()["total"] == 0
    assert (await client.http.get("/fhir/Patient")).json()["total"] == 1
    assert (await client.http.put("/fhir/CarePlan/other", content=json.dumps(plan(id="other")),
                                  headers={"content-type": "application/fhir+json"})).status_code == 404  # fmt: skip


async def test_patient_scopes_without_a_patient_allow_nothing() -> None:
    client = await Client().log_in("patient/*.cruds")
    assert (await client.http.get("/fhir/Patient")).status_code == 403


async def test_clinician_token() -> None:
    client = Client()
    answer = (await client.http.post("/sandbox/clinician-token", json={"practitioner": "sandbox-clinician", "audience": "http://service.test/fhir"})).json()
    claims = json.loads(jws.verify(answer["access_token"], (await client.http.get("/auth/jwks")).json()["keys"][0], ["ES384"]))
    assert claims["fhirUser"] == f"{BASE}/fhir/Practitioner/sandbox-clinician"
    assert (claims["aud"], claims["sub"], claims["scope"]) == ("http://service.test/fhir", "sandbox-clinician", "user/CarePlan.cruds user/*.rs")
    assert (await client.http.post("/sandbox/clinician-token", json={"practitioner": "nobody"})).status_code == 422


async def test_discovery_and_keys_survive_a_restart(tmp_path: object) -> None:
    database = f"{tmp_path}/ehr.sqlite"
    first, second = Client(database=database), Client(database=database)
    for client in (first, second):
        smart = (await client.http.get("/fhir/.well-known/smart-configuration")).json()
        assert smart["token_endpoint"] == f"{BASE}/auth/token"
        assert "client-confidential-asymmetric" in smart["capabilities"]
        assert smart["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    await first.log_in()
    answer = await second.http.get("/fhir/Patient", headers={"authorization": first.http.headers["authorization"]})
    assert answer.status_code == 200
    second.client_id = first.client_id
    assertion = signed(first.claims())
    assert [(await client.ask(assertion)).status_code for client in (first, second)] == [200, 400]
