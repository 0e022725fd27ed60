"""The synthetic person of the demo. Every value is made up; the courses are seeded and always the same."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]
MRN: Final = "https://sandbox.example/mrn"
LOINC, UCUM, RXNORM = "http://loinc.org", "http://unitsofmeasure.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
PHQ9 = ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8")
GAD7 = ("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7")
ANSWERS = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")
STARTED_WEEKS: Final = 24
"""Citalopram was begun so long ago."""
EARLIER: Final = ((27, 18), (25, 17), (22, 13), (20, 11), (18, 8), (16, 7), (14, 5), (12, 6))
"""(weeks ago, PHQ-9) of the episode that it was begun for, and of the answer to it."""
PHQ9_COURSE = (5, 6, 5, 4, 6, 5, 5, 6, 4, 5)
GAD7_COURSE = (4, 4, 5, 3, 4, 5, 4, 4, 5, 4)
UNUSUAL: Final = (2, 2, 2, 2, 1, 1, 2, 0, 1)
"""PHQ-9 answers of the new visit: total 13, item 9 above zero. Unusual for this person, ordinary in a clinic."""


def patient(mrn: str) -> Json:
    return {
        "resourceType": "Patient",
        "active": True,
        "identifier": [{"system": MRN, "value": mrn}],
        "name": [{"family": "Sandberg", "given": ["Mika"]}],
        "gender": "female",
        "birthDate": "1991-04-02",
    }


def answers(scores: tuple[int, ...], items: tuple[str, ...], scale: str, person: str, at: datetime) -> Json:
    """A completed QuestionnaireResponse."""
    item = [{"linkId": code, "answer": [{"valueCoding": {"system": LOINC, "code": ANSWERS[score]}}]} for code, score in zip(items, scores, strict=True)]
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": f"https://setpoint.example/fhir/Questionnaire/{scale}",
        "subject": {"reference": person},
        "authored": _iso(at),
        "item": item,
    }


def spread(total: int, items: int, rng: random.Random, calm_last: bool) -> tuple[int, ...]:
    """Answers of 0 to 3 that add up to this total; the last item stays 0 where asked."""
    scores = [0] * items
    for _ in range(total):
        scores[rng.choice([number for number, score in enumerate(scores) if score < 3 and not (calm_last and number == items - 1)])] += 1
    return tuple(scores)


def weekly(person: str, now: datetime) -> list[Json]:
    """The PHQ-9 responses of the episode, then ten weekly PHQ-9 and GAD-7 responses, oldest first."""
    rng = random.Random(7)
    found = [answers(spread(total, 9, rng, True), PHQ9, "phq-9", person, now - timedelta(weeks=weeks)) for weeks, total in EARLIER]
    for week, (phq, gad) in enumerate(zip(PHQ9_COURSE, GAD7_COURSE, strict=True)):
        at = now - timedelta(weeks=10 - week)
        found.append(answers(spread(phq, 9, rng, True), PHQ9, "phq-9", person, at))
        found.append(answers(spread(gad, 7, rng, False), GAD7, "gad-7", person, at + timedelta(minutes=5)))
    return found


def unusual(person: str, now: datetime) -> Json:
    """The new PHQ-9 that starts the story."""
    return answers(UNUSUAL, PHQ9, "phq-9", person, now)


def nights(person: str, now: datetime) -> list[Json]:
    """Two months of nightly sleep minutes: about seven hours, the last week short."""
    rng, found = random.Random(11), []
    for night in range(60, 0, -1):
        minutes = round(rng.gauss(425, 22) if night > 7 else rng.gauss(345, 20))
        found.append(
            _measured(
                person,
                [{"system": "https://setpoint.example/fhir/CodeSystem/setpoint", "code": "sleep-minutes"}],
                minutes,
                "min",
                "min",
                now - timedelta(days=night),
                "activity",
            )
        )
    return found


def laboratory(person: str, now: datetime) -> list[Json]:
    """Three TSH results."""
    values = ((1.8, 420), (2.1, 210), (1.9, 30))
    return [
        _measured(person, [{"system": LOINC, "code": "3016-3"}], value, "m[IU]/L", "mIU/L", now - timedelta(days=days), "laboratory") for value, days in values
    ]


def background(now: datetime) -> list[tuple[str, Json]]:
    """(type, resource) of what stands around the answers; "PERSON" is put in by the caller."""
    start = (now - timedelta(weeks=STARTED_WEEKS)).date().isoformat()
    subject = {"reference": "PERSON"}
    return [
        (
            "Encounter",
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": subject,
                "period": {"start": _iso(now - timedelta(hours=1)), "end": _iso(now)},
            },
        ),
        (
            "Condition",
            {
                "resourceType": "Condition",
                "subject": subject,
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}], "text": "Depressive disorder"},
                "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
                "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
            },
        ),
        ("Goal", {"resourceType": "Goal", "lifecycleStatus": "active", "subject": subject, "description": {"text": "Back to work three days a week"}}),
        ("Goal", {"resourceType": "Goal", "lifecycleStatus": "active", "subject": subject, "description": {"text": "Sleep through most nights"}}),
        (
            "MedicationRequest",
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "subject": subject,
                "authoredOn": start,
                "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "2556"}], "text": "citalopram"},
                "dosageInstruction": [{"text": "20 mg once a day"}],
            },
        ),
    ]


def genes(person: str, now: datetime) -> list[Json]:
    """A pharmacogenetic report: CYP2C19 *2/*2, CYP2D6 *1/*1 (HL7 Genomics Reporting genotype Observations)."""
    at = _iso(now - timedelta(days=200))
    return [_genotype(person, gene, hgnc, diplotype, at) for gene, hgnc, diplotype in (("CYP2C19", "HGNC:2621", "*2/*2"), ("CYP2D6", "HGNC:2625", "*1/*1"))]


def report(person: str, results: list[str], now: datetime) -> Json:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "subject": {"reference": person},
        "effectiveDateTime": _iso(now - timedelta(days=200)),
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}]}],
        "code": {"coding": [{"system": LOINC, "code": "51969-4"}]},
        "result": [{"reference": ref} for ref in results],
    }


def _genotype(person: str, gene: str, hgnc: str, diplotype: str, at: str) -> Json:
    categories = [("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"), ("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")]
    studied = {
        "code": {"coding": [{"system": LOINC, "code": "48018-6"}]},
        "valueCodeableConcept": {"coding": [{"system": "http://www.genenames.org", "code": hgnc, "display": gene}]},
    }
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": system, "code": code}]} for system, code in categories],
        "code": {"coding": [{"system": LOINC, "code": "84413-4"}]},
        "subject": {"reference": person},
        "effectiveDateTime": at,
        "valueCodeableConcept": {"text": diplotype},
        "component": [studied],
    }


def _measured(person: str, codings: list[Json], value: float, code: str, unit: str, at: datetime, category: str) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": codings},
        "subject": {"reference": person},
        "effectiveDateTime": _iso(at),
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}]}],
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": code},
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
