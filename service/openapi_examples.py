"""Examples that the OpenAPI document shows and the tests send, in this order: later ones speak of earlier ones."""

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Patient": {
        "resourceType": "Patient",
        "identifier": [{"system": "https://hospital.example/mrn", "value": "4711"}],
        "name": [{"family": "Example", "given": ["Robin"]}],
        "gender": "other",
        "birthDate": "1988-03-14",
    },
    "QuestionnaireResponse": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "https://setpoint.example/fhir/Questionnaire/phq-9",
        "subject": {"identifier": {"system": "https://hospital.example/mrn", "value": "4711"}},
        "authored": "2026-11-20T09:00:00Z",
        "item": [
            {"linkId": code, "answer": [{"valueCoding": {"system": "http://loinc.org", "code": "LA6569-3"}}]}
            for code in ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8")
        ],
    },
    "Observation": {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "3016-3"}]},
        "subject": {"identifier": {"system": "https://hospital.example/mrn", "value": "4711"}},
        "effectiveDateTime": "2026-11-20T08:00:00Z",
        "valueQuantity": {"value": 2.1, "unit": "mIU/L", "system": "http://unitsofmeasure.org", "code": "m[IU]/L"},
    },
    "MedicationRequest": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2556"}], "text": "citalopram"},
        "subject": {"identifier": {"system": "https://hospital.example/mrn", "value": "4711"}},
        "authoredOn": "2026-11-01",
    },
    "review": {
        "resourceType": "Parameters",
        "parameter": [{"name": "decision", "valueCode": "accept"}, {"name": "reason", "valueString": "Agreed with the person today."}],
    },
}
