"""The table of decisions: what becomes of a suggestion when the facts are told anew."""

import pytest

from mappings.suggestions.care_plan import facts_digest
from mappings.suggestions.decision import DAY_US, Action, Existing, decide
from mappings.suggestions.facts import FactValue
from mappings.suggestions.rule import Rule, Verdict, evaluate

THEN = 1000 * DAY_US
AT, REFS = "2026-03-01T09:00:00Z", ("QuestionnaireResponse/q1",)


def verdict_of(rule: Rule, total: int | None, at: str = AT, ref: str = REFS[0], is_above: bool = True) -> Verdict:
    answer = {"earlier-values": 10, "above-personal-range": is_above, "shifted-up": False} | ({} if total is None else {"total": total})
    return evaluate(rule, {f"phq-9.{name}": FactValue(value, (ref,), at) for name, value in answer.items()})


def existing(rule: Rule, status: str, total: int = 13) -> Existing:
    before = verdict_of(rule, total)
    values = {name: fact.value for name, fact in before.used.items()}
    decided = THEN if status in ("accepted", "declined") else None
    return Existing(status, facts_digest(before), values, decided, {name: fact.as_of for name, fact in before.used.items()})


LATER = {"at": "2026-03-08T09:00:00Z", "ref": "QuestionnaireResponse/q2"}
SAME: dict[str, str] = {}
TABLE = [
    # there is, total now, evidence, days later, may raise, action        (quiet period 28 days, worse by 5 points)
    (None, 13, SAME, 0, True, Action.RAISE),
    (None, 13, SAME, 0, False, Action.KEEP),
    (None, 9, SAME, 0, True, Action.KEEP),
    (None, None, SAME, 0, True, Action.KEEP),
    ("draft", 13, SAME, 1, True, Action.KEEP),
    ("draft", 13, LATER, 7, True, Action.REVISE),
    ("draft", 14, SAME, 1, True, Action.REVISE),
    ("draft", 14, SAME, 1, False, Action.REVISE),
    ("draft", 6, LATER, 7, True, Action.WITHDRAW),
    ("draft", None, LATER, 7, True, Action.WITHDRAW),
    ("withdrawn", 13, LATER, 7, True, Action.RAISE),
    ("withdrawn", 13, LATER, 7, False, Action.KEEP),
    ("withdrawn", 6, LATER, 7, True, Action.KEEP),
    ("declined", 13, LATER, 7, True, Action.QUIET),
    ("declined", 17, LATER, 7, True, Action.QUIET),
    ("declined", 18, LATER, 7, True, Action.SUPERSEDE),
    ("declined", 18, LATER, 7, False, Action.KEEP),
    ("declined", 13, LATER, 27, True, Action.QUIET),
    ("declined", 13, LATER, 28, True, Action.SUPERSEDE),
    ("declined", 13, SAME, 40, True, Action.KEEP),
    ("declined", 6, LATER, 40, True, Action.KEEP),
    ("accepted", 13, SAME, 0, True, Action.KEEP),
    ("accepted", 13, LATER, 7, True, Action.QUIET),
    ("accepted", 18, LATER, 7, True, Action.SUPERSEDE),
    ("accepted", 13, LATER, 28, True, Action.SUPERSEDE),
    ("accepted", 14, SAME, 1, True, Action.SUPERSEDE),  # the answer the decision rested on was amended
    ("accepted", 6, SAME, 1, True, Action.KEEP),
    ("declined", 12, SAME, 1, True, Action.SUPERSEDE),
]


@pytest.mark.parametrize(("status", "total", "evidence", "days", "may_raise", "action"), TABLE)
def test_decisions(rules: dict[str, Rule], status: str | None, total: int | None, evidence: dict[str, str], days: int, may_raise: bool, action: Action) -> None:
    rule = rules["depression-worsening"]
    there = existing(rule, status) if status else None
    assert decide(rule, verdict_of(rule, total, **evidence), there, THEN + days * DAY_US, may_raise) is action


def test_without_dates_an_amendment_waits_for_the_quiet_period(rules: dict[str, Rule]) -> None:
    rule = rules["depression-worsening"]
    there = existing(rule, "accepted")
    bare = Existing(there.status, there.digest, there.values, there.decided_at)
    assert decide(rule, verdict_of(rule, 14), bare, THEN + DAY_US, True) is Action.QUIET


def test_the_last_bits_of_a_sum_are_no_amendment(rules: dict[str, Rule]) -> None:
    rule = rules["not-on-track"]
    told = {"phq-9.percent-change-from-start": -5.0, "phq-9.total": 17, "treatment.weeks": 3.0}
    before = evaluate(rule, {name: FactValue(value, REFS, AT) for name, value in told.items()})
    there = Existing("accepted", "another", {name: fact.value for name, fact in before.used.items()}, THEN, dict.fromkeys(told, AT))
    near, off = ({name: FactValue(value + change, REFS, AT) for name, value in told.items()} for change in (1e-12, 1))
    assert decide(rule, evaluate(rule, near), there, THEN + DAY_US, True) is Action.QUIET
    assert decide(rule, evaluate(rule, off), there, THEN + DAY_US, True) is Action.SUPERSEDE


def test_unknown_is_not_true(rules: dict[str, Rule]) -> None:
    rule = rules["depression-worsening"]
    assert verdict_of(rule, None).holds is None
    assert decide(rule, verdict_of(rule, None), existing(rule, "declined"), THEN + 90 * DAY_US, True) is Action.KEEP
