"""The Observations of one response: shape, references, identity, what is inherited and what is said."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from fhir.resources.R4B.observation import Observation

from mappings.scales.observations import observations
from mappings.scales.scoring import score
from mappings.vocabulary import DATA_ABSENT, OURS, UCUM, Json, identity
from tests.scales import scale_files as files

AT, ISSUED, RESPONSE = "2026-11-02T09:00:00+01:00", "2026-11-02T08:01:00Z", "QuestionnaireResponse/r1"
EXTRAS = {
    "encounter": {"reference": "Encounter/e1"},
    "source": {"reference": "Patient/p1"},
    "author": {"reference": "Device/d1"},
    "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]},
}


@dataclass
class Judged:
    reference_range: list[Json] = field(default_factory=lambda: [{"text": "usual for this person"}])
    interpretation: list[Json] = field(default_factory=lambda: [{"text": "higher than usual"}])
    note: list[Json] = field(default_factory=lambda: [{"text": "judged"}])


def made(name: str, scores: list[Any], judged: dict[str, Any] | None = None, **more: Any) -> list[Json]:
    scale = files.library()[name]
    response = files.numbered(scale, scores) | more
    return observations(scale, score(scale, response), response, RESPONSE, "Patient/p1", AT, ISSUED, judged or {})


def by_code(resources: list[Json], code: str) -> Json:
    return next(each for each in resources if any(coding["code"] == code for coding in each["code"]["coding"]))


@pytest.mark.parametrize("name", sorted(files.library()))
@pytest.mark.parametrize("gap", [False, True])
def test_valid_for_every_scale_and_nothing_empty(name: str, gap: bool) -> None:
    scale = files.library()[name]
    resources = made(name, [None if gap and at < 3 else item.high for at, item in enumerate(scale.items)], **EXTRAS)
    for each in resources:
        Observation.model_validate(each)
        assert empties(each) == []
        assert ("dataAbsentReason" in each) != (any(key.startswith("value") for key in each) or "hasMember" in each)
    assert len({each["id"] for each in resources}) == len(resources)


def empties(value: Any, path: str = "") -> list[str]:
    if value is None or value == [] or value == {} or value == "":
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in empties(each, f"{path}/{key}")]


def test_total_of_phq_9() -> None:
    resources = made("phq-9", [1, 2, 3, 0, 1, 2, 0, 1, 0], **EXTRAS)
    total = by_code(resources, "phq-9")
    assert total["id"] == identity("observation", "Patient/p1", "phq-9", AT, "phq-9")
    assert [(coding["system"], coding["code"]) for coding in total["code"]["coding"]] == [(files.LOINC, "44261-6"), (OURS, "phq-9")]
    assert total["valueQuantity"] == {"value": 10, "unit": "{score}", "system": UCUM, "code": "{score}"}
    assert total["interpretation"][0]["text"] == "moderate"
    assert any("Kroenke" in note["text"] for note in total["note"])
    assert (total["status"], total["effectiveDateTime"], total["issued"]) == ("final", AT, ISSUED)
    assert total["category"][0]["coding"][0]["code"] == "survey"
    assert total["derivedFrom"][0] == {"reference": RESPONSE}
    assert len(total["derivedFrom"]) == 10
    ids = {f"Observation/{each['id']}" for each in resources}
    assert {ref["reference"] for ref in total["derivedFrom"][1:]} <= ids


def test_panel_holds_items_and_scores() -> None:
    resources = made("phq-9", [1] * 10)
    panel = by_code(resources, "phq-9.panel")
    assert panel["code"]["coding"][0] == {"system": files.LOINC, "code": "44249-1"}
    assert [ref["reference"] for ref in panel["hasMember"]] == [f"Observation/{each['id']}" for each in resources if each is not panel]


def test_an_item_carries_its_answer_code_and_score() -> None:
    item = by_code(made("phq-9", [2] + [0] * 8), "44250-9")
    coding = item["valueCodeableConcept"]["coding"][0]
    assert (coding["system"], coding["code"], coding["display"]) == (files.LOINC, "LA6570-1", "More than half the days")
    assert coding["extension"][0]["valueDecimal"] == 2
    assert item["code"]["text"] == "Little interest or pleasure in doing things"


def test_an_item_without_options_carries_its_number_and_our_code() -> None:
    item = by_code(made("epds", [2] + [0] * 9), "epds.1")
    assert (item["valueInteger"], item["code"]["coding"][0]["system"]) == (2, OURS)


def test_what_is_taken_over_from_the_response() -> None:
    for each in made("phq-9", [1] * 9, status="amended", **EXTRAS):
        assert each["status"] == "amended"
        assert each["encounter"] == {"reference": "Encounter/e1"}
        assert each["performer"] == [{"reference": "Patient/p1"}], "a Device cannot be a performer in R4"
        assert each["meta"]["security"] == EXTRAS["meta"]["security"]
        assert each["subject"] == {"reference": "Patient/p1"}


def test_without_a_score_the_reason_is_said() -> None:
    total = by_code(made("gad-7", [1] * 6), "gad-7")
    assert total["dataAbsentReason"]["coding"][0]["system"] == DATA_ABSENT
    assert any("Missing: item(s) 7." in note["text"] for note in total["note"])
    assert "interpretation" not in total


def test_judgement_of_the_baseline_is_added() -> None:
    total = by_code(made("phq-9", [1] * 9, {"phq-9": Judged()}), "phq-9")
    assert [each["text"] for each in total["interpretation"]] == ["mild", "higher than usual"]
    assert total["referenceRange"] == [{"text": "usual for this person"}]
    assert total["note"][-1] == {"text": "judged"}


def test_booleans_levels_and_profiles() -> None:
    dx = by_code(made("pcl-5", [2] * 20), "pcl-5.provisional_dx")
    assert dx["valueBoolean"] is True
    level = by_code(made("c-ssrs-screener", [0, 0, 0, 0, 0, 0]), "c-ssrs-screener")
    assert level["valueCodeableConcept"]["text"] == "none"
    assert [coding["code"] for coding in by_code(made("c-ssrs-screener", [1, 1, 1, 0, 0, 0]), "93374-7")["valueCodeableConcept"]["coding"]] == [
        "LA6751-7",
        "c-ssrs-screener.moderate",
    ]
    profile = by_code(made("dass-21", [1] * 21), "dass-21")
    assert profile["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"


def test_percentage_and_raw_score_side_by_side() -> None:
    resources = made("who-5", [3, 3, 3, 2, 2])
    assert by_code(resources, "who-5")["valueQuantity"]["value"] == 52
    assert by_code(resources, "who-5.raw")["valueQuantity"]["value"] == 13


def test_the_same_response_gives_the_same_observations() -> None:
    assert made("phq-9", [1] * 9) == made("phq-9", [1] * 9)
