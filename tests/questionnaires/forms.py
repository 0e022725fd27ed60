"""Questionnaires of others with SDC extraction marks, and answers to them (shapes of SDC extraction.html)."""

from typing import Any

SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
R4 = "http://hl7.org/fhir/StructureDefinition/"
Json = dict[str, Any]


def mark(name: str, **value: Any) -> Json:
    return {"url": SDC + name} | value


def observed(url: str) -> Json:
    """Observation-based: marked at the root, one item set apart; a group that is itself marked is a panel."""
    on, off = mark("observationExtract", valueBoolean=True), mark("observationExtract", valueBoolean=False)

    def code(value: str) -> list[Json]:
        return [{"system": "http://example.org/codes", "code": value}]

    unit = {"url": R4 + "questionnaire-unit", "valueCoding": {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kg"}}
    return {
        "resourceType": "Questionnaire", "url": url, "status": "active", "extension": [on],
        "item": [
            {"linkId": "g", "type": "group", "text": "Body", "extension": [on], "code": code("body"), "item": [
                {"linkId": "w", "type": "decimal", "text": "Weight", "code": code("weight"), "extension": [unit]},
                {"linkId": "n", "type": "integer", "code": code("count")},
            ]},
            {"linkId": "s", "type": "choice", "code": code("smoker"), "repeats": True,
             "answerOption": [{"valueCoding": {"system": "http://example.org/a", "code": "yes", "display": "Yes"}}]},
            {"linkId": "b", "type": "boolean", "code": code("fine")},
            {"linkId": "t", "type": "string", "text": "not coded"},
            {"linkId": "x", "type": "string", "code": code("private"), "extension": [off]},
        ],
    }  # fmt: skip


def observed_answers(url: str, person: str) -> Json:
    return {
        "resourceType": "QuestionnaireResponse", "questionnaire": url, "status": "completed", "subject": {"reference": person},
        "authored": "2026-11-01T10:00:00Z", "author": {"reference": "Practitioner/p1"},
        "item": [
            {"linkId": "g", "item": [{"linkId": "w", "answer": [{"valueDecimal": 71.5}]}, {"linkId": "n", "answer": [{"valueInteger": 3}]}]},
            {"linkId": "s", "answer": [{"valueCoding": {"system": "http://example.org/a", "code": "yes", "display": "Yes"}}]},
            {"linkId": "b", "answer": [{"valueBoolean": False}]},
            {"linkId": "t", "answer": [{"valueString": "words"}]},
            {"linkId": "x", "answer": [{"valueString": "secret"}]},
        ],
    }  # fmt: skip


def defined(url: str) -> Json:
    """Definition-based: a repeating group makes a Condition each; a nested group makes a backbone element; fixed values are stated."""

    def fixed(path: str, **value: Any) -> Json:
        kind = path.partition(".")[0]
        return mark("definitionExtractValue", extension=[{"url": "definition", "valueUri": f"{R4}{kind}#{path}"}, {"url": "fixed-value"} | value])

    def at(path: str) -> str:
        return f"{R4}{path.partition('.')[0]}#{path}"

    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    return {
        "resourceType": "Questionnaire", "url": url, "status": "active",
        "item": [
            {"linkId": "c", "type": "group", "repeats": True,
             "extension": [mark("itemExtractionContext", valueCode="Condition"), fixed("Condition.clinicalStatus", valueCodeableConcept=active)],
             "item": [
                 {"linkId": "c.what", "type": "open-choice", "definition": at("Condition.code")},
                 {"linkId": "c.since", "type": "date", "definition": at("Condition.onset[x]")},
                 {"linkId": "c.note", "type": "text", "definition": at("Condition.note.text")},
             ]},
            {"linkId": "f", "type": "group", "repeats": True,
             "extension": [mark("definitionExtract", extension=[{"url": "definition", "valueCanonical": R4 + "FamilyMemberHistory"}]),
                           fixed("FamilyMemberHistory.status", valueCode="completed")],
             "item": [
                 {"linkId": "f.who", "type": "choice", "definition": at("FamilyMemberHistory.relationship")},
                 {"linkId": "f.has", "type": "group", "repeats": True, "definition": at("FamilyMemberHistory.condition"), "item": [
                     {"linkId": "f.code", "type": "string", "definition": at("FamilyMemberHistory.condition.code")},
                     {"linkId": "f.age", "type": "quantity", "definition": at("FamilyMemberHistory.condition.onset[x]")},
                 ]},
             ]},
            {"linkId": "o", "type": "group", "extension": [mark("itemExtractionContext", valueCode="MedicationRequest")],
             "item": [{"linkId": "o.1", "type": "string", "definition": at("MedicationRequest.medication[x]")}]},
        ],
    }  # fmt: skip


def defined_answers(url: str, person: str) -> Json:
    def one(link: str, **value: Any) -> Json:
        return {"linkId": link, "answer": [value]}

    years = {"value": 40, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    return {
        "resourceType": "QuestionnaireResponse", "questionnaire": url, "status": "completed", "subject": {"reference": person},
        "authored": "2026-11-01T10:00:00Z",
        "item": [
            {"linkId": "c", "item": [one("c.what", valueCoding={"system": "http://snomed.info/sct", "code": "73211009", "display": "Diabetes mellitus"}),
                                     one("c.since", valueDate="2020-03-01"), one("c.note", valueString="diet")]},
            {"linkId": "c", "item": [one("c.what", valueString="hay fever")]},
            {"linkId": "f", "item": [
                one("f.who", valueCoding={"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH", "display": "mother"}),
                {"linkId": "f.has", "item": [one("f.code", valueString="depression"), one("f.age", valueQuantity=years)]},
                {"linkId": "f.has", "item": [one("f.code", valueString="migraine")]},
            ]},
            {"linkId": "o", "item": [one("o.1", valueString="sertraline")]},
        ],
    }  # fmt: skip
