"""Prescriptions checked when they are stored and by $check: labels, CPIC and the ONC high-priority list as the facts carry them."""

import json
import sys
import types
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mappings.medicines.plug import External
from tests.fhir.persons import found, issue, new_person, stored
from tests.story.telling import weeks_ago

Json = dict[str, Any]
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
YEAR = datetime.now(UTC).year


def prescription(person: str, name: str, mg: float | None = None, **more: Any) -> Json:
    dose = [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
             "doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}]}]  # fmt: skip
    made = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": person},
            "medicationCodeableConcept": {"text": name}, "authoredOn": weeks_ago(0)} | more  # fmt: skip
    return made | ({"dosageInstruction": dose} if mg else {})


def said(person: str, code: str, answer: str, system: str = SNOMED, at: str = "") -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": person},
            "effectiveDateTime": at or weeks_ago(1), "valueCodeableConcept": {"coding": [{"system": system, "code": answer}]}}  # fmt: skip


def genotype(person: str, gene: str, value: str) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": "84413-4"}]}, "subject": {"reference": person},
            "effectiveDateTime": weeks_ago(9), "valueCodeableConcept": {"text": value},
            "component": [{"code": {"coding": [{"system": LOINC, "code": "48018-6"}]}, "valueCodeableConcept": {"text": gene}}]}  # fmt: skip


async def checked(client: httpx.AsyncClient, request: Json) -> tuple[list[Json], list[str]]:
    """(DetectedIssues, what was looked at)."""
    answer = await client.post("MedicationRequest/$check", content=json.dumps(request))
    assert answer.status_code == 200, answer.text
    resources = [entry["resource"] for entry in answer.json()["entry"]]
    outcome = next(each for each in resources if each["resourceType"] == "OperationOutcome")
    return [each for each in resources if each["resourceType"] == "DetectedIssue"], [each["diagnostics"] for each in outcome["issue"]]


def details(issues: list[Json]) -> str:
    return " | ".join(each["detail"] for each in issues)


async def test_check_is_what_storing_would_raise_and_stores_nothing(client: httpx.AsyncClient) -> None:
    person = await new_person(client, birthDate="1980-01-01")
    await stored(client, prescription(person, "phenelzine"))
    await stored(client, genotype(person, "CYP2C19", "*2/*2"))
    request = prescription(person, "sertraline", 150)
    issues, looked = await checked(client, request)
    assert await found(client, f"MedicationRequest?patient={person}&status=active&_summary=count") == []
    assert len(await found(client, f"MedicationRequest?patient={person}")) == 1
    assert any(each["severity"] == "high" and "phenelzine" in each["detail"] for each in issues), "SSRI with MAOI"
    assert "CYP2C19 Poor Metabolizer" in details(issues)
    assert any("CYP2C19" in text for text in looked)
    await stored(client, request)
    kept = await found(client, f"DetectedIssue?patient={person}")
    assert sorted(each["detail"] for each in kept if "sertraline" in each["detail"].lower()) == sorted(each["detail"] for each in issues)
    assert all(each.get("mitigation") and each["evidence"] for each in issues)


