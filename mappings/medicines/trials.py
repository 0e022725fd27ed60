"""Earlier and present treatments as trials: long enough or not, and with which response by the scores before and under them.

A trial is adequate by its length alone (six weeks, the usual span of a trial in the staging methods): minimal doses stand in no source that was
read, and adherence is not known. Response is a fall of the score by half, of the last score under the treatment against the one before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mappings.medicines.prescription import Medicine
from mappings.suggestions.collect import instant, start_value
from mappings.suggestions.facts import FactValue

ADEQUATE_WEEKS: Final = 6.0
RESPONSE: Final = 0.5
_LATE_DAYS: Final = 14
"""A score so soon after the end still speaks of the treatment."""
Scores = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Trial:
    """One medicine over one span. `response` None: no score before it, or none under it late enough to tell."""

    drug: str
    ref: str
    weeks: float
    response: bool | None
    over: bool

    @property
    def adequate(self) -> bool:
        """Long enough to count."""
        return self.weeks >= ADEQUATE_WEEKS


def trials(medicines: Iterable[Medicine], drugs: frozenset[str], scores: Scores, now: str) -> list[Trial]:
    """The trials of these drugs, by their start. `scores`: (ISO instant, score) in order, of a scale where higher is worse; `now` ISO."""
    found = []
    today = instant(now)
    for medicine in medicines:
        began, ended = instant(medicine.start), instant(medicine.end)
        mine = [drug for drug in medicine.ingredients if drug in drugs]
        if began is None or today is None or not mine or not (medicine.active or (medicine.stopped and ended is not None)):
            continue
        last = min(ended or today, today)
        if last > began:
            response = _response(scores, medicine.start, began, last)
            found += [(began, Trial(drug, medicine.ref, (last - began).days / 7, response, not medicine.active)) for drug in mine]
    return [trial for _, trial in sorted(found, key=lambda each: (each[0], each[1].ref, each[1].drug))]


def _response(scores: Scores, start: str | None, began: datetime, last: datetime) -> bool | None:
    before = start_value(scores, start)
    dated = [(at, value) for text, value in scores if (at := instant(text)) is not None]
    under = [(at, value) for at, value in dated if began + timedelta(weeks=ADEQUATE_WEEKS) <= at <= last + timedelta(days=_LATE_DAYS)]
    if before is None or before <= 0 or not under:
        return None
    return (before - max(under)[1]) / before >= RESPONSE


def facts(found: Sequence[Trial]) -> dict[str, FactValue]:
    """What trials say: names of those that worked and did not, and how many adequate ones failed. What cannot be told says nothing."""
    told: dict[str, FactValue] = {}
    for name, wanted in (("treatment.scored-worked", True), ("treatment.scored-no-response", False)):
        mine = [trial for trial in found if trial.adequate and trial.response is wanted]
        if mine:
            told[name] = FactValue(", ".join(dict.fromkeys(trial.drug for trial in mine)), tuple(dict.fromkeys(trial.ref for trial in mine)))
    failed = [trial for trial in found if trial.adequate and trial.response is False]
    if any(trial.adequate and trial.response is not None for trial in found):
        told["treatment.failed-trials"] = FactValue(len({trial.drug for trial in failed}), tuple(dict.fromkeys(trial.ref for trial in failed)))
    return told
