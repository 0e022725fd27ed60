"""Tasks that a person's story asks for: each stands with a row of the story, and is closed by us until somebody works on it."""

from typing import TYPE_CHECKING, Final

from mappings.vocabulary import Json

if TYPE_CHECKING:
    from service.workflows.telling import Telling

OPEN: Final = frozenset(("requested", "accepted", "received", "ready", "draft"))
"""Nobody works on it yet. One in progress or on hold is a person's (R4 task.html#statemachine)."""


class Tasks:
    """The Tasks of one kind of row in one use case."""

    def __init__(self, telling: "Telling", kind: str) -> None:
        self._telling, self._story, self._kind = telling, telling.story, kind

    def put(self, key: str, body: Json) -> None:
        """Let it stand so."""
        self._story.put(self._kind, key, {"ref": f"Task/{body['id']}", "status": body["status"], "body": body})
        self._telling.put(f"Task/{body['id']}", body, [])

    def close(self, key: str, row: Json, status: str, why: str) -> None:
        """Completed or cancelled, where it is still open."""
        if row["status"] in OPEN:
            self.put(key, row["body"] | {"status": status, "statusReason": {"text": why}})
