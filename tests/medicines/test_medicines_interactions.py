"""High-priority pairs, wash-out, duplicates, allergies, and the DetectedIssue they become."""

import json
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import jsonschema_rs
import pytest

from mappings.genes.gene import build as build_gene
from mappings.genes.genotype import genotype
from mappings.genes.guidance import build as build_guidance
from mappings.genes.guidance import find
from mappings.genes.phenotype import interpret
from mappings.knowledge import KnowledgeError
from mappings.medicines.allergies import allergies
from mappings.medicines.drug import Drugs
from mappings.medicines.drug import build as build_drugs
from mappings.medicines.interactions import SCHEMA, Interaction, Interactions, build, check
from mappings.medicines.issues import detected_issue
from mappings.medicines.prescription import Medicine, medicine_of
from mappings.r4 import structures
from mappings.r4.validate import Validator

MAPPINGS = Path(__file__).parents[2] / "mappings"
NOW = "2026-03-01T09:00:00+01:00"


def data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MAPPINGS / "medicines" / "interactions.json").read_text())
    return found


@cache
def rules() -> Interactions:
    return build(data())


@cache
def drugs() -> Drugs:
    return build_drugs(json.loads((MAPPINGS / "medicines" / "drugs.json").read_text()))


def taken(name: str, ref: str = "", status: str = "active", **changes: Any) -> Medicine:
    resource = {
        "resourceType": "MedicationStatement",
        "id": ref or name.replace(" ", "-"),
        "status": status,
        "medicationCodeableConcept": {"text": name},
    }
    return medicine_of(resource | changes, drugs())


def review(name: str, *others: Medicine, start: str = "2026-03-01") -> list[Interaction]:
    new = {
        "resourceType": "MedicationRequest",
        "id": "new",
        "status": "active",
        "authoredOn": start,
        "medicationCodeableConcept": {"text": name},
    }
    return check([rules()], drugs(), medicine_of(new, drugs()), others, NOW)


# Pairs of facts/pgx-ddi.json: ONC high-priority list 2012 and label rules, with the severity our file gives them.
PAIRS = [
    ("sertraline", "phenelzine", "high"),
    ("phenelzine", "sertraline", "high"),
    ("amitriptyline", "tranylcypromine", "high"),
    ("methylphenidate", "selegiline", "high"),
    ("tramadol", "phenelzine", "high"),
    ("sumatriptan", "moclobemide", "high"),
    ("tizanidine", "fluvoxamine", "high"),
    ("ramelteon", "fluvoxamine", "high"),
    ("sertraline", "linezolid", "high"),
    ("citalopram", "methylene blue", "high"),
    ("thioridazine", "fluoxetine", "high"),
    ("clozapine", "fluvoxamine", "high"),
    ("clozapine", "ciprofloxacin", "high"),
    ("citalopram", "pimozide", "high"),
    ("lithium", "ibuprofen", "moderate"),
    ("lithium carbonate", "lisinopril", "moderate"),
    ("lithium", "hydrochlorothiazide", "moderate"),
    ("losartan", "lithium", "moderate"),
    ("sertraline", "tramadol", "moderate"),
    ("sertraline", "st john's wort", "moderate"),
    ("sertraline", "sumatriptan", "low"),
    ("citalopram", "fluconazole", "moderate"),
]


@pytest.mark.parametrize(("new", "old", "severity"), PAIRS)
def test_pairs(new: str, old: str, severity: str) -> None:
    found = [one for one in review(new, taken(old)) if one.kind == "interaction"]
    assert found
    assert found[0].severity == severity


@pytest.mark.parametrize(("new", "old"), [("sertraline", "propranolol"), ("omeprazole", "diazepam"), ("lisinopril", "ibuprofen")])
def test_pairs_safe_to_show_without_interruption_stay_quiet(new: str, old: str) -> None:
    assert review(new, taken(old)) == []


def test_one_pair_and_topic_is_told_once() -> None:
    assert [one.code for one in review("sertraline", taken("phenelzine"))] == ["interaction|setpoint|ssri-snri-maoi|sertraline|phenelzine"]


# Labels: 14 days in both directions, 5 weeks (35 days) after fluoxetine.
@pytest.mark.parametrize(
    ("new", "old", "end", "kept"),
    [
        ("phenelzine", "sertraline", "2026-02-16", True),
        ("phenelzine", "sertraline", "2026-02-15", False),
        ("sertraline", "phenelzine", "2026-02-20", True),
        ("phenelzine", "fluoxetine", "2026-01-26", True),
        ("phenelzine", "fluoxetine", "2026-01-25", False),
        ("phenelzine", "fluoxetine", "2026-02", True),
        ("fluoxetine", "phenelzine", "2026-02-15", False),
        ("thioridazine", "fluoxetine", "2026-02-01", True),
        ("thioridazine", "paroxetine", "2026-02-27", False),
        ("ibuprofen", "lithium", "2026-02-27", False),
    ],
)
def test_washout(new: str, old: str, end: str, kept: bool) -> None:
    found = review(new, taken(old, status="stopped", effectivePeriod={"end": end}))
    assert [one.kind for one in found] == (["washout"] if kept else [])


def test_a_stop_without_a_date_cannot_be_checked_and_is_said() -> None:
    (found,) = review("phenelzine", taken("fluoxetine", status="completed"))
    assert found.severity == "moderate"
    assert "not recorded" in found.text


def test_an_ended_period_is_not_current_even_when_active() -> None:
    assert review("lithium", taken("ibuprofen", effectivePeriod={"end": "2025-12-01"})) == []


