"""What a prior says of illness and of treatment: validated, and every medicine, class and course it names is known."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mappings.baseline.prior import SCHEMA, Treatment, Unwell, build
from mappings.knowledge import KnowledgeError
from service.knowledge import BrokenKnowledge, Knowledge, load

THETA = {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.4, "rho": 0.3, "L_days": 30, "pi_out": 0.02}
SAID = {"text": "t", "source": ["s"]}
LEVEL: dict[str, Any] = {"drugs": ["lithium"], "inflation": 1, "dose_proportional": True, "trough_hours": [10, 14], "steady_state_days": 5} | SAID


def made(**more: Any) -> dict[str, Any]:
    return {"measure": "x", "transform": "log", "theta": THETA} | more


def unwell(ends: dict[str, float]) -> Unwell:
    built = build(made(unwell=ends | SAID)).unwell
    assert built
    return built


def treatment(**data: Any) -> Treatment:
    built = build(made(treatment=data | SAID)).treatment
    assert built
    return built


def test_who_counts_as_ill() -> None:
    low, high, both = (unwell({"to": 50}), unwell({"from": 10}), unwell({"to": 2, "from": 10}))
    assert [low.covers(value) for value in (49.0, 50.0, 51.0)] == [True, True, False]
    assert [high.covers(value) for value in (9.0, 10.0, 11.0)] == [False, True, True]
    assert [both.covers(value) for value in (2.0, 3.0, 9.9, 10.0)] == [True, False, False, True]
    assert build(made()).unwell is None


def test_a_treatment_is_read() -> None:
    level, score = treatment(**LEVEL), treatment(classes=["SSRI"], inflation=0.5)
    assert (level.drugs, level.classes, level.trough_hours, level.steady_state_days) == ({"lithium"}, frozenset(), (10.0, 14.0), 5.0)
    assert (level.dose_proportional, level.expected, score.dose_proportional, score.expected) == (True, False, False, False)
    assert (score.classes, score.inflation, score.trough_hours, score.steady_state_days) == ({"SSRI"}, 0.5, None, 0.0)
    assert build(made()).treatment is None


@pytest.mark.parametrize(
    "broken",
    [
        {"unwell": SAID},
        {"unwell": {"from": 3, "text": "t"}},
        {"unwell": {"from": "3"} | SAID},
        {"treatment": {"inflation": 1} | SAID},
        {"treatment": {"drugs": [], "inflation": 1} | SAID},
        {"treatment": {"drugs": ["lithium"]} | SAID},
        {"treatment": LEVEL | {"inflation": -1}},
        {"treatment": LEVEL | {"trough_hours": [10]}},
        {"treatment": LEVEL | {"steady_state_days": -1}},
        {"treatment": LEVEL | {"dose": 1}},
    ],
)
def test_the_schema_refuses(broken: dict[str, Any]) -> None:
    assert not jsonschema_rs.validator_for(SCHEMA).is_valid(made(**broken))


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ({"unwell": {"from": 3, "to": 4} | SAID}, ("unwell",)),
        ({"unwell": {"to": 3} | SAID, "direction": "higher-worse"}, ("unwell", "to")),
        ({"unwell": {"from": 3} | SAID, "direction": "lower-worse"}, ("unwell", "from")),
        ({"unwell": {"from": 30} | SAID, "maximum": 27}, ("unwell", "from")),
        ({"unwell": {"to": -1} | SAID, "minimum": 0}, ("unwell", "to")),
        ({"treatment": LEVEL | {"trough_hours": [14, 10]}}, ("treatment", "trough_hours")),
        ({"treatment": LEVEL, "transform": "identity"}, ("treatment", "dose_proportional")),
        ({"treatment": LEVEL | {"expected": True}}, ("treatment", "expected")),
    ],
)
def test_contradictions_say_where(broken: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(KnowledgeError) as caught:
        build(made(**broken))
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        ({"drugs": ["lithium", "unobtainium"], "classes": ["SSRI"]}, "x.json:7: no such drug"),
        ({"drugs": ["lithium", "clozapine"], "classes": ["antidepressant"]}, "x.json:8: no such class"),
        ({"drugs": ["lithium", "clozapine"], "classes": ["SSRI"], "expected": True}, "x.json:9: no course of this measure was published"),
    ],
)
def test_what_is_not_known_stops_the_start(tmp_path: Path, given: dict[str, Any], finding: str) -> None:
    (tmp_path / "priors").mkdir()
    rows = [f'"{name}": {json.dumps(value)}' for name, value in given.items()]
    text = json.dumps({"measure": "x", "transform": "log", "theta": THETA})[:-1] + ',\n\n\n"treatment": {"inflation": 1, "text": "t", "source": ["s"],\n\n\n'
    (tmp_path / "priors/x.json").write_text(text + ",\n".join(rows) + "}}", encoding="utf-8")
    with pytest.raises(BrokenKnowledge) as caught:
        load(str(tmp_path))
    assert [each.split("/")[-1] for each in caught.value.findings] == [finding]


def test_every_cut_off_is_one_of_the_scale(knowledge: Knowledge) -> None:
    """A cut-off, or where a band begins: nothing that the scale's own file does not say."""
    for measure, prior in knowledge.priors.items():
        if prior.unwell and measure in knowledge.scales:
            total = knowledge.scales[measure].total
            known = {each.low for each in (*total.cutoffs, *total.bands)} | {each.high for each in total.cutoffs}
            assert (prior.unwell.low if prior.unwell.high is None else prior.unwell.high) in known, measure


def test_nobody_within_the_population_range_counts_as_ill(knowledge: Knowledge) -> None:
    pressure = {"systolic-bp", "diastolic-bp"}  # a guideline's definition begins at the end of the range itself
    for measure, prior in knowledge.priors.items():
        if prior.unwell and prior.population and measure not in knowledge.scales and measure not in pressure:
            assert prior.population.meaning == "normal"
            for end in (prior.population.low, prior.population.high):
                assert end is None or not prior.unwell.covers(end), measure


def test_what_is_watched_under_a_medicine_is_moved_by_it(knowledge: Knowledge) -> None:
    for plan in knowledge.monitoring.plans:
        for measure in plan.measures:
            moved = knowledge.priors[measure].treatment
            assert moved, measure
            for drug in plan.drugs:
                assert drug in moved.drugs or knowledge.drugs.by_id[drug].group in moved.classes, (measure, drug)


def test_levels_of_drugs_are_troughs_at_a_steady_state(knowledge: Knowledge) -> None:
    for measure in ("lithium", "clozapine", "valproate"):
        level = knowledge.priors[measure].treatment
        assert level
        assert (level.drugs, level.dose_proportional, level.trough_hours) == ({measure}, True, (10.0, 14.0))
        assert level.steady_state_days > 0
    assert {measure for measure, prior in knowledge.priors.items() if prior.treatment and prior.treatment.expected} == {"phq-9", "gad-7"}
