"""Facts from what other rooms say. Expected values are worked by hand; what is not known must give no fact."""

from copy import deepcopy
from types import SimpleNamespace as Part
from typing import Any

import pytest

from mappings.knowledge import KnowledgeError
from mappings.scales import scoring
from mappings.suggestions import collect, facts
from mappings.suggestions.facts import Catalogue, FactValue

AT, REFS = "2026-03-01T09:00:00Z", ("QuestionnaireResponse/q1",)


def judgement(**other: Any) -> Any:
    usual = {"n": 10, "lower95": 2.0, "upper95": 9.0, "z": 2.6, "set_point": 5.1, "p_gross_error": 0.02, "p_real_change": None, "alert": False, "reasons": (),
             "outside95": True, "critical": None}  # fmt: skip
    return Part(**(usual | other))


def values(found: dict[str, FactValue]) -> dict[str, Any]:
    return {name: fact.value for name, fact in found.items()}


def test_a_value_above_its_range() -> None:
    found = collect.series_facts("phq-9", 13, judgement(), 5, REFS, AT, start=10)
    assert values(found) == {
        "phq-9.value": 13, "phq-9.change-from-first": 8, "phq-9.percent-change-from-first": 160.0, "phq-9.percent-change-from-start": 30.0, "phq-9.z": 2.6,
        "phq-9.set-point": 5.1, "phq-9.personal-low": 2.0, "phq-9.personal-high": 9.0, "phq-9.above-personal-range": True, "phq-9.below-personal-range": False,
        "phq-9.shifted-up": False, "phq-9.shifted-down": False, "phq-9.alert": False, "phq-9.critical": False, "phq-9.p-gross-error": 0.02,
        "phq-9.earlier-values": 10,
    }  # fmt: skip
    assert {(fact.refs, fact.as_of) for fact in found.values()} == {(REFS, AT)}


@pytest.mark.parametrize(
    ("value", "judged", "name"),
    [
        (13, judgement(), "above-personal-range"),
        (1, judgement(z=-2.5), "below-personal-range"),
        (8, judgement(outside95=False, reasons=("ewma",), z=1.5), "shifted-up"),
        (3, judgement(outside95=False, reasons=("cusum",), z=-1.0), "shifted-down"),
        (3, judgement(outside95=False, reasons=("sustained",), z=-1.0), "shifted-down"),
        (8, judgement(outside95=False, reasons=("step",), z=3.5), None),
        (8, judgement(outside95=False, reasons=("ewma",), z=0.0), None),
        (8, judgement(outside95=False, reasons=("cusum",), z=0.5), "shifted-up"),
        (8, judgement(outside95=False, reasons=("cusum", "sustained"), z=-0.4), None),
    ],
)
def test_one_direction_at_most(value: float, judged: Any, name: str | None) -> None:
    found = values(collect.series_facts("m", value, judged, None, (), AT))
    directions = ("above-personal-range", "below-personal-range", "shifted-up", "shifted-down")
    assert [each for each in directions if found[f"m.{each}"]] == ([name] if name else [])


def test_without_a_value_or_judgement_nothing_is_claimed() -> None:
    assert collect.series_facts("phq-9", None, None, 5, REFS, AT) == {}
    assert set(collect.series_facts("phq-9", 0, None, 0, REFS, AT)) == {"phq-9.value", "phq-9.change-from-first"}


def scored(items: dict[str, float | None], total: float | None = 13, hits: tuple[Any, ...] = ()) -> Any:
    answers = [Part(item=item, score=score) for item, score in items.items()]
    band = Part(text="moderate") if total is not None else None
    return Part(scale_id="phq-9", totals=[Part(value=total, band=band)], items=answers, safety=hits, complete=total is not None)


WATCHED = (Part(code="phq-9.suicidal-ideation", items=("9",)),)
HIT = Part(code="phq-9.suicidal-ideation", score=2)


@pytest.mark.parametrize(
    ("response", "ideation", "safety"),
    [
        (scored({"9": 2}, hits=(HIT,)), 2, True),
        (scored({"9": 2}, total=None, hits=(HIT,)), 2, True),
        (scored({"9": 0}), 0, False),
        (scored({"1": 1}), None, None),
        (scored({"9": None}), None, None),
    ],
)
def test_an_unanswered_safety_item_is_unknown_and_not_zero(response: Any, ideation: float | None, safety: bool | None) -> None:
    found = values(collect.scored_facts(response, REFS, AT, WATCHED))
    assert found.get("phq-9.suicidal-ideation") == ideation
    assert found.get("phq-9.safety") is safety


def test_totals_of_a_scored_response() -> None:
    assert values(collect.scored_facts(scored({}), REFS, AT)) == {"phq-9.total": 13, "phq-9.band": "moderate", "phq-9.complete": True}
    assert values(collect.scored_facts(scored({}, total=None), REFS, AT)) == {"phq-9.complete": False}


