"""The shipped rules on persons as a clinician would describe them, and what stops a broken rule file. A rule is one file, no Python."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import jsonschema_rs
import pytest

from mappings.knowledge import KnowledgeError
from mappings.suggestions import rule
from mappings.suggestions.facts import Catalogue, FactValue
from mappings.suggestions.rule import Rule, evaluate, worsened

SHIPPED = ["anxiety-worsening", "depression-worsening", "gene-drug-review", "not-on-track", "sleep-with-low-mood", "suicidal-ideation-review"]


def test_the_shipped_rules(rules: dict[str, Rule], rule_file: Callable[[str], Any]) -> None:
    assert sorted(rules) == SHIPPED
    for name in SHIPPED:
        assert list(jsonschema_rs.validator_for(rule.SCHEMA).iter_errors(rule_file(name))) == []
        assert rules[name].evidence
        assert rules[name].limits
    assert [name for name in SHIPPED if rules[name].priority == "safety"] == ["suicidal-ideation-review"]
    assert rules["gene-drug-review"].measure is None


UNUSUAL = {"phq-9.total": 13, "phq-9.earlier-values": 10, "phq-9.above-personal-range": True}
SHORT = {"sleep-minutes.shifted-down": True, "sleep-minutes.earlier-values": 50, "phq-9.total": 7, "phq-9.age-days": 3.0}
SLOW = {"phq-9.percent-change-from-start": -5.0, "phq-9.total": 17, "treatment.weeks": 3.0}
PERSONS = [
    ("depression-worsening", UNUSUAL, True),
    ("depression-worsening", UNUSUAL | {"phq-9.total": 9}, False),
    ("depression-worsening", UNUSUAL | {"phq-9.total": 10}, True),
    ("depression-worsening", UNUSUAL | {"phq-9.above-personal-range": False, "phq-9.shifted-up": False}, False),
    ("depression-worsening", UNUSUAL | {"phq-9.above-personal-range": False, "phq-9.shifted-up": True}, True),
    ("depression-worsening", UNUSUAL | {"phq-9.earlier-values": 2}, False),
    ("depression-worsening", {"phq-9.total": 13}, None),
    ("depression-worsening", {}, None),
    ("suicidal-ideation-review", {"phq-9.suicidal-ideation": 1}, True),
    ("suicidal-ideation-review", {"phq-9.suicidal-ideation": 3}, True),
    ("suicidal-ideation-review", {"phq-9.suicidal-ideation": 0, "phq-9.total": 27}, False),
    ("suicidal-ideation-review", {"phq-9.total": 3}, None),
    ("sleep-with-low-mood", SHORT, True),
    ("sleep-with-low-mood", SHORT | {"phq-9.total": 4}, False),
    ("sleep-with-low-mood", SHORT | {"phq-9.age-days": 29.0}, False),
    ("sleep-with-low-mood", SHORT | {"sleep-minutes.shifted-down": False}, False),
    ("gene-drug-review", {"gene-drug.actionable": True}, True),
    ("gene-drug-review", {"gene-drug.actionable": False}, False),
    ("gene-drug-review", {}, None),
    ("anxiety-worsening", {"gad-7.total": 8, "gad-7.earlier-values": 3, "gad-7.above-personal-range": True}, True),
    ("anxiety-worsening", {"gad-7.total": 7, "gad-7.earlier-values": 3, "gad-7.above-personal-range": True}, False),
    ("anxiety-worsening", {"gad-7.total": 8, "gad-7.earlier-values": 2, "gad-7.above-personal-range": True}, False),
    ("anxiety-worsening", {"gad-7.total": 8, "gad-7.earlier-values": 3, "gad-7.above-personal-range": False, "gad-7.shifted-up": True}, True),
    ("anxiety-worsening", {"gad-7.total": 8, "gad-7.earlier-values": 3}, None),
    ("sleep-with-low-mood", SHORT | {"sleep-minutes.earlier-values": 6}, False),
    ("sleep-with-low-mood", {"sleep-minutes.shifted-down": True, "sleep-minutes.earlier-values": 50}, None),
    ("not-on-track", SLOW | {"phq-9.total": 9}, False),
    ("not-on-track", SLOW | {"phq-9.percent-change-from-start": 12.0}, True),
    ("not-on-track", SLOW | {"treatment.weeks": 2}, True),
    ("not-on-track", SLOW | {"treatment.weeks": 8}, True),
    ("not-on-track", SLOW, True),
    ("not-on-track", SLOW | {"phq-9.percent-change-from-start": -20.0}, False),
    ("not-on-track", SLOW | {"treatment.weeks": 1.9}, False),
    ("not-on-track", SLOW | {"treatment.weeks": 9.0}, False),
    ("not-on-track", {"phq-9.percent-change-from-start": -5.0, "phq-9.total": 17}, None),
]


@pytest.mark.parametrize(("name", "known", "holds"), PERSONS)
def test_when_a_rule_holds(rules: dict[str, Rule], name: str, known: dict[str, Any], holds: bool | None) -> None:
    assert evaluate(rules[name], {fact: FactValue(value) for fact, value in known.items()}).holds is holds


def test_what_a_verdict_tells(rules: dict[str, Rule], worse: dict[str, FactValue]) -> None:
    verdict = evaluate(rules["depression-worsening"], worse)
    assert verdict.reasons == ("phq-9.total", "phq-9.earlier-values", "phq-9.above-personal-range")
    assert verdict.refs == ("QuestionnaireResponse/q1", "Observation/total1")
    assert verdict.used["medicine.names"].value == "citalopram"
    assert {"gad-7.total", "person.age-years"} <= set(verdict.missing)
    assert not set(verdict.missing) & set(verdict.used)


VISITS = [
    ({"phq-9.suicidal-ideation": 1}, 7),
    ({"phq-9.suicidal-ideation": 0, "person.age-years": 24}, 7),
    ({"phq-9.suicidal-ideation": 0, "person.age-years": 25}, 14),
    ({}, 14),
]


@pytest.mark.parametrize(("known", "days"), VISITS)
def test_an_earlier_visit_under_25_or_with_thoughts_of_self_harm(rules: dict[str, Rule], known: dict[str, Any], days: int) -> None:
    """facts/baseline.md after NICE NG222: week 1 where there is suicide risk or age under 25."""
    verdict = evaluate(rules["depression-worsening"], {fact: FactValue(value) for fact, value in (UNUSUAL | known).items()})
    assert [each.in_days for each in verdict.planned if each.kind == "follow-up"] == [days]


@pytest.mark.parametrize(("known", "count"), [(True, 1), (False, 1), (None, 2)])
def test_what_is_unknown_leaves_an_activity_in(rules: dict[str, Rule], known: bool | None, count: int) -> None:
    facts = {} if known is None else {"medicine.antidepressant.active": FactValue(known)}
    verdict = evaluate(rules["depression-worsening"], facts)
    assert len([each for each in verdict.planned if each.kind == "medicine-review"]) == count


WORSE = [
    ("depression-worsening", {"phq-9.total": 13}, {"phq-9.total": 18}, True),
    ("depression-worsening", {"phq-9.total": 13}, {"phq-9.total": 17}, False),
    ("depression-worsening", {"phq-9.total": 13}, {"phq-9.total": 8}, False),
    ("depression-worsening", {"phq-9.total": 13}, {}, False),
    ("depression-worsening", {}, {"phq-9.total": 27}, False),
    ("depression-worsening", {"phq-9.suicidal-ideation": 0}, {"phq-9.suicidal-ideation": 1}, True),
    ("sleep-with-low-mood", {"sleep-minutes.value": 360}, {"sleep-minutes.value": 300}, True),
    ("sleep-with-low-mood", {"sleep-minutes.value": 360}, {"sleep-minutes.value": 420}, False),
    ("gene-drug-review", {"gene-drug.finding": "a"}, {"gene-drug.finding": "b"}, True),
    ("gene-drug-review", {"gene-drug.finding": "a"}, {"gene-drug.finding": "a"}, False),
    ("gene-drug-review", {"gene-drug.avoid": False}, {"gene-drug.avoid": True}, True),
    ("gene-drug-review", {"gene-drug.avoid": True}, {"gene-drug.avoid": False}, False),
]


@pytest.mark.parametrize(("name", "before", "after", "is_worse"), WORSE)
def test_worsening(rules: dict[str, Rule], name: str, before: dict[str, Any], after: dict[str, Any], is_worse: bool) -> None:
    assert worsened(rules[name], before, after) is is_worse


def _put(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    changed = deepcopy(data)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


BROKEN = [
    (("trigger",), {"measure": "phq-10"}, ("trigger", "measure")),
    (("condition", "all", 0, "fact"), "phq-9.score", ("condition", "all", 0, "fact")),
    (("condition", "all", 0, "unit"), "kg", ("condition", "all", 0, "unit")),
    (("worth_having", 2), "phq-9.moon", ("worth_having", 2)),
    (("worsens", 0, "unit"), "mg", ("worsens", 0, "unit")),
    (("worsens", 0, "fact"), "phq-9.band", ("worsens", 0, "rises")),
    (("worsens", 0), {"fact": "phq-9.alert", "becomes": "yes"}, ("worsens", 0, "becomes")),
    (("activities", 0, "when", "fact"), "medicine.active", ("activities", 0, "when", "fact")),
    (("activities", 0, "text"), "Prescribe sertraline", ("activities", 0, "text")),
]


@pytest.mark.parametrize(("place", "value", "path"), BROKEN)
def test_a_rule_that_means_nothing_stops_the_start(
    catalogue: Catalogue, rule_file: Callable[[str], Any], place: tuple[str | int, ...], value: Any, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(KnowledgeError) as error:
        rule.build(_put(rule_file("depression-worsening"), place, value), catalogue)
    assert error.value.path == path


MISSHAPEN = [
    (("priorty",), "routine"),
    (("version",), "latest"),
    (("condition",), {"all": []}),
    (("condition",), {"fact": "phq-9.total", "op": "is", "value": 1}),
    (("activities", 0, "kind"), "prescription"),
    (("activities", 0), {"kind": "follow-up", "text": "Look again", "in_days": 7, "why_not": "no condition goes with it"}),
    (("evidence",), []),
    (("evidence", 0, "doi"), "not a doi"),
    (("limits",), []),
    (("worsens", 0, "rises"), -5),
]


@pytest.mark.parametrize(("place", "value"), MISSHAPEN)
def test_a_misshapen_file_is_refused(rule_file: Callable[[str], Any], place: tuple[str | int, ...], value: Any) -> None:
    assert not jsonschema_rs.validator_for(rule.SCHEMA).is_valid(_put(rule_file("depression-worsening"), place, value))


def test_a_new_rule_is_one_file(catalogue: Catalogue, rule_file: Callable[[str], Any]) -> None:
    data = rule_file("anxiety-worsening") | {"id": "well-being-low", "trigger": {"measure": "who-5"}}
    data["condition"] = {"fact": "who-5.below-personal-range", "op": "eq", "value": True}
    assert jsonschema_rs.validator_for(rule.SCHEMA).is_valid(data)
    built = rule.build(data, catalogue)
    assert evaluate(built, {"who-5.below-personal-range": FactValue(True)}).holds is True
