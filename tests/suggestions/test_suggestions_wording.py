"""What every shipped rule and every Flag says: a proposal, no diagnosis, no order, an honest end. Read as a psychiatrist would."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mappings.scales import scale
from mappings.suggestions.care_plan import care_plan
from mappings.suggestions.facts import Catalogue, FactValue
from mappings.suggestions.flag import safety_flag
from mappings.suggestions.plan_definition import plan_definition
from mappings.suggestions.rule import Rule, evaluate

ROOT = Path(__file__).parent.parent.parent / "mappings"
NOW = "2026-03-01T10:00:00Z"
RULES = sorted(path.stem for path in (ROOT / "suggestions/rules").glob("*.json"))

DIAGNOSES = re.compile(
    r"\b(?:(?:has|have|suffers? from|is suffering from|was found to have|meets? (?:the )?criteria for|diagnosed|diagnostic of|diagnosis of) "
    r"(?:a |an |the )?(?:\w+ ){0,2}(?:depression|disorder|episode|anxiety|insomnia|mania|illness)"
    r"|(?:depression|disorder|insomnia) is (?:likely|present|confirmed|certain)|is (?:depressed|suicidal|bipolar|psychotic|manic|ill))\b",
    re.IGNORECASE,
)
ORDERS = re.compile(
    r"\b(?:must|shall|has to|needs to be (?:given|started|stopped)|prescribe\b|administer|admit|order(?:s|ed)? (?:a|the)\b|is (?:ordered|prescribed))",
    re.IGNORECASE,
)
COMMANDS = re.compile(
    r"^(?:prescribe|order|start|stop|switch|increase|reduce|raise|lower|double|halve|taper|discontinue|give|take|admit|refer|detain|section)\b", re.IGNORECASE
)
DOSES = re.compile(r"\d\s*(?:mg|microgram|µg|ug|ml|g)\b", re.IGNORECASE)


def texts(value: Any) -> list[str]:
    """Every text of a plan, narrative included; addresses and codes apart."""
    if isinstance(value, dict):
        return [text for key, each in value.items() if key not in ("div", "url", "system", "expression") for text in texts(each)] + (
            ["\n".join(ET.fromstring(value["div"]).itertext())] if "div" in value else []
        )
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def said(rule: Rule, facts: dict[str, FactValue], catalogue: Catalogue) -> str:
    plan = care_plan(rule, evaluate(rule, facts), catalogue, "plan-1", "Patient/p1", NOW, NOW)
    return "\n".join([*texts(plan), *texts(plan_definition(rule))])


@pytest.mark.parametrize("name", RULES)
def test_no_rule_makes_a_diagnosis_or_gives_an_order(rules: dict[str, Rule], worse: dict[str, FactValue], catalogue: Catalogue, name: str) -> None:
    for facts in (worse, {}):
        told = said(rules[name], facts, catalogue)
        assert DIAGNOSES.findall(told) == []
        assert ORDERS.findall(told) == []
        assert DOSES.findall(told) == []
    for activity in rules[name].activities:
        assert not COMMANDS.match(activity.text)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("The person has a depressive disorder.", DIAGNOSES),
        ("the score at which depression is likely", DIAGNOSES),
        ("This person is suicidal", DIAGNOSES),
        ("The dose must be raised", ORDERS),
        ("Start sertraline", COMMANDS),
        ("Increase the dose", COMMANDS),
        ("up to 20 mg a day", DOSES),
    ],
)
def test_the_readers_of_this_file_can_read(text: str, pattern: re.Pattern[str]) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_what_it_does_not_know(rules: dict[str, Rule], name: str) -> None:
    rule = rules[name]
    assert len(rule.limits) >= 3
    if rule.measure in ("phq-9", "gad-7") and rule.priority == "routine" and rule.id != "not-on-track":
        assert "A questionnaire measures symptoms and makes no diagnosis." in rule.limits
    assert all(each.endswith(".") for each in (rule.why, *rule.limits, *(evidence.supports for evidence in rule.evidence)))
    assert not any(each.text.endswith(".") for each in rule.activities)
    assert {each.kind for each in rule.activities} >= {"medicine-review"}
    assert all(each.alternatives for each in rule.activities[:1])


def test_the_suggestions_together_are_not_of_medicines_alone(rules: dict[str, Rule]) -> None:
    kinds = {activity.kind for rule in rules.values() for activity in rule.activities}
    assert kinds == {"medicine-review", "psychotherapy", "sleep", "activity", "follow-up", "safety-review", "monitoring"}


def test_a_duration_and_an_open_question_read_as_sentences(rules: dict[str, Rule], catalogue: Catalogue) -> None:
    told = said(rules["not-on-track"], {}, catalogue)
    assert "the newest active antidepressant was started at least 2 weeks ago; and" in told
    assert "a goal of the person is on record (yes or no)" in told
    assert "GAD-7 total (yes or no)" not in told


def test_safety_comes_first_and_soon(rules: dict[str, Rule]) -> None:
    rule = rules["suicidal-ideation-review"]
    assert [(each.kind, each.in_days) for each in rule.activities] == [("safety-review", 1), ("medicine-review", 7), ("follow-up", 7)]
    assert any("local crisis pathway" in limit for limit in rule.limits)
    assert any("Flag stays until a person resolves it" in limit for limit in rule.limits)


KNOWN = [
    # how a citation begins, and where it stands in shared/facts
    ("Loewe B et al. Med Care 2004;42:1194-1201 (PMID 15550799)", "scales.json LOWE04"),
    ("de Jong K et al. Clin Psychol Rev 2021;85:102002 (PMID 33721605)", "scales.json DEJONG21"),
    ("PHQ-2 and PHQ-9 in New Zealand primary care, n = 2642 (PMC2906530)", "scales.json AROLL10"),
    ("Toussaint A et al. J Affect Disord 2020;265:395-401 (PMID 32090765)", "scales.json TOUS20"),
    ("NHS Talking Therapies, glossary of the measures (fingertips.phe.org.uk); NCT05134103", "scales.json PHEFT, NCT"),
    ("Szegedi A et al. J Clin Psychiatry 2009;70:344", "scales.json SZEG09"),
    ("Morin CM et al. Sleep 2011;34:601", "scales.json MORIN11"),
    ("CamCOPS documentation of the PHQ-9", "scales.json CAMCOPS"),
    ("National Institute for Health and Care Excellence. Depression in adults: treatment and management. NICE guideline NG222, 2022", "baseline.md"),
    ("CPIC, DPWG and FDA, by pair in mappings/genes/guidance", "pgx-cpic.json, pgx-dpwg.json, pgx-fda.json"),
    ("Personal range: Bayesian adaptive interval of this service, docs/baseline.md", "our own method"),
]


@pytest.mark.parametrize("name", RULES)
def test_nothing_is_cited_that_was_not_read(rules: dict[str, Rule], name: str) -> None:
    assert [each.citation for each in rules[name].evidence if not each.citation.startswith(tuple(known for known, _ in KNOWN))] == []


def _watched() -> list[tuple[str, str, str]]:
    built = [scale.build(json.loads(path.read_text(encoding="utf-8"))) for path in sorted((ROOT / "scales/library").glob("*.json"))]
    return [(each.title, rule.code, rule.text) for each in built for rule in each.safety]


@pytest.mark.parametrize(("title", "code", "text"), _watched())
def test_every_finding_of_every_scale_makes_a_flag(check_r4: Callable[[Any], None], title: str, code: str, text: str) -> None:
    flag = safety_flag(SimpleNamespace(code=code, text=text), "flag-1", title, "Patient/p1", ["QuestionnaireResponse/q1"], NOW)
    check_r4(flag)
    assert (flag["status"], flag["code"]["coding"][0]["code"]) == ("active", code)
    assert len(re.findall(r"for (?:urgent )?professional review", flag["code"]["text"])) == 1
    assert "makes no diagnosis" in flag["text"]["div"]
    assert not DIAGNOSES.search(flag["code"]["text"])
