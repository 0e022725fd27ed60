"""Signed tokens (RFC 7515, 7519) and their keys (RFC 7517): the only module that imports python-jose.

The library is never asked to read a token. A token is taken apart here, by strict rules, and the algorithm is the
key's own: python-jose only makes and checks signatures with keys that were prepared beforehand.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jws

SIGNING: Final = ("RS384", "ES384")
"""What we sign with (SMART App Launch 2.0, client-confidential-asymmetric)."""
ACCEPTED: Final = ("RS384", "ES384", "RS256")
"""What we take from others."""
LONGEST_TOKEN: Final = 8192
MOST_KEYS: Final = 100
_RSA_BITS: Final = (2048, 8192)
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jwk", "jku", "x5c", "x5u", "zip", "enc"})
_PUBLIC_MEMBERS: Final = frozenset({"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+")
Claims = dict[str, Any]


class TokenRefused(Exception):
    """A token that is not accepted. `reason` is one of our own short codes and never holds a part of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key of ours. `private_pem` is PKCS #8 without password; the key is prepared once (signing from PEM text costs 60 times as much)."""

    kid: str
    alg: str
    private_pem: bytes = field(repr=False)
    public_jwk: Mapping[str, Any]
    _prepared: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.alg not in SIGNING:
            raise ValueError("a signing key is RS384 or ES384")
        object.__setattr__(self, "_prepared", jwk.construct(self.private_pem.decode(), self.alg))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that others sign with: the algorithms it is for, each with the prepared key."""

    kid: str | None
    _prepared: Mapping[str, Any] = field(repr=False)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What may be checked with it."""
        return tuple(self._prepared)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a token, as far as it matters."""

    alg: str
    kid: str | None


# Keys


def generate_key(alg: Literal["RS384", "ES384"] | str) -> PrivateKey:
    """A new key; its kid is the RFC 7638 thumbprint. RSA has 2048 bits, which every EHR's registration takes."""
    if alg not in SIGNING:
        raise ValueError("a signing key is RS384 or ES384")
    made = ec.generate_private_key(ec.SECP384R1()) if alg == "ES384" else rsa.generate_private_key(65537, 2048)
    pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = {name: _text(value) for name, value in jwk.construct(pem.decode(), alg).public_key().to_dict().items()}
    public |= {"alg": alg, "kid": thumbprint(public), "use": "sig", "key_ops": ["verify"]}
    return PrivateKey(public["kid"], alg, pem, public)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def thumbprint(public: Mapping[str, Any]) -> str:
    """The RFC 7638 SHA-256 thumbprint of a public JWK."""
    members = ("crv", "kty", "x", "y") if public["kty"] == "EC" else ("e", "kty", "n")
    text = json.dumps({name: public[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def public_members(key: Mapping[str, Any]) -> dict[str, Any]:
    """A JWK without anything that is not public."""
    return {name: value for name, value in key.items() if name in _PUBLIC_MEMBERS}


def public_keys(jwks: Any, accepted: Sequence[str] = ACCEPTED) -> tuple[PublicKey, ...]:
    """The usable keys of a JWK set; others (encryption, symmetric, weak, unknown curve) are left out, as RFC 7517 5 wants.

    Errors: TokenRefused("key-set") when it is not a JWK set.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        raise TokenRefused("key-set")
    found = (_public_key(key, accepted) for key in keys[:MOST_KEYS] if isinstance(key, Mapping))
    return tuple(key for key in found if key is not None)


def _public_key(key: Mapping[str, Any], accepted: Sequence[str]) -> PublicKey | None:
    kid = key.get("kid")
    if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]) or not isinstance(kid, str | None):
        return None
    algorithms = [name for name in _algorithms(key) if name in accepted]
    members = public_members(key)
    try:
        prepared = {name: jwk.construct(members, name) for name in algorithms}
    except Exception:  # the library and cryptography raise many kinds for one thing: not a key
        return None
    strong = {name: each for name, each in prepared.items() if _strong(each.prepared_key)}
    return PublicKey(kid, strong) if strong else None


def _algorithms(key: Mapping[str, Any]) -> tuple[str, ...]:
    """What a JWK is for: its own `alg`; without one (RFC 7517 4.4 allows it) what its type can do."""
    possible: tuple[str, ...] = ()
    if key.get("kty") == "RSA":
        possible = ("RS384", "RS256")
    elif key.get("kty") == "EC" and key.get("crv") == "P-384":
        possible = ("ES384",)
    stated = key.get("alg")
    return possible if stated is None else tuple(name for name in possible if name == stated)


def _strong(prepared: Any) -> bool:
    return not isinstance(prepared, rsa.RSAPublicKey) or _RSA_BITS[0] <= prepared.key_size <= _RSA_BITS[1]


# Tokens


def sign(key: PrivateKey, claims: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
    """A compact signed token; `kid`, `alg` and `typ` are set here, `headers` may replace `typ` or add names."""
    return str(jws.sign(dict(claims), key._prepared, headers={"kid": key.kid, **(headers or {})}, algorithm=key.alg))


def read_header(token: str | bytes) -> Header:
    """The header of a token that is not trusted yet. Errors: TokenRefused."""
    return _header(_segments(token)[0])


def unverified_claims(token: str | bytes) -> Claims:
    """The claims of a token that is not trusted: only for finding whose keys are to be tried. Errors: TokenRefused."""
    return _object(_segments(token)[1], "claims")


def verify(token: str | bytes, keys: Iterable[PublicKey]) -> Claims:
    """The claims of a token that one of these keys signed; a kid in the token selects among them. Errors: TokenRefused."""
    header_part, claims_part, signature_part = _segments(token)
    header = _header(header_part)
    signature = _decoded(signature_part, "signature")
    signed = f"{header_part}.{claims_part}".encode()
    fitting = [key for key in keys if header.alg in key._prepared and (header.kid is None or key.kid == header.kid)]
    if not fitting:
        raise TokenRefused("unknown-key")
    if not any(_holds(key._prepared[header.alg], signed, signature) for key in fitting[:4]):
        raise TokenRefused("signature")
    return _object(claims_part, "claims")


def _holds(prepared: Any, signed: bytes, signature: bytes) -> bool:
    try:
        return prepared.verify(signed, signature) is True
    except Exception:  # anything but a clear yes is a no
        return False


def _segments(token: str | bytes) -> tuple[str, str, str]:
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("too-long")
    try:
        text = token.decode("ascii") if isinstance(token, bytes) else token
    except UnicodeDecodeError:
        raise TokenRefused("format") from None
    parts = text.split(".")
    if len(parts) != 3 or not all(_SEGMENT.fullmatch(part) for part in parts):
        raise TokenRefused("format")
    return parts[0], parts[1], parts[2]


def _header(part: str) -> Header:
    header = _object(part, "header")
    if _FORBIDDEN_HEADERS & header.keys():
        raise TokenRefused("header")
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ACCEPTED:
        raise TokenRefused("algorithm")
    if not isinstance(kid, str | None) or (kid is not None and not 0 < len(kid) <= 256) or header.get("b64", True) is not True:
        raise TokenRefused("header")
    return Header(alg, kid)


def _decoded(part: str, what: str) -> bytes:
    """Strict base64url: without padding, and with no stray bits at the end, so that one content has one spelling."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise TokenRefused(what) from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise TokenRefused(what)
    return raw


def _object(part: str, what: str) -> Claims:
    try:
        value = json.loads(_decoded(part, what).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise TokenRefused(what) from None
    if not isinstance(value, dict):
        raise TokenRefused(what)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Claims:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


# Claims, each check by itself; `now` is in seconds since 1970 UTC


def require_expiry(claims: Claims, now: float, longest_s: float | None = None, leeway_s: float = 0.0) -> float:
    """`exp` lies ahead, by at most `longest_s` (and `leeway_s`, as clocks differ); answers it. Errors: TokenRefused("expired" or "exp")."""
    exp = _time(claims, "exp")
    if exp is None:
        raise TokenRefused("exp")
    if exp <= now:
        raise TokenRefused("expired")
    if longest_s is not None and exp > now + longest_s + leeway_s:
        raise TokenRefused("exp")
    return exp


def require_begun(claims: Claims, now: float, leeway_s: float = 60.0) -> None:
    """`nbf` and `iat`, where given, do not lie ahead by more than clocks differ. Errors: TokenRefused("not-yet")."""
    for name in ("nbf", "iat"):
        at = _time(claims, name)
        if name in claims and (at is None or at > now + leeway_s):
            raise TokenRefused("not-yet")


def require_equal(claims: Claims, name: str, wanted: str) -> None:
    """A claim (iss, sub) is exactly this text. Errors: TokenRefused with the claim's name."""
    if claims.get(name) != wanted:
        raise TokenRefused(name)


def require_audience(claims: Claims, allowed: Iterable[str]) -> None:
    """`aud`, a text or a list of texts, names one of these. Errors: TokenRefused("aud")."""
    aud = claims.get("aud")
    stated = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    if not {each for each in stated if isinstance(each, str)} & set(allowed):
        raise TokenRefused("aud")


def require_id(claims: Claims, longest: int = 255) -> str:
    """`jti`, not empty and not endless; answers it. Errors: TokenRefused("jti")."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= longest:
        raise TokenRefused("jti")
    return jti


def _time(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12 else None
