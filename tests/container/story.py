"""One person's story, told over HTTP by an outsider: an EHR that registers, delivers answers, and finds what stands in its own record.

Run by run.sh: story.py --service URL --sandbox URL --folder DIR --seen-as DIR -- COMMAND [WORDS...], where COMMAND is how the
`setpoint` command is reached inside the running container, and `--seen-as` is what that container calls the folder. Exit code 0
when the suggestion and the safety flag stand in the sandbox EHR; otherwise 1 and what went wrong.
"""

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Json = dict[str, Any]
SYSTEM, MRN, FAMILY, BORN = "https://hospital.example/mrn", "container-0001", "Quillenbrook", "1984-02-29"
CALM = ((1, 1, 1, 1, 0, 1, 0, 0, 0), (1, 1, 1, 1, 1, 1, 0, 0, 0), (1, 1, 1, 1, 0, 1, 0, 0, 0), (1, 0, 1, 1, 0, 1, 0, 0, 0), (1, 1, 1, 1, 1, 1, 0, 0, 0))
UNUSUAL = (2, 2, 2, 2, 2, 1, 2, 1, 1)
"""Total 15 with item 9 above zero, after ten weeks between 4 and 6."""
ARRIVES_WITHIN_S = 40.0
REGISTRATION_IS_SEEN_AFTER_S = 2.5
"""Running processes look at what an admin registered every two seconds (docs/deploy.md)."""


class Failed(Exception):
    """The story stopped; the text says where and why."""


class Key:
    """The outsider's ES384 key. The signing is written out here so that a mistake in the service's own cannot hide."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP384R1())

    def jwks(self) -> Json:
        """The public half as a JWKS."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_text(number.to_bytes(48, "big")) for number in (numbers.x, numbers.y))
        return {"keys": [{"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": "outsider", "x": x, "y": y}]}

    def assertion(self, client_id: str, audience: str) -> str:
        """A client assertion (RFC 7523) that lives four minutes."""
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": str(uuid4()), "iat": now, "exp": now + 240}
        signed = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "ES384", "kid": "outsider", "typ": "JWT"}, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA384())))
        return f"{signed}.{_text(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


class FhirServer:
    """A FHIR base that wants SMART Backend Services tokens."""

    def __init__(self, http: httpx.Client, base: str, key: Key) -> None:
        self._http, self._base, self._key = http, base, key
        self._headers = {"accept": "application/fhir+json", "content-type": "application/fhir+json"}

    def authorise(self, client_id: str, scope: str) -> None:
        """Discovery, then a token."""
        endpoint = _answer(self._http.get(f"{self._base}/.well-known/smart-configuration"), 200)["token_endpoint"]
        form = {
            "grant_type": "client_credentials", "scope": scope, "client_assertion": self._key.assertion(client_id, endpoint),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }  # fmt: skip
        self._headers["authorization"] = "Bearer " + _answer(self._http.post(endpoint, data=form), 200)["access_token"]

    def create(self, resource: Json) -> Json:
        """The resource as it was stored."""
        address = f"{self._base}/{resource['resourceType']}"
        stored = self._http.post(address, content=json.dumps(resource), headers=self._headers | {"prefer": "return=representation"})
        return _answer(stored, 201)

    def read(self, reference: str) -> Json:
        """One resource, `Type/id`."""
        return _answer(self._http.get(f"{self._base}/{reference}", headers=self._headers), 200)

    def search(self, kind: str, **parameters: str) -> list[Json]:
        """The matches of the first page."""
        found = _answer(self._http.get(f"{self._base}/{kind}", params=parameters, headers=self._headers), 200)
        return [entry["resource"] for entry in found.get("entry", ())]

    def refuses_strangers(self) -> None:
        """Errors: Failed when anybody may read."""
        _answer(self._http.get(f"{self._base}/Patient"), 401)


def tell(service: str, sandbox: str, folder: Path, seen_as: str, setpoint: Callable[..., Json]) -> None:
    """From two registrations to the suggestion in the EHR."""
    key = Key()
    with httpx.Client(trust_env=False, timeout=30) as http:
        ours, theirs = FhirServer(http, f"{service}/fhir", key), FhirServer(http, f"{sandbox}/fhir", key)
        ours.refuses_strangers()
        registered_here(ours, key, folder, seen_as, setpoint)
        registered_there(http, theirs, service, sandbox, key, setpoint)
        http.post(f"{sandbox}/sandbox/load", json={"resources": [person() | {"id": "container-patient"}]}).raise_for_status()
        patient = _reference(ours.create(person()))
        deliver_answers(ours, patient)
        await_arrival(ours, theirs, patient, setpoint)


def registered_here(ours: FhirServer, key: Key, folder: Path, seen_as: str, setpoint: Callable[..., Json]) -> None:
    """The outsider becomes a backend client of the service."""
    (folder / "jwks.json").write_text(json.dumps(key.jwks()), encoding="utf-8")
    client = setpoint("clients", "add", "hospital", "--scope", "system/*.cruds", "--jwks", f"{seen_as}/jwks.json")
    ours.authorise(client["client_id"], "system/*.cruds")
    say("a backend client is registered at the service and holds a token")


