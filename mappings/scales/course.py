"""A score against the person's own earlier ones, in words: what each published method says, with its inputs, threshold and reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.scales.change import ChangeVerdict, Pair, changes
from mappings.scales.condition import Number
from mappings.scales.scale import Scale
from mappings.vocabulary import INTERPRETATION, Json, coding, concept

_STANDARD = {"improved": ("B", "Better"), "deteriorated": ("W", "Worse")}


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier score of the person. `what`: which, for instance "the first answer"; `day`: ISO date."""

    what: str
    value: Number
    day: str


@dataclass(frozen=True, slots=True)
class Course:
    """What the course adds to the Observation of a total."""

    interpretation: list[Json]
    note: list[Json]


def course(scale: Scale, value: Number, since: Sequence[Earlier]) -> Course:
    """Change since each earlier score; reliable change is also said as Better or Worse (v3-ObservationInterpretation)."""
    interpretation: list[Json] = []
    notes: list[Json] = []
    for earlier in since:
        verdicts = [each for each in changes(Pair(scale, earlier.value, value)) if not each.method.startswith("nhs-tt-")]
        notes.append({"text": _note(scale, value, earlier, verdicts)})
        for each in verdicts:
            if each.method == "reliable-change" and each.verdict in _STANDARD:
                said = coding(INTERPRETATION, *_STANDARD[each.verdict])
                interpretation.append(concept(said, text=f"Reliably {each.verdict} since {earlier.what}"))
    return Course(interpretation, notes)


def _note(scale: Scale, value: Number, earlier: Earlier, verdicts: Sequence[ChangeVerdict]) -> str:
    by = value - earlier.value
    head = f"{scale.short} change since {earlier.what} of {earlier.day}: {by:+g} ({earlier.value:g} to {value:g})."
    if not verdicts:
        return f"{head} No index of change is published for this scale, so none is given."
    return " ".join([head, *[f"{_said(each)}." for each in verdicts]])


def _said(found: ChangeVerdict) -> str:
    if found.statistic is None:
        return f"{found.method}: {found.verdict} ({found.reference})"
    unit = "%" if found.unit == "percent" else "points"
    return f"{found.method}: {found.verdict} ({_points(found.statistic)} {unit}, threshold {_points(found.threshold)}; {found.reference})"


def _points(number: Number | None) -> str:
    return "none" if number is None else f"{number:.3g}"
