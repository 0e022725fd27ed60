"""The demo's stage: folders, ports, processes, and SMART in both directions between the service and the sandbox EHR."""

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from adapters import jose
from adapters.smart import assertion
from service.demo.person import MRN
from service.demo.processes import Processes, free_port

SCOPE = "system/*.cruds"


@dataclass(slots=True)
class Setting:
    """Addresses and environment of one demo run."""

    folder: Path
    service: str
    sandbox: str
    environment: dict[str, str]

    @classmethod
    def make(cls, folder: Path) -> "Setting":
        """Free ports, a fresh database, a fresh secret."""
        service, sandbox = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        environment = {
            "SETPOINT_DATABASE_URL": f"sqlite:///{folder.resolve()}/setpoint.sqlite", "SETPOINT_PUBLIC_URL": service, "SETPOINT_AUTH": "smart",
            "SETPOINT_SECRET": secrets.token_urlsafe(32), "SETPOINT_WORKER_POLL_S": "0.2",
        }  # fmt: skip
        return cls(folder, service, sandbox, environment)

    def start(self, processes: Processes) -> str:
        """Service, worker and sandbox, each a process of its own."""
        processes.command("migrate")
        processes.start("service", "serve", "--port", self.service.rsplit(":", 1)[1])
        processes.start("sandbox", "sandbox", "--port", self.sandbox.rsplit(":", 1)[1], "--database", str(self.folder / "sandbox.sqlite"))
        processes.wait_for("sandbox", f"{self.sandbox}/fhir/metadata")
        processes.wait_for("service", f"{self.service}/health/ready")
        processes.start("worker", "worker")
        return f"service {self.service}, sandbox EHR {self.sandbox}"

    def addresses(self) -> list[tuple[str, str]]:
        """Where to look."""
        return [
            ("API docs", f"{self.service}/docs"), ("Capabilities", f"{self.service}/fhir/metadata"), ("Sandbox EHR", f"{self.sandbox}/"),
            ("What the EHR got", f"{self.sandbox}/sandbox/received"), ("Trajectory", str((self.folder / "trajectory.svg").resolve())),
        ]  # fmt: skip


@dataclass(slots=True)
class Doors:
    """How the demo speaks to each side: an EHR's client of the service, and a clinician's of the EHR."""

    service: httpx.Client
    ehr: httpx.Client


def set_up(setting: Setting, processes: Processes) -> Doors:
    """Keys, registrations and tokens. The service is a client of the EHR, and the EHR one of the service."""
    processes.command("keys", "new", "--alg", "ES384")
    registered = _post(f"{setting.sandbox}/auth/register", {
        "client_name": "Setpoint", "scope": SCOPE, "jwks_uri": f"{setting.service}/.well-known/jwks.json",
    })  # fmt: skip
    processes.command("ehr", "add", "sandbox", "--base", f"{setting.sandbox}/fhir", "--client-id", registered["client_id"], "--patient-system", MRN,
                      "--default", "--allow-private")  # fmt: skip
    processes.command(
        "issuers", "add", "sandbox", "--iss", setting.sandbox, "--audience", f"{setting.service}/fhir", "--patient-system", MRN, "--allow-private"
    )
    checked = json.loads(processes.command("ehr", "check", "sandbox", "--json"))
    if not checked.get("ok"):
        raise AssertionError(f"ehr check: {checked}")
    clinician = _post(f"{setting.sandbox}/sandbox/clinician-token", {})["access_token"]
    ehr = httpx.Client(base_url=f"{setting.sandbox}/fhir", headers={"authorization": f"Bearer {clinician}"}, trust_env=False, timeout=20)
    return Doors(_client_of_service(setting, processes), ehr)


def _client_of_service(setting: Setting, processes: Processes) -> httpx.Client:
    """The EHR as a registered backend client of the service, with a token from its token endpoint."""
    key = jose.generate_key("ES384")
    jwks = setting.folder / "ehr-jwks.json"
    jwks.write_text(json.dumps({"keys": [key.public_jwk]}), encoding="utf-8")
    added = json.loads(processes.command("clients", "add", "demo-ehr", "--scope", SCOPE, "--jwks", str(jwks), "--json"))
    found = httpx.get(f"{setting.service}/fhir/.well-known/smart-configuration", trust_env=False).json()
    signed = jose.sign(key, assertion.claims(added["client_id"], found["token_endpoint"], str(uuid4()), time.time()))
    answer = httpx.post(
        found["token_endpoint"], content=assertion.form(signed, SCOPE), headers={"content-type": "application/x-www-form-urlencoded"}, trust_env=False
    )
    answer.raise_for_status()
    headers = {"authorization": f"Bearer {answer.json()['access_token']}", "content-type": "application/fhir+json"}
    return httpx.Client(base_url=f"{setting.service}/fhir", headers=headers, trust_env=False, timeout=30)


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(url, json=body, trust_env=False, timeout=20)
    if answer.status_code >= 400:
        raise AssertionError(f"{url} answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found
