"""Turns what is known of a person into facts. Each function looks at one kind of input; their results are joined with `|`.

What is not known gives no fact: a rule then says that it was missing, and never takes it for "no".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from mappings.suggestions.facts import FactValue, SafetyRule, Value

CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "antidepressant": ("SSRI", "SNRI", "TCA", "MAOI", "other_AD"),
    "antipsychotic": ("antipsychotic_FGA", "antipsychotic_SGA"),
    "mood-stabiliser": ("mood",),
    "hypnotic": ("hypnotic",),
    "anxiolytic": ("anxiolytic",),
}
"""Classes that rules ask about -> groups of mappings/medicines/drugs.json."""
_SHIFTS: Final = frozenset({"ewma", "cusum", "sustained"})
"""Detectors that speak of a course, not of one value."""
_TOWARDS: Final = 0.5
"""They do not say in which direction. The newest value does, where it is at least this many standard deviations off: a level that rose
and has settled gives values on both sides of what is now expected, and a rise must not be told as a fall."""
_DAY_US: Final = 86_400_000_000


class Band(Protocol):
    """A severity band."""

    @property
    def text(self) -> str: ...


class Total(Protocol):
    """One score; the first of Scored is THE total."""

    @property
    def value(self) -> float | int | None: ...
    @property
    def band(self) -> Band | None: ...


class ItemScore(Protocol):
    """One answered item."""

    @property
    def item(self) -> str: ...
    @property
    def score(self) -> float | int | None: ...


class SafetyHit(Protocol):
    """A finding for professional review."""

    @property
    def code(self) -> str: ...
    @property
    def score(self) -> float | int: ...


class Scored(Protocol):
    """A scored response (mappings/scales/scoring.py)."""

    @property
    def scale_id(self) -> str: ...
    @property
    def totals(self) -> Sequence[Total]: ...
    @property
    def items(self) -> Sequence[ItemScore]: ...
    @property
    def safety(self) -> Sequence[SafetyHit]: ...
    @property
    def complete(self) -> bool: ...


class Judgement(Protocol):
    """A value judged against the person's baseline (mappings/baseline/engine.py); limits in the measure's unit."""

    @property
    def n(self) -> int: ...
    @property
    def lower95(self) -> float: ...
    @property
    def upper95(self) -> float: ...
    @property
    def z(self) -> float: ...
    @property
    def set_point(self) -> float: ...
    @property
    def p_gross_error(self) -> float: ...
    @property
    def p_real_change(self) -> float | None: ...
    @property
    def alert(self) -> bool: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def outside95(self) -> bool: ...
    @property
    def critical(self) -> str | None: ...


class Medicine(Protocol):
    """A medicine on record (mappings/medicines/prescription.py); `ingredients`: every drug of a combination."""

    @property
    def ref(self) -> str: ...
    @property
    def ingredients(self) -> tuple[str, ...]: ...
    @property
    def active(self) -> bool: ...
    @property
    def start(self) -> str | None: ...


class Finding(Protocol):
    """Genetic guidance that applies to the person (mappings/genes/guidance.py)."""

    @property
    def drug(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def population(self) -> str: ...
    @property
    def classification(self) -> str: ...
    @property
    def actions(self) -> Sequence[str]: ...
    @property
    def text(self) -> str: ...
    @property
    def lookup(self) -> Mapping[str, str]: ...
    @property
    def actionable(self) -> bool: ...


def series_facts(
    measure: str, value: float | None, judgement: Judgement | None, first: float | None, refs: tuple[str, ...], as_of: str, start: float | None = None
) -> dict[str, FactValue]:
    """Facts of the newest value of a measure. `first`: the person's first value; `start`: the value when the treatment began."""
    found: dict[str, Value] = {}
    if value is not None:
        found["value"] = value
        found |= _changes(value, first, start)
        found |= _judged(value, judgement) if judgement is not None else {}
    return {f"{measure}.{name}": FactValue(each, refs, as_of) for name, each in found.items()}


def _changes(value: float, first: float | None, start: float | None) -> dict[str, Value]:
    found: dict[str, Value] = {} if first is None else {"change-from-first": value - first}
    for name, base in (("percent-change-from-first", first), ("percent-change-from-start", start)):
        if base is not None and base > 0:
            found[name] = 100 * (value - base) / base
    return found


def _judged(value: float, judgement: Judgement) -> dict[str, Value]:
    shifted = bool(_SHIFTS.intersection(judgement.reasons))
    found: dict[str, Value] = {
        "z": judgement.z,
        "set-point": judgement.set_point,
        "personal-low": judgement.lower95,
        "personal-high": judgement.upper95,
        "above-personal-range": judgement.outside95 and value > judgement.upper95,
        "below-personal-range": judgement.outside95 and value < judgement.lower95,
        "shifted-up": shifted and judgement.z >= _TOWARDS,
        "shifted-down": shifted and judgement.z <= -_TOWARDS,
        "alert": judgement.alert,
        "critical": judgement.critical is not None,
        "p-gross-error": judgement.p_gross_error,
        "earlier-values": judgement.n,
    }
    return found | ({"p-real-change": judgement.p_real_change} if judgement.p_real_change is not None else {})


