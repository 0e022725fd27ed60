"""Forged and honest tokens, at the bearer check and at the token endpoint."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jose import jwt

from adapters import jose
from adapters.jose import PublicKey, TokenRefused, public_keys
from service.security import access_token, client_assertion
from service.security.access_token import TokenVerifier, TrustedIssuer
from service.security.client_assertion import RegisteredClient
from service.security.key_sets import KeySets
from service.security.scopes import parse

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
NOW = 1_800_000_000.0
ISS, AUD, ENDPOINT = "https://ehr.example", "https://setpoint.example/fhir", "https://setpoint.example/auth/token"
KEY, RSA_KEY, OTHER = jose.generate_key("ES384"), jose.generate_key("RS384"), jose.generate_key("ES384")
CLAIMS = {"iss": ISS, "aud": AUD, "exp": NOW + 300, "iat": NOW, "sub": "u1", "client_id": "app", "scope": "user/*.rs", "fhirUser": f"{ISS}/Practitioner/1"}
JWKS = {"keys": [KEY.public_jwk, RSA_KEY.public_jwk]}


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(header: dict[str, Any], claims: dict[str, Any] = CLAIMS, signature: bytes = b"x" * 96) -> str:
    return f"{part(header)}.{part(claims)}.{part(signature)}"


def hs256_with_public_key() -> str:
    secret = serialization.load_pem_private_key(RSA_KEY.private_pem, None).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    signed = f"{part({'alg': 'HS256', 'kid': RSA_KEY.kid})}.{part(CLAIMS)}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def verifier(now: float = NOW, keys: Sequence[PublicKey] = public_keys(JWKS), own: bool = False) -> TokenVerifier:
    async def keys_for(kid: str | None) -> Sequence[PublicKey]:
        return keys

    async def trusted(iss: str) -> TrustedIssuer | None:
        return TrustedIssuer(ISS, (AUD,), keys_for, own) if iss == ISS else None

    return TokenVerifier(trusted, lambda: now)


TWICE = b'{"alg":"none","alg":"ES384","kid":"' + KEY.kid.encode() + b'"}'
HEADER = {"alg": "ES384", "kid": KEY.kid}
GOOD = jose.sign(KEY, CLAIMS)
FORGED = {
    "alg none": forged({"alg": "none"}, signature=b""),
    "alg none with a signature": forged({"alg": "none", "kid": KEY.kid}),
    "alg NoNe": forged({"alg": "NoNe", "kid": KEY.kid}),
    "alg is a list": forged({"alg": ["ES384"], "kid": KEY.kid}),
    "HS256 with the public key": hs256_with_public_key(),
    "another key's kid": jose.sign(OTHER, CLAIMS, {"kid": KEY.kid}),
    "an RSA key's kid": jose.sign(KEY, CLAIMS, {"kid": RSA_KEY.kid}),
    "kid with a path": jose.sign(KEY, CLAIMS, {"kid": "../../dev/null"}),
    "kid with SQL": jose.sign(KEY, CLAIMS, {"kid": "' OR 1=1 --"}),
    "kid is a number": forged({"alg": "ES384", "kid": 1}),
    "unknown kid": jose.sign(OTHER, CLAIMS),
    "its own key along": jose.sign(OTHER, CLAIMS, {"jwk": OTHER.public_jwk}),
    "an address of keys along": jose.sign(KEY, CLAIMS, {"jku": "https://evil.example/keys"}),
    "a certificate along": jose.sign(KEY, CLAIMS, {"x5c": ["MII"]}),
    "an address of certificates along": jose.sign(KEY, CLAIMS, {"x5u": "https://evil.example/cert"}),
    "unknown crit": jose.sign(KEY, CLAIMS, {"crit": ["exp"]}),
    "53 KB header": jose.sign(KEY, CLAIMS, {"pad": "x" * 53_000}),
    "no exp": jose.sign(KEY, {name: value for name, value in CLAIMS.items() if name != "exp"}),
    "exp is text": jose.sign(KEY, CLAIMS | {"exp": "9999999999"}),
    "exp is true": jose.sign(KEY, CLAIMS | {"exp": True}),
    "expired": jose.sign(KEY, CLAIMS | {"exp": NOW - 1}),
    "not yet": jose.sign(KEY, CLAIMS | {"nbf": NOW + 3600}),
    "from the future": jose.sign(KEY, CLAIMS | {"iat": NOW + 3600}),
    "another audience": jose.sign(KEY, CLAIMS | {"aud": "https://other.example"}),
    "an audience that only begins like ours": jose.sign(KEY, CLAIMS | {"aud": AUD + ".evil.example"}),
    "no audience": jose.sign(KEY, {name: value for name, value in CLAIMS.items() if name != "aud"}),
    "an issuer nobody registered": jose.sign(KEY, CLAIMS | {"iss": "https://evil.example"}),
    "iss is a list": jose.sign(KEY, CLAIMS | {"iss": [ISS]}),
    "another payload": GOOD.split(".")[0] + "." + part(CLAIMS | {"sub": "admin"}) + "." + GOOD.split(".")[2],
    "no signature": GOOD.rsplit(".", 1)[0] + ".",
    "two parts": GOOD.rsplit(".", 1)[0],
    "four parts": GOOD + ".x",
    "padding": GOOD + "==",
    "blank": "", "dots": "..", "text": "nonsense", "not ASCII": "ä.ö.ü",
    "a name twice in the header": f"{part(TWICE)}.{part(CLAIMS)}.{part(b'x' * 96)}",
    "a deep header": f"{part(b'[' * 4000)}.{part(CLAIMS)}.{part(b'x')}",
    "a header that is a list": f"{part([1])}.{part(CLAIMS)}.{part(b'x')}",
    "zero signature": forged(HEADER, signature=b"\x00" * 96),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_nobodys(name: str) -> None:
    assert await verifier().verify(FORGED[name]) is None
    assert await verifier().verify(FORGED[name].encode()) is None


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_assertion_is_nobodys(name: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        await authenticate(FORGED[name])
    assert len(str(refused.value)) < 20


@given(st.binary(max_size=300) | st.text(max_size=300))
@settings(max_examples=200 * ROUNDS, deadline=None)
def test_any_text_is_refused_and_nothing_else_is_raised(token: bytes | str) -> None:
    with pytest.raises(TokenRefused):
        jose.read_header(token)
    with pytest.raises(TokenRefused):
        jose.verify(token, public_keys(JWKS))


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCDwxyz0189-_."))
@settings(max_examples=200 * ROUNDS, deadline=None)
def test_any_changed_character_breaks_a_token(place: int, char: str) -> None:
    changed = GOOD[:place] + char + GOOD[place + 1 :]
    if changed != GOOD:
        with pytest.raises(TokenRefused):
            jose.verify(changed, public_keys(JWKS))


@pytest.mark.parametrize("key", [KEY, RSA_KEY])
async def test_an_honest_token(key: jose.PrivateKey) -> None:
    principal = await verifier().verify(jose.sign(key, CLAIMS))
    assert principal is not None
    assert (principal.client_id, principal.kind, principal.fhir_user, principal.issuer) == ("app", "user", f"{ISS}/Practitioner/1", ISS)


async def test_rs256_of_an_issuer_whose_key_names_no_algorithm() -> None:
    """As Microsoft Entra publishes its keys: RSA, no `alg`."""
    made = rsa.generate_private_key(65537, 2048)
    pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    public = {name: value for name, value in jose.PrivateKey("k", "RS384", pem.encode(), {})._prepared.public_key().to_dict().items() if name != "alg"}
    public = {name: value.decode() if isinstance(value, bytes) else value for name, value in public.items()} | {"kid": "k"}
    token = jwt.encode(CLAIMS, pem, "RS256", headers={"kid": "k"})
    assert await verifier(keys=public_keys({"keys": [public]})).verify(token) is not None
    assert await verifier(keys=public_keys({"keys": [public | {"alg": "RS384"}]})).verify(token) is None


def test_keys_that_are_not_used() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    short = {"kty": "RSA", "kid": "w", "n": part(weak.n.to_bytes(128, "big")), "e": "AQAB"}
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    p256 = {"kty": "EC", "crv": "P-256", "kid": "c", "x": part(curve.x.to_bytes(32, "big")), "y": part(curve.y.to_bytes(32, "big"))}
    off = KEY.public_jwk | {"x": part(b"\x01" * 48)}
    others = [short, p256, off, {"kty": "oct", "k": part(b"secret" * 8)}, KEY.public_jwk | {"use": "enc"}, KEY.public_jwk | {"alg": "ES256"}, {}, "x", None]
    assert public_keys({"keys": others}) == ()
    for broken in (None, [], {}, {"keys": {}}):
        with pytest.raises(TokenRefused):
            public_keys(broken)


async def test_a_verified_token_is_remembered_but_not_beyond_its_end() -> None:
    moment = [NOW]
    asked = []

    async def keys_for(kid: str | None) -> Sequence[PublicKey]:
        asked.append(kid)
        return public_keys(JWKS)

    async def trusted(iss: str) -> TrustedIssuer | None:
        return TrustedIssuer(ISS, (AUD,), keys_for)

    remembering = TokenVerifier(trusted, lambda: moment[0], remembered=2)
    token = jose.sign(KEY, CLAIMS | {"exp": NOW + 20})
    assert await remembering.verify(token)
    assert await remembering.verify(token)
    assert len(asked) == 1
    moment[0] = NOW + 20
    assert await remembering.verify(token) is None
    for number in range(5):
        await remembering.verify(jose.sign(KEY, CLAIMS | {"jti": str(number), "exp": NOW + 300}))
    assert len(remembering._seen) == 2


@pytest.mark.parametrize(
    ("claims", "kind", "patient", "count"),
    [
        ({"scope": "patient/*.rs", "patient": "x7"}, "patient", "x7", 1),
        ({"scope": "patient/*.rs user/*.cruds", "patient": "x7"}, "patient", "x7", 2),
        ({"scope": "patient/*.rs"}, "system", None, 0),
        ({"scope": "patient/*.rs user/*.rs"}, "user", None, 1),
        ({"scope": "user/*.rs", "patient": "x7"}, "user", None, 1),
        ({"scope": ["system/*.rs", "openid"]}, "system", None, 1),
        ({}, "system", None, 0),
    ],
)
async def test_what_a_token_is_bound_to(claims: dict[str, Any], kind: str, patient: str | None, count: int) -> None:
    base = {name: value for name, value in CLAIMS.items() if name != "scope"}
    principal = await verifier().verify(jose.sign(KEY, base | claims))
    assert principal is not None
    assert (principal.kind, principal.patient, len(principal.scopes)) == (kind, patient, count)


async def test_our_own_token_and_who_may_state_a_reviewer() -> None:
    token = access_token.issue(KEY, ISS, "backend", parse("system/*.rs"), NOW, 300, "t1", may_state_reviewer=True)
    jwks = public_keys(JWKS)

    async def keys_for(kid: str | None) -> Sequence[PublicKey]:
        return jwks

    def trusting(own: bool) -> TokenVerifier:
        async def trusted(iss: str) -> TrustedIssuer | None:
            return TrustedIssuer(ISS, (ISS,), keys_for, own)

        return TokenVerifier(trusted, lambda: NOW)

    ours, foreign = await trusting(True).verify(token), await trusting(False).verify(token)
    assert ours is not None
    assert foreign is not None
    assert (ours.client_id, ours.may_state_reviewer, ours.token_id) == ("backend", True, "t1")
    assert not foreign.may_state_reviewer


# Client assertions

ASSERTION = {"iss": "c1", "sub": "c1", "aud": ENDPOINT, "exp": NOW + 240, "jti": "j1"}


class Seen:
    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()

    async def __call__(self, iss: str, jti: str, exp: float) -> bool:
        there = (iss, jti) in self.known
        self.known.add((iss, jti))
        return there


async def no_fetch(uri: str) -> bytes | None:
    raise AssertionError("nothing is fetched")


async def authenticate(token: str, seen: Any = None, client: RegisteredClient | None = None, fetch: Any = no_fetch) -> RegisteredClient:
    registered = client or RegisteredClient("c1", "system/*.rs", JWKS)

    async def find(client_id: str) -> RegisteredClient | None:
        return registered if client_id == "c1" else None

    return await client_assertion.authenticated(token, find, KeySets(fetch, lambda: NOW), (ENDPOINT,), seen or Seen(), NOW)


@pytest.mark.parametrize("key", [KEY, RSA_KEY])
async def test_an_honest_assertion_once(key: jose.PrivateKey) -> None:
    seen, token = Seen(), jose.sign(key, ASSERTION)
    assert (await authenticate(token, seen)).client_id == "c1"
    with pytest.raises(TokenRefused, match="replay"):
        await authenticate(token, seen)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "c2"}, "client"), ({"sub": "c2"}, "sub"), ({"sub": None}, "sub"), ({"aud": AUD}, "aud"), ({"aud": [1]}, "aud"),
        ({"exp": NOW}, "expired"), ({"exp": NOW + 360}, "exp"), ({"exp": None}, "exp"), ({"jti": None}, "jti"), ({"jti": ""}, "jti"),
        ({"jti": "j" * 300}, "jti"), ({"nbf": NOW + 120}, "not-yet"),
    ],
)  # fmt: skip
async def test_assertion_claims(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        await authenticate(jose.sign(KEY, {name: value for name, value in (ASSERTION | change).items() if value is not None}))
    assert refused.value.reason == reason


async def test_a_refused_assertion_does_not_use_up_its_id() -> None:
    seen = Seen()
    with pytest.raises(TokenRefused):
        await authenticate(jose.sign(KEY, ASSERTION | {"aud": AUD}), seen)
    assert seen.known == set()


async def test_keys_by_address() -> None:
    async def fetch(uri: str) -> bytes | None:
        return json.dumps(JWKS).encode() if uri == "https://c1.example/jwks" else None

    client = RegisteredClient("c1", "system/*.rs", None, "https://c1.example/jwks")
    assert await authenticate(jose.sign(KEY, ASSERTION), client=client, fetch=fetch)
    with pytest.raises(TokenRefused, match="unknown-key"):
        await authenticate(jose.sign(KEY, ASSERTION), client=replace(client, jwks_uri="https://c1.example/away"), fetch=fetch)


# Key sets of others


class Shelf:
    def __init__(self) -> None:
        self.body: bytes | None = json.dumps({"keys": [KEY.public_jwk]}).encode()
        self.asked = 0
        self.now = NOW

    async def fetch(self, uri: str) -> bytes | None:
        self.asked += 1
        return self.body


async def test_an_unknown_key_id_is_looked_up_once_in_a_while() -> None:
    shelf = Shelf()
    sets = KeySets(shelf.fetch, lambda: shelf.now)
    assert len(await sets.keys("u", KEY.kid)) == 1
    for number in range(50):
        await sets.keys("u", f"forged-{number}")
    assert shelf.asked == 1
    shelf.now += 31
    shelf.body = json.dumps({"keys": [KEY.public_jwk, OTHER.public_jwk]}).encode()
    assert {key.kid for key in await sets.keys("u", OTHER.kid)} == {KEY.kid, OTHER.kid}
    assert shelf.asked == 2


async def test_an_address_that_fails_is_left_alone_and_old_keys_serve() -> None:
    shelf = Shelf()
    sets = KeySets(shelf.fetch, lambda: shelf.now)
    await sets.keys("u", KEY.kid)
    shelf.body, shelf.now = None, NOW + 3600
    for _ in range(10):
        assert await sets.keys("u", KEY.kid)
    assert shelf.asked == 2
    shelf.now = NOW + 90_000
    assert await sets.keys("u", KEY.kid) == ()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"[" * 100_000, b'{"keys": 1}', b"\xff"])
async def test_a_key_set_that_is_none(body: bytes) -> None:
    shelf = Shelf()
    shelf.body = body
    assert await KeySets(shelf.fetch, lambda: NOW).keys("u", "k") == ()
