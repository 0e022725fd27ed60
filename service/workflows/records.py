"""Plain rows of a person's story: who the person is, goals, allergies, consents, Flags - kept as they come and go."""

from typing import TYPE_CHECKING

from mappings.suggestions import history
from mappings.vocabulary import Json
from service.workflows.change import Change
from service.workflows.story import Story

if TYPE_CHECKING:
    from service.house import House

_GONE = {"entered-in-error", "cancelled", "rejected"}


def note(house: "House", story: Story, change: Change) -> bool:
    """Keep what this change says; whether it changed what is known of the person's past."""
    if change.kind == "Patient":
        _patient(story, change)
    elif change.kind in ("Goal", "AllergyIntolerance"):
        _row(story, {"Goal": "goal", "AllergyIntolerance": "allergy"}[change.kind], change)
    elif change.kind == "Consent":
        _consent(story, change)
    elif change.kind == "Flag":
        _flag(story, change)
    elif change.kind == "Task":
        _task(story, change)
    return _history(house, story, change)


def gone(change: Change) -> bool:
    """Whether the resource says nothing (any more)."""
    resource = change.resource or {}
    status = resource.get("status") or resource.get("lifecycleStatus")
    verification = resource.get("verificationStatus", {}) if isinstance(resource.get("verificationStatus"), dict) else {}
    wrong = any(coding.get("code") in ("entered-in-error", "refuted") for coding in verification.get("coding", ()))
    return change.method == "delete" or change.resource is None or status in _GONE or wrong


def _patient(story: Story, change: Change) -> None:
    resource = change.resource
    if resource is None:
        story.put("patient", "", {"deleted": True})
        return
    kept = ("identifier", "birthDate", "gender", "active", "deceasedBoolean", "deceasedDateTime", "link")
    story.put("patient", "", {name: resource[name] for name in kept if name in resource})


def _row(story: Story, kind: str, change: Change) -> None:
    if gone(change):
        story.drop(kind, change.ref)
    else:
        assert change.resource is not None
        story.put(kind, change.ref, change.resource if kind == "allergy" else {"status": change.resource.get("lifecycleStatus")})


def _consent(story: Story, change: Change) -> None:
    """An active Consent whose provision denies withholds what would leave the house."""
    if gone(change) or (change.resource or {}).get("status") != "active":
        story.drop("consent", change.ref)
    else:
        assert change.resource is not None
        story.put("consent", change.ref, {"denies": denies(change.resource.get("provision", {}))})


def denies(provision: Json) -> bool:
    """Whether a provision or one nested in it denies. Read strictly: a partial denial withholds as a whole."""
    return provision.get("type") == "deny" or any(denies(inner) for inner in provision.get("provision", ()))


def _flag(story: Story, change: Change) -> None:
    """A Flag of ours that a person changed: no longer active means resolved."""
    for key, row in story.all("flag"):
        if row["ref"] == change.ref:
            status = (change.resource or {}).get("status", "entered-in-error")
            story.put("flag", key, row | {"status": status})


def _task(story: Story, change: Change) -> None:
    """A Task of ours that a person took up, completed or declined: from then on it is theirs."""
    for kind in ("review", "monitor"):
        for key, row in story.all(kind):
            if row["ref"] == change.ref:
                resource = change.resource or {"status": "entered-in-error"}
                story.put(kind, key, row | {"status": resource.get("status"), "body": row["body"] | resource})


def _history(house: "House", story: Story, change: Change) -> bool:
    said = history.said(house.knowledge.history, change.resource) if change.method != "delete" and change.resource is not None else {}
    if said == (story.get("history", change.ref) or {}):
        return False
    if said:
        story.put("history", change.ref, said)
    else:
        story.drop("history", change.ref)
    return True
