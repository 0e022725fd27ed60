"""Drug pairs that matter, wash-out and duplicates. The rules are data (interactions.json); a licensed source is one more file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Any, Final, Literal

from mappings.knowledge import KnowledgeError
from mappings.medicines.drug import Drugs
from mappings.medicines.prescription import Medicine

Severity = Literal["high", "moderate", "low"]
_RANK: Final = {"high": 0, "moderate": 1, "low": 2}
_TEXTS: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
_DAYS: Final = {"type": "integer", "minimum": 0}
_RULE: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "topic", "severity", "title", "text", "mitigation", "left", "right", "source", "mark", "url"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "topic": {"type": "string"},
        "severity": {"enum": list(_RANK)},
        "title": {"type": "string"},
        "text": {"type": "string"},
        "mitigation": {"type": "string"},
        "left": _TEXTS,
        "right": _TEXTS,
        "washout": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"after_left": _DAYS, "after_right": _DAYS, "longer": {"type": "object", "additionalProperties": _DAYS}},
        },
        "ceiling": {
            "type": "object",
            "additionalProperties": False,
            "required": ["drug", "mg_per_day"],
            "properties": {"drug": {"type": "string"}, "mg_per_day": {"type": "number", "exclusiveMinimum": 0}},
        },
        "source": _TEXTS,
        "mark": {"enum": ["V", "L"]},
        "url": {"type": "string", "pattern": "^https://"},
    },
}
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "version", "source", "classes", "rules"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "about": {"type": "string"},
        "source": _TEXTS,
        "classes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["drugs", "mark", "source"],
                "properties": {"drugs": _TEXTS, "mark": {"enum": ["V", "L"]}, "source": {"type": "string"}},
            },
        },
        "duplicate_groups": _TEXTS,
        "rules": {"type": "array", "minItems": 1, "items": _RULE},
    },
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One pair rule. Wash-out days after the left or the right side stopped; `longer` by drug; `ceiling` is (drug, mg a day)."""

    id: str
    topic: str
    severity: Severity
    title: str
    text: str
    mitigation: str
    left: frozenset[str]
    right: frozenset[str]
    after_left: int
    after_right: int
    longer: Mapping[str, int]
    ceiling: tuple[str, float] | None
    source: str
    url: str


