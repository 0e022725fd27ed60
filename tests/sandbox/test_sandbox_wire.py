"""Faults, dropped connections and kill -9, over a real socket and a real process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.support_sandbox import Client, patient, plan

HERE = Path(__file__).resolve().parents[2]
JSON = {"content-type": "application/fhir+json"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`adapters.sandbox.main.run` in a process of its own, on one database file."""

    def __init__(self, folder: Path) -> None:
        self.port, self.database = free_port(), folder / "ehr.sqlite"
        self.base = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        code = f"from adapters.sandbox.main import run; run({self.port}, database={str(self.database)!r}, open_access=True)"
        self.process = subprocess.Popen([sys.executable, "-c", code], cwd=HERE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert "synthetic" in self.process.stdout.readline()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def control(self, path: str, data: Any) -> Any:
        return httpx.post(f"{self.base}/sandbox/{path}", json=data).raise_for_status().json()

    def received(self) -> list[dict[str, Any]]:
        return list(httpx.get(f"{self.base}/sandbox/received").json())

    def plans(self) -> int:
        return int(httpx.get(f"{self.base}/fhir/CarePlan").json()["total"])

    def send(self, value: str = "s-1", timeout: float = 5) -> httpx.Response:
        headers = JSON | {"if-none-exist": f"identifier=urn:suggestion|{value}"}
        return httpx.post(f"{self.base}/fhir/CarePlan", content=json.dumps(plan(value)), headers=headers, timeout=timeout)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("sandbox"))
    running.control("load", {"resources": [patient()]})
    yield running
    running.kill()


def test_timeout_before_stores_nothing(server: Server) -> None:
    server.control("faults", [{"match": {"method": "POST", "type": "CarePlan"}, "kind": "timeout-before", "hold_s": 0.2}])
    before = server.plans()
    with pytest.raises(httpx.RemoteProtocolError):
        server.send("before")
    assert server.plans() == before
    assert "unhandled" in [item for item in server.received() if item["method"] == "POST"][-1]["outcome"]
    assert server.send("before").status_code == 201


def test_timeout_after_stores_and_says_nothing(server: Server) -> None:
    server.control("faults", {"match": {"method": "POST", "type": "CarePlan"}, "kind": "timeout-after", "hold_s": 30})
    before = server.plans()
    with pytest.raises(httpx.ReadTimeout):
        server.send("after", timeout=0.4)
    assert server.plans() == before + 1
    last = [item for item in server.received() if item["method"] == "POST"][-1]
    assert (last["status"], "no answer" in last["outcome"]) == (201, True)
    assert server.send("after").status_code == 200


def test_reset(server: Server) -> None:
    server.control("faults", {"match": {"type": "CarePlan"}, "kind": "reset"})
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        server.send("reset")
    assert server.send("reset").status_code == 201


def test_kill_and_restart_keep_what_was_received(server: Server) -> None:
    assert server.send("kept").status_code == 201
    server.control("faults", [{"match": {"type": "CarePlan", "method": "POST"}, "kind": "503", "times": 2, "retry_after": 7}])
    count, plans = len([item for item in server.received() if item["url"] == "/fhir/CarePlan"]), server.plans()
    server.kill()
    server.start()
    assert server.plans() == plans
    assert len([item for item in server.received() if item["url"] == "/fhir/CarePlan"]) >= count
    answer = server.send("kept")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    httpx.delete(f"{server.base}/sandbox/faults")
    assert server.send("kept").status_code == 200


def test_sigterm_ends_it_even_while_a_request_hangs(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.control("faults", {"kind": "timeout-before", "hold_s": 60})
    with socket.create_connection(("127.0.0.1", server.port)) as hanging:
        hanging.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        server.process.terminate()
        assert server.process.wait(timeout=10) in (0, -signal.SIGTERM)
    assert os.path.exists(server.database)


# In process


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("429", 429, "throttled"), ("503", 503, "transient"), ("500", 500, "exception"), ("401", 401, "login"), ("403-empty", 403, None)],
)
async def test_fault_answers(kind: str, status: int, code: str | None) -> None:
    client = await Client().log_in()
    await client.http.post("/sandbox/faults", json=[{"match": {"method": "GET", "type": "Patient"}, "kind": kind, "times": 2, "retry_after": 3}])
    answer = await client.http.get("/fhir/Patient?_id=1")
    assert answer.status_code == status
    assert (answer.text == "") if code is None else answer.json()["issue"][0]["code"] == code
    assert answer.headers.get("retry-after") == ("3" if status in (429, 503) else None)
    assert (await client.http.get("/sandbox/faults")).json()[0]["remaining"] == 1
    assert (await client.http.get("/fhir/CarePlan")).status_code == 200
    assert (await client.http.get("/fhir/Patient")).status_code == status
    assert (await client.http.get("/fhir/Patient")).status_code == 200
    assert (await client.http.get("/sandbox/faults")).json() == []


async def test_a_fault_at_the_token_endpoint_answers_as_oauth_does() -> None:
    client = Client()
    await client.register()
    await client.http.post("/sandbox/faults", json={"match": {"type": "token"}, "kind": "503"})
    answer = await client.ask("x")
    assert (answer.status_code, answer.json()) == (503, {"error": "temporarily_unavailable"})


@pytest.mark.parametrize("data", [{"kind": "x"}, {"kind": "503", "times": 0}, {"kind": "503", "tmies": 1}, [7], {"kind": "503", "match": {"path": "/"}},
                                  {"kind": "429", "retry_after": -1}, {"kind": "timeout-after", "hold_s": "1"}])  # fmt: skip
async def test_a_fault_that_is_not_understood_is_422(data: object) -> None:
    client = Client()
    assert (await client.http.post("/sandbox/faults", json=data)).status_code == 422
    assert (await client.http.get("/sandbox/faults")).json() == []


async def test_received_shows_all_but_secrets() -> None:
    client = await Client().log_in()
    await client.put_patient()
    await client.post(plan())
    await client.http.get("/fhir/CarePlan?foo=1")
    shown = (await client.http.get("/sandbox/received")).json()
    assert [(item["method"], item["url"], item["status"]) for item in shown] == [
        ("POST", "/auth/register", 201), ("POST", "/auth/token", 200), ("POST", "/fhir/CarePlan", 201), ("GET", "/fhir/CarePlan?foo=1", 400)]  # fmt: skip
    assert shown[2]["body"] == plan()
    assert "authorization" not in json.dumps(shown).lower().replace("authorization_", "")
    assert "signature+left+out" in shown[1]["body"]
    assert [item["number"] for item in (await client.http.get("/sandbox/received?type=CarePlan&method=POST")).json()] == [3]
    assert (await client.http.delete("/sandbox/received")).json() == []
