"""Sealing of private keys at rest: AES-256-GCM under a key derived from SETPOINT_SECRET, bound to what is sealed."""

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_FORM, _SALT, _NONCE = b"\x01", 16, 12


class SealBroken(ValueError):
    """What is sealed cannot be opened: another secret, another context, or changed bytes."""


def seal(secret: bytes, plaintext: bytes, context: bytes = b"") -> bytes:
    """Sealed bytes (form, salt, nonce, ciphertext with tag). `context` names what is sealed: it opens under no other name."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    return _FORM + salt + nonce + _cipher(secret, salt, context).encrypt(nonce, plaintext, context)


def unseal(secret: bytes, sealed: bytes, context: bytes = b"") -> bytes:
    """What was sealed. Errors: SealBroken, which tells nothing about the content."""
    salt, nonce, content = sealed[1 : 1 + _SALT], sealed[1 + _SALT : 1 + _SALT + _NONCE], sealed[1 + _SALT + _NONCE :]
    if sealed[:1] != _FORM or len(content) < 16:
        raise SealBroken("these are no sealed bytes")
    try:
        return _cipher(secret, salt, context).decrypt(nonce, content, context)
    except InvalidTag:
        raise SealBroken("the seal does not open with this secret") from None


def _cipher(secret: bytes, salt: bytes, context: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, context).derive(_stretched(secret)))


@lru_cache(maxsize=4)
def _stretched(secret: bytes) -> bytes:
    """A secret may be a phrase: stretching makes guessing dear. Once a process (about 50 ms)."""
    return Scrypt(salt=b"setpoint sealing", length=32, n=2**14, r=8, p=1).derive(secret)
