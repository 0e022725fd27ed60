"""The arithmetic of scores over one answer sheet: parts, missing rules, transformations, levels."""

from collections.abc import Mapping
from math import floor
from typing import NamedTuple

from mappings.scales.assembly import whole
from mappings.scales.condition import Number
from mappings.scales.parts import Part, Rule
from mappings.scales.scale import Scale


class Value(NamedTuple):
    """A score's number, or None; whether missing parts were filled; and, for a number, the items it lacks."""

    number: Number | None
    filled: bool = False
    missing: tuple[str, ...] | None = None


class Sheet:
    """Answers on one scale after its skip rules. `answered`: scores as given; `set_aside`: items that a skip rule takes out;
    `lacking`: items that should have a score and have none; `whole`: every item was answered and counts."""

    def __init__(self, scale: Scale, answered: Mapping[str, Number]) -> None:
        self._scale, self.answered = scale, answered
        self._scores: dict[str, Number] = dict(answered)
        self._left_out = set[str]()
        self.set_aside = set[str]()
        self.notes: list[str] = []
        self._values: dict[str, Value] = {}
        for skip in scale.skips:
            if skip.when.holds(answered.get, self._nothing):
                taken = [name for name in skip.items if skip.always or name not in answered]
                self._skip(taken, skip.score, skip.reason)
        self.lacking = frozenset([name for name in scale.by_id if name not in self._scores and name not in self._left_out])
        self.whole = len(answered) == len(scale.by_id) and not self.set_aside

    @staticmethod
    def _nothing(_: str) -> None:
        return None

    def _skip(self, taken: list[str], fill: Number | None, reason: str) -> None:
        for name in taken:
            if name in self.answered:
                self.set_aside.add(name)
            if fill is None:
                self._scores.pop(name, None)
                self._left_out.add(name)
            else:
                self._scores[name] = fill
        if taken:
            self.notes.append(f"Item(s) {', '.join(taken)} {'left out' if fill is None else f'counted {fill}'}: {reason}.")

    def item(self, name: str) -> Number | None:
        """The score of an item as it enters sums."""
        return self._scores.get(name)

    def lacks(self, name: str) -> bool:
        """Whether the item should have a score and has none."""
        return name in self.lacking

    def number(self, code: str) -> Number | None:
        """The number of a score, as conditions ask for it."""
        return self.value(code).number

    def value(self, code: str) -> Value:
        """The value of a score, worked out once."""
        if code not in self._values:
            self._values[code] = self._work_out(self._scale.by_rule[code])
        return self._values[code]

    def _work_out(self, rule: Rule) -> Value:
        if rule.kind == "boolean" and rule.holds is not None:
            holds = rule.holds.holds(self._scores.get, self.number)
            return Value(None if holds is None else int(holds))
        if rule.kind == "level":
            return Value(self._level(rule))
        if rule.kind == "profile":
            return Value(None)
        return self._sum(rule)

    def _level(self, rule: Rule) -> Number | None:
        for place, level in enumerate(rule.levels):
            holds = True if level.when is None else level.when.holds(self._scores.get, self.number)
            if holds is None:
                return None
            if holds:
                return len(rule.levels) - 1 - place
        return None

    def _sum(self, rule: Rule) -> Value:
        if rule.plain and not self._left_out and self.lacking.isdisjoint(rule.plain):
            return Value(self._transform(rule, sum([self._scores[name] for name in rule.plain])), False, ())
        wanted = [part for part in rule.parts if not self._is_left_out(part)]
        found = [self._part(part) for part in wanted]
        numbers = [number for number in found if number is not None]
        lacking = len(found) - len(numbers)
        missing = self._missing(wanted, found) if lacking else ()
        if lacking > rule.missing.allowed or not numbers:
            return Value(None, False, missing)
        filled = lacking > 0 or any(self._values[part.refs[0]].filled for part in wanted if part.is_score)
        raw: Number = sum(numbers)
        if lacking:
            raw = raw * len(found) / len(numbers)
            raw = floor(raw + 0.5) if rule.missing.rounding == "half-up" else whole(round(raw, 6))
        return Value(self._transform(rule, raw), filled, missing or self._inherited(wanted))

    def _missing(self, wanted: list[Part], found: list[Number | None]) -> tuple[str, ...]:
        names: list[str] = []
        for part, number in zip(wanted, found, strict=True):
            if number is not None:
                continue
            if part.is_score:
                names += self._values[part.refs[0]].missing or ()
            else:
                names += [name for name in (part.refs or (part.when.refs("item") if part.when else ())) if self.lacks(name)]
        return tuple(dict.fromkeys(names))

    def _inherited(self, wanted: list[Part]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in wanted if part.is_score for name in self._values[part.refs[0]].missing or ()))

    @staticmethod
    def _transform(rule: Rule, raw: Number) -> Number | None:
        number = whole(raw * rule.multiply)
        return number if rule.table is None else rule.table.get(number)

    def _is_left_out(self, part: Part) -> bool:
        return not part.is_score and bool(part.refs) and all(ref in self._left_out for ref in part.refs)

    def _part(self, part: Part) -> Number | None:
        if part.when is not None:
            holds = part.when.holds(self._scores.get, self.number)
            return None if holds is None else part.weight if holds else 0
        if part.is_score:
            number = self.value(part.refs[0]).number
            return None if number is None else number * part.weight
        known = [number for number in map(self._scores.get, part.refs) if number is not None]
        need = min(part.need, sum(ref not in self._left_out for ref in part.refs))
        return (max(known) - part.minus) * part.weight if known and len(known) >= need else None

    def at_least(self, code: str) -> Number:
        """What the score is at least, whatever the missing answers are: for safety limits, which must not wait for completeness."""
        rule, known = self._scale.by_rule[code], self.value(code).number
        if known is not None:
            return known
        low: Number = 0
        for part in rule.parts:
            if not part.refs or part.is_score or part.weight < 0:
                return rule.low
            scores = [self._scores.get(ref, self._scale.by_id[ref].low) for ref in part.refs if ref not in self._left_out]
            low += (max(scores) - part.minus) * part.weight if scores else 0
        return low * rule.multiply if rule.table is None else rule.low
