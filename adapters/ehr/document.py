"""Reading JSON that an EHR wrote. What is not of the kind that FHIR promises counts as missing, so that a broken answer breaks nothing here."""

from typing import Any

from mappings.vocabulary import Json


def objects(parent: Any, name: str) -> list[Json]:
    """The objects in the list at `name`; none for anything else."""
    value = parent.get(name) if isinstance(parent, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def part(parent: Any, name: str) -> Json:
    """The object at `name`, {} for anything else."""
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def carries(resource: Json, system: str, value: str) -> bool:
    """Whether it has this identifier."""
    carried = [*objects(resource, "identifier"), part(resource, "identifier"), part(resource, "masterIdentifier")]
    return any(each.get("system") == system and each.get("value") == value for each in carried)
