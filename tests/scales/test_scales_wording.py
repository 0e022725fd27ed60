"""A site's wording changes words and nothing else."""

import jsonschema_rs
import pytest

from mappings.knowledge import KnowledgeError
from mappings.scales.questionnaire import questionnaire
from mappings.scales.scoring import score
from mappings.scales.wording import SCHEMA, put_on
from tests.scales import scale_files as files

WORDING = {
    "scale": "whodas-12",
    "items": {"1": "Made-up words for a test"},
    "answers": {"difficulty": {"none": "No trouble"}},
    "notice": "Agreement 17.",
    "source": ["test"],
}


def test_words_of_the_site_are_shown_and_scores_stay() -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(WORDING)
    scale = files.checked(put_on(files.raw("whodas-12"), WORDING))
    made = questionnaire(scale)
    assert made["item"][0]["text"] == "Made-up words for a test"
    assert "topic in our words" in made["item"][1]["text"]
    assert made["item"][1]["answerOption"][0]["valueCoding"]["display"] == "No trouble"
    assert made["copyright"].endswith("Agreement 17.")
    answers = [1] * 12
    assert score(scale, files.numbered(scale, answers)).totals == score(files.library()["whodas-12"], files.numbered(scale, answers)).totals


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"scale": "isi"}, ("scale",)),
        ({"items": {"13": "x"}}, ("items", "13")),
        ({"answers": {"difficulty": {"some": "x"}}}, ("answers", "difficulty", "some")),
    ],
)
def test_a_wrong_wording_file_is_refused(change: dict, path: tuple) -> None:
    with pytest.raises(KnowledgeError) as caught:
        put_on(files.raw("whodas-12"), WORDING | change)
    assert caught.value.path == path
