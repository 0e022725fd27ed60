"""Every R4 invariant of severity error of the kept types: one resource that meets it, one that breaks it; fhirpathpy says which is which.

What is expected comes from fhirpathpy on the expression of the specification. BY_SPECIFICATION lists and UNDECIDED list what fhirpathpy cannot
evaluate, with the reason; there the expectation is the specification's sentence.
"""

import json
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from mappings.r4.release import Release
from mappings.r4.structures import Constraint

Json = dict[str, Any]
P: Json = {"resourceType": "Patient"}
SUBJECT: Json = {"reference": "Patient/p"}
OBS: Json = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:c", "code": "a"}]}}
UCUM = "http://unitsofmeasure.org"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/{}-verification"
CLINICAL = "http://terminology.hl7.org/CodeSystem/{}-clinical"
X: Json = {"text": "x"}
ORG: Json = {"resourceType": "Organization", "name": "o"}
AUDIT: Json = {
    "resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z", "agent": [{"requestor": True}],
    "source": {"observer": {"display": "x"}},
}  # fmt: skip
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def ext(kind: str, value: Any) -> Json:
    return P | {"extension": [{"url": "urn:x", f"value{kind}": value}]}


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def bundle(kind: str = "collection", **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": kind} | more


def item(**more: Any) -> Json:
    return {"resourceType": "Questionnaire", "status": "active", "item": [{"linkId": "1", "type": "string"} | more]}


def repeat(**more: Any) -> Json:
    return ext("Timing", {"repeat": more})


def condition(**more: Any) -> Json:
    return {"resourceType": "Condition", "subject": SUBJECT} | more


def history(**more: Any) -> Json:
    return {"resourceType": "FamilyMemberHistory", "status": "partial", "patient": SUBJECT, "relationship": X} | more


def consent(**more: Any) -> Json:
    return {"resourceType": "Consent", "status": "active", "scope": X, "category": [X], "policyRule": X} | more


def value_set(**more: Any) -> Json:
    return {"resourceType": "ValueSet", "status": "active"} | more


def included(**more: Any) -> Json:
    return value_set(compose={"include": [more]})


def contains(**more: Any) -> Json:
    return value_set(expansion={"timestamp": "2026", "contains": [more]})


def prediction(**more: Any) -> Json:
    return {"resourceType": "RiskAssessment", "status": "final", "subject": SUBJECT, "prediction": [more]}


def parameter(**more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": "urn:x",
        "name": "a",
        "status": "active",
        "description": "x",
        "code": "a",
        "base": ["Patient"],
        "type": "token",
    } | more


def listing(**more: Any) -> Json:
    return {"resourceType": "List", "status": "current", "mode": "working"} | more


def contained(*inner: Json, subject: str = "#p") -> Json:
    return OBS | {"contained": list(inner), "subject": {"reference": subject}}


def narrated(inner: str) -> Json:
    return P | {"text": {"status": "generated", "div": DIV.format(inner)}}


def trigger(**more: Any) -> Json:
    return ext("TriggerDefinition", more)


REQUEST = {"method": "GET", "url": "Patient/1"}
RESPONSE = {"status": "200"}
IN_PATIENT: Json = P | {"id": "p"}
DATA = [{"type": "Observation"}]
# key, path of the element that has it, a resource that meets it, one that breaks it
TABLE: list[tuple[str, str, Json, Json]] = [
    ("age-1", "Patient.extension.value", ext("Age", {"value": 1, "system": UCUM, "code": "a"}), ext("Age", {"value": 1})),
    (
        "ait-1",
        "AllergyIntolerance",
        {"resourceType": "AllergyIntolerance", "patient": SUBJECT, "clinicalStatus": concept(CLINICAL.format("allergyintolerance"), "active")},
        {"resourceType": "AllergyIntolerance", "patient": SUBJECT},
    ),
    (
        "ait-2",
        "AllergyIntolerance",
        {
            "resourceType": "AllergyIntolerance",
            "patient": SUBJECT,
            "verificationStatus": concept(VERIFICATION.format("allergyintolerance"), "entered-in-error"),
        },
        {
            "resourceType": "AllergyIntolerance",
            "patient": SUBJECT,
            "verificationStatus": concept(VERIFICATION.format("allergyintolerance"), "entered-in-error"),
            "clinicalStatus": concept(CLINICAL.format("allergyintolerance"), "active"),
        },
    ),
    ("att-1", "Patient.extension.value", ext("Attachment", {"contentType": "text/plain", "data": "AAAA"}), ext("Attachment", {"data": "AAAA"})),
    ("bdl-1", "Bundle", bundle("searchset", total=1), bundle(total=1)),
    (
        "bdl-2",
        "Bundle",
        bundle("searchset", entry=[{"resource": P, "search": {"mode": "match"}}]),
        bundle(entry=[{"resource": P, "search": {"mode": "match"}}]),
    ),
    ("bdl-3", "Bundle", bundle("batch", entry=[{"request": REQUEST}]), bundle("batch", entry=[{"resource": P}])),
    ("bdl-3", "Bundle", bundle("collection", entry=[{"resource": P}]), bundle("collection", entry=[{"resource": P, "request": REQUEST}])),
    ("bdl-4", "Bundle", bundle("batch-response", entry=[{"response": RESPONSE}]), bundle("batch-response", entry=[{"resource": P}])),
    ("bdl-5", "Bundle.entry", bundle(entry=[{"resource": P}]), bundle(entry=[{"fullUrl": "urn:x:1"}])),
    (
        "bdl-7",
        "Bundle",
        bundle(entry=[{"fullUrl": "urn:x:1", "resource": P | {"meta": {"versionId": v}}} for v in "12"]),
        bundle(entry=[{"fullUrl": "urn:x:1", "resource": P}] * 2),
    ),
    (
        "bdl-8",
        "Bundle.entry",
        bundle(entry=[{"fullUrl": "http://x/Patient/1", "resource": P}]),
        bundle(entry=[{"fullUrl": "http://x/Patient/1/_history/1", "resource": P}]),
    ),
    ("cnt-3", "Patient.extension.value", ext("Count", {"value": 2, "system": UCUM, "code": "1"}), ext("Count", {"value": 2, "system": UCUM, "code": "g"})),
    ("con-1", "Condition.stage", condition(stage=[{"summary": X}]), condition(stage=[{"type": X}])),
    ("con-2", "Condition.evidence", condition(evidence=[{"code": [X]}]), condition(evidence=[{"id": "a"}])),
    ("con-4", "Condition", condition(abatementString="x", clinicalStatus=concept(CLINICAL.format("condition"), "resolved")), condition(abatementString="x")),
    (
        "con-5",
        "Condition",
        condition(clinicalStatus=concept(CLINICAL.format("condition"), "active")),
        condition(
            clinicalStatus=concept(CLINICAL.format("condition"), "active"),
            verificationStatus=concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "entered-in-error"),
        ),
    ),
    (
        "cpl-3",
        "CarePlan.activity",
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": SUBJECT, "activity": [{"reference": {"display": "x"}}]},
        {
            "resourceType": "CarePlan",
            "status": "active",
            "intent": "plan",
            "subject": SUBJECT,
            "activity": [{"reference": {"display": "x"}, "detail": {"status": "scheduled"}}],
        },
    ),
    ("cpt-2", "Patient.telecom", P | {"telecom": [{"system": "phone", "value": "1"}]}, P | {"telecom": [{"value": "1"}]}),
    (
        "csd-1",
        "CodeSystem",
        {"resourceType": "CodeSystem", "status": "active", "content": "complete", "concept": [{"code": "a", "concept": [{"code": "b"}]}]},
        {"resourceType": "CodeSystem", "status": "active", "content": "complete", "concept": [{"code": "a"}, {"code": "a"}]},
    ),
    ("dis-1", "Patient.extension.value", ext("Distance", {"value": 1, "system": UCUM, "code": "m"}), ext("Distance", {"value": 1})),
    ("dom-2", "Observation", contained(IN_PATIENT), contained(IN_PATIENT | {"contained": [{"resourceType": "Patient", "id": "q"}]})),
    ("dom-4", "Observation", contained(IN_PATIENT), contained(IN_PATIENT | {"meta": {"versionId": "1"}})),
    ("dom-5", "Observation", contained(IN_PATIENT), contained(IN_PATIENT | {"meta": {"security": [{"code": "R"}]}})),
    (
        "drq-1",
        "Patient.extension.value.codeFilter",
        ext("DataRequirement", {"type": "Observation", "codeFilter": [{"path": "code"}]}),
        ext("DataRequirement", {"type": "Observation", "codeFilter": [{"path": "code", "searchParam": "code"}]}),
    ),
    (
        "drq-2",
        "Patient.extension.value.dateFilter",
        ext("DataRequirement", {"type": "Observation", "dateFilter": [{"path": "issued"}]}),
        ext("DataRequirement", {"type": "Observation", "dateFilter": [{"valueDateTime": "2026"}]}),
    ),
    (
        "drt-1",
        "Patient.extension.value",
        ext("Duration", {"value": 1, "system": UCUM, "code": "h"}),
        ext("Duration", {"value": 1, "system": "urn:x", "code": "h"}),
    ),
    ("exp-1", "Patient.extension.value", ext("Expression", {"language": "text/cql", "expression": "x"}), ext("Expression", {"language": "text/cql"})),
    ("ext-1", "Patient.extension", ext("Code", "x"), P | {"extension": [{"url": "urn:x"}]}),
    (
        "ext-1",
        "Patient.extension",
        P | {"extension": [{"url": "urn:x", "extension": [{"url": "a", "valueCode": "a"}]}]},
        P | {"extension": [{"url": "urn:x", "valueCode": "a", "extension": [{"url": "a", "valueCode": "a"}]}]},
    ),
    ("fhs-1", "FamilyMemberHistory", history(ageString="9"), history(ageString="9", bornString="x")),
    ("fhs-2", "FamilyMemberHistory", history(ageString="9", estimatedAge=True), history(estimatedAge=True)),
    (
        "gol-1",
        "Goal.target",
        {"resourceType": "Goal", "lifecycleStatus": "active", "description": X, "subject": SUBJECT, "target": [{"measure": X, "detailString": "x"}]},
        {"resourceType": "Goal", "lifecycleStatus": "active", "description": X, "subject": SUBJECT, "target": [{"detailString": "x"}]},
    ),
    (
        "grp-1",
        "Group",
        {"resourceType": "Group", "type": "person", "actual": True, "member": [{"entity": SUBJECT}]},
        {"resourceType": "Group", "type": "person", "actual": False, "member": [{"entity": SUBJECT}]},
    ),
    (
        "inv-1",
        "Task",
        {"resourceType": "Task", "status": "draft", "intent": "order", "authoredOn": "2026-01-01", "lastModified": "2026-01-02"},
        {"resourceType": "Task", "status": "draft", "intent": "order", "authoredOn": "2026-01-02", "lastModified": "2026-01-01"},
    ),
    ("lst-1", "List", listing(emptyReason=X), listing(emptyReason=X, entry=[{"item": {"display": "x"}}])),
    (
        "lst-2",
        "List",
        listing(mode="changes", entry=[{"deleted": True, "item": {"display": "x"}}]),
        listing(entry=[{"deleted": True, "item": {"display": "x"}}]),
    ),
    (
        "lst-3",
        "List",
        listing(entry=[{"date": "2026", "item": {"display": "x"}}]),
        listing(mode="snapshot", entry=[{"date": "2026", "item": {"display": "x"}}]),
    ),
    ("obs-3", "Observation.referenceRange", OBS | {"referenceRange": [{"text": "x"}]}, OBS | {"referenceRange": [{"type": X}]}),
    ("obs-6", "Observation", OBS | {"dataAbsentReason": X}, OBS | {"dataAbsentReason": X, "valueString": "x"}),
    (
        "obs-7",
        "Observation",
        OBS | {"valueString": "x", "component": [{"code": concept("urn:c", "b"), "valueString": "y"}]},
        OBS | {"valueString": "x", "component": [{"code": OBS["code"], "valueString": "y"}]},
    ),
    ("org-1", "Organization", ORG, {"resourceType": "Organization", "active": True}),
    ("org-2", "Organization.address", ORG | {"address": [{"use": "work"}]}, ORG | {"address": [{"use": "home"}]}),
    ("org-3", "Organization.telecom", ORG | {"telecom": [{"use": "work"}]}, ORG | {"telecom": [{"use": "home"}]}),
    ("pat-1", "Patient.contact", P | {"contact": [{"name": {"text": "x"}}]}, P | {"contact": [{"gender": "female"}]}),
    (
        "per-1",
        "Patient.name.period",
        P | {"name": [{"period": {"start": "2026-01-01", "end": "2026-01-02"}}]},
        P | {"name": [{"period": {"start": "2026-01-02", "end": "2026-01-01"}}]},
    ),
    ("ppc-1", "Consent", consent(), {name: value for name, value in consent().items() if name != "policyRule"}),
    *(
        (key, "Consent", consent(scope=concept("something", code), patient=SUBJECT), consent(scope=concept("something", code)))
        for key, code in (("ppc-2", "patient-privacy"), ("ppc-3", "research"), ("ppc-4", "adr"), ("ppc-5", "treatment"))
    ),
    (
        "prr-1",
        "ServiceRequest",
        {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": SUBJECT, "code": X, "orderDetail": [X]},
        {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": SUBJECT, "orderDetail": [X]},
    ),
    (
        "qrs-1",
        "QuestionnaireResponse.item",
        {"resourceType": "QuestionnaireResponse", "status": "completed", "item": [{"linkId": "1", "item": [{"linkId": "2"}]}]},
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "item": [{"linkId": "1", "item": [{"linkId": "2"}], "answer": [{"valueString": "x"}]}],
        },
    ),
    ("qty-3", "Observation.value", OBS | {"valueQuantity": {"value": 1, "system": UCUM, "code": "g"}}, OBS | {"valueQuantity": {"value": 1, "code": "g"}}),
    ("que-1", "Questionnaire.item", item(type="group", item=[{"linkId": "2", "type": "string"}]), item(type="group")),
    ("que-1", "Questionnaire.item", item(type="display"), item(type="display", item=[{"linkId": "2", "type": "string"}])),
    ("que-2", "Questionnaire", item(item=[{"linkId": "2", "type": "string"}]), item(item=[{"linkId": "1", "type": "string"}])),
    ("que-3", "Questionnaire.item", item(code=[{"code": "x"}]), item(type="display", code=[{"code": "x"}])),
    (
        "que-4",
        "Questionnaire.item",
        item(type="choice", answerValueSet="urn:x"),
        item(type="choice", answerValueSet="urn:x", answerOption=[{"valueString": "x"}]),
    ),
    ("que-5", "Questionnaire.item", item(type="choice", answerValueSet="urn:x"), item(type="boolean", answerValueSet="urn:x")),
    ("que-6", "Questionnaire.item", item(required=True), item(type="display", required=True)),
    (
        "que-7",
        "Questionnaire.item.enableWhen",
        item(enableWhen=[{"question": "1", "operator": "exists", "answerBoolean": True}]),
        item(enableWhen=[{"question": "1", "operator": "exists", "answerString": "x"}]),
    ),
    ("que-8", "Questionnaire.item", item(initial=[{"valueString": "x"}]), item(type="display", initial=[{"valueString": "x"}])),
    ("que-9", "Questionnaire.item", item(readOnly=True), item(type="display", readOnly=True)),
    ("que-10", "Questionnaire.item", item(maxLength=3), item(type="date", maxLength=3)),
    (
        "que-11",
        "Questionnaire.item",
        item(type="choice", answerOption=[{"valueString": "x"}]),
        item(type="choice", answerOption=[{"valueString": "x"}], initial=[{"valueString": "x"}]),
    ),
    (
        "que-12",
        "Questionnaire.item",
        item(enableBehavior="all", enableWhen=[{"question": "1", "operator": "exists", "answerBoolean": True}] * 3),
        item(enableWhen=[{"question": "1", "operator": "exists", "answerBoolean": True}] * 3),
    ),
    ("que-13", "Questionnaire.item", item(repeats=True, initial=[{"valueString": "x"}] * 2), item(initial=[{"valueString": "x"}] * 2)),
    (
        "ras-1",
        "RiskAssessment.prediction.probability",
        prediction(probabilityRange={"low": {"value": 1, "system": UCUM, "code": "%"}}),
        prediction(probabilityRange={"low": {"value": 1, "system": UCUM, "code": "g"}}),
    ),
    ("ras-2", "RiskAssessment.prediction", prediction(probabilityDecimal=99.5), prediction(probabilityDecimal=100.5)),
    (
        "rat-1",
        "Observation.value",
        OBS | {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 2}}},
        OBS | {"valueRatio": {"numerator": {"value": 1}}},
    ),
    ("ref-1", "Observation.subject", contained(IN_PATIENT), OBS | {"subject": {"reference": "#p"}}),
    (
        "rng-2",
        "Observation.value",
        OBS | {"valueRange": {"low": {"value": 1}, "high": {"value": 2}}},
        OBS | {"valueRange": {"low": {"value": 2}, "high": {"value": 1}}},
    ),
    ("sev-1", "AuditEvent.entity", AUDIT | {"entity": [{"name": "x"}]}, AUDIT | {"entity": [{"name": "x", "query": "AAAA"}]}),
    ("spd-1", "SearchParameter", parameter(xpath="x", xpathUsage="normal"), parameter(xpath="x")),
    ("spd-2", "SearchParameter", parameter(type="reference", chain=["x"]), parameter(chain=["x"])),
    (
        "sqty-1",
        "Observation.referenceRange.low",
        OBS | {"referenceRange": [{"low": {"value": 1}}]},
        OBS | {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]},
    ),
    ("tim-1", "Patient.extension.value.repeat", repeat(duration=1, durationUnit="h"), repeat(duration=1)),
    ("tim-2", "Patient.extension.value.repeat", repeat(period=1, periodUnit="h"), repeat(period=1)),
    ("tim-4", "Patient.extension.value.repeat", repeat(duration=0, durationUnit="h"), repeat(duration=-1, durationUnit="h")),
    ("tim-5", "Patient.extension.value.repeat", repeat(period=0, periodUnit="h"), repeat(period=-1, periodUnit="h")),
    ("tim-6", "Patient.extension.value.repeat", repeat(period=1, periodMax=2, periodUnit="h"), repeat(periodMax=2)),
    ("tim-7", "Patient.extension.value.repeat", repeat(duration=1, durationMax=2, durationUnit="h"), repeat(durationMax=2)),
    ("tim-8", "Patient.extension.value.repeat", repeat(count=1, countMax=2), repeat(countMax=2)),
    ("tim-9", "Patient.extension.value.repeat", repeat(offset=5, when=["ACM"]), repeat(offset=5, when=["CM"])),
    ("tim-10", "Patient.extension.value.repeat", repeat(when=["ACM"]), repeat(when=["ACM"], timeOfDay=["08:00:00"])),
    ("trd-1", "Patient.extension.value", trigger(type="data-added", data=DATA), trigger(type="data-added", data=DATA, timingDate="2026")),
    (
        "trd-2",
        "Patient.extension.value",
        trigger(type="data-added", data=DATA, condition={"language": "text/cql", "expression": "x"}),
        trigger(type="named-event", name="x", condition={"language": "text/cql", "expression": "x"}),
    ),
    ("trd-3", "Patient.extension.value", trigger(type="named-event", name="x"), trigger(type="named-event", data=DATA)),
    ("vsd-1", "ValueSet.compose.include", included(system="urn:x"), included(version="1")),
    ("vsd-2", "ValueSet.compose.include", included(system="urn:x", concept=[{"code": "a"}]), included(valueSet=["urn:v"], concept=[{"code": "a"}])),
    (
        "vsd-3",
        "ValueSet.compose.include",
        included(system="urn:x", concept=[{"code": "a"}]),
        included(system="urn:x", concept=[{"code": "a"}], filter=[{"property": "a", "op": "=", "value": "b"}]),
    ),
    ("vsd-6", "ValueSet.expansion.contains", contains(system="urn:x", code="a"), contains(abstract=True)),
    ("vsd-9", "ValueSet.expansion.contains", contains(abstract=True, display="x"), contains(display="x")),
    ("vsd-10", "ValueSet.expansion.contains", contains(system="urn:x", code="a"), contains(code="a")),
    ("bdl-9", "Bundle", bundle("collection"), bundle("document", timestamp="2026-01-01T00:00:00Z")),
    ("bdl-10", "Bundle", bundle("collection"), bundle("document", identifier={"system": "urn:x", "value": "1"})),
]

