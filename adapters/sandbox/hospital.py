"""What one running sandbox is made of."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from adapters.sandbox.definitions import Mode, modes
from adapters.sandbox.outbound import Outbound
from adapters.sandbox.storage import Storage
from adapters.sandbox.tokens import SigningKey, new_key

Clock = Callable[[], float]
"""Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Hospital:
    """The open parts. `base_url` has no slash at the end; `open_access` lets FHIR requests in without a token."""

    base_url: str
    storage: Storage
    clock: Clock
    outbound: Outbound
    key: SigningKey
    form_secret: str
    open_access: bool = False

    @property
    def fhir_base(self) -> str:
        """Where the FHIR API stands."""
        return f"{self.base_url}/fhir"

    @property
    def token_endpoint(self) -> str:
        """Where tokens are given, and the audience of a client's assertion."""
        return f"{self.base_url}/auth/token"

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        return modes()[self.storage.setting("mode", lambda: "general")]

    def set_mode(self, name: str) -> None:
        """Changes the mode for this and later starts."""
        self.storage.put_setting("mode", modes()[name].name)


def stored_key(storage: Storage) -> SigningKey:
    """The sandbox's signing key, made at first start and kept in its file."""
    return SigningKey(json.loads(storage.setting("signing-key", lambda: json.dumps(dict(new_key("sandbox-1").private)))))
