"""The arithmetic of a score as FHIRPath, for the calculatedExpression of a served Questionnaire (SDC "expressions").

It gives the score of complete answers and nothing otherwise: prorating and skip rules are this service's work when it scores.
"""

from collections.abc import Mapping

from mappings.scales.condition import Condition, Number
from mappings.scales.parts import Item, Part, Rule
from mappings.scales.scale import Scale

_MAX = "aggregate(iif($total.empty() or $this > $total, $this, $total))"


def expression(scale: Scale, rule: Rule) -> str | None:
    """The FHIRPath of this score over `%resource`, or None for a profile, which has none."""
    return _Writer(scale).rule(rule)


class _Writer:
    def __init__(self, scale: Scale) -> None:
        self._items: Mapping[str, Item] = scale.by_id
        self._rules = scale.by_rule

    def rule(self, rule: Rule) -> str | None:
        if rule.kind == "profile":
            return None
        if rule.kind == "boolean" and rule.holds is not None:
            return f"iif({self._answered(rule.items)}, {self._condition(rule.holds)}, {{}})"
        if rule.kind == "level":
            return f"iif({self._answered(rule.items)}, {self._levels(rule)}, {{}})"
        return f"iif({self._answered(rule.items)}, {self._number(rule)}, {{}})"

    def _answer(self, names: tuple[str, ...]) -> str:
        listed = " | ".join(f"'{self._items[name].link}'" for name in names)
        chosen = f"linkId = {listed}" if len(names) == 1 else f"linkId in ({listed})"
        return f"%resource.item.where({chosen}).answer"

    def _answered(self, names: tuple[str, ...]) -> str:
        return f"{self._answer(names)}.count() = {len(names)}"

    def _sum(self, names: tuple[str, ...]) -> str:
        """The sum of items: answers counted by code, times what they score. No function outside FHIRPath itself is needed."""
        alike: dict[tuple[tuple[str, Number], ...], list[str]] = {}
        for name in names:
            scored = tuple((option.code, option.score) for option in self._items[name].options if option.score is not None)
            alike.setdefault(scored, []).append(name)
        terms = [term for scored, group in alike.items() for term in self._terms(scored, tuple(group))]
        return " + ".join(terms) or "0"

    def _terms(self, scored: tuple[tuple[str, Number], ...], group: tuple[str, ...]) -> list[str]:
        answer = self._answer(group)
        if not scored:
            return [f"{answer}.value.aggregate($this + $total, 0)"]
        return [f"{answer}.value.where(code = '{code}').count()" + (f" * {_literal(score)}" if score != 1 else "") for code, score in scored if score]

    def _number(self, rule: Rule) -> str:
        text = self._sum(rule.plain) if rule.plain else " + ".join(f"({self._part(part)})" for part in rule.parts)
        if rule.multiply != 1:
            text = f"({text}) * {_literal(rule.multiply)}"
        return self._table(text, rule.table) if rule.table is not None else text

    def _part(self, part: Part) -> str:
        if part.when is not None:
            return f"iif({self._condition(part.when)}, {_literal(part.weight)}, 0)"
        if part.is_score:
            text = self._number(self._rules[part.refs[0]])
        elif len(part.refs) > 1:
            text = f"({' | '.join(f'({self._sum((ref,))})' for ref in part.refs)}).{_MAX}"
        else:
            text = self._sum(part.refs)
        if part.minus:
            text = f"({text}) - {_literal(part.minus)}"
        return text if part.weight == 1 else f"({text}) * {_literal(part.weight)}"

    @staticmethod
    def _table(text: str, table: Mapping[Number, Number]) -> str:
        rows = " | ".join(f"'{key}={value}'" for key, value in sorted(table.items()))
        return f"({rows}).where(startsWith(({text}).toInteger().toString() & '=')).select(substring(indexOf('=') + 1).toDecimal())"

    def _levels(self, rule: Rule) -> str:
        place = f"%questionnaire.item.where(linkId = '{total_link(rule)}').answerOption.value"
        text = "{}"
        for level in reversed(rule.levels):
            coding = f"{place}.where(code = '{level.loinc or f'{rule.code}.{level.code}'}')"
            text = coding if level.when is None else f"iif({self._condition(level.when)}, {coding}, {text})"
        return text

    def _condition(self, condition: Condition) -> str:
        if condition.kind == "item":
            return self._compared(f"({self._sum((condition.ref,))})", condition)
        if condition.kind == "score":
            return self._compared(f"({self._number(self._rules[condition.ref])})", condition)
        parts = [self._condition(part) for part in condition.parts]
        if condition.kind == "not":
            return f"({parts[0]}).not()"
        if condition.kind in ("all", "any"):
            return "(" + (" and " if condition.kind == "all" else " or ").join(parts) + ")"
        count = " + ".join(f"iif({part}, 1, 0)" for part in parts)
        most = f" and ({count}) <= {condition.most}" if condition.most is not None else ""
        return f"(({count}) >= {condition.least}{most})"

    @staticmethod
    def _compared(text: str, condition: Condition) -> str:
        bounds = [f"{text} {sign} {_literal(end)}" for sign, end in ((">=", condition.low), ("<=", condition.high)) if end is not None]
        return bounds[0] if len(bounds) == 1 else "(" + " and ".join(bounds or [f"{text}.exists()"]) + ")"


def total_link(rule: Rule) -> str:
    """linkId of a score's item in our Questionnaire: its LOINC code where verified, else its own."""
    return next((code.code for code in rule.codes if code.system == "http://loinc.org"), rule.code)


def _literal(number: Number) -> str:
    return str(number) if number >= 0 else f"({number})"
