"""What is known of one vendor's EHR beyond what it advertises: data files in profiles/, one a vendor, each with
its sources, when they were recorded and how sure they are (A: captured from the EHR, B: vendor documentation, C: field report). The CapabilityStatement decides
what is offered; a profile takes away what does not hold, orders the forms, and says what a form must carry there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.jose import SIGNING
from mappings.knowledge import KnowledgeError
from mappings.vocabulary import Json

FORMS: Final = ("CarePlan", "Flag", "Task", "DocumentReference", "Communication")
NEEDS: Final = ("encounter", "author", "recipient")
_TASK_STATUS: Final = [
    "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed", "entered-in-error"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskShape:
    """`statuses`: our resource's status -> Task.status; "other" for the rest."""

    intent: str
    statuses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DocumentShape:
    """`doc_status`: docStatus while our resource is a draft, otherwise, and in a changed version. `statuses`: our status ->
    DocumentReference.status. `period_end`: context.period must be closed."""

    content_type: str
    type: Json
    doc_status: Mapping[str, str]
    statuses: Mapping[str, str]
    period_end: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """One vendor. `forms`: for each of our types the forms to try, best first; `needs`: what a form must name (encounter, author,
    recipient); `codes`: the vendor's error codes -> delivered, retry or dead; `if_match`: when-known, required or never; `concurrent`: deliveries
    at once; `algorithms`: for client assertions."""

    name: str
    title: str
    forms: Mapping[str, tuple[str, ...]]
    conditional_create: bool
    if_match: str
    needs: Mapping[str, tuple[str, ...]]
    task: TaskShape
    document: DocumentShape
    codes: Mapping[str, str]
    algorithms: tuple[str, ...]
    concurrent: int
    notes: tuple[str, ...]


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


def _object(properties: Json, optional: tuple[str, ...] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TEXT: Final[Json] = {"type": "string", "minLength": 1}
SCHEMA: Final[Json] = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _object(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "title": _TEXT,
        "source": _list(_object({"about": _TEXT, "recorded": {"type": "string", "pattern": r"^\d{4}(-\d\d){0,2}$"}, "confidence": {"enum": ["A", "B", "C"]}})),
        "forms": _map(_list({"enum": list(FORMS)})),
        "conditional_create": {"type": "boolean"},
        "if_match": {"enum": ["when-known", "required", "never"]},
        "needs": _map(_list({"enum": list(NEEDS)})),
        "task": _object({"intent": _TEXT, "statuses": _map({"enum": _TASK_STATUS})}),
        "document": _object(
            {
                "content_type": _TEXT,
                "type": _object({"system": _TEXT, "code": _TEXT, "display": _TEXT}),
                "doc_status": _object({key: {"enum": ["preliminary", "final", "amended"]} for key in ("draft", "other", "changed")}),
                "statuses": _map({"enum": ["current", "superseded", "entered-in-error"]}),
                "period_end": {"type": "boolean"},
            }
        ),
        "codes": _map({"enum": ["delivered", "retry", "dead"]}),
        "algorithms": _list({"enum": list(SIGNING)}),
        "concurrent": {"type": "integer", "minimum": 1, "maximum": 64},
        "notes": {"type": "array", "items": _TEXT},
    }
)


def build(data: Json) -> Profile:
    """A profile from its file. Errors: KnowledgeError."""
    for name in ("CarePlan", "Flag"):
        if name not in data["forms"]:
            raise KnowledgeError(f"no forms are given for {name}", ("forms",))
    for part in ("task", "document"):
        if "other" not in data[part]["statuses"]:
            raise KnowledgeError('a status "other" is needed for what is not listed', (part, "statuses"))
    for form in data["needs"]:
        if form not in FORMS:
            raise KnowledgeError("not one of the forms", ("needs", form))
    return Profile(
        data["name"], data["title"], _tuples(data["forms"]), data["conditional_create"], data["if_match"], _tuples(data["needs"]),
        TaskShape(**data["task"]), DocumentShape(**data["document"]), data["codes"], tuple(data["algorithms"]), data["concurrent"], tuple(data["notes"]),
    )  # fmt: skip


def _tuples(lists: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in lists.items()}
