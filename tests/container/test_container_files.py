"""What can be known of Dockerfile, compose.yaml and their locks without building anything; run.sh does the rest."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from service.cli import app
from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = COMPOSE["services"]


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_image_gets_what_is_tested() -> None:
    tested = pins("requirements.lock")
    assert {name: tested.get(name) for name in pins("requirements-runtime.lock")} == pins("requirements-runtime.lock")


def test_the_runtime_lock_holds_every_dependency_and_no_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in project["dependencies"]}
    tools = {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in project["optional-dependencies"]["dev"]}
    shipped = set(pins("requirements-runtime.lock"))
    assert wanted <= shipped
    assert not shipped & (tools - wanted)


def test_the_build_backend_comes_from_the_lock() -> None:
    found = re.search(r"keep = /\^\(([a-z|-]+)\)==/", DOCKERFILE)
    assert found is not None
    assert set(found[1].split("|")) <= set(pins("requirements.lock"))


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", ".dockerignore", "tests/container/run.sh", "tests/container/images.sh"])
def test_no_file_names_an_index_or_a_mirror(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"https?://(?!127\\?\.0|\*)[a-z0-9.-]+", text)
    assert not re.findall(r"index-url|find-links|trusted-host", text)


def test_both_stages_stand_on_the_same_image() -> None:
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(entry.startswith("/tmp") for entry in service["tmpfs"])
    assert "privileged" not in service
    assert "cap_add" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_compose_sets_only_settings_that_exist_and_leaves_smart_on() -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    known |= {name + "_FILE" for name in (PREFIX + "SECRET", PREFIX + "DATABASE_URL", PREFIX + "PROXY")}
    given = {name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith(PREFIX)}
    assert given <= known
    assert PREFIX + "AUTH" not in given
    assert Settings.model_fields["auth"].default == "smart"


def test_no_secret_stands_in_compose() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|DATABASE_URL", name) or str(value).startswith("/run/secrets/")
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "setpoint" in service["image"]])
def test_compose_runs_commands_that_exist(name: str) -> None:
    words = SERVICES[name]["command"]
    command = get_command(app).get_command(None, words[0])  # type: ignore[attr-defined, arg-type]
    assert command is not None
    offered = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[1:] if word.startswith("--")} <= offered
