"""Our signing keys: private ones sealed in the database and shared by replicas; the public ones are our JWKS, current and next."""

from typing import Any, NamedTuple

import orjson

from adapters import jose
from service.security.sealing import seal, unseal
from service.store.clock import now_us
from service.store.opening import Store

ALGORITHMS = ("RS384", "ES384")
_CONTEXT = b"setpoint signing key"


class KeyRow(NamedTuple):
    """One key as listed. `status`: current, next or retired (still published, for what it signed)."""

    kid: str
    alg: str
    status: str
    created: int


class Keys:
    """Makes, rotates and opens keys. For each algorithm one is current and one next."""

    def __init__(self, store: Store, secret: bytes) -> None:
        self._store, self._secret = store, secret
        self._opened: dict[str, jose.PrivateKey] = {}

    async def new(self, alg: str, status: str = "current") -> KeyRow:
        """Make a key."""
        key = jose.generate_key(alg)
        sealed = seal(self._secret, key.private_pem, _CONTEXT + key.kid.encode())
        row = KeyRow(key.kid, alg, status, now_us())
        await self._store.execute(
            "INSERT INTO signing_key (kid, alg, status, created, public, sealed) VALUES ($1, $2, $3, $4, $5, $6) RETURNING kid",
            (*row, orjson.dumps(key.public_jwk), sealed),
        )
        return row

    async def ensure(self) -> None:
        """Every algorithm has a current and a next key."""
        standing = {(row.alg, row.status) for row in await self.rows()}
        for alg in ALGORITHMS:
            for status in ("current", "next"):
                if (alg, status) not in standing:
                    await self.new(alg, status)

    async def rotate(self) -> list[KeyRow]:
        """Next becomes current, current retires, a new next is made; what retired before is taken out."""
        await self.ensure()
        await self._store.execute("DELETE FROM signing_key WHERE status = 'retired' RETURNING kid")
        await self._store.execute(
            "UPDATE signing_key SET status = CASE status WHEN 'current' THEN 'retired' ELSE 'current' END WHERE status IN ('current', 'next') RETURNING kid"
        )
        await self.ensure()
        return await self.rows()

    async def rows(self) -> list[KeyRow]:
        """All keys, oldest first."""
        return [KeyRow._make(row) for row in await self._store.fetch("SELECT kid, alg, status, created FROM signing_key ORDER BY created, kid")]

    async def jwks(self) -> dict[str, Any]:
        """The public JWKS document."""
        rows = await self._store.fetch("SELECT public FROM signing_key ORDER BY created, kid")
        return {"keys": [orjson.loads(row[0]) for row in rows]}

    async def current(self, alg: str) -> jose.PrivateKey:
        """The key to sign with. Errors: LookupError when none was made."""
        rows = await self._store.fetch(
            "SELECT kid, sealed, public FROM signing_key WHERE alg = $1 AND status = 'current' ORDER BY created DESC, kid LIMIT 1", (alg,)
        )
        if not rows:
            raise LookupError("no signing key: run setpoint keys new")
        kid, sealed, public = rows[0]
        if kid not in self._opened:
            pem = unseal(self._secret, bytes(sealed), _CONTEXT + kid.encode())
            self._opened[kid] = jose.PrivateKey(kid, alg, pem, orjson.loads(public))
        return self._opened[kid]
