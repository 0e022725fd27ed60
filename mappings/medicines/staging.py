"""How far a depression has resisted treatment: Maudsley Staging Method, MGH-S, Thase-Rush and ATHF-SF, as far as counts alone decide them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mappings.knowledge import KnowledgeError
from mappings.vocabulary import Json

_NUMBER: Final[Json] = {"type": "number", "minimum": 0}
_SOURCE: Final[Json] = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
_STEPS: Final[Json] = {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["points"], "additionalProperties": {"type": "integer"}}}
SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["about", "maudsley", "mgh-s", "thase-rush", "athf-sf"],
    "additionalProperties": False,
    "properties": {
        "about": {"type": "string"},
        "maudsley": {
            "type": "object",
            "required": ["duration", "severity", "failed", "augmentation", "ect", "bands", "source"],
            "properties": {"duration": _STEPS, "failed": _STEPS, "severity": {"type": "object", "additionalProperties": {"type": "integer"}},
                           "source": _SOURCE},
        },
        "mgh-s": {"type": "object", "required": ["failed", "augmentation", "ect", "source"],
                  "properties": {"failed": _NUMBER, "augmentation": _NUMBER, "ect": _NUMBER, "source": _SOURCE}},
        "thase-rush": {"type": "object", "required": ["stages", "source"]},
        "athf-sf": {"type": "object", "required": ["source"]},
    },
}  # fmt: skip
SEVERE: Final = "severe without psychosis"


@dataclass(frozen=True, slots=True)
class History:
    """What staging asks. `months`: length of the present episode; `failed`: adequate trials of antidepressants without response."""

    months: float
    severity: str
    failed: int
    augmentation: bool = False
    ect: bool = False
    psychotherapy: bool = False


def build(data: Json) -> Mapping[str, Any]:
    """The methods in `data` (valid against SCHEMA). Errors: KnowledgeError for steps that do not end open."""
    for name, limit in (("duration", "up_to_months"), ("failed", "up_to")):
        steps = data["maudsley"][name]
        if limit in steps[-1] or any(limit not in step for step in steps[:-1]):
            raise KnowledgeError("every step but the last has an upper end", ("maudsley", name))
    return data


def severities(methods: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts that severity may be, mildest first."""
    return tuple(methods["maudsley"]["severity"])


def stage(methods: Mapping[str, Any], history: History) -> dict[str, Any]:
    """Each method's result with its inputs, source and limits, as JSON-ready data; `score` and `band` are the Maudsley method's.

    Errors: ValueError for a severity that is none, a negative count or length.
    """
    severity = history.severity.strip().lower()
    notes = []
    if severity == "severe":
        severity = SEVERE
        notes.append("Severe was read as severe without psychosis.")
    if severity not in methods["maudsley"]["severity"]:
        raise ValueError(f"severity is one of: {', '.join(severities(methods))}")
    if history.months < 0 or history.failed < 0:
        raise ValueError("months and failed trials are not negative")
    if history.psychotherapy:
        notes.append("Psychotherapy is counted by none of these methods; it is only noted.")
    if history.failed == 0:
        notes.append("No failed trial: resistance is staged from the first one on.")
    maudsley = _maudsley(methods["maudsley"], history, severity)
    inputs = {"months": history.months, "severity": severity, "failed": history.failed, "augmentation": history.augmentation, "ect": history.ect,
              "psychotherapy": history.psychotherapy}  # fmt: skip
    return {
        "method": "maudsley", "score": maudsley["score"], "band": maudsley["band"], "inputs": inputs,
        "maudsley": maudsley, "mgh-s": _mgh(methods["mgh-s"], history), "thase-rush": _thase_rush(methods["thase-rush"], history),
        "athf-sf": {"adequate_trials": history.failed, "source": methods["athf-sf"]["source"],
                    "limits": ["It takes every failed trial to have been adequate in dose, duration and adherence, which was not checked here."]},
        "notes": notes,
    }  # fmt: skip


def _maudsley(method: Mapping[str, Any], history: History, severity: str) -> dict[str, Any]:
    source = {"source": method["source"], "range": [method["bands"][0]["low"], method["bands"][-1]["high"]]}
    if history.failed == 0:
        return {"score": None, "band": None, "items": {}} | source
    items = {
        "duration": _points(method["duration"], "up_to_months", history.months),
        "severity": method["severity"][severity],
        "failed": _points(method["failed"], "up_to", history.failed),
        "augmentation": method["augmentation"] if history.augmentation else 0,
        "ect": method["ect"] if history.ect else 0,
    }
    score = sum(items.values())
    band = next(each["text"] for each in method["bands"] if each["low"] <= score <= each["high"])
    return {"score": score, "band": band, "items": items} | source


def _points(steps: Sequence[Mapping[str, int]], limit: str, value: float) -> int:
    return next(step["points"] for step in steps if limit not in step or value <= step[limit])


def _mgh(method: Mapping[str, Any], history: History) -> dict[str, Any]:
    score = history.failed * method["failed"] + (method["augmentation"] if history.augmentation else 0) + (method["ect"] if history.ect else 0)
    limits = ["Half a point is due for every trial that was optimised (dose, duration, augmentation): one augmentation is counted here."]
    return {"score": score, "source": method["source"], "limits": limits}


def _thase_rush(method: Mapping[str, Any], history: History) -> dict[str, Any]:
    """The stage that the count alone allows: beyond the first, classes decide."""
    stage_ = method["stages"][0] if history.failed else None
    limits = ["Stage II needs a failed trial of a different class, III a tricyclic, IV an MAOI, V bilateral ECT after all of these: a count does not tell."]
    return {"stage": stage_, "at_least": True, "source": method["source"], "limits": limits}
