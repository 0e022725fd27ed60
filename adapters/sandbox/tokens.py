"""Signed tokens: the one module of the sandbox that imports python-jose.

The algorithm comes from the key, never from the token; a header is read and judged here before the library sees it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from jose.exceptions import JOSEError

from adapters.sandbox.refusal import Json

LARGEST_TOKEN: Final = 8192
ALGORITHMS: Final = ("RS384", "ES384")
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jwk", "jku", "x5c", "x5u", "b64", "zip"})
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_LEAST_RSA_BYTES: Final = 256
_ALGORITHM_OF: Final = {("RSA", ""): "RS384", ("EC", "P-384"): "ES384"}


class TokenRefused(ValueError):
    """A token that must not be believed; the text says why without repeating any of it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private JWK with `kid` and `alg`."""

    private: Mapping[str, str]

    @property
    def public(self) -> Json:
        """The key as it stands in our JWKS."""
        return {name: value for name, value in self.private.items() if name not in _PRIVATE_MEMBERS}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS over `claims`."""
        key = jwk.construct(dict(self.private), self.private["alg"])
        return str(jws.sign(dict(claims), key, headers={"kid": self.private["kid"], "typ": "JWT"}, algorithm=self.private["alg"]))


def new_key(kid: str) -> SigningKey:
    """A fresh P-384 key for ES384."""
    numbers = ec.generate_private_key(ec.SECP384R1()).private_numbers()
    members = {"d": numbers.private_value, "x": numbers.public_numbers.x, "y": numbers.public_numbers.y}
    described = {"kty": "EC", "crv": "P-384", "kid": kid, "alg": "ES384", "use": "sig"}
    return SigningKey(described | {name: _number(value) for name, value in members.items()})


def verified(token: str, jwks: Json) -> Json:
    """The claims of a token signed by the key of `jwks` that its header names. Errors: TokenRefused."""
    header = _header(token)
    key = _key(jwks, header["kid"])
    algorithm = algorithm_of(key)
    if header["alg"] != algorithm:
        raise TokenRefused("the algorithm is not that of the key")
    try:
        claims = json.loads(jws.verify(token, jwk.construct(key, algorithm), [algorithm]))
    except (JOSEError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise TokenRefused("the signature does not hold") from None
    if not isinstance(claims, dict):
        raise TokenRefused("the claims are not an object")
    return claims


def claimed(token: str) -> Json:
    """What a token claims, NOT verified: only for finding out whose keys to verify it with. Errors: TokenRefused."""
    _header(token)
    try:
        claims = json.loads(_decoded(token.split(".")[1]))
    except (ValueError, RecursionError):
        raise TokenRefused("the claims are not JSON") from None
    if not isinstance(claims, dict):
        raise TokenRefused("the claims are not an object")
    return claims


def algorithm_of(key: Json) -> str:
    """RS384 or ES384, by the kind of the key. Errors: TokenRefused for a private, short, or otherwise unusable key."""
    if _PRIVATE_MEMBERS & key.keys():
        raise TokenRefused("the key set holds a private or symmetric key")
    algorithm = _ALGORITHM_OF.get((str(key.get("kty")), str(key.get("crv", ""))))
    if algorithm is None or key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        raise TokenRefused("the key is not for RS384 or ES384")
    if algorithm == "RS384" and len(_decoded(str(key.get("n", "")))) < _LEAST_RSA_BYTES:
        raise TokenRefused("the RSA key is shorter than 2048 bits")
    return algorithm


def unsigned(token: str) -> str:
    """A token without its signature, fit for showing."""
    return ".".join([*token.split(".")[:2], "(signature left out)"])


def _header(token: str) -> Json:
    if len(token) > LARGEST_TOKEN or token.count(".") != 2:
        raise TokenRefused("not a compact JWS of at most 8 KB")
    try:
        header = json.loads(_decoded(token.partition(".")[0]))
    except (ValueError, RecursionError):
        raise TokenRefused("the header is not JSON") from None
    if not isinstance(header, dict) or _FORBIDDEN_HEADERS & header.keys():
        raise TokenRefused("the header holds what it may not")
    if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
        raise TokenRefused("the header must name RS384 or ES384 and a kid")
    return header


def _key(jwks: Json, kid: str) -> Json:
    keys = jwks.get("keys")
    found = [key for key in keys if isinstance(key, dict) and key.get("kid") == kid] if isinstance(keys, list) else []
    if len(found) != 1:
        raise TokenRefused("the kid is not in the key set")
    return found[0]


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(48, "big")).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefused("not base64url") from None
