"""Every form in which an answer may arrive, and what the notes then say."""

from typing import Any

import pytest

from mappings.scales.scoring import Scored, score
from tests.scales import scale_files as files

ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"


def gad(first: dict[str, Any] | list[dict[str, Any]], rest: int = 0) -> Scored:
    """GAD-7 with this answer, or these answers, to item 2."""
    scale = files.library()["gad-7"]
    items = [{"linkId": item.link, "answer": [{"valueInteger": rest}]} for item in scale.items if item.id != "2"]
    items.append({"linkId": "68509-9", "answer": first if isinstance(first, list) else [first]})
    return score(scale, {"status": "completed", "item": items})


def coding(code: str, system: str = files.LOINC, **more: Any) -> dict[str, Any]:
    return {"valueCoding": {"system": system, "code": code} | more}


TWO = [
    coding("LA6570-1"),
    coding("LA18938-3"),
    {"valueCoding": {"code": "LA6570-1"}},
    coding("x", "urn:site", extension=[{"url": ORDINAL, "valueDecimal": 2}]),
    coding("x", "urn:site", extension=[{"url": WEIGHT, "valueDecimal": 2.0}]),
    coding("x", "urn:site", display="More than half the days"),
    {"valueInteger": 2},
    {"valueDecimal": 2.0},
    {"valueString": " 2 "},
    {"valueString": "2.0"},
    {"valueString": "more than half the days"},
    {"valueQuantity": {"value": 2}},
]


@pytest.mark.parametrize("answer", TWO, ids=str)
def test_each_form_of_an_answer_scores_two(answer: dict[str, Any]) -> None:
    assert gad(answer).totals[0].value == 2


@pytest.mark.parametrize(("answer", "by"), [(TWO[3], "stated score"), (TWO[4], "stated score"), (TWO[5], "words")])
def test_a_code_that_is_not_in_the_list_is_noted_where_the_answer_could_be_read(answer: dict[str, Any], by: str) -> None:
    assert gad(answer).notes == (f"Item 2: the answer's code is not in the list of this scale; it was read by its {by}.",)


@pytest.mark.parametrize("answer", [TWO[0], TWO[1], TWO[2], *TWO[6:]], ids=str)
def test_an_answer_that_needs_no_decision_is_not_noted(answer: dict[str, Any]) -> None:
    assert gad(answer).notes == ()


UNUSABLE = [
    coding("LA0000-0"),
    coding("LA6570-1", "urn:other"),
    {"valueInteger": 4},
    {"valueDecimal": 1.5},
    {"valueString": "often"},
    {"valueBoolean": True},
    {"valueDate": "2026-01-01"},
]


@pytest.mark.parametrize("answer", UNUSABLE, ids=str)
def test_an_answer_that_is_not_in_the_list_leaves_the_item_missing_and_is_noted(answer: dict[str, Any]) -> None:
    scored = gad(answer)
    assert (scored.totals[0].value, scored.totals[0].missing) == (None, ("2",))
    assert any("Item 2: an answer is not in the list" in note for note in scored.notes)


def test_the_code_counts_before_a_foreign_weight() -> None:
    assert gad(coding("LA6570-1", extension=[{"url": ORDINAL, "valueDecimal": 3}])).totals[0].value == 2


@pytest.mark.parametrize("order", [(1, 3), (3, 1)])
def test_of_two_different_answers_the_less_favourable_counts_in_any_order(order: tuple[int, int]) -> None:
    scored = gad([{"valueInteger": value} for value in order])
    assert scored.totals[0].value == 3
    assert any("answered 2 times" in note for note in scored.notes)


def test_less_favourable_is_the_lower_one_where_higher_is_better() -> None:
    scale = files.library()["who-5"]
    items = [{"linkId": link, "answer": [{"valueInteger": 5}]} for link in "12345"] + [{"linkId": "1", "answer": [{"valueInteger": 1}]}]
    assert score(scale, {"item": items}).totals[0].value == 84


def test_a_repeated_item_with_the_same_answer_counts_once() -> None:
    scored = gad([{"valueInteger": 2}, coding("LA6570-1")])
    assert scored.totals[0].value == 2
    assert any("counted once" in note for note in scored.notes)


def test_unknown_items_are_noted_and_not_used() -> None:
    response = files.numbered(files.library()["gad-7"], [1] * 7)
    response["item"] += [{"linkId": "note", "answer": [{"valueString": "private words"}]}, {"linkId": "heading", "text": "no answer"}]
    scored = score(files.library()["gad-7"], response)
    assert scored.totals[0].value == 7
    assert scored.notes == ("1 answered question(s) are not part of this scale and were not used.",)


