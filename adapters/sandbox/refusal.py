"""What the sandbox answers when it will not do something."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Refused(Exception):
    """A FHIR request refused: HTTP status, IssueType code, a text without values of records, extra headers."""

    status: int
    code: str
    text: str
    expression: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class AuthorisationRefused(Exception):
    """A token or registration request refused, in the words of RFC 6749 section 5.2 and RFC 7591."""

    error: str
    text: str
    status: int = 400


def outcome(code: str, text: str, severity: str = "error", expression: str | None = None) -> Json:
    """One OperationOutcome with one issue."""
    issue: Json = {"severity": severity, "code": code, "diagnostics": text}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
