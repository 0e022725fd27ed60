"""A smart installation as its users meet it: keys, assertions, tokens of ours and of registered issuers, and two persons' records."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from adapters import jose
from service.house import House
from service.registry import Client, Issuer

PUBLIC = "http://setpoint.test"
BASE = f"{PUBLIC}/fhir"
ENDPOINT = f"{PUBLIC}/auth/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ISS, AUD, LINKS = "https://ehr.test/fhir", "https://setpoint.test/for-the-ehr", "urn:test:ehr-patient"
OTHER_ISS, OTHER_LINKS = "https://other.test", "urn:test:other-patient"
UNLINKED_ISS = "https://unlinked.test"
EC_KEY, RSA_KEY, STRANGER = jose.generate_key("ES384"), jose.generate_key("RS384"), jose.generate_key("ES384")
ISSUER_KEY, OTHER_KEY = jose.generate_key("ES384"), jose.generate_key("RS384")
JWKS = {"keys": [EC_KEY.public_jwk, RSA_KEY.public_jwk]}
DOCTOR = f"{ISS}/Practitioner/dr"
Json = dict[str, Any]


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assertion(client_id: str, key: jose.PrivateKey = EC_KEY, headers: dict[str, Any] | None = None, **changed: Any) -> str:
    """A client assertion; `changed` replaces claims, None takes one out."""
    now = time.time()
    claims = {"iss": client_id, "sub": client_id, "aud": ENDPOINT, "exp": int(now) + 240, "iat": int(now), "jti": str(uuid4())} | changed
    return jose.sign(key, {name: value for name, value in claims.items() if value is not None}, headers)


def form(client_assertion: str, scope: str = "system/*.cruds", **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": client_assertion, "scope": scope} | more


def issued(scope: str, key: jose.PrivateKey = ISSUER_KEY, headers: dict[str, Any] | None = None, **changed: Any) -> str:
    """A bearer token of the registered issuer; `changed` replaces claims, None takes one out."""
    now = time.time()
    claims = {"iss": ISS, "aud": AUD, "exp": int(now) + 300, "iat": int(now), "sub": "someone", "client_id": "app", "jti": str(uuid4()), "scope": scope}
    return jose.sign(key, {name: value for name, value in (claims | changed).items() if value is not None}, headers)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def same(first: httpx.Response, second: httpx.Response) -> bool:
    """Two answers that nobody can tell apart: status, body, and every header but the request's own id."""
    shown = [{name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in (first, second)]
    return (first.status_code, first.content, shown[0]) == (second.status_code, second.content, shown[1])


@dataclass
class Person:
    """One person's record, and the id by which the issuer knows them."""

    ref: str
    foreign: str
    record: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.ref.split("/")[1]


@dataclass
class Smart:
    """The installation and HTTP to it, in process."""

    house: House
    http: httpx.AsyncClient
    system: dict[str, str] = field(default_factory=dict)
    """Headers of a client that may do everything."""

    async def register(self) -> None:
        """Backend clients and issuers."""
        put = self.house.registry.put
        await put(Client(name="full", client_id="full", scopes="system/*.cruds", jwks=JWKS, may_state_reviewer=True))
        await put(Client(name="plain", client_id="plain", scopes="system/*.cruds", jwks=JWKS))
        await put(Client(name="reader", client_id="reader", scopes="system/*.rs", jwks=JWKS))
        await put(Client(name="narrow", client_id="narrow", scopes="system/Observation.read system/Patient.rs", jwks=JWKS))
        await put(Client(name="off", client_id="off", scopes="system/*.cruds", jwks=JWKS, enabled=False))
        await put(Issuer(name="ehr", iss=ISS, audience=AUD, patient_system=LINKS, jwks={"keys": [ISSUER_KEY.public_jwk]}))
        await put(Issuer(name="other", iss=OTHER_ISS, audience=AUD, patient_system=OTHER_LINKS, jwks={"keys": [OTHER_KEY.public_jwk]}))
        await put(Issuer(name="unlinked", iss=UNLINKED_ISS, audience=AUD, jwks={"keys": [OTHER_KEY.public_jwk]}))

    async def ask(self, fields: dict[str, str], **headers: str) -> httpx.Response:
        return await self.http.post(ENDPOINT, data=fields, headers=FORM | headers)

    async def token(self, client_id: str, scope: str = "system/*.cruds") -> str:
        """An access token of ours."""
        answer = await self.ask(form(assertion(client_id), scope))
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    async def store(self, resource: Json, **headers: str) -> Json:
        """Store it with everything allowed; the answer must be 201."""
        answer = await self.http.post(resource["resourceType"], content=json.dumps(resource), headers=self.system | headers)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def person(self, system: str = LINKS, **more: Any) -> Person:
        """A person linked to the issuer, with one Observation and one Condition."""
        foreign = uuid4().hex
        patient = {"resourceType": "Patient", "identifier": [{"system": system, "value": foreign}], "birthDate": "1990-06-15", "gender": "female"} | more
        person = Person(f"Patient/{(await self.store(patient))['id']}", foreign)
        for resource in (observation(person.ref), condition(person.ref)):
            person.record[resource["resourceType"]] = f"{resource['resourceType']}/{(await self.store(resource))['id']}"
        return person

    async def send(self, method: str, path: str, who: dict[str, str], body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, content=None if body is None else json.dumps(body), headers=who | named)


def speaking_for(person: Person, scope: str = "patient/*.cruds", **changed: Any) -> dict[str, str]:
    """Headers with the issuer's token for this patient."""
    return bearer(issued(scope, **({"patient": person.foreign} | changed)))


def user(scope: str = "user/*.cruds", who: str | None = DOCTOR, **changed: Any) -> dict[str, str]:
    """Headers with the issuer's token for a clinician."""
    return bearer(issued(scope, **({"fhirUser": who} | changed)))


def observation(person: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:test:codes", "code": "no-measure"}]},
        "subject": {"reference": person}, "effectiveDateTime": "2026-01-05T08:00:00Z", "identifier": [{"system": "urn:test:obs", "value": uuid4().hex}],
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    } | more  # fmt: skip


def condition(person: str, **more: Any) -> Json:
    return {"resourceType": "Condition", "code": {"text": "a condition"}, "subject": {"reference": person}} | more


def transaction(*entries: tuple[str, str, Json | None], kind: str = "transaction") -> Json:
    """A Bundle of (method, url, resource)."""
    listed = [{"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {}) for method, url, resource in entries]
    return {"resourceType": "Bundle", "type": kind, "entry": listed}
