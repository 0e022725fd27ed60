"""Questionnaire/$next-question: the published cut-offs of the screens (PHQ-2 3, GAD-2 3, AUDIT-C 4 men and 3 women, PC-PTSD-5 3) lead on."""

import json
from typing import Any

import httpx
import pytest

from tests.fhir.persons import found, issue, new_person, stored
from tests.story.telling import OURS, PHQ9, phq9, weeks_ago

Json = dict[str, Any]
BASE = "https://setpoint.example/fhir/Questionnaire/"


async def ask(client: httpx.AsyncClient, response: Json) -> Json:
    answer = await client.post("Questionnaire/$next-question", content=json.dumps(response))
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


def next_of(response: Json) -> Json:
    """The question that is asked: the last of the contained Questionnaire, not answered yet."""
    item: Json = next(each for each in response["contained"] if each["resourceType"] == "Questionnaire")["item"][-1]
    assert item["linkId"] not in {each["linkId"] for each in response.get("item", [])}
    return item


async def session(client: httpx.AsyncClient, scale: str, person: str | None, answers: dict[str, Any], rest: int = 0) -> tuple[Json, list[str]]:
    """Answer until it is done: `answers` by linkId as scores (None refuses), else `rest`. The final response and what was asked, in order."""
    subject = {"subject": {"reference": person}} if person else {}
    response: Json = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": BASE + scale} | subject
    asked: list[str] = []
    for _ in range(60):
        response = await ask(client, response)
        if response["status"] == "completed":
            return response, asked
        link = next_of(response)["linkId"]
        asked.append(link)
        score = answers.get(link, rest)
        response.setdefault("item", []).append({"linkId": link} if score is None else {"linkId": link, "answer": [{"valueInteger": score}]})
    raise AssertionError("it never ends")


async def test_a_negative_screen_ends_it(client: httpx.AsyncClient) -> None:
    for start in ("phq-2", "phq-9"):
        response, asked = await session(client, start, None, {PHQ9[0]: 1, PHQ9[1]: 1})
        assert asked == list(PHQ9[:2])
        assert response["questionnaire"] == "#adaptive"


async def test_a_positive_screen_leads_to_the_whole_scale_and_item_9_to_the_columbia_screener(client: httpx.AsyncClient) -> None:
    """The two questions that were asked are not asked again; C-SSRS skips items 3 to 5 where item 2 is no."""
    person = await new_person(client)
    response, asked = await session(client, "phq-2", person, {PHQ9[0]: 2, PHQ9[1]: 1, PHQ9[8]: 1, "93246-7": 1})
    assert asked == [*PHQ9, "69722-7", "93246-7", "93247-5", "93267-3"]
    made = await stored(client, response)
    observations = await found(client, f"Observation?patient={person}")
    codes = {code["code"]: each for each in observations for code in each["code"]["coding"] if code["system"] == OURS}
    assert codes["phq-9"]["valueQuantity"]["value"] == 4
    assert codes["c-ssrs-screener"]["valueCodeableConcept"]["text"] == "low", "a wish to be dead alone is low risk"
    assert {f"QuestionnaireResponse/{made['id']}"} == {each["derivedFrom"][0]["reference"] for each in (codes["phq-9"], codes["c-ssrs-screener"])}
    keys = {coding["code"] for each in await found(client, f"Flag?patient={person}") for coding in each["code"].get("coding", [])}
    assert len(keys) == 2, "one of each scale"


@pytest.mark.parametrize(("gender", "length"), [("male", 3), ("female", 10), (None, 10)])
async def test_the_cut_off_of_the_person(client: httpx.AsyncClient, gender: str | None, length: int) -> None:
    """AUDIT-C of 3: positive for women (3 or more), negative for men (4 or more); where it is not known, the sensitive one."""
    person = "Patient/" + (await stored(client, {"resourceType": "Patient"} | ({"gender": gender} if gender else {})))["id"]
    _, asked = await session(client, "audit-c", person, {"68518-0": 1, "68519-8": 1, "68520-6": 1})
    assert len(asked) == length


async def test_a_refused_question_is_not_repeated_and_spares_nothing(client: httpx.AsyncClient) -> None:
    _, asked = await session(client, "gad-2", None, {"69725-0": None})
    assert asked[:2] == ["69725-0", "68509-9"]
    assert len(asked) == len(set(asked)) == 7


async def test_trauma(client: httpx.AsyncClient) -> None:
    """Without a trauma PC-PTSD-5 is 0 by rule and its symptoms are not asked; with three of them PCL-5 follows."""
    _, asked = await session(client, "pc-ptsd-5", None, {})
    assert asked == ["pc-ptsd-5.0"]
    _, asked = await session(client, "pc-ptsd-5", None, {"pc-ptsd-5.0": 1, "pc-ptsd-5.1": 1, "pc-ptsd-5.2": 1, "pc-ptsd-5.3": 1})
    assert (len(asked), asked[6]) == (26, "pcl-5.1")


async def test_what_was_answered_this_week_is_not_asked_again(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await stored(client, phq9(person, (3, 3, 0, 0, 0, 0, 0, 0, 0), weeks_ago(0.5)))
    response, asked = await session(client, "phq-2", person, {})
    assert asked == ["69722-7"], "all but the question about difficulty were answered"
    assert [each["answer"][0]["valueCoding"]["code"] for each in response["item"][:2]] == ["LA6571-9", "LA6571-9"]
    other = await new_person(client)
    await stored(client, phq9(other, (3, 3, 0, 0, 0, 0, 0, 0, 0), weeks_ago(1.5)))
    _, asked = await session(client, "phq-2", other, {})
    assert asked == list(PHQ9[:2])


async def test_bad_questions(client: httpx.AsyncClient) -> None:
    unknown = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": "http://example.org/Questionnaire/x"}
    answer = await client.post("Questionnaire/$next-question", content=json.dumps(unknown))
    assert (answer.status_code, issue(answer)["expression"]) == (422, ["QuestionnaireResponse.questionnaire"])
    for body in ({"resourceType": "Patient"}, {"resourceType": "Parameters"}):
        assert (await client.post("Questionnaire/$next-question", content=json.dumps(body))).status_code == 400
