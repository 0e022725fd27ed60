"""Medicines that change what a gene does: the adjusted phenotype beside the genetic one, by a named rule. Nothing is overwritten."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from mappings.genes.gene import INDETERMINATE, Gene, Score, score_of
from mappings.genes.inhibitors import STRENGTHS, Inhibitors, Modifiers
from mappings.genes.phenotype import NO_RESULT, NOT_ASSIGNED, Interpreted
from mappings.medicines.interactions import day_of
from mappings.medicines.prescription import Medicine

# CPIC opioid guideline 2021: what is left of the activity score; a weak inhibitor changes nothing.
_LEFT: Final = {"strong": Decimal(0), "moderate": Decimal("0.5")}
_FIRST_NORMAL: Final = Decimal("1.25")
_LAST_NORMAL: Final = Decimal("2.25")


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A gene with the person's medicines counted in. `genetic` is untouched; `interpreted` is what to look guidance up with.

    `extrapolated`: the rule was made for opioids and is used beyond them. `until` is the last ISO day a stopped inhibitor still counts.
    """

    genetic: Interpreted
    interpreted: Interpreted
    rule: str
    inhibitor: str
    inhibitor_ref: str
    since: str | None
    until: str | None
    extrapolated: bool


def adjust(
    inhibitors: Inhibitors, genes: Mapping[str, Gene], genetic: Interpreted, medicines: Sequence[Medicine], drug: str | None, on: str
) -> Adjusted | None:
    """The gene as the person's medicines leave it on the day `on`, looked at for `drug` (which never adjusts itself); None: no change."""
    modifiers, gene = inhibitors.genes.get(genetic.gene), genes.get(genetic.gene)
    if modifiers is None or gene is None or not modifiers.scored or genetic.phenotype in (None, NO_RESULT):
        return None
    acting = strongest(inhibitors, modifiers, medicines, drug, on)
    if acting is None or modifiers.strength[acting[0]] not in _LEFT:
        return None
    inhibitor, medicine = acting
    strength = modifiers.strength[inhibitor]
    extrapolated = drug not in inhibitors.opioids
    rule = f"{strength} {gene.gene} inhibitor {inhibitor}: activity score {'becomes 0' if strength == 'strong' else 'times 0.5'}"
    rule += f" ({modifiers.rule_text}" + ("; outside opioids an extrapolation)" if extrapolated else ")")
    return Adjusted(
        genetic=genetic,
        interpreted=_left(gene, genetic, _LEFT[strength], rule),
        rule=rule,
        inhibitor=inhibitor,
        inhibitor_ref=medicine.ref,
        since=medicine.start,
        until=_until(inhibitors, inhibitor, medicine),
        extrapolated=extrapolated,
    )


def strongest(
    inhibitors: Inhibitors, modifiers: Modifiers, medicines: Iterable[Medicine], drug: str | None, on: str
) -> tuple[str, Medicine] | None:
    """The strongest inhibitor that acts on the day, other than `drug` itself; the first by name among equals."""
    acting = [
        (STRENGTHS.index(modifiers.strength[one]), one, medicine.ref, medicine)
        for medicine in medicines
        for one in medicine.ingredients
        if one in modifiers.strength and one != drug and _acts(inhibitors, one, medicine, on)
    ]
    if not acting:
        return None
    _, name, _, medicine = min(acting, key=lambda entry: entry[:3])
    return name, medicine


def notes(inhibitors: Inhibitors, medicines: Sequence[Medicine], drug: str, on: str, smoker: bool = False) -> tuple[str, ...]:
    """What acts on the enzymes of a drug's genes without a rule that could adjust anything: said, not calculated."""
    said = []
    for modifiers in inhibitors.genes.values():
        if smoker and drug in modifiers.smoking:
            said.append(f"Tobacco smoke lowers the level of {drug} ({modifiers.gene}); stopping raises it. {modifiers.note or ''}".strip())
        if modifiers.scored:
            continue
        for one in sorted({one for medicine in medicines for one in medicine.ingredients if _acts(inhibitors, one, medicine, on)}):
            if one in modifiers.strength and one != drug:
                said.append(f"{one} inhibits {modifiers.gene} ({modifiers.strength[one]}): {modifiers.rule_text}, not adjusted.")
            if one in modifiers.inducers and one != drug:
                said.append(f"{one} induces {modifiers.gene}: {modifiers.rule_text}, not adjusted.")
    return tuple(said)


def _acts(inhibitors: Inhibitors, drug: str, medicine: Medicine, on: str) -> bool:
    today, ended = day_of(on), day_of(medicine.end, last=True)
    if today is None or (ended is None and not medicine.stopped):
        return medicine.active
    if ended is None:
        return False
    return (medicine.active or medicine.stopped) and today <= ended + timedelta(days=inhibitors.lasting_days.get(drug, 0))


def _until(inhibitors: Inhibitors, drug: str, medicine: Medicine) -> str | None:
    ended = day_of(medicine.end, last=True)
    return (ended + timedelta(days=inhibitors.lasting_days.get(drug, 0))).isoformat() if ended else None


def _left(gene: Gene, genetic: Interpreted, factor: Decimal, rule: str) -> Interpreted:
    """The interpretation with every possible score multiplied; a score that tables do not know is looked up by its band."""
    if factor == 0:
        return _with_score(gene, genetic, Score(Decimal(0)), rule)
    score = score_of(genetic.activity_score) if genetic.activity_score else None
    if score is not None:
        return _with_score(gene, genetic, Score(score.value * factor, score.at_least), rule)
    scores = [found for text in genetic.possible_scores if (found := score_of(text)) is not None]
    phenotypes = {_band(Score(found.value * factor, found.at_least)) for found in scores}
    return _by_band(gene, genetic, phenotypes.pop() if len(phenotypes) == 1 else INDETERMINATE, None, rule)


def _with_score(gene: Gene, genetic: Interpreted, score: Score, rule: str) -> Interpreted:
    phenotype = _band(score)
    if phenotype == INDETERMINATE or str(score) not in gene.scores.get(phenotype, ()):
        return _by_band(gene, genetic, phenotype, str(score), rule)
    keys = frozenset({phenotype, str(score)})
    return replace(genetic, phenotype=phenotype, activity_score=str(score), keys=keys, possible_scores=(), notes=(rule,))


def _by_band(gene: Gene, genetic: Interpreted, phenotype: str, score: str | None, rule: str) -> Interpreted:
    open_ = phenotype == INDETERMINATE
    note = (
        "The adjusted score may lie in more than one band." if open_ else "Looked up by band: tables have no row for this adjusted score."
    )
    keys = frozenset({phenotype, NOT_ASSIGNED} if open_ else {phenotype})
    possible = () if open_ else gene.scores.get(phenotype, ())
    return replace(genetic, phenotype=phenotype, activity_score=score, keys=keys, possible_scores=possible, notes=(rule, note))


def _band(score: Score) -> str:
    """CPIC opioid guideline 2021: 0 poor, above 0 to under 1.25 intermediate, 1.25 to 2.25 normal, above 2.25 ultrarapid.

    An at-least score below the last band may lie higher: Indeterminate.
    """
    if score.at_least and score.value <= _LAST_NORMAL:
        return INDETERMINATE
    if score.value > _LAST_NORMAL:
        return "Ultrarapid Metabolizer"
    if score.value >= _FIRST_NORMAL:
        return "Normal Metabolizer"
    return "Intermediate Metabolizer" if score.value > 0 else "Poor Metabolizer"
