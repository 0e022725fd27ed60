"""The commands that the pages mark as runnable run, in the order of each page, in a fresh folder."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.demo.processes import free_port
from tests.docs.pages import PAGES, ROOT, blocks

RUNNABLE = [page for page in PAGES if blocks(page, "sh", "run")]
MAKE = {"make demo": "make --dry-run demo", "make test": "make --dry-run test"}
"""The demo has a test of its own; this test is part of `make test`."""
PREPARED = {"add-knowledge.md": "mkdir site"}


def test_the_pages_that_can_be_run() -> None:
    named = {"README.md", "connect-an-ehr.md", "add-knowledge.md", "load.md", "validate.md", "scales.md", "genes.md", "medicines.md",
             "populations.md"}
    assert {page.name for page in RUNNABLE} == named


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    if "curl" in "".join(block.text for block in blocks(page, "sh", "run")) and not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("curl and openssl are not installed")
    script = tmp_path / "commands.sh"
    script.write_text(_script(page), encoding="utf-8")
    _furnish(tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SETPOINT_")} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "EDITOR": "sed -i s/gad-7/my-scale/g",
    }  # fmt: skip
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(["bash", str(script)], cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(90)
        finally:
            _end(process.pid)
    said = (tmp_path / "output").read_text(encoding="utf-8", errors="replace")
    assert code == 0, said[-3000:]


def _script(page: Path) -> str:
    """The page's blocks as one script; fixed ports become free ones, so that tests may run beside anything."""
    text = "\n".join(block.text for block in blocks(page, "sh", "run"))
    for name in ("8000", "8100"):
        text = text.replace(name, str(free_port()))
    for command, instead in MAKE.items():
        text = text.replace(command, instead)
    return f"set -euo pipefail\n{PREPARED.get(page.name, '')}\n{text}\n"


def _furnish(folder: Path) -> None:
    """What a clone has, as far as the commands look at it."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "setpoint").symlink_to(Path(sys.executable).parent / "setpoint")
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "mappings"):
        (folder / name).symlink_to(ROOT / name)


def _end(group: int) -> None:
    """End what the script left running: it is a process group of its own."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
