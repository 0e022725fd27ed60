"""SMART scopes, v1 `system/Patient.read` and v2 `system/Patient.rs`: https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["system", "user", "patient"]
LEVELS: Final[tuple[Level, ...]] = ("system", "user", "patient")
"""Widest first."""
_SCOPE: Final = re.compile(r"(system|user|patient)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")
_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
LETTERS: Final = {
    "create": "c", "read": "r", "vread": "r", "history-instance": "r", "update": "u", "patch": "u", "delete": "d",
    "search-type": "s", "search-system": "s", "history-type": "s", "history-system": "s",
}  # fmt: skip
"""The letter that each FHIR interaction needs (SMART 2.0, "Scopes for requesting FHIR resources")."""
LONGEST: Final = 8192


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope: `type` is a type name or "*"; `letters` out of cruds; `text` as it was written."""

    level: Level
    type: str
    letters: str
    text: str

    def covers(self, letter: str, type_: str) -> bool:
        """Whether it allows this letter on this type."""
        return letter in self.letters and self.type in ("*", type_)

    def within(self, other: "Scope") -> "Scope | None":
        """What both allow; spelled as this one where it stays whole."""
        if self.level != other.level or (self.type != other.type and "*" not in (self.type, other.type)):
            return None
        letters = "".join(letter for letter in self.letters if letter in other.letters)
        type_ = other.type if self.type == "*" else self.type
        if not letters:
            return None
        whole = letters == self.letters and type_ == self.type
        return self if whole else Scope(self.level, type_, letters, f"{self.level}/{type_}.{letters}")


def parse(text: str) -> tuple[Scope, ...]:
    """The resource scopes of a scope string. Left out: what is no resource scope (openid, launch), what is malformed, and every scope
    with a v2 query (`?category=...`): we cannot hold it to its query, and without the query it would be wider than what was granted."""
    found = (_SCOPE.fullmatch(part) for part in text[:LONGEST].split())
    scopes = (Scope(match[1], match[2], _V1.get(match[3], match[3]), match[0]) for match in found if match)  # type: ignore[arg-type]
    return tuple(dict.fromkeys(scopes))


def allows(scopes: Iterable[Scope], interaction: str, type_: str) -> Level | None:
    """The widest level on which these scopes allow a FHIR interaction on a type; None when none does or the interaction is unknown."""
    letter = LETTERS.get(interaction)
    found = {scope.level for scope in scopes if scope.covers(letter, type_)} if letter else set()
    return next((level for level in LEVELS if level in found), None)


def granted(asked: str, registered: str, levels: Iterable[Level] = ("system", "user")) -> tuple[Scope, ...]:
    """What a client gets that asks for `asked` and is registered for `registered`. Without a launch there is no patient: patient/ is not granted."""
    allowed = [scope for scope in parse(registered) if scope.level in levels]
    common = (scope.within(other) for scope in parse(asked) for other in allowed)
    return tuple(dict.fromkeys(scope for scope in common if scope is not None))


def spelled(scopes: Iterable[Scope]) -> str:
    """Scopes as one scope string."""
    return " ".join(dict.fromkeys(scope.text for scope in scopes))
