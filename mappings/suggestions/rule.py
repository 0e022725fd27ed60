"""Rules: when a suggestion is due, what it proposes, what it rests on and what it does not know. One file per rule, no Python."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from mappings.knowledge import KnowledgeError, Path
from mappings.suggestions import condition as conditions
from mappings.suggestions import schema
from mappings.suggestions.condition import Condition, comparisons, grounds
from mappings.suggestions.facts import Catalogue, Fact, Facts, Value, number_of
from mappings.vocabulary import CANONICAL, Json

SCHEMA: Final = schema.SCHEMA
KINDS: Final = schema.KINDS
ORDERS: Final = ("prescribe", "order ")
"""No activity may start with such a word: a suggestion proposes."""


@dataclass(frozen=True, slots=True)
class Worsening:
    """A change between two sets of facts that lets a declined suggestion return early. `by`: points of a rise or fall, or the new value."""

    fact: Fact
    way: Literal["rises", "falls", "becomes", "changes"]
    by: Value

    def happened(self, before: Value | None, after: Value | None) -> bool:
        """Whether it lies between these values. A rise or fall from something unknown cannot be told and does not count."""
        if after is None:
            return False
        if self.way in ("rises", "falls"):
            start, end = number_of(before), number_of(after)
            return start is not None and end is not None and (end - start if self.way == "rises" else start - end) >= float(self.by)
        return before != after and (self.way == "changes" or after == self.by)


@dataclass(frozen=True, slots=True)
class Alternative:
    """What else could be done, and why it is not proposed first."""

    text: str
    why_not: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing proposed. `in_days`: by when, counted from the suggestion; left out for the reason `why_not` where `when` is known not to hold."""

    kind: str
    text: str
    in_days: int | None
    when: Condition | None
    why_not: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source and what it supports; `grade` in the source's own terms or the kind of study."""

    citation: str
    grade: str
    supports: str
    url: str | None
    doi: str | None

    @property
    def link(self) -> str | None:
        return self.url or (f"https://doi.org/{self.doi}" if self.doi else None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One suggestion rule. `measure`: the scale or measure whose newest answer triggers it, at most `max_age_days` old; None: a prescription does.

    `quiet_days`: how long a decided suggestion stays away unless one of `worsens` happened; `worth_having`: facts told where they are
    known and named as missing where not.
    """

    id: str
    version: str
    title: str
    priority: Literal["safety", "routine"]
    measure: str | None
    max_age_days: int
    quiet_days: int
    why: str
    condition: Condition
    worsens: tuple[Worsening, ...]
    worth_having: tuple[Fact, ...]
    activities: tuple[Activity, ...]
    goal: str
    evidence: tuple[Evidence, ...]
    limits: tuple[str, ...]
    source: tuple[str, ...]

    @property
    def url(self) -> str:
        """The canonical address of the served PlanDefinition, without version."""
        return f"{CANONICAL}/PlanDefinition/{self.id}"

    @property
    def canonical(self) -> str:
        """url|version, as instantiatesCanonical says it."""
        return f"{self.url}|{self.version}"

    def asked(self) -> Iterator[Fact]:
        """Every fact that the rule looks at, in the order of its file."""
        yield from (each.fact for each in comparisons(self.condition))
        yield from self.worth_having
        for activity in self.activities:
            if activity.when is not None:
                yield from (each.fact for each in comparisons(activity.when))
        yield from (each.fact for each in self.worsens)


def build(data: Json, catalogue: Catalogue) -> Rule:
    """The rule that a file says. Errors: KnowledgeError with its path for an unknown fact, a wrong type or unit, or an order."""
    measure = data["trigger"]["measure"] if isinstance(data["trigger"], dict) else None
    if measure is not None and measure not in catalogue.measures:
        raise KnowledgeError(f"no scale or measure is called {measure!r}", ("trigger", "measure"))
    return Rule(
        id=data["id"],
        version=data["version"],
        title=data["title"],
        priority=data["priority"],
        measure=measure,
        max_age_days=data["max_age_days"],
        quiet_days=data["quiet_days"],
        why=data["why"],
        condition=conditions.build(data["condition"], catalogue, ("condition",)),
        worsens=tuple(_worsening(each, catalogue, ("worsens", at)) for at, each in enumerate(data["worsens"])),
        worth_having=tuple(conditions.known(name, catalogue, ("worth_having", at)) for at, name in enumerate(data["worth_having"])),
        activities=tuple(_activity(each, catalogue, ("activities", at)) for at, each in enumerate(data["activities"])),
        goal=data["goal"],
        evidence=tuple(Evidence(each["citation"], each["grade"], each["supports"], each.get("url"), each.get("doi")) for each in data["evidence"]),
        limits=tuple(data["limits"]),
        source=tuple(data["source"]),
    )


def _worsening(data: Mapping[str, Any], catalogue: Catalogue, path: Path) -> Worsening:
    fact = conditions.known(data["fact"], catalogue, (*path, "fact"))
    for way in ("rises", "falls"):
        if way in data:
            conditions.check_value(fact, data, way, path)
            return Worsening(fact, way, data[way])
    if "changes" in data:
        return Worsening(fact, "changes", True)
    conditions.check_value(fact, data, "becomes", path)
    return Worsening(fact, "becomes", data["becomes"])


def _activity(data: Mapping[str, Any], catalogue: Catalogue, path: Path) -> Activity:
    if data["text"].lower().startswith(ORDERS):
        raise KnowledgeError("a suggestion proposes and does not order", (*path, "text"))
    when = conditions.build(data["when"], catalogue, (*path, "when")) if "when" in data else None
    alternatives = tuple(Alternative(each["text"], each["why_not"]) for each in data.get("alternatives", ()))
    return Activity(data["kind"], data["text"], data.get("in_days"), when, data.get("why_not", ""), alternatives)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says now. `holds` None: a fact that decides is not known. `used`: every fact the rule looked at and that is known;
    `missing`: the others; `reasons`: those of `used` that the verdict rests on; `planned`, `left_out`: its activities for this person."""

    holds: bool | None
    used: Facts
    missing: tuple[str, ...]
    reasons: tuple[str, ...]
    planned: tuple[Activity, ...]
    left_out: tuple[Activity, ...]

    @property
    def refs(self) -> tuple[str, ...]:
        """What the verdict rests on, "Type/id", each once."""
        return tuple(dict.fromkeys(ref for name in self.reasons for ref in self.used[name].refs))


def evaluate(rule: Rule, facts: Facts) -> Verdict:
    """Hold the rule against the facts. Any facts give a verdict."""
    asked = tuple(dict.fromkeys(fact.name for fact in rule.asked()))
    reasons = tuple(name for name in dict.fromkeys(grounds(rule.condition, facts)) if name in facts)
    left_out = tuple(each for each in rule.activities if each.when is not None and each.when.holds(facts) is False)
    planned = tuple(each for each in rule.activities if each not in left_out)
    used = {name: facts[name] for name in asked if name in facts}
    return Verdict(rule.condition.holds(facts), used, tuple(name for name in asked if name not in facts), reasons, planned, left_out)


def worsened(rule: Rule, before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
    """Whether the person is worse than when the facts had the values `before`, by the rule's own measure of it."""
    return any(each.happened(before.get(each.fact.name), after.get(each.fact.name)) for each in rule.worsens)
