"""Mapping of prescriptions to drugs: codes with their sureness, words as whole words, and what is not known is said."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mappings.knowledge import KnowledgeError
from mappings.medicines.drug import SCHEMA, Drugs, build
from mappings.medicines.prescription import Medicine, medicine_of

MEDICINES = Path(__file__).parents[2] / "mappings" / "medicines"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"


def data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MEDICINES / "drugs.json").read_text())
    return found


@cache
def drugs() -> Drugs:
    return build(data())


def request(text: str | None = None, *codings: tuple[str, str], **changes: Any) -> dict[str, Any]:
    concept: dict[str, Any] = {"coding": [{"system": system, "code": code} for system, code in codings]} if codings else {}
    concept |= {"text": text} if text else {}
    return {"resourceType": "MedicationRequest", "id": "m1", "status": "active", "medicationCodeableConcept": concept} | changes


def read(text: str | None = None, *codings: tuple[str, str], **changes: Any) -> Medicine:
    return medicine_of(request(text, *codings, **changes), drugs())


# (text, codings, drug, how, how sure). RxNorm and ATC codes: facts/drugs.json; 312940 is a product code (sertraline 25 mg tablet).
MAPPED = [
    (None, [(RXNORM, "36437")], "sertraline", "rxnorm", "certain"),
    (None, [(RXNORM, "1658314")], "brexpiprazole", "rxnorm", "likely"),
    (None, [(ATC, "N06AB10")], "escitalopram", "atc", "likely"),
    ("Sertraline 50 mg tablet", [(RXNORM, "312940")], "sertraline", "text", "uncertain"),
    ("Sertraline 50 mg tablet", [(RXNORM, "36437")], "sertraline", "rxnorm", "certain"),
    ("ESCITALOPRAM 10MG", [], "escitalopram", "text", "uncertain"),
    ("desvenlafaxine succinate 50 MG", [], "desvenlafaxine", "text", "uncertain"),
    ("oxcarbazepine", [], "oxcarbazepine", "text", "uncertain"),
    ("Lithium Carbonate 300 MG Oral Capsule", [], "lithium", "text", "uncertain"),
    (None, [(RXNORM, "6448")], "lithium", "rxnorm", "certain"),
    (None, [(RXNORM, "42351")], "lithium", "rxnorm", "certain"),
    (None, [(RXNORM, "11118")], "valproate", "rxnorm", "certain"),
    (None, [(RXNORM, "40254")], "valproate", "rxnorm", "certain"),
    (None, [(RXNORM, "266856")], "valproate", "rxnorm", "certain"),
    ("Valproate semisodium", [], "valproate", "text", "uncertain"),
    ("aripiprazole lauroxil 441 mg", [], "aripiprazole lauroxil", "text", "uncertain"),
    ("St John’s wort extract", [], "st john's wort", "text", "uncertain"),
    ("esketamine nasal spray", [], "esketamine", "text", "uncertain"),
    ("Wonder pill", [], None, "unmapped", "unknown"),
    (None, [(RXNORM, "4477")], None, "unmapped", "unknown"),  # wrong code for fluoxetine seen in public repositories
    (None, [("http://example.org", "36437")], None, "unmapped", "unknown"),
    (None, [], None, "unmapped", "unknown"),
]


@pytest.mark.parametrize(("text", "codings", "drug", "how", "sure"), MAPPED)
def test_mapping_says_how_and_how_sure(text: str | None, codings: list[tuple[str, str]], drug: str | None, how: str, sure: str) -> None:
    found = read(text, *codings)
    assert (found.drug, found.how, found.sure) == (drug, how, sure)
    assert bool(found.notes) == (sure in ("uncertain", "unknown"))


def test_combinations_show_every_ingredient() -> None:
    assert read("olanzapine 6 mg / fluoxetine 25 mg capsule").ingredients == ("olanzapine", "fluoxetine")
    assert read(None, (RXNORM, "704"), (RXNORM, "8076")).ingredients == ("amitriptyline", "perphenazine")


def test_code_against_words_checks_both_and_is_uncertain() -> None:
    found = read("Paroxetine 20 mg", (RXNORM, "4493"))
    assert found.sure == "uncertain"
    assert found.ingredients == ("fluoxetine", "paroxetine")
    assert found.drug == "fluoxetine"


@pytest.mark.parametrize(
    ("changes", "active", "stopped"),
    [
        ({}, True, False),
        ({"status": "stopped"}, False, True),
        ({"status": "on-hold"}, False, True),
        ({"status": "completed"}, False, True),
        ({"status": "entered-in-error"}, False, False),
        ({"status": "draft"}, False, False),
        ({"doNotPerform": True}, False, False),
        ({"resourceType": "MedicationStatement", "status": "not-taken"}, False, False),
        ({"resourceType": "MedicationStatement", "status": "active"}, True, False),
    ],
)
def test_status(changes: dict[str, Any], active: bool, stopped: bool) -> None:
    found = read("citalopram", **changes)
    assert (found.active, found.stopped) == (active, stopped)


def test_contained_and_referenced_medication() -> None:
    medication = {"resourceType": "Medication", "id": "x", "code": {"coding": [{"system": RXNORM, "code": "2556"}]}}
    reference = {"medicationReference": {"reference": "#x"}, "contained": [medication]}
    resource = {"resourceType": "MedicationRequest", "id": "m1", "status": "active"}
    assert medicine_of(resource | reference, drugs()).drug == "citalopram"
    far = resource | {"medicationReference": {"reference": "Medication/x", "display": "sertraline"}}
    assert medicine_of(far, drugs()).drug == "sertraline"
    assert medicine_of(far, drugs(), medication).drug == "citalopram"


def test_periods() -> None:
    bounds = {"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}}}
    found = read("citalopram", dosageInstruction=[bounds], authoredOn="2025-12-30")
    assert (found.start, found.end) == ("2026-01-01", "2026-02-01")
    assert read("citalopram", authoredOn="2025-12-30").start == "2025-12-30"


def test_the_file_fits_its_schema_and_ships_no_unverified_code() -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert validator.is_valid(data())
    assert not validator.is_valid(data() | {"drugz": []})
    assert not drugs().by_id["agomelatine"].rxnorm  # UNVERIFIED in the facts


def test_a_code_that_stands_twice_says_where() -> None:
    broken = data()
    broken["drugs"][1]["rxnorm"][0]["code"] = "2556"
    with pytest.raises(KnowledgeError) as caught:
        build(broken)
    assert caught.value.path == ("drugs", 1, "rxnorm", 0, "code")