BY_SPECIFICATION: dict[str, tuple[str, Json, Json]] = {
    # key: why fhirpathpy cannot, a resource that meets it, one that breaks it; the sentence of the specification stands beside
    # "All FHIR elements must have a @value or children": the expression asks for XML attributes that JSON has not
    "ele-1": ("hasValue() of a complex element is not what the sentence means", P | {"maritalStatus": X}, P | {"maritalStatus": {}}),
    # "If the resource is contained in another resource, it SHALL be referred to from elsewhere in the resource or SHALL refer to the containing resource"
    "dom-3": ("descendants().as(canonical) over many items is an error in FHIRPath 2", contained(IN_PATIENT), contained(IN_PATIENT, subject="Patient/1")),
    # "A document must have a Composition as the first resource"
    "bdl-11": (
        "is() with a type that only the JSON names",
        bundle(),
        bundle("document", timestamp="2026-01-01T00:00:00Z", entry=[{"fullUrl": "urn:x:1", "resource": P}]),
    ),
    # "A message must have a MessageHeader as the first resource"
    "bdl-12": ("is() with a type that only the JSON names", bundle(), bundle("message", entry=[{"fullUrl": "urn:x:1", "resource": P}])),
    # "CareTeam.participant.onBehalfOf can only be populated when CareTeam.participant.member is a Practitioner"
    "ctm-1": (
        "resolve() needs the resource behind a reference",
        {"resourceType": "CareTeam", "participant": [{"member": {"reference": "Practitioner/1"}, "onBehalfOf": {"reference": "Organization/1"}}]},
        {"resourceType": "CareTeam", "participant": [{"member": {"reference": "Patient/1"}, "onBehalfOf": {"reference": "Organization/1"}}]},
    ),
    # "The narrative SHALL contain only the basic html formatting elements and attributes described in chapters 7-11 [...] and 15 of HTML 4.0"
    "txt-1": ("htmlChecks() is not FHIRPath", narrated("x"), narrated("<script>x</script>")),
    # "The narrative SHALL have some non-whitespace content"
    "txt-2": ("htmlChecks() is not FHIRPath", narrated("x"), narrated(" ")),
}


