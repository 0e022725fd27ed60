"""Three-valued logic: Kleene's tables by hand, and fhirpathpy as an independent reading of the same condition (FHIRPath 2.0, section 6.5)."""

import os
from typing import Any

import fhirpathpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.knowledge import KnowledgeError, line_of
from mappings.suggestions import condition
from mappings.suggestions.facts import Catalogue, Fact, FactValue

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
FACTS = [
    Fact("phq-9.total", "number", "{score}", "PHQ-9 total", "points"),
    Fact("sleep-minutes.z", "number", "1", "z of sleep"),
    Fact("phq-9.band", "text", None, "PHQ-9 band"),
    Fact("goal.present", "boolean", None, "a goal is on record"),
]
CATALOGUE = Catalogue("test", {fact.name: fact for fact in FACTS}, frozenset({"phq-9"}))
VALUES = {"number": st.integers(-40, 40).map(lambda n: n / 2), "text": st.sampled_from(["mild", 'it\'s \\ "so"', "two\nlines", ""]), "boolean": st.booleans()}


def comparison(fact: Fact) -> st.SearchStrategy[dict[str, Any]]:
    operations = ["lt", "le", "eq", "ge", "gt", "ne"] if fact.type == "number" else ["eq", "ne"]
    unit = {"unit": fact.unit} if fact.unit else {}
    compared = st.builds(lambda op, value: {"fact": fact.name, "op": op, "value": value} | unit, st.sampled_from(operations), VALUES[fact.type])
    return compared | st.booleans().map(lambda value: {"fact": fact.name, "op": "exists", "value": value})


leaves = st.sampled_from(FACTS).flatmap(comparison)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=8,
)
knowns = st.fixed_dictionaries({}, optional={fact.name: VALUES[fact.type] for fact in FACTS})


@settings(max_examples=100 * ROUNDS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, knowns)
def test_fhirpath_says_the_same(tree: dict[str, Any], known: dict[str, Any]) -> None:
    built = condition.build(tree, CATALOGUE, ())
    facts = {name: FactValue(value) for name, value in known.items()}
    answer = fhirpathpy.evaluate({}, condition.as_fhirpath(built), condition.fhirpath_variables(CATALOGUE, facts))
    assert answer == ([] if built.holds(facts) is None else [built.holds(facts)])


@settings(max_examples=100 * ROUNDS, deadline=None)
@given(trees, knowns)
def test_the_grounds_alone_give_the_same_answer(tree: dict[str, Any], known: dict[str, Any]) -> None:
    built = condition.build(tree, CATALOGUE, ())
    facts = {name: FactValue(value) for name, value in known.items()}
    kept = set(condition.grounds(built, facts))
    if built.holds(facts) is not None:
        assert built.holds({name: value for name, value in facts.items() if name in kept}) == built.holds(facts)


A = {"fact": "goal.present", "op": "eq", "value": True}
B = {"fact": "phq-9.total", "op": "ge", "value": 10, "unit": "{score}"}
TRUTH = [
    # a, b, all, any  (Kleene 1952)
    (True, True, True, True),
    (True, None, None, True),
    (True, False, False, True),
    (None, None, None, None),
    (None, False, False, None),
    (False, False, False, False),
]


@pytest.mark.parametrize(("a", "b", "both", "either"), TRUTH)
def test_all_and_any(a: bool | None, b: bool | None, both: bool | None, either: bool | None) -> None:
    facts = ({"goal.present": FactValue(a)} if a is not None else {}) | ({"phq-9.total": FactValue(12 if b else 3)} if b is not None else {})
    for parts in ([A, B], [B, A]):
        assert condition.build({"all": parts}, CATALOGUE, ()).holds(facts) is both
        assert condition.build({"any": parts}, CATALOGUE, ()).holds(facts) is either
    negated = condition.build({"not": A}, CATALOGUE, ()).holds(facts)
    assert negated is (None if a is None else not a)


@pytest.mark.parametrize(
    ("op", "below", "equal", "above"),
    [
        ("lt", True, False, False),
        ("le", True, True, False),
        ("eq", False, True, False),
        ("ge", False, True, True),
        ("gt", False, False, True),
        ("ne", True, False, True),
    ],
)
def test_operations(op: str, below: bool, equal: bool, above: bool) -> None:
    built = condition.build(B | {"op": op}, CATALOGUE, ())
    assert [built.holds({"phq-9.total": FactValue(value)}) for value in (9, 10, 11)] == [below, equal, above]


WRONG = [
    ({"all": [A, {"fact": "phq-9.totl", "op": "ge", "value": 1}]}, ("condition", "all", 1, "fact")),
    ({"not": B | {"unit": "kg"}}, ("condition", "not", "unit")),
    ({key: value for key, value in B.items() if key != "unit"}, ("condition", "unit")),
    (B | {"value": "10"}, ("condition", "value")),
    (B | {"value": True}, ("condition", "value")),
    (A | {"value": 1}, ("condition", "value")),
    (A | {"op": "ge"}, ("condition", "op")),
    (A | {"unit": "1"}, ("condition", "unit")),
    ({"any": [{"fact": "phq-9.band", "op": "lt", "value": "mild"}]}, ("condition", "any", 0, "op")),
    ({"fact": "phq-9.total", "op": "exists", "value": 3}, ("condition",)),
    ({"fact": "phq-9.total", "op": "eq", "unit": "{score}"}, ("condition", "value")),
]


@pytest.mark.parametrize(("tree", "path"), WRONG)
def test_a_wrong_condition_says_where(tree: dict[str, Any], path: tuple[str | int, ...]) -> None:
    with pytest.raises(KnowledgeError) as error:
        condition.build(tree, CATALOGUE, ("condition",))
    assert error.value.path == path


def test_the_line_of_a_wrong_name() -> None:
    text = '{\n "condition": {\n  "all": [\n   {"fact": "goal.present", "op": "eq", "value": true},\n   {"op": "eq",\n    "fact": "x", "value": 1}\n  ]\n }\n}'
    assert line_of(text, ("condition", "all", 1, "fact")) == 6


def test_words_for_a_reader() -> None:
    built = condition.build({"all": [B, {"any": [A, {"not": {"fact": "phq-9.band", "op": "eq", "value": "mild"}}]}]}, CATALOGUE, ())
    assert condition.in_words(built) == "PHQ-9 total at least 10 points; and (a goal is on record; or not (PHQ-9 band is mild))"
    assert condition.as_fhirpath(built) == "(%`phq-9.total` >= 10) and ((%`goal.present` = true) or ((%`phq-9.band` = 'mild').not()))"
