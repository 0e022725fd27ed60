"""Has this person changed? Each published method gives its own verdict, with its statistic, threshold and reference.

Methods disagree by nature, so none is left out and none is "the" answer. There is no default reliability: Jacobson-Truax and
Edwards-Nunnally run only on a sample that the caller names. Sources: Jacobson and Truax 1991; Speer 1992; Clark 2018.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

from mappings.scales.condition import Number
from mappings.scales.parts import ChangeFact
from mappings.scales.scale import Scale

State = Literal["recovered", "improved", "unchanged", "deteriorated", "harmed", "met", "not met", "not applicable"]
Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Sample:
    """A reference sample: SD of the first measurement and its reliability (0 to 1); `mean` of it where known; and mean and SD
    of a functional group where known. `name` says where the numbers come from."""

    reliability: float
    sd: float
    mean: float | None = None
    functional_mean: float | None = None
    functional_sd: float | None = None
    name: str = "own sample"

    @property
    def sem(self) -> float:
        """Standard error of measurement, SD * sqrt(1 - r), in score points."""
        return self.sd * sqrt(1 - self.reliability)

    @property
    def s_diff(self) -> float:
        """Standard error of a difference, sqrt(2) * SEM, in score points."""
        return sqrt(2) * self.sem


@dataclass(frozen=True, slots=True)
class ChangeVerdict:
    """What one method says. `statistic` in the unit of `threshold` ("points", "percent" or "z").

    The two methods with an own sample give theirs as published: later less earlier (or less what was expected), a fall negative, and the
    sign turned where higher is better. All others give the improvement: positive is better. `figures`: what the verdict rests on beside them,
    in score points - `sem`, `s_diff` and the cut-off `a` or `c` of Jacobson and Truax; `expected`, `low`, `high` of Edwards and Nunnally.
    """

    method: str
    verdict: State
    statistic: float | None
    threshold: float | None
    unit: str
    reference: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """The scores of one scale at two times."""

    scale: Scale
    before: Number
    after: Number

    @property
    def better_by(self) -> Number:
        """Points of improvement; negative for worsening."""
        return self.after - self.before if self.scale.higher_is_better else self.before - self.after


def changes(pair: Pair, sample: Sample | None = None, other: Pair | None = None) -> list[ChangeVerdict]:
    """All verdicts that can be given for the total. `other`: the paired scale of NHS Talking Therapies.

    Errors: ValueError for a score outside the scale, or a sample that is none.
    """
    for each in (pair, *((other,) if other else ())):
        rule = each.scale.total
        if not (rule.low <= each.before <= rule.high and rule.low <= each.after <= rule.high):
            raise ValueError("a score lies outside the range of its scale")
    found = [] if sample is None else [jacobson_truax(pair, sample)]
    if sample is not None and sample.mean is not None:
        found.append(edwards_nunnally(pair, sample))
    for fact in pair.scale.change:
        if fact.score == pair.scale.id:
            found += _published(pair, fact)
    return found + list(_talking_therapies(pair, other))


def jacobson_truax(pair: Pair, sample: Sample) -> ChangeVerdict:
    """Reliable change (|RC| >= 1.96), and recovery or harm where a cut-off between the groups can be worked out."""
    if not 0 <= sample.reliability < 1 or sample.sd <= 0:
        raise ValueError("a reliability lies in [0, 1) and an SD above 0")
    index = pair.better_by / sample.s_diff
    limit = cutoff(sample, pair.scale.higher_is_better)
    crossed = _crossed(pair, limit)
    if index >= Z95:
        verdict: State = "recovered" if crossed == 1 else "improved"
    elif index <= -Z95:
        verdict = "harmed" if crossed == -1 else "deteriorated"
    else:
        verdict = "unchanged"
    figures = {"sem": sample.sem, "s_diff": sample.s_diff} | ({} if limit is None else {f"cutoff_{'a' if sample.functional_mean is None else 'c'}": limit})
    return ChangeVerdict("jacobson-truax", verdict, -index, Z95, "z", f"{sample.name}: r {sample.reliability}, SD {sample.sd}", figures)


def cutoff(sample: Sample, higher_is_better: bool) -> float | None:
    """Cut-off c where both groups are known, else a (the first sample is the clinical one) or None, in score points."""
    if sample.mean is None:
        return None
    if sample.functional_mean is not None and sample.functional_sd is not None:
        weighted = sample.functional_sd * sample.mean + sample.sd * sample.functional_mean
        return weighted / (sample.functional_sd + sample.sd)
    return sample.mean + (2 if higher_is_better else -2) * sample.sd


def _crossed(pair: Pair, limit: float | None) -> int:
    """1: from dysfunction into function; -1: the other way; 0: neither."""
    if limit is None:
        return 0
    well = [(score > limit) if pair.scale.higher_is_better else (score < limit) for score in (pair.before, pair.after)]
    return int(well[1]) - int(well[0])


def edwards_nunnally(pair: Pair, sample: Sample) -> ChangeVerdict:
    """The second score against a band around the estimated true first score, r * (pre - M) + M."""
    if sample.mean is None:
        raise ValueError("Edwards-Nunnally needs the mean of the sample")
    true = sample.reliability * (pair.before - sample.mean) + sample.mean
    better_by = (pair.after - true) if pair.scale.higher_is_better else (true - pair.after)
    width = Z95 * sample.sem
    verdict: State = "improved" if better_by > width else "deteriorated" if better_by < -width else "unchanged"
    figures = {"expected": true, "low": true - width, "high": true + width}
    reference = f"{sample.name}: r {sample.reliability}, SD {sample.sd}, M {sample.mean}"
    return ChangeVerdict("edwards-nunnally", verdict, -better_by, width, "points", reference, figures)


def _published(pair: Pair, fact: ChangeFact) -> list[ChangeVerdict]:
    if fact.kind in ("rci", "reliable"):
        return _by_index(pair, fact)
    if fact.kind in ("mcid", "mid", "mcid-improvement"):
        return _reached(pair, fact, "mcid")
    if fact.kind == "response":
        return _reached(pair, fact, "response")
    return [_remission(pair, fact)] if fact.kind == "remission" else []


def _threshold(fact: ChangeFact) -> Number | None:
    return fact.value if fact.value is not None else fact.low


def _reference(fact: ChangeFact) -> str:
    head = ", ".join(fact.source) + f" (evidence {fact.evidence})"
    return f"{head}; {fact.sample}" if fact.sample else head


def _by_index(pair: Pair, fact: ChangeFact) -> list[ChangeVerdict]:
    threshold = _threshold(fact)
    if threshold is None:
        return []
    verdict: State = "improved" if pair.better_by >= threshold else "deteriorated" if pair.better_by <= -threshold else "unchanged"
    return [ChangeVerdict("reliable-change", verdict, pair.better_by, threshold, "points", _reference(fact))]


def _reached(pair: Pair, fact: ChangeFact, method: str) -> list[ChangeVerdict]:
    """An improvement of so many points, or of so many percent of the first score less its floor."""
    threshold = _threshold(fact)
    if threshold is None:
        if fact.kind != "response" or fact.high is None:
            return []
        return [ChangeVerdict(method, "met" if pair.after <= fact.high else "not met", pair.after, fact.high, "points", _reference(fact))]
    if not fact.percent:
        return [ChangeVerdict(method, "met" if pair.better_by >= threshold else "not met", pair.better_by, threshold, "points", _reference(fact))]
    base = pair.before - fact.floor
    if base <= 0:
        return [ChangeVerdict(method, "not applicable", None, threshold, "percent", _reference(fact))]
    percent = 100 * pair.better_by / base
    return [ChangeVerdict(method, "met" if percent >= threshold else "not met", percent, threshold, "percent", _reference(fact))]


def _remission(pair: Pair, fact: ChangeFact) -> ChangeVerdict:
    """Whether the second score is in remission; not applicable where the first already was."""
    limit = fact.high if fact.high is not None else fact.low
    inside = [(fact.high is None or score <= fact.high) and (fact.low is None or score >= fact.low) for score in (pair.before, pair.after)]
    verdict: State = "not applicable" if inside[0] else "met" if inside[1] else "not met"
    return ChangeVerdict("remission", verdict, pair.after, limit, "points", _reference(fact))


def _verified(scale: Scale, kind: str) -> Number | None:
    """A Talking Therapies threshold, only where it was read in a source."""
    for fact in scale.change:
        if fact.kind == kind and fact.evidence == "V":
            return _threshold(fact)
    return None


def _talking_therapies(pair: Pair, other: Pair | None) -> Iterator[ChangeVerdict]:
    """Clark 2018: recovery and reliable change over two scales. Statistic and threshold are those of the first."""
    pairs = [pair] if other is None else [pair, other]
    found = [(_verified(each.scale, "nhs-tt-caseness"), _verified(each.scale, "nhs-tt-reliable")) for each in pairs]
    limits = [(case, index) for case, index in found if case is not None and index is not None]
    if other is None or len(limits) < 2:
        if found[0] != (None, None):
            yield from (_of_two(name, None, pair, limits[:1]) for name in ("recovery", "reliable-improvement", "reliable-recovery", "reliable-deterioration"))
        return
    case = any(each.before >= limit[0] for each, limit in zip(pairs, limits, strict=True))
    below = all(each.after < limit[0] for each, limit in zip(pairs, limits, strict=True))
    better = [each.better_by >= limit[1] for each, limit in zip(pairs, limits, strict=True)]
    worse = [each.better_by <= -limit[1] for each, limit in zip(pairs, limits, strict=True)]
    improved = any(better) and not any(worse)
    yield _of_two("recovery", below if case else None, pair, limits)
    yield _of_two("reliable-improvement", improved, pair, limits)
    yield _of_two("reliable-recovery", (below and improved) if case else None, pair, limits)
    yield _of_two("reliable-deterioration", any(worse) and not any(better), pair, limits)


def _of_two(name: str, holds: bool | None, pair: Pair, limits: list[tuple[Number, Number]]) -> ChangeVerdict:
    verdict: State = "not applicable" if holds is None else "met" if holds else "not met"
    statistic, threshold = (pair.after, limits[0][0] if limits else None) if name == "recovery" else (pair.better_by, limits[0][1] if limits else None)
    said = "; ".join(f"case from {case}, reliable from {index} points" for case, index in limits)
    of_two = f"NHS Talking Therapies, two paired scales (CLARK18, NCT): {said}"
    reference = of_two if len(limits) > 1 else "NHS Talking Therapies needs the paired scale (CLARK18)"
    return ChangeVerdict(f"nhs-tt-{name}", verdict, statistic, threshold, "points", reference)
