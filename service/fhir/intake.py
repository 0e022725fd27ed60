"""From received bytes to a resource that may be stored: parsed once, validated, its id agreed. Step 1 of the way one answer travels."""

from collections.abc import Sequence
from typing import Final

from mappings.outcome import Issue
from mappings.r4.parse import Malformed, parse
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.house import House

MOST: Final = 50
"""How many findings about one resource are told."""


def parsed(body: bytes) -> Json:
    """The body as a JSON object. Errors: 400 naming what is wrong with it."""
    try:
        return parse(body)
    except Malformed as error:
        raise Refusal(Kind.MALFORMED, issues=(error.issue,)) from None


def intake(house: House, kind: str, body: bytes, id_: str | None = None) -> Json:
    """A valid resource of this type. Errors: 400 with one issue a finding; its id must be the address's (update)."""
    resource = parsed(body)
    check(house, kind, resource, id_)
    return resource


def check(house: House, kind: str, resource: Json, id_: str | None = None) -> None:
    """Refuse a resource that is not a valid one of this type and id."""
    if resource.get("resourceType") != kind:
        raise Refusal(Kind.INVALID, "The resourceType is not the type of the address", "resourceType")
    if id_ is not None and resource.get("id") != id_:
        raise Refusal(Kind.INVALID, "The id of the resource must be there and equal the id of the address", f"{kind}.id", code="value")
    issues = house.validator.validate(resource)
    errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
    if errors:
        raise Refusal(Kind.INVALID, issues=shown(errors))


def shown(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """At most MOST findings, the errors before all else, and how many more there are."""
    ordered = sorted(issues, key=lambda issue: issue.severity not in ("error", "fatal")) if len(issues) > MOST else issues
    return (*ordered[:MOST], *_rest(len(issues) - MOST))


def _rest(count: int) -> tuple[Issue, ...]:
    return (Issue("information", "informational", f"{count} more findings are not shown"),) if count > 0 else ()