def test_age_in_days() -> None:
    day = 86_400_000_000
    assert values(collect.age_fact("phq-9", 10 * day, 12 * day + day // 2)) == {"phq-9.age-days": 2.5}
    assert values(collect.age_fact("phq-9", 12 * day, 10 * day)) == {"phq-9.age-days": 0.0}


def medicine(ref: str, *drugs: str, active: bool = True, start: str | None = None) -> Any:
    return Part(ref=f"MedicationRequest/{ref}", ingredients=drugs, active=active, start=start)


GROUPS = {"citalopram": "SSRI", "mirtazapine": "other_AD", "zopiclone": "hypnotic"}.get


def test_medicines_on_record() -> None:
    mine = [medicine("b", "zopiclone"), medicine("a", "citalopram", start="2026-01-04"), medicine("c", "mirtazapine", active=False)]
    found = collect.medicine_facts(mine, GROUPS, "2026-02-01T00:00:00Z")
    assert values(found) == {
        "medicine.active-count": 2, "medicine.unrecognised-count": 0, "medicine.names": "citalopram, zopiclone", "medicine.antidepressant.active": True,
        "medicine.antipsychotic.active": False, "medicine.mood-stabiliser.active": False, "medicine.hypnotic.active": True, "medicine.anxiolytic.active": False,
        "treatment.weeks": 4.0,
    }  # fmt: skip
    assert found["medicine.antidepressant.active"].refs == ("MedicationRequest/a",)
    assert found["treatment.weeks"].as_of == "2026-01-04"


CLASSED = [
    ("sertraline", "antidepressant"), ("venlafaxine", "antidepressant"), ("amitriptyline", "antidepressant"), ("tranylcypromine", "antidepressant"),
    ("mirtazapine", "antidepressant"), ("haloperidol", "antipsychotic"), ("quetiapine", "antipsychotic"), ("lithium", "mood-stabiliser"),
    ("zopiclone", "hypnotic"), ("lorazepam", "anxiolytic"), ("methylphenidate", None), ("lisinopril", None),
]  # fmt: skip


@pytest.mark.parametrize(("drug", "name"), CLASSED)
def test_classes_by_the_groups_of_the_shipped_drugs(shipped_groups: dict[str, str], drug: str, name: str | None) -> None:
    found = values(collect.medicine_facts([medicine("a", drug)], shipped_groups.get))
    assert [each for each in collect.CLASSES if found[f"medicine.{each}.active"]] == ([name] if name else [])


def test_every_group_of_a_class_has_drugs(shipped_groups: dict[str, str]) -> None:
    assert {group for groups in collect.CLASSES.values() for group in groups} <= set(shipped_groups.values())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([2, 2, 2, 2, 2, 1, 1, 0, 1], {"total": 13, "band": "moderate", "complete": True, "safety": True, "suicidal-ideation": 1}),
        ([1, 1, 1, 1, 1, 0, 0, 0, 0], {"total": 5, "band": "mild", "complete": True, "safety": False, "suicidal-ideation": 0}),
        ([1, 1, 1, None, None, None, None, None, 2], {"complete": False, "safety": True, "suicidal-ideation": 2}),
        ([1, 1, 1, None, None, None, None, None, None], {"complete": False}),
    ],
)
def test_facts_of_a_phq9_as_it_is_scored(phq9: Any, answers: list[int | None], expected: dict[str, Any]) -> None:
    """Bands of Kroenke 2001: 5 mild, 10 moderate."""
    items = [{"linkId": item.link, "answer": [{"valueInteger": each}]} for item, each in zip(phq9.items, answers, strict=False) if each is not None]
    scored_now = scoring.score(phq9, {"resourceType": "QuestionnaireResponse", "status": "completed", "item": items})
    assert values(collect.scored_facts(scored_now, REFS, AT, phq9.safety)) == {f"phq-9.{name}": value for name, value in expected.items()}


def test_what_is_not_taken_is_unknown_without_records_or_with_a_strange_one() -> None:
    assert values(collect.medicine_facts([], GROUPS)) == {"medicine.active-count": 0, "medicine.unrecognised-count": 0}
    found = values(collect.medicine_facts([medicine("a"), medicine("b", "citalopram")], GROUPS))
    assert found["medicine.antidepressant.active"] is True
    assert "medicine.hypnotic.active" not in found
    assert found["medicine.unrecognised-count"] == 1


@pytest.mark.parametrize("starts", [(None,), ("2026",), ("2026-01-04", None)])
def test_an_undated_antidepressant_leaves_the_length_of_treatment_open(starts: tuple[str | None, ...]) -> None:
    mine = [medicine(str(at), "citalopram", start=start) for at, start in enumerate(starts)]
    assert "treatment.weeks" not in collect.medicine_facts(mine, GROUPS, "2026-02-01")


