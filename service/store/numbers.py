"""Stable numbers for names, so that index rows stay small and no dictionary has to be asked: the first bits of SHA-256."""

import hashlib
from functools import cache


def _bits(text: str, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - bits)


@cache
def type_number(name: str) -> int:
    """31-bit number of a resource type."""
    return _bits(name, 31)


@cache
def param_number(kind: str, name: str) -> int:
    """31-bit number of a search parameter of a type. Start-up checks that no two of ours meet."""
    return _bits(f"{kind}.{name}", 31)


_systems: dict[str, int] = {}


def system_number(system: str) -> int:
    """63-bit number of a code system; 0 is no system. The systems of a record are few, the memo is bounded all the same."""
    if not system:
        return 0
    number = _systems.get(system)
    if number is None:
        if len(_systems) > 10_000:
            _systems.clear()
        number = _systems[system] = _bits(system, 63) or 1
    return number
