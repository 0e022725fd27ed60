"""Which scale a response answers, and which responses are scored."""

from typing import Any

import pytest

from mappings.scales.recognition import answered, is_scored, reason_not_scored, scale_of
from mappings.scales.scoring import score
from mappings.vocabulary import CANONICAL
from tests.scales import scale_files as files

URL = CANONICAL + "/Questionnaire/"


def name_of(response: dict[str, Any], questionnaire: dict[str, Any] | None = None) -> str | None:
    found = scale_of(response, files.library(), questionnaire)
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


def test_by_the_codes_of_the_items_of_the_questionnaire_that_was_answered() -> None:
    items = [{"linkId": f"q{item.id}", "code": [{"system": "http://loinc.org", "code": item.code}]} for item in files.library()["phq-9"].items]
    response = {"questionnaire": "http://hospital.example/q/17|3", "item": [{"linkId": item["linkId"], "answer": [{"valueInteger": 1}]} for item in items]}
    assert name_of(response, {"item": items}) == "phq-9"
    assert name_of(response) is None


def test_several_scales_in_one_response() -> None:
    """Each is read from its own questions; a scale whose items another one has is not counted twice."""
    library = files.library()
    phq = [{"linkId": item.code, "answer": [{"valueInteger": 1}]} for item in library["phq-9"].items[:9]]
    columbia = [{"linkId": f"c-ssrs-screener.{item.id}", "answer": [{"valueBoolean": False}]} for item in library["c-ssrs-screener"].items]
    other = {"linkId": "z", "answer": [{"valueInteger": 1}]}
    response = {"status": "completed", "item": [{"linkId": "a", "item": phq}, {"linkId": "b", "item": columbia}, other]}
    found = {scale.id: score(scale, part) for scale, part in answered(response, library)}
    assert set(found) == {"phq-9", "c-ssrs-screener"}
    assert found["phq-9"].totals[0].value == 9
    assert found["phq-9"].notes == ("1 answered question(s) are not part of this scale and were not used.",)


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
