"""Our JWKS document: the keys we sign with now and next, and those we signed with until lately (RFC 7517)."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.jose import public_members


def document(keys: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The JWK set of these keys; whatever is not public in them stays out."""
    return {"keys": [public_members(key) for key in keys]}