UNDECIDED: dict[str, str] = {
    # key: why fhirpathpy cannot decide the rows of TABLE that have it; beside it the sentence by which they were written
    "age-1": "hasValue() is not implemented",  # "There SHALL be a code if there is a value and it SHALL be an expression of time"
    "cnt-3": "hasValue() is not implemented",  # "There SHALL be a code with a value of "1" if there is a value"
    "per-1": "hasValue() is not implemented",  # "If present, start SHALL have a lower value than end"
    "bdl-10": "hasValue() is not implemented",  # "A document must have a date"
    "que-7": "`is Boolean` is not true of a FHIR boolean",  # "If the operator is 'exists', the value must be a boolean"
    "rng-2": "quantities are not compared",  # "If present, low SHALL have a lower value than high"
}


def constraints_of(release: Release) -> dict[str, Constraint]:
    """Every invariant that the kept types reach, by key."""
    found: dict[str, Constraint] = {}
    todo, seen = list(release.parameters), set[str]()
    while todo:
        structure = release.structures.types.get(name := todo.pop())
        if name in seen or structure is None:
            continue
        seen.add(name)
        for constraint in (*structure.constraints, *(each for element in structure.elements.values() for each in element.constraints)):
            found[constraint.key] = constraint
        todo.extend(kind for element in structure.elements.values() for _, kind in element.keys)
    return found


