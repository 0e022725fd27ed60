"""JWK sets of others, fetched by their jwks_uri: cached, refused addresses remembered, a new key id looked up once and not at every forged token."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from adapters.jose import PublicKey, TokenRefused, public_keys

Fetch = Callable[[str], Awaitable[bytes | None]]
"""The bytes at a URI, or None when they could not be had. It must not raise for an address that fails."""
FRESH_S, STALE_S, REFETCH_S, MOST_SETS = 600.0, 86400.0, 30.0, 200


@dataclass(slots=True)
class _Set:
    keys: tuple[PublicKey, ...] = ()
    fetched: float = float("-inf")
    tried: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Key sets by URI. `clock` gives seconds; `fetch` is the hardened HTTP client."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._sets: OrderedDict[str, _Set] = OrderedDict()

    async def keys(self, uri: str, kid: str | None) -> tuple[PublicKey, ...]:
        """The keys at a URI. Asked for again when they are old or lack `kid`, at most every 30 s; while the URI fails, keys up to a day old
        still serve. Empty when nothing is known: the token is then refused for its key."""
        entry = self._entry(uri)
        if self._wanting(entry, kid):
            async with entry.lock:
                if self._wanting(entry, kid):
                    await self._renew(entry, uri)
        return entry.keys if self._clock() - entry.fetched < STALE_S else ()

    def _entry(self, uri: str) -> _Set:
        entry = self._sets.setdefault(uri, _Set())
        self._sets.move_to_end(uri)
        if len(self._sets) > MOST_SETS:
            self._sets.popitem(last=False)
        return entry

    def _wanting(self, entry: _Set, kid: str | None) -> bool:
        now = self._clock()
        known = kid is None or any(key.kid == kid for key in entry.keys)
        return now - entry.tried >= REFETCH_S and (not known or now - entry.fetched >= FRESH_S)

    async def _renew(self, entry: _Set, uri: str) -> None:
        entry.tried = self._clock()
        body = await self._fetch(uri)
        if body is None:
            return
        try:
            entry.keys = public_keys(json.loads(body))
            entry.fetched = self._clock()
        except (ValueError, RecursionError, TokenRefused):
            return