@dataclass(frozen=True, slots=True)
class Interactions:
    """One source of pair rules. `pairs` leads from (drug, drug) in either order to the rules that name them."""

    name: str
    version: str
    duplicate_groups: frozenset[str]
    rules: tuple[Rule, ...]
    pairs: Mapping[tuple[str, str], tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class Interaction:
    """Something to review about one medicine. `refs` are the medicines and other resources it rests on, the reviewed medicine first."""

    code: str
    kind: Literal["interaction", "washout", "duplicate", "allergy", "unmapped", "ceiling", "warning", "limit"]
    severity: Severity
    title: str
    text: str
    mitigation: str
    drugs: tuple[str, ...]
    refs: tuple[str, ...]
    source: str
    url: str | None = None
    notes: tuple[str, ...] = ()


def build(data: dict[str, Any]) -> Interactions:
    """The rules of one file (already valid by SCHEMA). Errors: KnowledgeError with the path of an unknown class or a repeated id."""
    classes = {name: entry["drugs"] for name, entry in data["classes"].items()}
    rules: dict[str, Rule] = {}
    for at, entry in enumerate(data["rules"]):
        if entry["id"] in rules:
            raise KnowledgeError("a rule with this id stands above", ("rules", at, "id"))
        rules[entry["id"]] = _rule(entry, classes, at)
    pairs: dict[tuple[str, str], dict[str, Rule]] = {}
    for rule in rules.values():
        for left, right in product(rule.left, rule.right):
            if left != right:
                pairs.setdefault((left, right), {})[rule.id] = rule
                pairs.setdefault((right, left), {})[rule.id] = rule
    index = {pair: tuple(found.values()) for pair, found in pairs.items()}
    return Interactions(data["name"], data["version"], frozenset(data.get("duplicate_groups", ())), tuple(rules.values()), index)


def _rule(entry: Mapping[str, Any], classes: Mapping[str, list[str]], at: int) -> Rule:
    washout, ceiling = entry.get("washout", {}), entry.get("ceiling")
    return Rule(
        id=entry["id"],
        topic=entry["topic"],
        severity=entry["severity"],
        title=entry["title"],
        text=entry["text"],
        mitigation=entry["mitigation"],
        left=_members(entry["left"], classes, ("rules", at, "left")),
        right=_members(entry["right"], classes, ("rules", at, "right")),
        after_left=washout.get("after_left", 0),
        after_right=washout.get("after_right", 0),
        longer=washout.get("longer", {}),
        ceiling=(ceiling["drug"], float(ceiling["mg_per_day"])) if ceiling else None,
        source="; ".join(entry["source"]),
        url=entry["url"],
    )


def _members(names: list[str], classes: Mapping[str, list[str]], path: tuple[str | int, ...]) -> frozenset[str]:
    members: set[str] = set()
    for at, name in enumerate(names):
        if name.startswith("@") and name[1:] not in classes:
            raise KnowledgeError("no such class", (*path, at))
        members.update(classes[name[1:]] if name.startswith("@") else [name])
    return frozenset(members)


def check(sources: Iterable[Interactions], drugs: Drugs, medicine: Medicine, others: Sequence[Medicine], on: str) -> list[Interaction]:
    """Everything to review about `medicine` beside the person's `others` on the day `on` (ISO date or time), most severe first.

    `others` may hold stopped medicines: they count for wash-out. The same medicine by reference is skipped.
    """
    start = day_of(medicine.start) or day_of(on) or date.min
    today = max(start, day_of(on) or start)
    rest = [other for other in others if not other.ref or other.ref != medicine.ref]
    current = [other for other in rest if other.active and (other.end is None or (day_of(other.end, last=True) or today) >= start)]
    gone = [other for other in rest if other.stopped or (other.active and other not in current)]
    found = _unmapped(medicine, current)
    for source in sources:
        found += [pair for other in current for pair in _pairs(source, medicine, other)]
        found += [pair for other in gone for pair in _washouts(source, medicine, other, start)]
        found += [double for other in current for double in _duplicates(source, drugs, medicine, other)]
    return sorted(found, key=lambda one: (_RANK[one.severity], one.code, one.refs))


def day_of(text: str | None, last: bool = False) -> date | None:
    """The calendar day of a FHIR date or time; the first (or last) day of a month or year given alone. None when there is none."""
    if not text:
        return None
    parts = text[:10].split("-")
    try:
        if len(parts) == 3:
            return date.fromisoformat(text[:10])
        year, month = int(parts[0]), int(parts[1]) if len(parts) > 1 else (12 if last else 1)
        return date(year, month, 1) if not last else date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    except ValueError:
        return None


def _rules(source: Interactions, medicine: Medicine, other: Medicine) -> Iterator[tuple[Rule, str, str]]:
    """The most severe rule of each topic for two medicines, with the drugs that meet it."""
    seen: dict[tuple[str, str, str], tuple[Rule, str, str]] = {}
    for one, two in product(medicine.ingredients, other.ingredients):
        for rule in source.pairs.get((one, two), ()):
            key = (one, two, rule.topic)
            if key not in seen or _RANK[rule.severity] < _RANK[seen[key][0].severity]:
                seen[key] = (rule, one, two)
    yield from seen.values()


def _pairs(source: Interactions, medicine: Medicine, other: Medicine) -> Iterator[Interaction]:
    for rule, one, two in _rules(source, medicine, other):
        yield Interaction(
            code=f"interaction|{source.name}|{rule.id}|{one}|{two}",
            kind="interaction",
            severity=rule.severity,
            title=f"{rule.title}: {one} with {two}",
            text=rule.text,
            mitigation=rule.mitigation,
            drugs=(one, two),
            refs=(medicine.ref, other.ref),
            source=rule.source,
            url=rule.url,
            notes=_doubts(medicine, other),
        )


def _washouts(source: Interactions, medicine: Medicine, other: Medicine, start: date) -> Iterator[Interaction]:
    """Stopped, but not long enough before the new medicine starts; a stop without a date is said, since it cannot be checked."""
    for rule, one, two in _washing(source, medicine, other):
        days = _washout_days(rule, two)
        ended = day_of(other.end, last=True)
        if ended is not None and (start - ended).days >= days:
            continue
        text = f"{rule.text} {two} needs {days} days after the last dose."
        known = ended is not None
        yield Interaction(
            code=f"washout|{source.name}|{rule.id}|{one}|{two}",
            kind="washout",
            severity=rule.severity if known else "moderate",
            title=f"{rule.title}: {one} soon after {two}",
            text=text if known else text + " The day it was stopped is not recorded.",
            mitigation=rule.mitigation,
            drugs=(one, two),
            refs=(medicine.ref, other.ref),
            source=rule.source,
            url=rule.url,
            notes=_doubts(medicine, other),
        )


def _washing(source: Interactions, medicine: Medicine, other: Medicine) -> list[tuple[Rule, str, str]]:
    """One wash-out rule, the longest, for each pair of drugs."""
    best: dict[tuple[str, str], tuple[Rule, str, str]] = {}
    for one, two in product(medicine.ingredients, other.ingredients):
        for rule in source.pairs.get((one, two), ()):
            days = _washout_days(rule, two)
            if days > 0 and ((one, two) not in best or days > _washout_days(best[one, two][0], two)):
                best[one, two] = (rule, one, two)
    return list(best.values())


def _washout_days(rule: Rule, stopped: str) -> int:
    sides = [rule.after_left if stopped in rule.left else 0, rule.after_right if stopped in rule.right else 0]
    return max(*sides, rule.longer.get(stopped, 0))


def _duplicates(source: Interactions, drugs: Drugs, medicine: Medicine, other: Medicine) -> Iterator[Interaction]:
    for one, two in product(medicine.ingredients, other.ingredients):
        first, second = drugs.by_id[one], drugs.by_id[two]
        if one != two and not (first.group == second.group and first.group in source.duplicate_groups):
            continue
        yield Interaction(
            code=f"duplicate|{one}|{two}",
            kind="duplicate",
            severity="moderate",
            title=f"{one} is already prescribed" if one == two else f"{one} beside {two}, a drug of the same group",
            text="The dose may be doubled without intent." if one == two else "Two drugs of one group add side effects.",
            mitigation="Check whether both are meant; stop or merge one.",
            drugs=(one, two),
            refs=(medicine.ref, other.ref),
            source=f"{source.name} {source.version}",
            notes=_doubts(medicine, other),
        )


def _doubts(*medicines: Medicine) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for medicine in medicines for note in medicine.notes))


def _unmapped(medicine: Medicine, current: Sequence[Medicine]) -> list[Interaction]:
    unknown = [other.ref for other in (medicine, *current) if other.how == "unmapped"]
    if not unknown:
        return []
    itself = medicine.how == "unmapped"
    return [
        Interaction(
            code="unmapped",
            kind="unmapped",
            severity="moderate" if itself else "low",
            title="This medicine is not recognised" if itself else "Some of the person's medicines are not recognised",
            text="Neither a known code nor a known name: genes and interactions were not checked for it.",
            mitigation="Check by hand, or send an RxNorm ingredient or ATC code.",
            drugs=(),
            refs=tuple(dict.fromkeys([medicine.ref, *unknown])),
            source="mapping",
        )
    ]