def registered_there(http: httpx.Client, theirs: FhirServer, service: str, sandbox: str, key: Key, setpoint: Callable[..., Json]) -> None:
    """The service, and an ordinary client for looking, become clients of the EHR."""
    wanted = {"client_name": "setpoint", "scope": "system/*.cruds", "jwks_uri": f"{service}/.well-known/jwks.json"}
    setpoint_there = _answer(http.post(f"{sandbox}/auth/register", json=wanted), 201)["client_id"]
    looker = _answer(http.post(f"{sandbox}/auth/register", json={"client_name": "looker", "scope": "system/*.rs", "jwks": key.jwks()}), 201)["client_id"]
    theirs.authorise(looker, "system/*.rs")
    setpoint("ehr", "add", "sandbox", "--base", f"{sandbox}/fhir", "--client-id", setpoint_there, "--patient-system", SYSTEM, "--allow-private")
    checked = setpoint("ehr", "check", "sandbox")
    if not checked.get("ok"):
        raise Failed(f"setpoint ehr check does not find the EHR usable: {checked}")
    time.sleep(REGISTRATION_IS_SEEN_AFTER_S)
    say("the EHR is registered at the service, and the service at the EHR; ehr check is content")


def deliver_answers(ours: FhirServer, patient: str) -> None:
    """An Encounter, ten calm weeks, and the unusual answer."""
    now = datetime.now(UTC).replace(microsecond=0)
    encounter = _reference(ours.create(visit(patient, now)))
    scale = ours.read("Questionnaire/phq-9")
    for week in range(10):
        ours.create(response(scale, CALM[week % len(CALM)], patient, now - timedelta(weeks=10 - week)))
    ours.create(response(scale, UNUSUAL, patient, now) | {"encounter": {"reference": encounter}})
    say("a person, a visit, ten weekly PHQ-9 and one unusual for this person are stored")


def await_arrival(ours: FhirServer, theirs: FhirServer, patient: str, setpoint: Callable[..., Any]) -> None:
    """Errors: Failed when what the service suggests or flags does not stand in the EHR in time."""
    expected = {kind: _identifiers(ours.search(kind, patient=patient)) for kind in ("Flag", "CarePlan")}
    if not expected["Flag"] or not expected["CarePlan"]:
        raise Failed(f"the service made {len(expected['Flag'])} Flags and {len(expected['CarePlan'])} CarePlans")
    began = time.monotonic()
    while missing := [kind for kind, wanted in expected.items() if not wanted <= _identifiers(theirs.search(kind, patient="container-patient"))]:
        if time.monotonic() - began > ARRIVES_WITHIN_S:
            raise Failed(f"{' and '.join(missing)} not in the EHR after {ARRIVES_WITHIN_S:.0f} s; outbox: {json.dumps(setpoint('outbox', 'list'))}")
        time.sleep(0.2)
    plans = theirs.search("CarePlan", patient="container-patient")
    if any(plan["status"] != "draft" or plan["intent"] != "proposal" for plan in plans):
        raise Failed("a CarePlan in the EHR is more than a draft proposal")
    say(f"the EHR holds {len(expected['Flag'])} Flag and {len(plans)} draft CarePlan {time.monotonic() - began:.1f} s after the answer")


def person() -> Json:
    """The synthetic person, as both sides know them."""
    return {
        "resourceType": "Patient", "active": True, "identifier": [{"system": SYSTEM, "value": MRN}], "name": [{"family": FAMILY, "given": ["Test"]}],
        "gender": "female", "birthDate": BORN,
    }  # fmt: skip


def visit(patient: str, now: datetime) -> Json:
    """The Encounter of the unusual answer."""
    return {
        "resourceType": "Encounter", "status": "in-progress", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": patient}, "period": {"start": _iso(now - timedelta(minutes=30))},
    }  # fmt: skip


def response(scale: Json, scores: Sequence[int], patient: str, at: datetime) -> Json:
    """Answers to the served Questionnaire: score n is its n-th option."""
    questions = [item for item in scale["item"] if item["type"] == "choice"]
    items = [{"linkId": item["linkId"], "answer": [_value(item["answerOption"][score])]} for item, score in zip(questions, scores, strict=False)]
    return {
        "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": scale["url"], "subject": {"reference": patient},
        "authored": _iso(at), "item": items,
    }  # fmt: skip


def _value(option: Json) -> Json:
    return {name: value for name, value in option.items() if name.startswith("value")}


def _reference(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _identifiers(resources: list[Json]) -> set[tuple[str, str]]:
    return {(each.get("system", ""), each["value"]) for resource in resources for each in resource.get("identifier", ())}


def _answer(response: httpx.Response, status: int) -> Json:
    """Errors: Failed with method, path and status, and the outcome's text: everything here is synthetic."""
    if response.status_code != status:
        request = response.request
        raise Failed(f"{request.method} {request.url.path} answered {response.status_code} instead of {status}: {response.text[:600]}")
    found: Json = response.json()
    return found


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def say(text: str) -> None:
    """Progress."""
    print(f"        {text}", file=sys.stderr, flush=True)


def command(words: list[str]) -> Callable[..., Json]:
    """`setpoint` as a function of its words; gives what --json prints. Errors: Failed."""

    def run(*more: str) -> Json:
        done = subprocess.run([*words, *more, "--json"], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Failed(f"setpoint {' '.join(more[:2])} ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-600:]}")
        found: Json = json.loads(done.stdout)
        return found

    return run


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser()
    for name in ("--service", "--sandbox", "--folder", "--seen-as"):
        parser.add_argument(name, required=True)
    parser.add_argument("words", nargs="+")
    given = parser.parse_args()
    Path(given.folder, "never-in-a-log").write_text(f"{FAMILY}\n{MRN}\n{BORN}\n", encoding="utf-8")
    try:
        tell(given.service, given.sandbox, Path(given.folder), given.seen_as, command(given.words))
    except (Failed, httpx.HTTPError) as error:
        print(f"the story stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
