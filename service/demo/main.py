"""The demo: three processes, one person, one unusual answer, a suggestion in the EHR and a clinician's review of it."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from service.demo.processes import NotStarted, Processes
from service.demo.screen import Screen
from service.demo.setting import Setting, set_up
from service.demo.story import Story


class DemoFailed(Exception):
    """A step did not do what it should; the text says why."""


def run(folder: Path, keep: bool) -> int:
    """Run the demo; answers the exit code. A failure says which step and why."""
    screen, started = Screen(sys.stdout), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    setting = Setting.make(folder)
    processes = Processes(folder, setting.environment)
    try:
        _tell(screen, setting, processes)
        screen.closing(setting.addresses(), time.monotonic() - started)
        if keep:
            _wait(screen)
        return 0
    except (NotStarted, DemoFailed, httpx.HTTPError, KeyError, AssertionError) as error:
        screen.failed(str(error) or type(error).__name__, folder)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        processes.stop_all()


def _tell(screen: Screen, setting: Setting, processes: Processes) -> None:
    story: list[Story] = []

    def begin() -> str:
        story.append(Story(setting, set_up(setting, processes)))
        return "keys, discovery, registration and tokens in both directions"

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("Starting the service (SQLite), the worker and the sandbox EHR", lambda: setting.start(processes)),
        ("Making a key, registering it at the EHR, discovering SMART, getting a token", begin),
        ("Loading a synthetic person through the REST API", lambda: story[0].load()),
        ("A new PHQ-9 answer arrives", lambda: story[0].unusual()),
        ("What Setpoint says of it", lambda: story[0].judgement(screen)),
        ("The suggestion, delivered to the EHR by the worker", lambda: story[0].delivered(screen)),
        ("A clinician reviews it in the EHR; the EHR calls $review with its own token", lambda: story[0].reviewed(screen)),
        ("Drawing the person's trajectory", lambda: story[0].chart()),
    ]
    for number, (title, work) in enumerate(steps, 1):
        screen.step(number, len(steps), title)
        began = time.monotonic()
        done = work()
        screen.done(done, time.monotonic() - began)


def _wait(screen: Screen) -> None:
    screen.say("Everything keeps running. Press Ctrl-C to end it.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        screen.say("")
