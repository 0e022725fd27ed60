"""Every setting, from the environment (`SETPOINT_...`); any secret also from a file (`SETPOINT_..._FILE`).

One `Settings` is made in an entry point and passed down; nothing is read at import.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SETPOINT_"
_SECRETS = ("secret", "database_url", "proxy")
_PASSWORD = re.compile(r"((?:^|[?&])[a-z]*password=)[^&#]*", re.IGNORECASE)


class SettingsError(ValueError):
    """Settings that must not be started with; the text names the variable and never its value."""


class Settings(BaseSettings):
    """What an admin may set. `serve`, `worker` and the other commands read it once."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: str = Field("sqlite:///setpoint.sqlite", description="sqlite:///file or postgresql://user:password@host:port/name (?host=/socket/dir)")
    public_url: str = Field("http://127.0.0.1:8000", description="the address by which clients reach this service; /fhir is added")
    auth: Literal["smart", "open"] = Field("smart", description="smart: bearer tokens; open: everybody may do everything")
    open_network: Literal["no", "yes"] = Field("no", description="yes: allow auth=open on an address that others can reach")
    secret: SecretStr | None = Field(None, description="seals keys and page cursors; required with auth=smart; at least 32 characters")
    ca_file: str | None = Field(None, description="PEM file of certificate authorities trusted for outgoing calls, beside the system's")
    proxy: str | None = Field(None, description="HTTP proxy for outgoing calls")
    knowledge_dir: str | None = Field(None, description="a site's own knowledge files (scales/, priors/, rules/, search-parameters/, profiles/)")
    patient_system: str | None = Field(None, description="identifier system that narrows patient look-up in laboratory inputs")
    max_body_mb: int = Field(10, ge=1, le=512, description="largest request body")
    conditional_delete: Literal["single", "multiple"] = Field("single", description="multiple: a conditional delete may take away several resources at once")
    interactions: str | None = Field(None, description="a licensed interaction source of the site, as `module:function` ([medicines](medicines.md))")
    max_requests: int = Field(400, ge=1, description="most FHIR requests in hand at once in a process; more are told to come back (429)")
    max_entries: int = Field(5000, ge=1, description="most entries in a batch or transaction")
    statement_timeout_s: float = Field(10.0, gt=0, description="longest database statement of a request")
    token_ttl_s: int = Field(300, ge=30, le=3600, description="life of the access tokens we issue")
    worker_poll_s: float = Field(1.0, gt=0, description="how often an idle worker looks for due rows")
    lease_s: float = Field(90.0, ge=1, description="how long a worker holds an outbox row; when it died, another takes the row after this time")
    delivery_attempts: int = Field(12, ge=1, description="attempts before a routine outbox row is dead (safety rows are kept on)")
    backoff_base_s: float = Field(2.0, gt=0, description="first pause before a push is tried again; it doubles, with jitter")
    backoff_cap_s: float = Field(3600.0, gt=0, description="longest pause between two attempts")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level of log events")

    @property
    def fhir_base(self) -> str:
        """Our own FHIR base, without a slash at the end."""
        return self.public_url.rstrip("/") + "/fhir"

    @property
    def secret_bytes(self) -> bytes:
        """The sealing secret. With auth=open and none set, a fixed text: nothing then is worth sealing. Errors: SettingsError with auth=smart."""
        if self.secret is None and self.auth == "smart":
            raise SettingsError(f"{PREFIX}SECRET is required with {PREFIX}AUTH=smart (or set {PREFIX}SECRET_FILE)")
        return self.secret.get_secret_value().encode() if self.secret else b"open installation without a secret"

    def problems(self, host: str | None = None) -> list[str]:
        """What forbids starting; `host` is the address `serve` would listen on."""
        found = []
        if self.auth == "smart" and self.secret is None:
            found.append(f"{PREFIX}SECRET is required with {PREFIX}AUTH=smart (or set {PREFIX}SECRET_FILE)")
        if self.secret is not None and len(self.secret.get_secret_value()) < 32:
            found.append(f"{PREFIX}SECRET is shorter than 32 characters")
        if urlsplit(self.database_url).scheme not in ("sqlite", "postgresql", "postgres"):
            found.append(f"{PREFIX}DATABASE_URL must begin with sqlite:/// or postgresql://")
        if self.auth == "open" and self.open_network == "no" and host not in (None, "127.0.0.1", "::1", "localhost"):
            found.append(f"{PREFIX}AUTH=open starts only on a loopback address; set {PREFIX}OPEN_NETWORK=yes to allow others")
        return found


def _from_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Values of secrets given as `..._FILE`."""
    found = {}
    for name in _SECRETS:
        path = environment.get(f"{PREFIX}{name.upper()}_FILE")
        if path and f"{PREFIX}{name.upper()}" not in environment:
            try:
                found[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{PREFIX}{name.upper()}_FILE cannot be read: {error.strerror}") from error
    return found


def load() -> Settings:
    """The settings of this process. Errors: SettingsError naming the variable."""
    try:
        return Settings(**_from_files(os.environ))  # type: ignore[arg-type]
    except ValidationError as error:
        names = ", ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False))
        raise SettingsError(names) from None


def described(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with value, default, source and meaning; secrets are hidden."""
    return [
        {"name": PREFIX + name.upper(), "value": _shown(name, getattr(settings, name)), "default": _shown(name, field.default), "source": _source(name),
         "about": field.description}
        for name, field in Settings.model_fields.items()
    ]  # fmt: skip


def _source(name: str) -> str:
    variable = PREFIX + name.upper()
    if variable in os.environ:
        return f"environment {variable}"
    return f"file of {variable}_FILE" if f"{variable}_FILE" in os.environ and name in _SECRETS else "default"


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ("secret", "proxy"):
        return "(hidden)"
    if name == "database_url":
        parts = urlsplit(str(value))
        shown = str(value).replace(f":{parts.password}@", ":(hidden)@") if parts.password else str(value)
        return _PASSWORD.sub(r"\1(hidden)", shown)
    return value
