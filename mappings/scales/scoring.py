"""Scoring one response: totals, bands, verdicts, safety findings, and in notes everything that had to be decided."""

from dataclasses import dataclass
from typing import NamedTuple

from mappings.scales.answers import Answers, read
from mappings.scales.arithmetic import Sheet, Value
from mappings.scales.condition import Number
from mappings.scales.parts import Band, Cutoff, Level, Option, Rule, SafetyRule
from mappings.scales.scale import Scale
from mappings.vocabulary import Json


class ItemScore(NamedTuple):
    """One item that was answered: its id and linkId in our Questionnaire, the score that entered the sum (None: "not
    assessed"), and the option chosen where the item has options."""

    item: str
    link: str
    score: Number | None
    option: Option | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an interpretation says: a band, a cut-off met or not, or a screen's result; `code` where our CodeSystem has one."""

    text: str
    code: str | None
    source: tuple[str, ...]


class Total(NamedTuple):
    """One score. `value` in the scale's own points; 0 or 1 of a boolean; the place of a level, 0 the lowest; None: cannot be scored.

    `used_items`: linkIds of the answered items it rests on; `missing`: ids of those it lacks; `kind` as in parts.Rule.
    """

    code: str
    value: Number | None
    band: Band | None
    used_items: tuple[str, ...]
    kind: str = "number"
    missing: tuple[str, ...] = ()
    filled: bool = False
    level: Level | None = None
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class SafetyHit:
    """A finding for professional review. `item`: linkId of the item, or the score's code; `code`: our stable key; `level`: how pressing."""

    item: str
    code: str
    score: Number
    text: str
    level: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A scored response. The first of `totals` is THE total; `complete`: every item it rests on was answered or rightly skipped."""

    scale_id: str
    totals: tuple[Total, ...]
    items: tuple[ItemScore, ...]
    safety: tuple[SafetyHit, ...]
    notes: tuple[str, ...]
    complete: bool


def score(scale: Scale, response: Json, questionnaire: Json | None = None) -> Scored:
    """Score the response on this scale. `questionnaire`: the foreign one that was answered, if known, for its item codes."""
    answers = read(scale, response, questionnaire)
    by_id = scale.by_id
    items = tuple([ItemScore(name, by_id[name].link, given.score, given.option) for name, given in answers.given.items()])
    sheet = Sheet(scale, {name: given.score for name, given in answers.given.items() if given.score is not None})
    totals = tuple(_total(scale, rule, sheet) for rule in scale.rules)
    safety = _safety(scale, sheet)
    notes = (*answers.notes, *sheet.notes, *_notes(scale, answers, sheet, totals))
    return Scored(scale.id, totals, items, safety, notes, not totals[0].missing)


def _total(scale: Scale, rule: Rule, sheet: Sheet) -> Total:
    value = sheet.value(rule.code)
    used = rule.links if sheet.whole else tuple([scale.by_id[name].link for name in rule.items if name in sheet.answered and name not in sheet.set_aside])
    missing = value.missing
    if missing is None:
        missing = tuple([name for name in rule.items if sheet.lacks(name)]) if sheet.lacking and rule.kind != "profile" else ()
    level = rule.levels[len(rule.levels) - 1 - int(value.number)] if rule.levels and value.number is not None else None
    band = _band(rule, value.number)
    verdicts = _verdicts(rule, value, band, level, sheet)
    return Total(rule.code, value.number, band, used, rule.kind, missing, value.filled, level, verdicts)


def _band(rule: Rule, value: Number | None) -> Band | None:
    if value is not None:
        for band in rule.bands:
            if band.low <= value <= band.high:
                return band
    return None


def _verdicts(rule: Rule, value: Value, band: Band | None, level: Level | None, sheet: Sheet) -> tuple[Verdict, ...]:
    if rule.screen is not None:
        holds = rule.screen.when.holds(sheet.item, sheet.number)
        text = "cannot be decided: answers are missing" if holds is None else rule.screen.positive if holds else rule.screen.negative
        return (Verdict(text, None, rule.screen.source),)
    if value.number is None:
        return ()
    if band is not None:
        return (Verdict(band.text, band.code, band.source),)
    if level is not None:
        return (Verdict(level.text, f"{rule.code}.{level.code}", rule.source),)
    if rule.kind == "boolean":
        return (Verdict("positive" if value.number else "negative", None, rule.source),)
    return _by_cutoffs(rule, value.number)


def _by_cutoffs(rule: Rule, value: Number) -> tuple[Verdict, ...]:
    """For each group of people: the most extreme cut-off that is met, else that the least extreme one is not."""
    found: list[Verdict] = []
    for group in dict.fromkeys(cutoff.group for cutoff in rule.cutoffs):
        mine = sorted((cutoff for cutoff in rule.cutoffs if cutoff.group == group), key=_reach)
        met = [cutoff for cutoff in mine if cutoff.is_met(value)]
        found.append(Verdict(met[-1].met, None, met[-1].source) if met else Verdict(mine[0].not_met, None, mine[0].source))
    return tuple(found)


def _reach(cutoff: Cutoff) -> Number:
    """Cut-offs in the order in which a worsening score meets them."""
    return cutoff.low if cutoff.low is not None else -(cutoff.high or 0)


def _safety(scale: Scale, sheet: Sheet) -> tuple[SafetyHit, ...]:
    """One hit per key: rules stand most pressing first. A total that cannot be scored still counts for what it is at least."""
    hits: dict[str, SafetyHit] = {}
    for rule in scale.safety:
        hit = None if rule.code in hits else _hit(scale, rule, sheet)
        if hit is not None:
            hits[rule.code] = hit
    return tuple(hits.values())


def _hit(scale: Scale, rule: SafetyRule, sheet: Sheet) -> SafetyHit | None:
    if rule.score is not None:
        value = sheet.at_least(rule.score)
        return SafetyHit(rule.score, rule.code, value, rule.text, rule.level) if value >= rule.low else None
    for name in rule.items:
        given = sheet.answered.get(name)
        if given is not None and given >= rule.low:
            return SafetyHit(scale.by_id[name].link, rule.code, given, rule.text, rule.level)
    return None


def _notes(scale: Scale, answers: Answers, sheet: Sheet, totals: tuple[Total, ...]) -> list[str]:
    total, notes = totals[0], list[str]()
    if total.missing:
        notes.append(_missing_note(scale, total))
    notes += [f"Item {name} was recorded as not assessed; it has no score." for name, given in answers.given.items() if given.score is None]
    notes += [f"Safety item {name} has no usable answer." for name in _safety_items(scale) if name not in sheet.answered and sheet.lacks(name)]
    if answers.unknown:
        notes.append(f"{answers.unknown} answered question(s) are not part of this scale and were not used.")
    by_code = {each.code: each for each in totals}
    notes += [_stated_note(by_code[code], stated) for code, stated in answers.stated.items() if stated != by_code[code].value]
    return notes


def _safety_items(scale: Scale) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for rule in scale.safety for name in rule.items))


def _missing_note(scale: Scale, total: Total) -> str:
    names, rule = ", ".join(total.missing), scale.total.missing
    head = f"Missing: item(s) {names}."
    if total.filled:
        return f"{head} The total is prorated from the answered items (at most {rule.allowed} may be missing)."
    if total.value is not None:
        return f"{head} They do not change this result."
    limit = f"at most {rule.allowed} may be missing" if rule.allowed else "none may be missing"
    return f"{head} The total is not scored: {limit}."


def _stated_note(total: Total, stated: Number | None) -> str:
    if stated is None:
        return f"The response states a result for {total.code} that is not a number; the recomputed one counts."
    if total.value is None:
        return f"The response states {stated} for {total.code}; its answers do not allow a score, so the stated value is not taken over."
    return f"The response states {stated} for {total.code}, but its answers give {total.value}; the recomputed value counts."