def scored_facts(scored: Scored, refs: tuple[str, ...], as_of: str, safety: Iterable[SafetyRule] = ()) -> dict[str, FactValue]:
    """Facts of the newest answer of a scale. `safety`: Scale.safety; with it an answered safety item without finding is known by its
    score, and one that was not answered stays unknown. Without it only findings are known."""
    total, found = scored.totals[0], dict[str, Value]()
    if total.value is not None:
        found[f"{scored.scale_id}.total"] = total.value
        if total.band is not None:
            found[f"{scored.scale_id}.band"] = total.band.text
    found[f"{scored.scale_id}.complete"] = scored.complete
    found |= _safety(scored, tuple(rule for rule in safety if rule.items))
    return {name: FactValue(value, refs, as_of) for name, value in found.items()}


def _safety(scored: Scored, watched: tuple[SafetyRule, ...]) -> dict[str, Value]:
    answered = {each.item: each.score for each in scored.items if each.score is not None}
    found: dict[str, Value] = {}
    for code in dict.fromkeys(rule.code for rule in watched):
        items = [item for rule in watched if rule.code == code for item in rule.items]
        if all(item in answered for item in items):
            found[code] = max(answered[item] for item in items)
    known = bool(watched) and all(rule.code in found for rule in watched)
    found |= {hit.code: hit.score for hit in scored.safety if hit.code not in found}
    return found | ({f"{scored.scale_id}.safety": bool(scored.safety)} if scored.safety or known else {})


def age_fact(series: str, at: int, now: int) -> dict[str, FactValue]:
    """How old the newest value of a scale or measure is; `at` and `now` in microseconds UTC. A value of the future is not old."""
    return {f"{series}.age-days": FactValue(max(0.0, (now - at) / _DAY_US))}


def medicine_facts(medicines: Sequence[Medicine], group_of: Callable[[str], str | None], now: str | None = None) -> dict[str, FactValue]:
    """Facts of the medicines on record. `group_of`: drug id -> its group in drugs.json; `now`: ISO, for how long a treatment has run.

    Without any record, or with an active medicine that was not recognised, it is not known that a class is *not* taken.
    """
    active = sorted((each for each in medicines if each.active), key=lambda each: each.ref)
    strange = tuple(each.ref for each in active if not each.ingredients)
    refs = tuple(each.ref for each in active)
    facts = {"medicine.active-count": FactValue(len(active), refs), "medicine.unrecognised-count": FactValue(len(strange), strange)}
    names = sorted({drug for each in active for drug in each.ingredients})
    if names:
        facts["medicine.names"] = FactValue(", ".join(names), refs)
    for name, groups in CLASSES.items():
        mine = [each for each in active if any(group_of(drug) in groups for drug in each.ingredients)]
        if mine or (medicines and not strange):
            facts[f"medicine.{name}.active"] = FactValue(bool(mine), tuple(each.ref for each in mine))
        if name == "antidepressant":
            facts |= _treatment(mine, instant(now))
    return facts


def _treatment(antidepressants: Sequence[Medicine], now: datetime | None) -> dict[str, FactValue]:
    """Weeks since the newest of them began; where one has no date, it is not known which is the newest."""
    starts = [(start, each.ref, each.start) for each in antidepressants if (start := instant(each.start)) is not None]
    if not starts or len(starts) < len(antidepressants) or now is None:
        return {}
    began, ref, text = max(starts)
    return {"treatment.weeks": FactValue((now - began).total_seconds() / (7 * 86400), (ref,), text)}


def start_value(series: Iterable[tuple[str, float]], began: str | None, within_days: float = 28) -> float | None:
    """The newest of (ISO instant, value) at or before the start of a treatment, at most `within_days` old then; None without one."""
    start = instant(began)
    dated = [(at, value) for text, value in series if (at := instant(text)) is not None]
    before = [(at, value) for at, value in dated if start is not None and 0 <= (start - at).total_seconds() <= within_days * 86400]
    return max(before)[1] if before else None


def instant(text: str | None) -> datetime | None:
    """An ISO date or instant; without zone taken as UTC, so that an age is always defined. A year or month alone gives None."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def gene_facts(findings: Sequence[Finding], genes_known: bool, refs: tuple[str, ...] = ()) -> dict[str, FactValue]:
    """Facts of the genetic guidance that speaks about the active medicines. `genes_known`: a genotype is on record, so that no finding
    means that nothing is asked for; `refs`: the genotypes and the medicines spoken of."""
    if not findings and not genes_known:
        return {}
    asking = sorted((each for each in findings if each.actionable), key=lambda each: (each.drug, each.source, each.text))
    avoid = any({"AVOID", "DO_NOT_USE"}.intersection(each.actions) for each in asking)
    facts = {"gene-drug.actionable": FactValue(bool(asking), refs), "gene-drug.avoid": FactValue(avoid, refs)}
    if asking:
        facts["gene-drug.drugs"] = FactValue(", ".join(dict.fromkeys(each.drug for each in asking)), refs)
        facts["gene-drug.finding"] = FactValue(" | ".join(dict.fromkeys(_said(each) for each in asking)), refs)
    return facts


def _said(finding: Finding) -> str:
    genes = ", ".join(f"{gene} {key}" for gene, key in sorted(finding.lookup.items()))
    whom = "" if finding.population == "general" else f"; {finding.population}"
    return f"{finding.drug}: {finding.source} {finding.version} ({finding.classification}{whom}) with {genes}: {finding.text}"


def person_facts(patient: Mapping[str, Any], now: str) -> dict[str, FactValue]:
    """The person's age in whole years, where Patient.birthDate is a full date; `now` ISO."""
    born, today = instant(patient.get("birthDate")), instant(now)
    if born is None or today is None:
        return {}
    return {"person.age-years": FactValue(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))}