def says(expression: str, path: str, resource: Json) -> bool:
    """Whether fhirpathpy thinks that every element at `path` meets the expression; like elsewhere, nothing (the empty collection) is not true."""
    found = fhirpathpy.evaluate(resource, f"{path}.select({expression})", {"resource": resource, "rootResource": resource, "ucum": UCUM}, models["r4"])
    return bool(found) and all(found)


def keys(release: Release, resource: Json) -> set[str]:
    """The invariants that validation reports; an invariant resource has no other finding."""
    issues = release.validator.validate(resource)
    assert all(issue.expression and issue.text for issue in issues)
    return {issue.text.split(":")[0] for issue in issues if issue.code == "invariant" or issue.text.startswith("ref-1")}


@pytest.mark.parametrize(("key", "path", "meets", "breaks"), TABLE, ids=[f"{row[0]}-{number}" for number, row in enumerate(TABLE)])
def test_an_invariant_is_judged_as_fhirpathpy_judges_it(release: Release, key: str, path: str, meets: Json, breaks: Json) -> None:
    expression = constraints_of(release)[key].expression
    if key not in UNDECIDED:
        assert says(expression, path, json.loads(json.dumps(meets)))
        assert not says(expression, path, json.loads(json.dumps(breaks)))
    assert release.validator.validate(meets) == []
    assert key in keys(release, breaks)


@pytest.mark.parametrize("key", BY_SPECIFICATION)
def test_what_fhirpathpy_cannot_judge(release: Release, key: str) -> None:
    _, meets, breaks = BY_SPECIFICATION[key]
    assert release.validator.validate(meets) == []
    issues = release.validator.validate(breaks)
    if key == "ele-1":
        assert [(issue.code, issue.expression) for issue in issues] == [("structure", "Patient.maritalStatus")]
    elif key == "txt-2":
        assert [issue.expression for issue in issues] == ["Patient.text.div"]
    else:
        assert key in keys(release, breaks)


def test_every_invariant_has_its_resources(release: Release) -> None:
    assert set(constraints_of(release)) | {"ele-1"} == {row[0] for row in TABLE} | set(BY_SPECIFICATION)