LINKS = {
    "code": lambda item: {"linkId": item.code},
    "slash": lambda item: {"linkId": "/" + item.code},
    "path": lambda item: {"linkId": "/69737-5/" + item.code},
    "number": lambda item: {"linkId": item.id},
    "ours": lambda item: {"linkId": f"gad-7.{item.id}"},
    "definition": lambda item: {"linkId": "q" + item.id, "definition": f"http://example.org/fhir/StructureDefinition/x#Observation.{item.code}"},
    "item code": lambda item: {"linkId": "q" + item.id, "code": [{"system": files.LOINC, "code": item.code}]},
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_each_way_to_name_an_item(link: Any) -> None:
    scale = files.library()["gad-7"]
    response = {"item": [link(item) | {"answer": [{"valueInteger": int(item.id) % 4}]} for item in scale.items]}
    assert score(scale, response).totals[0].value == 1 + 2 + 3 + 0 + 1 + 2 + 3


def test_codes_of_a_contained_or_given_questionnaire_name_the_items() -> None:
    scale = files.library()["gad-7"]
    form = {"resourceType": "Questionnaire", "item": [{"linkId": "q" + item.id, "code": [{"code": item.code}]} for item in scale.items]}
    response = {"item": [{"linkId": "q" + item.id, "answer": [{"valueInteger": 1}]} for item in scale.items]}
    assert score(scale, response | {"contained": [form]}).totals[0].value == 7
    assert score(scale, response, form).totals[0].value == 7
    assert score(scale, response).totals[0].value is None


def test_a_bare_number_is_not_an_item_beside_loinc_codes() -> None:
    scale = files.library()["gad-7"]
    response = files.numbered(scale, [None] + [1] * 6)
    response["item"].append({"linkId": "1", "answer": [{"valueInteger": 3}]})
    scored = score(scale, response)
    assert scored.totals[0].missing == ("1",)


def test_nested_groups_and_items_under_answers() -> None:
    scale = files.library()["gad-7"]
    first, *others = files.numbered(scale, [1] * 7)["item"]
    first["answer"][0]["item"] = others[:3]
    response = {"item": [{"linkId": "g", "item": [first, {"linkId": "h", "item": others[3:]}]}]}
    assert score(scale, response).totals[0].value == 7


STATED = [("70274-6", {"valueInteger": 13}), ("/70274-6", {"valueString": "13"}), ("gad-7", {"valueDecimal": 13}), ("total", {"valueQuantity": {"value": 13}})]


@pytest.mark.parametrize(("link", "answer"), STATED)
def test_a_stated_total_that_differs_is_flagged_and_never_trusted(link: str, answer: dict[str, Any]) -> None:
    response = files.numbered(files.library()["gad-7"], [2, 2, 2, 1, 1, 1, 1])
    response["item"].append({"linkId": link, "answer": [answer]})
    scored = score(files.library()["gad-7"], response)
    assert scored.totals[0].value == 10
    assert scored.notes == ("The response states 13 for gad-7, but its answers give 10; the recomputed value counts.",)


def test_a_stated_total_that_agrees_says_nothing_and_one_alone_is_not_taken_over() -> None:
    scale = files.library()["gad-7"]
    response = files.numbered(scale, [1] * 7)
    response["item"].append({"linkId": "70274-6", "answer": [{"valueInteger": 7}]})
    assert score(scale, response).notes == ()
    alone = score(scale, {"item": [{"linkId": "70274-6", "answer": [{"valueInteger": 7}]}]})
    assert alone.totals[0].value is None
    assert any("not taken over" in note for note in alone.notes)


def test_used_items_are_named_by_link() -> None:
    scored = score(files.library()["phq-9"], files.numbered(files.library()["phq-9"], [1] * 8 + [None, 2]))
    assert scored.totals[0].used_items == ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3")
    assert scored.complete is False


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        [None],
        ["x"],
        [{"linkId": "44260-8"}],
        [{"linkId": "44260-8", "answer": []}],
        [{"linkId": "44260-8", "answer": [None, {}]}],
        [{"answer": [{"valueCoding": None}]}],
    ],
)
def test_a_misshapen_response_scores_nothing_and_does_not_fail(item: Any) -> None:
    assert score(files.library()["phq-9"], {"item": item}).totals[0].value is None
