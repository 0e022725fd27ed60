"""A sandbox EHR in process, a client with keys of its own, and small resources."""

import json
import time
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwk, jws

from adapters.sandbox.app import create

BASE = "http://sandbox.test"
Json = dict[str, Any]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EC_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: Any, kid: str, algorithm: str) -> Json:
    found = {name: value.decode() if isinstance(value, bytes) else value for name, value in jwk.construct(pem(key), algorithm).public_key().to_dict().items()}
    return found | {"kid": kid, "use": "sig"}


JWKS = {"keys": [public(EC_KEY, "ec", "ES384"), public(RSA_KEY, "rsa", "RS384")]}


class Clock:
    """A clock that tests may move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Client:
    """An HTTP client of one sandbox, with a registered SMART client behind it."""

    def __init__(self, base: str = BASE, **options: Any) -> None:
        self.clock = Clock()
        self.app = create(options.pop("database", ":memory:"), base, self.clock, **options)
        self.hospital = self.app.state.hospital
        self.base = base
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=base)
        self.client_id = ""

    async def register(self, scope: str = "system/*.cruds", **more: Any) -> str:
        answer = await self.http.post("/auth/register", json={"client_name": "test", "scope": scope, "jwks": JWKS, **more})
        assert answer.status_code == 201, answer.text
        self.client_id = answer.json()["client_id"]
        return self.client_id

    def claims(self, **changes: Any) -> Json:
        now = int(self.clock())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": f"{self.base}/auth/token", "exp": now + 240, "iat": now, "jti": str(uuid4())}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    async def ask(self, assertion: str, scope: str = "system/*.cruds", **more: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "scope": scope, "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return await self.http.post("/auth/token", data=form | more)

    async def log_in(self, scope: str = "system/*.cruds", **more: Any) -> "Client":
        await self.register(scope, **more)
        answer = await self.ask(signed(self.claims()), scope)
        assert answer.status_code == 200, answer.text
        self.http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    async def put_patient(self, id_: str = "p1") -> None:
        answer = await self.http.post("/sandbox/load", json={"resources": [patient(id_)]})
        assert answer.status_code == 201, answer.text

    async def post(self, resource: Json, **headers: str) -> httpx.Response:
        sent = {"content-type": "application/fhir+json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"/fhir/{resource['resourceType']}", content=json.dumps(resource), headers=sent)

    async def put(self, resource: Json, **headers: str) -> httpx.Response:
        sent = {"content-type": "application/fhir+json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.put(f"/fhir/{resource['resourceType']}/{resource['id']}", content=json.dumps(resource), headers=sent)


def signed(claims: Any, key: Any = EC_KEY, kid: str = "ec", algorithm: str = "ES384", **headers: Any) -> str:
    return str(jws.sign(claims, pem(key) if not isinstance(key, str) else key, headers={"kid": kid, **headers}, algorithm=algorithm))


def patient(id_: str = "p1") -> Json:
    return {
        "resourceType": "Patient", "id": id_, "identifier": [{"system": "urn:mrn", "value": f"MRN-{id_}"}], "name": [{"family": "Müller", "given": ["Ann"]}],
        "birthDate": "1980-05-01", "gender": "female",
    }  # fmt: skip


def plan(value: str = "s-1", subject: str = "Patient/p1", **more: Any) -> Json:
    return {
        "resourceType": "CarePlan", "identifier": [{"system": "urn:suggestion", "value": value}], "status": "draft", "intent": "proposal",
        "subject": {"reference": subject}, "title": "Earlier follow-up",
    } | more  # fmt: skip


def issue(answer: httpx.Response) -> str:
    """The issue code of an OperationOutcome answer."""
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["code"])
