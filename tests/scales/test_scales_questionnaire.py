"""The served Questionnaires: what every one must hold, and their arithmetic evaluated by an independent FHIRPath engine."""

import os
import random
from typing import Any

import fhirpathpy
import pytest
from fhir.resources.R4B.questionnaire import Questionnaire
from fhirpathpy.models import models

from mappings.scales.concepts import concepts
from mappings.scales.questionnaire import questionnaire
from mappings.scales.scale import Scale
from mappings.scales.scoring import score
from mappings.vocabulary import OURS, Json
from tests.scales import scale_files as files

SCALES = sorted(files.library().values(), key=lambda scale: scale.id)
ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
EACH = pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.id)
CALCULATED = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
EXTRACT = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract"
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"


@EACH
def test_shape(scale: Scale) -> None:
    made = questionnaire(scale)
    Questionnaire.model_validate(made)
    assert made["url"].endswith(f"/Questionnaire/{scale.id}")
    assert (made["id"], made["status"], made["subjectType"], made["version"]) == (scale.id, "active", ["Patient"], scale.version)
    assert scale.licence.notice in made["copyright"]
    assert {"url": EXTRACT, "valueBoolean": True} in made["extension"]
    links = [item["linkId"] for item in made["item"]]
    assert len(links) == len(set(links))
    for item in made["item"]:
        assert item["text"].strip()
        assert not item.get("required")
        assert item["code"]


@EACH
def test_questions_carry_their_scores_or_their_limits(scale: Scale) -> None:
    for item, declared in zip(questionnaire(scale)["item"], scale.items, strict=False):
        if item["type"] == "choice":
            found = [
                extension["valueDecimal"]
                for option in item["answerOption"]
                for extension in option["valueCoding"].get("extension", [])
                if extension["url"] == ORDINAL
            ]
            assert (min(found), max(found)) == (declared.low, declared.high)
        else:
            assert item["type"] == "integer"
            ends = {extension["url"].rsplit("/", 1)[-1]: extension.get("valueInteger") for extension in item["extension"]}
            assert (ends["minValue"], ends["maxValue"]) == (declared.low, declared.high)
        assert declared.wording or "topic in our words" in item["text"]


@EACH
def test_ends_with_its_total_read_only_and_coded_as_the_total(scale: Scale) -> None:
    ends = [item for item in questionnaire(scale)["item"] if item.get("readOnly")]
    assert bool(ends) == (scale.id != "prise"), "only PRISE is a profile without any score"
    assert not ends or questionnaire(scale)["item"][-1] == ends[-1]
    if scale.total.kind != "profile":
        assert {"system": OURS, "code": scale.id} in ends[-1]["code"]


def answered(scale: Scale, pick: random.Random) -> Json:
    """A complete response, as a form would send it."""
    answers: dict[str, Any] = {}
    for item in scale.items:
        option = pick.choice([option for option in item.options if option.score is not None]) if item.options else None
        coding = {"valueCoding": {"system": option.system, "code": option.code}} if option else None
        answers[item.link] = coding or pick.randint(int(item.low), int(item.high))
    return files.response(answers)


@EACH
def test_an_independent_engine_computes_the_same_total(scale: Scale) -> None:
    made = questionnaire(scale)
    for item in (item for item in made["item"] if item.get("readOnly")):
        expression = next(each["valueExpression"]["expression"] for each in item["extension"] if each["url"] == CALCULATED)
        code = next(coding["code"] for coding in item["code"] if coding["system"] == OURS)
        for seed in range(ROUNDS):
            response = answered(scale, random.Random(seed))
            if any(skip.always for skip in scale.skips):
                response["item"] = [each for each in response["item"] if each["linkId"] != "not-working"]
                next((each for each in response["item"] if each["linkId"] == "0"), {"answer": []})["answer"] = [{"valueCoding": {"code": "LA33-6"}}]
            total = next(total for total in score(scale, response).totals if total.code == code)
            found = fhirpathpy.evaluate(response, expression, {"resource": response, "questionnaire": made}, models["r4"])
            if total.level is not None:
                assert [coding["code"] for coding in found] == [total.level.loinc or f"{scale.id}.{total.level.code}"]
            else:
                assert [float(each) for each in found] == [total.value]


@EACH
def test_concepts_name_every_code_of_ours(scale: Scale) -> None:
    known = {concept["code"] for concept in concepts(scale)}
    made = questionnaire(scale)
    used = [*made["code"], *(coding for item in made["item"] for coding in item["code"])]
    used += [option["valueCoding"] for item in made["item"] for option in item.get("answerOption", [])]
    assert {coding["code"] for coding in used if coding["system"] == OURS} <= known
    assert all(concept["display"] for concept in concepts(scale))


def test_phq_9_to_the_letter() -> None:
    made = questionnaire(files.library()["phq-9"])
    assert made["code"][0] == {"system": files.LOINC, "code": "44249-1"}
    links = "44250-9 44255-8 44259-0 44254-1 44251-7 44258-2 44252-5 44253-3 44260-8 69722-7 44261-6"
    assert [item["linkId"] for item in made["item"]] == links.split()
    assert [option["valueCoding"]["code"] for option in made["item"][9]["answerOption"]] == ["LA6572-7", "LA6573-5", "LA6575-0", "LA6574-3"]
    assert made["item"][10]["type"] == "integer"


def test_reversed_items_carry_the_score_that_enters_the_sum() -> None:
    made = questionnaire(files.library()["dast-10"])
    scores = {option["valueCoding"]["code"]: option["valueCoding"]["extension"][0]["valueDecimal"] for option in made["item"][2]["answerOption"]}
    assert scores == {"LA33-6": 0, "LA32-8": 1}
