"""Open installations stay on loopback; secrets are never shown."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from service.cli import app
from service.settings import Settings, SettingsError, load

LONG = "a secret of the tests, long enough"


@pytest.mark.parametrize(("host", "refused"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True), ("", True),
                                               ("10.0.0.5", True), ("setpoint.example", True), ("127.0.0.1.evil.example", True)])  # fmt: skip
def test_open_is_for_loopback(host: str, refused: bool) -> None:
    assert bool(Settings(auth="open").problems(host)) is refused
    assert Settings(auth="open", open_network="yes").problems(host) == []
    assert Settings(auth="smart", secret=SecretStr(LONG)).problems(host) == []


def test_smart_needs_a_secret() -> None:
    assert any("SETPOINT_SECRET" in problem for problem in Settings(auth="smart").problems())
    short = Settings(auth="smart", secret=SecretStr("short")).problems()
    assert short
    assert not any('short"' in problem or "'short'" in problem for problem in short)


def test_serve_does_not_start_open_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETPOINT_AUTH", "open")
    started = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--port", "1"])
    assert started.exit_code == 2
    assert "SETPOINT_OPEN_NETWORK" in started.output
    monkeypatch.setenv("SETPOINT_AUTH", "smart")
    monkeypatch.delenv("SETPOINT_SECRET", raising=False)
    started = CliRunner().invoke(app, ["serve", "--port", "1"])
    assert started.exit_code == 2
    assert "SETPOINT_SECRET" in started.output


URLS = ["postgresql://setpoint:tops3cret@db/setpoint", "postgresql://setpoint@db/setpoint?password=tops3cret", "postgresql://:tops3cret@/x?host=/run",
        "postgresql://setpoint:tops3cret%40x@db/setpoint?sslmode=require"]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("flags", [["--json"], []])
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, flags: list[str]) -> None:
    (tmp_path / "url").write_text(url)
    monkeypatch.setenv("SETPOINT_SECRET", "tops3cret " * 5)
    monkeypatch.setenv("SETPOINT_PROXY", "http://user:tops3cret@proxy:3128")
    for name, value in (("SETPOINT_DATABASE_URL", url), ("SETPOINT_DATABASE_URL_FILE", str(tmp_path / "url"))):
        monkeypatch.delenv("SETPOINT_DATABASE_URL", raising=False)
        monkeypatch.setenv(name, value)
        shown = CliRunner().invoke(app, ["settings", *flags])
        assert shown.exit_code == 0, shown.output
        assert "tops3cret" not in shown.output
        if flags:
            found = {row["name"]: row for row in json.loads(shown.output)}
            assert found["SETPOINT_SECRET"]["value"] == "(hidden)"
            assert found["SETPOINT_SECRET"]["source"] == "environment SETPOINT_SECRET"
            assert "SETPOINT_DATABASE_URL" in found["SETPOINT_DATABASE_URL"]["source"]


def test_a_setting_that_is_wrong_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETPOINT_AUTH", "tops3cret")
    with pytest.raises(SettingsError) as error:
        load()
    assert "SETPOINT_AUTH" in str(error.value)
    assert "tops3cret" not in str(error.value)


def test_a_settings_object_does_not_print_its_secret() -> None:
    assert LONG not in repr(Settings(secret=SecretStr(LONG)))
