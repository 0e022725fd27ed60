"""One client for each registered EHR, with the keys, vendor profile and HTTP settings it needs."""

import time
from uuid import uuid4

from adapters.ehr.delivery import EhrClient
from adapters.jose import PrivateKey
from adapters.smart.client import Registration, TokenSource
from service.keys import ALGORITHMS, Keys
from service.knowledge import load
from service.outgoing import outbound
from service.registry import Ehr
from service.settings import Settings
from service.store.opening import Store


class Clients:
    """Makes a client once, and again when its EHR's entry has changed."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._settings, self._keys = settings, keys
        self._profiles = load(settings.knowledge_dir).profiles
        self._made: dict[str, tuple[Ehr, EhrClient]] = {}

    @classmethod
    def of(cls, settings: Settings, store: Store) -> "Clients":
        return cls(settings, Keys(store, settings.secret_bytes))

    async def client(self, ehr: Ehr) -> EhrClient:
        """The client of this EHR."""
        known = self._made.get(ehr.name)
        if known is not None and known[0] == ehr:
            return known[1]
        http = outbound(self._settings, ehr.allow_private)
        profile = self._profiles.get(ehr.profile, self._profiles["general"])
        tokens = None
        if ehr.auth == "smart":
            tokens = TokenSource(
                http, Registration(ehr.base, ehr.client_id or "", ehr.scope, profile.algorithms), self._key_for, time.time, lambda: str(uuid4())
            )
        made = EhrClient(http, ehr.base, profile, tokens, time.time)
        self._made[ehr.name] = (ehr, made)
        return made

    async def _key_for(self, alg: str) -> PrivateKey:
        """The current key of an algorithm. A first key is made where there was none."""
        if alg in ALGORITHMS and not any(row.alg == alg and row.status == "current" for row in await self._keys.rows()):
            await self._keys.new(alg)
        return await self._keys.current(alg)
