"""The one error vocabulary: a closed family, one table to HTTP status, one to OperationOutcome issue codes."""

from enum import Enum
from typing import Final

from mappings.outcome import Issue


class Kind(Enum):
    """Why a request is refused: (HTTP status, default issue code of R4 IssueType)."""

    MALFORMED = (400, "structure")
    INVALID = (400, "invalid")
    UNAUTHENTICATED = (401, "login")
    FORBIDDEN = (403, "forbidden")
    NOT_FOUND = (404, "not-found")
    UNKNOWN_TYPE = (404, "not-supported")
    NOT_ALLOWED = (405, "not-supported")
    NOT_ACCEPTABLE = (406, "not-supported")
    CONFLICT = (409, "conflict")
    GONE = (410, "deleted")
    PRECONDITION = (412, "conflict")
    SEVERAL = (412, "multiple-matches")
    TOO_LARGE = (413, "too-long")
    UNSUPPORTED_MEDIA = (415, "not-supported")
    UNPROCESSABLE = (422, "business-rule")
    TOO_MANY = (429, "throttled")
    UNKNOWN = (500, "exception")
    UNAVAILABLE = (503, "transient")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> str:
        return self.value[1]


RETRY_AFTER_S: Final = {Kind.TOO_MANY: 1, Kind.UNAVAILABLE: 5}


class Refusal(Exception):
    """A request that is answered with an OperationOutcome. Texts never echo a value from a record."""

    def __init__(self, kind: Kind, text: str = "", expression: str | None = None, *, code: str | None = None,
                 issues: tuple[Issue, ...] = (), headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:  # fmt: skip
        super().__init__(kind.name)
        self.kind = kind
        self.issues = issues or (Issue("error", code or kind.code, text, expression),)
        self.headers = headers
