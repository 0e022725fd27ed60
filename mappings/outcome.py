"""What can be wrong with an input, as FHIR says it (R4 OperationOutcome.issue). Never holds a value from a record."""

from dataclasses import dataclass
from typing import Literal

from mappings.vocabulary import Json

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue. `code` is an IssueType code; `expression` a FHIRPath such as `Observation.code`; `text` never echoes a value."""

    severity: Severity
    code: str
    text: str
    expression: str | None = None

    def as_fhir(self) -> Json:
        """The issue as an element of OperationOutcome.issue."""
        body: Json = {"severity": self.severity, "code": self.code, "diagnostics": self.text}
        if self.expression:
            body["expression"] = [self.expression]
        return body


def operation_outcome(*issues: Issue) -> Json:
    """An OperationOutcome of these issues; without any, the informational "all ok" of R4 operationoutcome.html."""
    found = issues or (Issue("information", "informational", "All OK"),)
    return {"resourceType": "OperationOutcome", "issue": [issue.as_fhir() for issue in found]}
