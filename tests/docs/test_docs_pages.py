"""What the pages name exists: files, links, settings, make targets, commands; and nothing of a machine stands in them."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import app
from service.settings import Settings
from tests.docs.pages import PAGES, ROOT, anchors, links, named

OURS = [page for page in PAGES if page.name not in ("deploy.md", "backup.md", "upgrade.md")]
BESIDE = {"MIGRATE", "TEST_DATABASE_URL", "TEST_ROUNDS", "SECRETS"}
"""Variables of the image, the tests and compose.yaml."""
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", OURS, ids=ids)
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    rooms = ("service/", "adapters/", "mappings/", "migrations/", "openapi/", "tests/", "bench/", "docs/")
    for name in named(page):
        if name.startswith(rooms) and " " not in name:
            assert (ROOT / name).exists(), name


def test_folders_of_the_map_hold_what_it_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for room in ("service", "adapters", "mappings"):
        (row,) = re.findall(rf"^\| `{room}/` \|(.+)\|$", text, re.M)
        for folder in re.findall(r"`([\w/-]+/)`", row):
            assert (ROOT / room / folder).is_dir(), folder
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} <= {"service", "adapters", "mappings", "migrations", "bench"}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {name.upper() for name in Settings.model_fields} | BESIDE
    for name in re.findall(r"SETPOINT_([A-Z_]*[A-Z])\b", page.read_text(encoding="utf-8")):
        assert name.removesuffix("_FILE") in known or name in known, name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    for target in re.findall(r"\bmake ([a-z][a-z-]*)`", page.read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target


def commands() -> set[str]:
    """Every command as its words, "ehr add"."""
    found: set[str] = set()
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        found |= {name} | {f"{name} {under}" for under in getattr(command, "commands", ())}
    return found


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_that_are_named_exist(page: Path) -> None:
    known = commands()
    groups = {name.split()[0] for name in known if " " in name}
    for first, second in re.findall(r"`setpoint ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8")):
        assert first in known, first
        assert first not in groups or not second or f"{first} {second}" in known, f"{first} {second}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_page_speaks_of_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/(work|home|root|Users)/|\bpypi\b.*://|/tmp/bash", text)
