"""Which scale a response answers, and which responses are scored."""

from typing import Any

import pytest

from mappings.scales.recognition import is_scored, reason_not_scored, scale_of
from mappings.vocabulary import CANONICAL
from tests.scales import scale_files as files

URL = CANONICAL + "/Questionnaire/"


def name_of(response: dict[str, Any], urls: dict[str, str] | None = None) -> str | None:
    found = scale_of(response, files.library(), urls)
    return found.id if found else None


@pytest.mark.parametrize("name", sorted(files.library()))
def test_by_our_canonical_of_any_version_or_by_a_relative_address(name: str) -> None:
    for address in (URL + name, URL + name + "|0.0.9", URL + name + "#1", "Questionnaire/" + name):
        assert name_of({"questionnaire": address}) == name


CODED = ["phq-9", "phq-2", "phq-8", "gad-7", "gad-2", "audit", "audit-c", "c-ssrs-screener", "k6", "ace"]


@pytest.mark.parametrize("name", CODED)
def test_by_the_loinc_codes_of_its_items(name: str) -> None:
    scale = files.library()[name]
    assert name_of(files.numbered(scale, [item.low for item in scale.items])) == name
    assert name_of({"item": [{"linkId": "g", "item": [{"linkId": "/" + item.code} for item in scale.items]}]}) == name


@pytest.mark.parametrize("name", sorted(set(files.library()) - {"cgi-s", "cgi-i"}))
def test_by_our_item_codes(name: str) -> None:
    scale = files.library()[name]
    found = name_of({"item": [{"linkId": f"{name}.{item.id}"} for item in scale.items]})
    assert found == name


def test_a_given_mapping_of_foreign_canonicals() -> None:
    assert name_of({"questionnaire": "http://hospital.example/q/17|3"}, {"http://hospital.example/q/17": "phq-9"}) == "phq-9"


def test_a_foreign_form_of_the_same_name_needs_the_items() -> None:
    scale = files.library()["audit"]
    foreign = {"questionnaire": "http://hospital.example/fhir/Questionnaire/audit"}
    assert name_of(foreign | {"item": [{"linkId": "ward", "answer": [{"valueString": "3"}]}]}) is None
    assert name_of(foreign | files.numbered(scale, [0] * 10)) == "audit"


def test_unknown() -> None:
    assert name_of({"questionnaire": "http://hospital.example/q/17", "item": [{"linkId": "1"}]}) is None
    assert name_of({}) is None
    assert name_of({"item": [{"linkId": "44250-9"}]}) is None


def test_statuses() -> None:
    assert [status for status in ("in-progress", "completed", "amended", "entered-in-error", "stopped") if is_scored({"status": status})] == [
        "completed",
        "amended",
    ]
    assert reason_not_scored({"status": "completed"}) is None
    assert "entered in error" in str(reason_not_scored({"status": "entered-in-error"}))
    assert all(reason_not_scored({"status": status}) for status in ("in-progress", "stopped", "x"))
    assert reason_not_scored({})
