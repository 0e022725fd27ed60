"""What becomes of a rule's suggestion when the facts are told anew: one open suggestion per person and rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mappings.suggestions.care_plan import facts_digest
from mappings.suggestions.facts import Value, rounded
from mappings.suggestions.rule import Rule, Verdict, worsened

DAY_US: Final = 86_400_000_000


class Action(Enum):
    """raise: a new plan. revise: new evidence makes a new version. keep: nothing. withdraw: the open one no longer holds.
    quiet: it holds, but nothing is said. supersede: it holds and a decided plan stands: a new plan replaces it."""

    RAISE = "raise"
    REVISE = "revise"
    KEEP = "keep"
    WITHDRAW = "withdraw"
    QUIET = "quiet"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True)
class Existing:
    """The suggestion there is. `status`: draft, accepted, declined or withdrawn; `decided_at` in microseconds; `values`: the facts of the
    time; `dates`: as_of of each of them, with which an amended answer is told from a newer one (optional)."""

    status: str
    digest: str
    values: Mapping[str, Value]
    decided_at: int | None = None
    dates: Mapping[str, str | None] = field(default_factory=dict)


def decide(rule: Rule, verdict: Verdict, existing: Existing | None, now: int, may_raise: bool) -> Action:
    """What to do. `may_raise`: the newest value of the rule's measure has just come, is young enough, and was not imported.

    A decided plan is never altered. Neither an accepted nor a declined one is followed by another in the rule's quiet period, unless the
    person is worse or what the decision rested on has been amended.
    """
    holds = verdict.holds is True
    if existing is None or existing.status == "withdrawn":
        return Action.RAISE if holds and may_raise else Action.KEEP
    changed = facts_digest(verdict) != existing.digest
    if existing.status == "draft":
        return (Action.REVISE if changed else Action.KEEP) if holds else Action.WITHDRAW
    if not holds or not may_raise or not changed:
        return Action.KEEP
    values = {name: value.value for name, value in verdict.used.items()}
    speaks = not _in_quiet_period(rule, existing, now) or worsened(rule, existing.values, values) or _amended(verdict, existing)
    return Action.SUPERSEDE if speaks else Action.QUIET


def _in_quiet_period(rule: Rule, existing: Existing, now: int) -> bool:
    return existing.decided_at is not None and now - existing.decided_at < rule.quiet_days * DAY_US


def _amended(verdict: Verdict, existing: Existing) -> bool:
    """Whether a reason, at the same time of the person's life, now says something else than when the decision was made."""
    for name in verdict.reasons:
        new, then = verdict.used[name], existing.dates.get(name)
        if then is not None and new.as_of == then and name in existing.values and rounded(existing.values[name]) != rounded(new.value):
            return True
    return False
