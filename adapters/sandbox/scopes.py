"""SMART scopes, v1 (`system/Patient.read`) and v2 (`system/Patient.rs`): what they allow and what a client may have.

https://hl7.org/fhir/smart-app-launch/STU2.1/scopes-and-launch-context.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from adapters.sandbox.refusal import Refused

_SCOPE = re.compile(r"(system|user|patient)/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
LETTERS = {"create": "c", "read": "r", "vread": "r", "history": "r", "update": "u", "delete": "d", "search": "s"}


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope; `letters` out of cruds, `text` as it was written."""

    level: str
    type: str
    letters: str
    text: str

    def within(self, other: "Scope") -> "Scope | None":
        """What both allow."""
        if self.level != other.level or (self.type != other.type and "*" not in (self.type, other.type)):
            return None
        letters = "".join(letter for letter in self.letters if letter in other.letters)
        type_ = other.type if self.type == "*" else self.type
        if not letters:
            return None
        same = letters == self.letters and type_ == self.type
        return Scope(self.level, type_, letters, self.text if same else f"{self.level}/{type_}.{letters}")


def parse(text: str) -> tuple[Scope, ...]:
    """The resource scopes in a scope string; others (openid, fhirUser, launch) allow nothing here and are left out."""
    found = (_SCOPE.fullmatch(part) for part in text.split())
    return tuple(Scope(match[1], match[2], _V1.get(match[3], match[3]), match[0]) for match in found if match)


def granted(wanted: str, allowed: str) -> str:
    """The scopes a client gets that asks for `wanted` and is registered for `allowed`; empty when nothing is common."""
    common = (scope.within(other) for scope in parse(wanted) for other in parse(allowed))
    return " ".join(dict.fromkeys(scope.text for scope in common if scope is not None))


@dataclass(frozen=True, slots=True)
class Access:
    """Who calls and what they may do. `patient` binds the caller to one patient's record."""

    client: str
    scopes: tuple[Scope, ...] = ()
    patient: str | None = None
    everything: bool = False

    def require(self, interaction: str, type_: str) -> None:
        """Errors: Refused 403 when no scope covers this."""
        if not (self.everything or any(_covers(scope, LETTERS[interaction], type_) for scope in self._usable())):
            challenge = {"WWW-Authenticate": 'Bearer realm="sandbox", error="insufficient_scope"'}
            raise Refused(403, "forbidden", f"No scope for {interaction} of {type_}", headers=challenge)

    def _usable(self) -> Iterable[Scope]:
        return (scope for scope in self.scopes if scope.level != "patient" or self.patient)


def _covers(scope: Scope, letter: str, type_: str) -> bool:
    return letter in scope.letters and scope.type in ("*", type_)