async def test_recorded_allergies_and_intolerances(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await stored(client, {"resourceType": "AllergyIntolerance", "patient": {"reference": person}, "code": {"text": "lamotrigine"},
                          "criticality": "high", "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                                                                                "code": "active"}]}})  # fmt: skip
    issues, _ = await checked(client, prescription(person, "lamotrigine 25 mg tablets"))
    assert [each["severity"] for each in issues if each["code"]["text"] == "Recorded allergy or intolerance"] == ["high"]


@pytest.mark.parametrize(
    ("gender", "age", "answer", "severity"),
    [("female", 30, None, "high"), ("female", 30, "77386006", "high"), ("female", 60, None, None), ("male", 30, None, None),
     ("female", 60, "77386006", "high")],
)
async def test_valproate(client: httpx.AsyncClient, gender: str, age: int, answer: str | None, severity: str | None) -> None:
    """EMA 2018, MHRA 2024: never in pregnancy unless nothing else helps; under 55 only with a prevention programme."""
    person = await new_person(client, gender=gender, birthDate=f"{YEAR - age}-01-01")
    if answer:
        await stored(client, said(person, "82810-3", answer))
    issues, _ = await checked(client, prescription(person, "valproate"))
    found_ = [each for each in issues if each["code"]["text"] == "Warning for this person" and "alproate" in each["detail"]]
    assert [each["severity"] for each in found_] == ([severity] if severity else [])
    if answer:
        assert "pregnancy" in found_[0]["detail"]


async def test_a_pregnancy_of_last_year_is_over(client: httpx.AsyncClient) -> None:
    person = await new_person(client, gender="female", birthDate=f"{YEAR - 60}-01-01")
    await stored(client, said(person, "82810-3", "77386006", at=weeks_ago(60)))
    issues, _ = await checked(client, prescription(person, "valproate"))
    assert "pregnancy" not in details(issues).lower()


@pytest.mark.parametrize(
    ("age", "name", "words"), [(20, "escitalopram", "under 25"), (70, "olanzapine", "from 65"), (70, "amitriptyline", "tricyclic from 65")]
)
async def test_warnings_bound_to_age(client: httpx.AsyncClient, age: int, name: str, words: str) -> None:
    person = await new_person(client, birthDate=f"{YEAR - age}-01-01")
    assert words in details((await checked(client, prescription(person, name)))[0])
    other = await new_person(client, birthDate=f"{YEAR - 40}-01-01")
    assert words not in details((await checked(client, prescription(other, name)))[0])


@pytest.mark.parametrize(("mg", "above"), [(20, False), (40, True)])
async def test_a_dose_above_a_gene_based_ceiling(client: httpx.AsyncClient, mg: int, above: bool) -> None:
    """Citalopram in CYP2C19 poor metabolisers: at most 20 mg a day (CPIC 2023, FDA label)."""
    person = await new_person(client, birthDate=f"{YEAR - 40}-01-01")
    await stored(client, genotype(person, "CYP2C19", "*2/*2"))
    issues, _ = await checked(client, prescription(person, "citalopram", mg))
    assert any(each["code"]["text"] == "Dose above a limit" for each in issues) is above


async def test_another_medicine_that_changes_what_a_gene_does(client: httpx.AsyncClient) -> None:
    """Paroxetine is a strong CYP2D6 inhibitor: atomoxetine in a normal metaboliser is then looked up as in a poor one (CPIC 2021 rule)."""
    person = await new_person(client, birthDate=f"{YEAR - 40}-01-01")
    await stored(client, genotype(person, "CYP2D6", "*1/*1"))
    before, _ = await checked(client, prescription(person, "atomoxetine"))
    await stored(client, prescription(person, "paroxetine"))
    after, _ = await checked(client, prescription(person, "atomoxetine"))
    assert "CYP2D6 Poor Metabolizer" not in details(before)
    assert "inhibitor paroxetine" in details(after)


async def test_smoking(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    await stored(client, said(person, "72166-2", "449868002"))
    assert "Tobacco smoke lowers the level of clozapine" in details((await checked(client, prescription(person, "clozapine")))[0])
    await stored(client, said(person, "72166-2", "8517006", at=weeks_ago(0)))
    assert "Tobacco" not in details((await checked(client, prescription(person, "clozapine")))[0]), "the newest word counts"


async def test_an_unmapped_drug_is_said(client: httpx.AsyncClient) -> None:
    person = await new_person(client)
    issues, looked = await checked(client, prescription(person, "Mysterium forte"))
    assert [each["code"]["text"] for each in issues] == ["Medicine not recognised"]
    assert any("not recognised" in text for text in looked)


async def test_bad_bodies(client: httpx.AsyncClient) -> None:
    for body, status in (({"resourceType": "Parameters"}, 400), ({"resourceType": "MedicationRequest"}, 400),
                         (prescription("Patient/nobody", "sertraline"), 422)):  # fmt: skip
        answer = await client.post("MedicationRequest/$check", content=json.dumps(body))
        assert (answer.status_code, bool(issue(answer))) == (status, True)


def test_a_licensed_source_is_asked_and_its_failure_is_said(knowledge: Any) -> None:
    """A site's own module answers rows; one that raises, or answers nonsense, leaves a finding that says so."""
    from mappings.medicines.prescription import medicine_of
    from service.external import sources
    from service.settings import Settings, SettingsError

    module = types.ModuleType("licensed_interactions")
    rows = [{"id": "7", "severity": "high", "title": "A with B", "text": "They do not go together.", "with": ["MedicationRequest/2"]}]
    module.ask = lambda medicine, others, on: rows if medicine["rxnorm"] and others and on else []  # type: ignore[attr-defined]
    module.broken = lambda medicine, others, on: 1 / 0  # type: ignore[attr-defined]
    sys.modules["licensed_interactions"] = module
    one, two = (medicine_of(prescription("Patient/1", name) | {"id": id_}, knowledge.drugs) for name, id_ in (("sertraline", "1"), ("lithium", "2")))
    (source,) = sources(Settings(interactions="licensed_interactions:ask"), knowledge)
    assert isinstance(source, External)
    assert [(each.severity, each.refs) for each in source.ask(one, [two], "2026-01-01")] == [("high", ("MedicationRequest/1", "MedicationRequest/2"))]
    (broken,) = sources(Settings(interactions="licensed_interactions:broken"), knowledge)
    assert [each.kind for each in broken.ask(one, [two], "2026-01-01")] == ["unmapped"]
    rows[0]["severity"] = "terrible"
    assert [each.kind for each in source.ask(one, [two], "2026-01-01")] == ["unmapped"]
    for name in ("no_such_module:ask", "licensed_interactions:none", "nonsense"):
        with pytest.raises(SettingsError):
            sources(Settings(interactions=name), knowledge)


@pytest.mark.parametrize("parameter", [None, "resource", [None], [{"name": {"a": 1}, "resource": {}}], [{"name": "resource", "resource": []}]])
async def test_parameters_without_the_resource_are_refused(client: httpx.AsyncClient, parameter: Any) -> None:
    body = json.dumps({"resourceType": "Parameters", "parameter": parameter})
    for address, name in {"MedicationRequest/$check": "A MedicationRequest", "Observation/$deviation": "An Observation",
                          "QuestionnaireResponse/$extract": "A QuestionnaireResponse",
                          "Questionnaire/$next-question": "A QuestionnaireResponse"}.items():  # fmt: skip
        answer = await client.post(address, content=body)
        assert (answer.status_code, issue(answer)["code"], issue(answer)["diagnostics"]) == (400, "required", f"{name} is needed")