def test_duplicates() -> None:
    assert [one.kind for one in review("quetiapine", taken("quetiapine"))] == ["duplicate"]
    assert "duplicate" in [one.kind for one in review("citalopram", taken("sertraline"))]
    assert review("quetiapine", taken("quetiapine", status="stopped", effectivePeriod={"end": "2026-01-01"})) == []


def test_unmapped_medicines_are_said() -> None:
    assert [(one.kind, one.severity) for one in review("wonder pill")] == [("unmapped", "moderate")]
    found = review("sertraline", taken("herbal mix"))
    assert [(one.kind, one.severity, one.refs[1]) for one in found] == [("unmapped", "low", "MedicationStatement/herbal-mix")]


def allergy(name: str, **changes: Any) -> dict[str, Any]:
    return {"resourceType": "AllergyIntolerance", "id": "a1", "code": {"text": name}} | changes


def _status(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


@pytest.mark.parametrize(
    ("recorded", "severities"),
    [
        (allergy("Lamotrigine"), ["high"]),
        (allergy("Lamotrigine", type="intolerance"), ["moderate"]),
        (allergy("Lamotrigine", type="intolerance", criticality="high"), ["high"]),
        (allergy("Lamotrigine", verificationStatus=_status("refuted")), []),
        (allergy("Lamotrigine", verificationStatus=_status("entered-in-error")), []),
        (allergy("Lamotrigine", clinicalStatus=_status("resolved")), []),
        (allergy("Penicillin"), []),
    ],
)
def test_allergies(recorded: dict[str, Any], severities: list[str]) -> None:
    found = allergies(drugs(), taken("lamotrigine"), [recorded])
    assert [one.severity for one in found] == severities


def test_a_licensed_source_is_one_more_file() -> None:
    other = data() | {
        "name": "licensed",
        "classes": {},
        "rules": [data()["rules"][0] | {"left": ["lamotrigine"], "right": ["valproate"], "id": "lamotrigine-valproate"}],
    }
    found = check([rules(), build(other)], drugs(), taken("lamotrigine"), [taken("valproate")], NOW)
    assert [one.code for one in found] == ["interaction|licensed|lamotrigine-valproate|lamotrigine|valproate"]


@cache
def validator() -> Validator:
    definitions = MAPPINGS / "r4" / "definitions"
    files = [json.loads((definitions / name).read_text()) for name in ("structures.json", "value_sets.json")]
    return Validator(structures.build(*files), ["DetectedIssue"])


@cache
def knowledge() -> tuple[Any, Any]:
    library = [build_gene(json.loads(path.read_text())) for path in (MAPPINGS / "genes" / "library").glob("*.json")]
    guidances = [build_guidance(json.loads(path.read_text())) for path in (MAPPINGS / "genes" / "guidance").glob("*.json")]
    return {gene.gene: gene for gene in library}, guidances


def test_gene_drug_issue() -> None:
    library, guidances = knowledge()
    interpreted = [interpret(library, genotype("CYP2C19", "*2/*2", "Observation/g1"))]
    medicine = taken("citalopram", "new")
    issues = [detected_issue(found, medicine, "Patient/p1", [], NOW) for found in find(guidances, interpreted, "citalopram")]
    assert [issue["code"]["text"] for issue in issues] == [f"Gene-drug guidance ({source})" for source in ("CPIC", "DPWG", "FDA")]
    assert len({issue["id"] for issue in issues}) == 3
    for issue in issues:
        assert validator().validate(issue) == []
        assert issue["evidence"][0]["detail"] == [{"reference": "Observation/g1"}]
        assert issue["implicated"] == [{"reference": "MedicationStatement/new"}]
        assert issue["mitigation"][0]["action"]["text"].startswith("Proposed")
    assert [issue["severity"] for issue in issues] == ["moderate"] * 3


def test_high_severity_where_a_source_says_avoid() -> None:
    library, guidances = knowledge()
    found = find(guidances, [interpret(library, genotype("HLA-B", "*15:02"))], "carbamazepine")
    assert {detected_issue(one, taken("carbamazepine"), "Patient/p1", [], NOW)["severity"] for one in found if "AVOID" in one.actions} == {
        "high"
    }


def test_the_file_fits_its_schema_and_names_known_drugs() -> None:
    checker = jsonschema_rs.validator_for(SCHEMA)
    assert checker.is_valid(data())
    assert not checker.is_valid(data() | {"rulez": []})
    for rule in rules().rules:
        assert rule.left | rule.right <= set(drugs().by_id), rule.id


def test_an_unknown_class_says_where() -> None:
    broken = data()
    broken["rules"][-1]["right"] = ["lithium", "@nowhere"]
    with pytest.raises(KnowledgeError) as caught:
        build(broken)
    assert caught.value.path == ("rules", len(broken["rules"]) - 1, "right", 1)


def test_a_prescription_against_ten_medicines_and_a_full_panel_is_quick() -> None:
    library, guidances = knowledge()
    names = [
        "lithium",
        "ibuprofen",
        "quetiapine",
        "sertraline",
        "lamotrigine",
        "omeprazole",
        "tramadol",
        "clonazepam",
        "bupropion",
        "clozapine",
    ]
    others = [taken(name) for name in names]
    panel = {"CYP2D6": "*1/*4", "CYP2C19": "*2/*17", "CYP2B6": "*1/*6", "CYP2C9": "*1/*3", "CYP3A4": "*1/*22", "CYP3A5": "*3/*3"}
    interpreted = [interpret(library, genotype(gene, text)) for gene, text in panel.items()]

    def once() -> float:
        began = perf_counter()
        review("amitriptyline", *others)
        find(guidances, interpreted, "amitriptyline")
        return perf_counter() - began

    assert min(once() for _ in range(50)) < 0.002  # issue 6: at most 2 ms
