"""Bearer tokens on the FHIR API: ours and the registered issuers', honest and forged; what is answered without one."""

import hashlib
import hmac
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from jose import jwt

from adapters import jose
from tests.smart.installation import (
    AUD,
    BASE,
    EC_KEY,
    ISS,
    ISSUER_KEY,
    OTHER_ISS,
    OTHER_KEY,
    PUBLIC,
    STRANGER,
    Smart,
    assertion,
    bearer,
    issued,
    part,
    same,
    user,
)  # fmt: skip

ASKED = "Patient?_count=1"


def now(seconds: float) -> int:
    return int(time.time() + seconds)


def claims(**changed: Any) -> dict[str, Any]:
    return {"iss": ISS, "aud": AUD, "exp": now(300), "scope": "system/*.cruds", "client_id": "app"} | changed


def hs256(key: jose.PrivateKey) -> str:
    """The public key, which everybody has, used as the secret of an HMAC."""
    private = serialization.load_pem_private_key(key.private_pem, None)
    secret = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'kid': key.kid})}.{part(claims())}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


FORGED: dict[str, Any] = {
    "alg none": lambda: f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg none with a signature": lambda: f"{part({'alg': 'none', 'kid': ISSUER_KEY.kid})}.{part(claims())}.{part(b'x')}",
    "HS256 with the public EC key": lambda: hs256(ISSUER_KEY),
    "HS256 with the public RSA key": lambda: hs256(OTHER_KEY),
    "another algorithm than the key's": lambda: jwt.encode(claims(iss=OTHER_ISS), OTHER_KEY.private_pem.decode(), "RS512", headers={"kid": OTHER_KEY.kid}),
    "expired": lambda: issued("system/*.rs", exp=now(-1)),
    "no exp": lambda: issued("system/*.rs", exp=None),
    "another audience": lambda: issued("system/*.rs", aud="https://elsewhere.test"),
    "our base as audience, where another was agreed": lambda: issued("system/*.rs", aud=BASE),
    "no audience": lambda: issued("system/*.rs", aud=None),
    "an issuer nobody registered": lambda: issued("system/*.rs", iss="https://nobody.test"),
    "an issuer that only begins like a registered one": lambda: issued("system/*.rs", iss=ISS + "/"),
    "no issuer": lambda: issued("system/*.rs", iss=None),
    "one issuer's key for another": lambda: issued("system/*.rs", OTHER_KEY),
    "a stranger's key under a known kid": lambda: issued("system/*.rs", STRANGER, {"kid": ISSUER_KEY.kid}),
    "an issuer that says it is us": lambda: issued("system/*.rs", iss=BASE, aud=BASE),
    "a client's key that says it is us": lambda: issued("system/*.rs", EC_KEY, iss=BASE, aud=BASE),
    "a client assertion": lambda: assertion("full"),
    "crit": lambda: issued("system/*.rs", headers={"crit": ["exp"]}),
    "a header of 53 KB": lambda: issued("system/*.rs", headers={"pad": "x" * 53_000}),
    "not yet": lambda: issued("system/*.rs", nbf=now(600)),
    "scope is a number": lambda: issued("system/*.rs") if False else jose.sign(ISSUER_KEY, claims(scope=7)),
    "a patient with NUL": lambda: issued("patient/*.rs", patient="a\x00b"),
    "a patient with a lone surrogate": lambda: issued("patient/*.rs", patient="a\ud800"),
    "a user with NUL": lambda: issued("user/*.rs", fhirUser="Practitioner/\x00"),
    "a client with a lone surrogate": lambda: issued("system/*.rs", client_id="\udfff"),
    "nonsense": lambda: "nonsense",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_gets_one_and_the_same_answer(smart: Smart, name: str) -> None:
    reference = await smart.send("GET", ASKED, bearer("x.y.z"))
    assert reference.status_code == 401
    assert reference.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert reference.json()["issue"][0]["code"] == "login"
    answer = await smart.send("GET", ASKED, bearer(FORGED[name]()))
    assert same(answer, reference), answer.text


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer", "Bearer ", "bearer\t", "Token x"])
async def test_without_a_token(smart: Smart, header: str | None) -> None:
    answer = await smart.send("GET", ASKED, {} if header is None else {"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_every_route_asks_for_a_token(smart: Smart) -> None:
    """The table of routes itself is the list: nothing but metadata is open."""
    from service.fhir.routes import ROUTES

    for route in ROUTES:
        path = route.shape.replace("T", "Patient").replace("V", "1").replace("/I", "/nobody")
        answer = await smart.send(route.method, f"{BASE}/{path}", {}, {} if route.method in ("POST", "PUT") else None)
        assert answer.status_code == (200 if route.shape == "metadata" else 401), (route.method, path)


async def test_what_is_open(smart: Smart) -> None:
    metadata = await smart.send("GET", "metadata", {})
    security = metadata.json()["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert security["extension"][0]["extension"][0]["valueUri"] == f"{PUBLIC}/auth/token"
    configuration = (await smart.send("GET", ".well-known/smart-configuration", {})).json()
    assert configuration["token_endpoint"] == f"{PUBLIC}/auth/token"
    assert configuration["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert set(configuration["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}
    jwks = (await smart.http.get(configuration["jwks_uri"])).json()
    assert {key["alg"] for key in jwks["keys"]} == {"RS384", "ES384"}
    assert len(jwks["keys"]) >= 4
    assert all(set(key) <= {"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"} for key in jwks["keys"])


async def test_our_own_token(smart: Smart) -> None:
    token = await smart.token("reader", "system/*.rs")
    assert (await smart.send("GET", ASKED, bearer(token))).status_code == 200
    changed = token.split(".")
    changed[1] = part(jose.unverified_claims(token) | {"scope": "system/*.cruds"})
    assert (await smart.send("GET", ASKED, bearer(".".join(changed)))).status_code == 401
    assert (await smart.send("GET", ASKED, bearer(token + "A"))).status_code == 401


async def test_our_own_token_ends(smart: Smart) -> None:
    """Expiry is checked against the clock of this process, also for a token that was remembered."""
    token = await smart.token("reader", "system/*.rs")
    verifier = smart.house.access.verifier  # type: ignore[union-attr]
    assert await verifier.verify(token)
    clock, verifier._clock = verifier._clock, lambda: time.time() + 301
    try:
        assert await verifier.verify(token) is None
    finally:
        verifier._clock = clock


async def test_a_rotated_key_still_checks_what_it_signed(smart: Smart) -> None:
    before = await smart.token("reader", "system/*.rs")
    await smart.house.keys.rotate()
    smart.house.access._own = (0.0, ())  # type: ignore[union-attr]
    after = await smart.token("reader", "system/*.rs")
    assert jose.read_header(before).kid != jose.read_header(after).kid
    for token in (before, after):
        assert (await smart.send("GET", ASKED, bearer(token))).status_code == 200


@pytest.mark.parametrize("scope", ["system/*.rs", "user/*.rs", "user/Patient.read", "openid fhirUser user/Patient.s", "system/Patient.*"])
async def test_an_issuers_token(smart: Smart, scope: str) -> None:
    assert (await smart.send("GET", ASKED, bearer(issued(scope)))).status_code == 200
    assert (await smart.send("GET", ASKED, bearer(issued(scope, OTHER_KEY, iss=OTHER_ISS)))).status_code == 200
    assert (await smart.send("GET", ASKED, bearer(issued(scope, aud=["https://elsewhere.test", AUD])))).status_code == 200


async def test_scopes_as_a_list(smart: Smart) -> None:
    token = jose.sign(ISSUER_KEY, claims(scope=["user/Patient.rs", "openid"]))
    assert (await smart.send("GET", ASKED, bearer(token))).status_code == 200


async def test_the_word_bearer_in_any_case(smart: Smart) -> None:
    for word in ("bearer", "BEARER", "Bearer"):
        assert (await smart.send("GET", ASKED, {"authorization": f"{word} {issued('system/*.rs')}"})).status_code == 200


async def test_only_we_say_who_may_state_a_reviewer(smart: Smart) -> None:
    verifier = smart.house.access.verifier  # type: ignore[union-attr]
    foreign = await verifier.verify(issued("system/*.cruds", setpoint_states_reviewer=True))
    assert foreign is not None
    assert not foreign.may_state_reviewer
    own = [await verifier.verify(await smart.token(client)) for client in ("full", "plain")]
    assert [each is not None and each.may_state_reviewer for each in own] == [True, False]


async def test_a_user_without_a_patient_is_not_bound(smart: Smart) -> None:
    person = await smart.person()
    assert (await smart.send("GET", person.ref, user())).status_code == 200
    assert (await smart.send("GET", person.ref, user(patient="of no matter: no patient/ scope stands"))).status_code == 200


async def test_a_bad_signature_costs_little(smart: Smart) -> None:
    """CPU time, signing of the forgery included: another process's load does not count."""
    started = time.process_time()
    for _ in range(20):
        await smart.send("GET", ASKED, bearer(issued("system/*.rs", STRANGER, {"kid": ISSUER_KEY.kid})))
    assert (time.process_time() - started) / 20 < 0.05
