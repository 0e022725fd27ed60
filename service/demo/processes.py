"""Starting the service's processes on free loopback ports, waiting until they answer, ending them by their ids."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx


class NotStarted(Exception):
    """A process ended or did not answer in time; the text says which and where its log is."""


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """Child processes of one run. `environment` is added to ours; logs go into `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SETPOINT_")}
        self._environment = clean | dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, *words: str) -> str:
        """Run a `setpoint` command to its end; answers what it printed. Errors: NotStarted."""
        done = subprocess.run([sys.executable, "-m", "service.cli", *words], env=self._environment, capture_output=True, timeout=120, check=False)
        if done.returncode:
            raise NotStarted(f"setpoint {words[0]} failed: {done.stderr.decode(errors='replace').strip()[-600:]}")
        return done.stdout.decode()

    def start(self, name: str, *words: str) -> int:
        """Start `setpoint WORDS...`; answers its process id."""
        log = (self.folder / f"{name}.log").open("ab")
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *words], env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        log.close()
        return self._running[name].pid

    def wait_for(self, name: str, url: str, seconds: float = 30) -> None:
        """Wait until the process answers at this address."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._running[name].poll() is not None:
                raise NotStarted(f"{name} ended at once; its log: {self.folder / f'{name}.log'}\n{self.tail(name)}")
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise NotStarted(f"{name} did not answer within {seconds:.0f} s; its log: {self.folder / f'{name}.log'}\n{self.tail(name)}")

    def tail(self, name: str) -> str:
        """The end of a process's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]

    def kill(self, name: str) -> None:
        """End it at once (SIGKILL), its children with it."""
        process = self._running.pop(name)
        _signal_group(process, 9)
        process.wait()

    def stop(self, name: str, seconds: float = 20) -> int:
        """Ask it to end (SIGTERM) and wait; answers its exit code."""
        process = self._running.pop(name)
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            _signal_group(process, 9)
            return process.wait()

    def stop_all(self) -> None:
        """End everything that still runs."""
        for name in list(self._running):
            self.stop(name)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