def test_the_value_when_treatment_began() -> None:
    series = [("2026-01-01T08:00:00Z", 18), ("2026-01-10", 16), ("2026-01-20", 12)]
    assert collect.start_value(series, "2026-01-12") == 16
    assert collect.start_value(series, "2026-03-12") is None
    assert collect.start_value(series, "2025-12-31") is None
    assert collect.start_value(series, None) is None


def finding(drug: str, source: str, actions: tuple[str, ...], actionable: bool = True, population: str = "general") -> Any:
    lookup = {"CYP2C19": "Poor Metabolizer"}
    return Part(
        drug=drug, source=source, version="2023", population=population, classification="Strong", actions=actions, text="another drug", lookup=lookup,
        actionable=actionable,
    )  # fmt: skip


def test_sources_stand_side_by_side() -> None:
    found = values(collect.gene_facts([finding("citalopram", "DPWG", ("MAX_DOSE",)), finding("citalopram", "CPIC", ("ALTERNATIVE",))], True, REFS))
    assert found == {
        "gene-drug.actionable": True, "gene-drug.avoid": False, "gene-drug.drugs": "citalopram",
        "gene-drug.finding": "citalopram: CPIC 2023 (Strong) with CYP2C19 Poor Metabolizer: another drug"
        " | citalopram: DPWG 2023 (Strong) with CYP2C19 Poor Metabolizer: another drug",
    }  # fmt: skip
    assert values(collect.gene_facts([finding("clopidogrel", "FDA", ("AVOID",))], True))["gene-drug.avoid"] is True


def test_guidance_for_others_says_for_whom() -> None:
    mine = [finding("carbamazepine", "CPIC", ("AVOID",), population=whom) for whom in ("CBZ naive", "CBZ use >3mos")]
    said = str(values(collect.gene_facts(mine, True))["gene-drug.finding"]).split(" | ")
    assert [each.split(" with ")[0] for each in said] == ["carbamazepine: CPIC 2023 (Strong; CBZ naive)", "carbamazepine: CPIC 2023 (Strong; CBZ use >3mos)"]


def test_no_genes_is_not_no_finding() -> None:
    assert collect.gene_facts([], False) == {}
    assert values(collect.gene_facts([], True)) == {"gene-drug.actionable": False, "gene-drug.avoid": False}
    assert values(collect.gene_facts([finding("sertraline", "CPIC", ("STANDARD",), actionable=False)], True))["gene-drug.actionable"] is False


@pytest.mark.parametrize(("born", "years"), [("1991-03-01", 35), ("1991-03-02", 34), ("1991", None), (None, None), ("today", None)])
def test_age_of_the_person(born: str | None, years: int | None) -> None:
    assert values(collect.person_facts({"birthDate": born}, AT)).get("person.age-years") == years


def test_every_collected_fact_is_in_the_catalogue_with_its_type(catalogue: Catalogue) -> None:
    mine = [medicine("a", "citalopram", start="2026-01-04")]
    found = (
        collect.series_facts("phq-9", 13, judgement(p_real_change=0.9), 5, REFS, AT, start=10)
        | collect.scored_facts(scored({"9": 1}, hits=(HIT,)), REFS, AT, WATCHED)
        | collect.series_facts("sleep-minutes", 400, judgement(), None, REFS, AT)
        | collect.age_fact("phq-9", 0, 1)
        | collect.medicine_facts(mine, GROUPS, AT)
        | collect.gene_facts([finding("citalopram", "CPIC", ())], True)
        | collect.person_facts({"birthDate": "1991-03-01"}, AT)
    )
    assert {name for name, fact in found.items() if not catalogue[name].accepts(fact.value)} == set()
    assert {f"medicine.{name}.active" for name in collect.CLASSES} <= set(catalogue.by_name)


def test_units_come_from_the_measures(catalogue: Catalogue) -> None:
    assert catalogue["sleep-minutes.value"].unit == "min"
    assert catalogue["phq-9.total"].unit == "{score}"
    assert catalogue["c-ssrs-screener.suicide-risk"].type == "number"
    assert {"phq-9", "sleep-minutes"} <= catalogue.measures


SMALL: dict[str, Any] = {
    "about": "x", "version": "1", "source": ["x"], "units": {}, "safety_facts": [], "measure_facts": [], "facts": [],
    "scale_facts": [{"name": "{scale}.total", "type": "number", "unit": "{score}", "description": "total"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"facts": [{"name": "a", "type": "number", "description": "x"}]}, ("facts", 0)),
        ({"facts": [{"name": "a", "type": "text", "unit": "1", "description": "x"}]}, ("facts", 0)),
        ({"facts": [{"name": "s.total", "type": "text", "description": "x"}]}, ("facts", 0, "name")),
    ],
)
def test_a_wrong_catalogue_says_where(change: dict[str, Any], path: tuple[str | int, ...]) -> None:
    with pytest.raises(KnowledgeError) as error:
        facts.build(deepcopy(SMALL) | change, [Part(id="s", short="S", safety=())], [])
    assert error.value.path == path
