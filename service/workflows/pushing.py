"""Which EHR a suggestion or a safety Flag goes to, and what withholds it. The rows point at versions; the worker sends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mappings.vocabulary import Json
from service.registry import Ehr
from service.store.unit import Push
from service.workflows.story import Story

if TYPE_CHECKING:
    from service.house import House


def pushes(house: "House", story: Story, labels: Mapping[str, list[Json]], refs: Mapping[str, bool]) -> list[Push]:
    """The outbox rows for these refs (value: a safety row). `labels`: the security labels of what the unit stores."""
    if not refs:
        return []
    ehr = destination(house.registry.cached_ehrs(), story)
    if ehr is None:
        return []
    return [Push(ehr.name, ref, safety, withheld(ehr, story, labels[ref])) for ref, safety in refs.items() if ref in labels]


def destination(ehrs: list[Ehr], story: Story) -> Ehr | None:
    """The EHR whose patient system the Patient carries; the default one among several; none when none fits."""
    patient = story.get("patient") or {}
    systems = {identifier["system"] for identifier in patient.get("identifier", ()) if identifier.get("system")}
    fitting = [ehr for ehr in ehrs if ehr.patient_system in systems]
    if len(fitting) > 1:
        fitting = [ehr for ehr in fitting if ehr.default] or fitting[:1]
    return fitting[0] if fitting else None


def withheld(ehr: Ehr, story: Story, labels: list[Json]) -> str | None:
    """Why this must not leave, or None: an active Consent that denies, or a label the EHR is not cleared for."""
    for _, consent in story.all("consent"):
        if consent["denies"]:
            return "an active Consent denies the disclosure"
    uncleared = {str(label.get("code")) for label in labels} - set(ehr.labels) - {"N", "U", "L", "M"}
    return "the EHR is not cleared for its security labels" if uncleared else None
