"""Who made what from what: Provenance of derived sets and of reviews (R4 provenance.html)."""

from collections.abc import Iterable, Sequence
from typing import Final

from mappings.vocabulary import Json, coding, concept

_ACTIVITY: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_AGENT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def derived(id_: str, targets: Sequence[str], sources: Iterable[str], policies: Sequence[str], recorded: str, version: str) -> Json:
    """Provenance of what one use case derived. `targets`, `sources` "Type/id"; `policies`: versioned canonicals of the rules that spoke;
    `recorded` an instant; `version` of this service."""
    body: Json = {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": target} for target in targets],
        "recorded": recorded,
        "activity": concept(coding(_ACTIVITY, "CREATE", "create"), text="derived"),
        "agent": [{"type": concept(coding(_AGENT, "assembler", "Assembler")), "who": {"display": f"Setpoint {version}"}}],
    }
    if policies:
        body["policy"] = list(dict.fromkeys(policies))
    entities = [{"role": "source", "what": {"reference": source}} for source in dict.fromkeys(sources)]
    return body | ({"entity": entities} if entities else {})


def reviewed(id_: str, plan: str, version: int, reviewer: Json, decision: str, reason: str | None, recorded: str) -> Json:
    """Provenance of a clinician's decision. `plan` "CarePlan/id" with `version` is what was decided on; `reviewer` a Reference."""
    body: Json = {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": plan}],
        "recorded": recorded,
        "activity": concept(coding(_ACTIVITY, "UPDATE", "revise"), text=f"review: {decision}"),
        "agent": [{"type": concept(coding(_AGENT, "verifier", "Verifier"), text="reviewer"), "who": reviewer}],
        "entity": [{"role": "revision", "what": {"reference": f"{plan}/_history/{version}"}}],
    }
    return body | ({"reason": [concept(text=reason)]} if reason else {})
