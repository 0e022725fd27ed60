"""Validator: what R4 4.0.1 makes an error, with the code and the expression that a client sees."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mappings.r4 import invariants
from mappings.r4.release import Release

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
    "subject": {"reference": "Patient/p"},
    "effectiveDateTime": "2024-02-29T08:00:00+01:00",
    "valueQuantity": {"value": 1.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "F", "given": ["A", "B"]}]}
CONDITION: dict[str, Any] = {"resourceType": "Condition", "subject": {"reference": "Patient/p"}}
ITEM: dict[str, Any] = {"linkId": "1", "type": "string", "text": "?"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
ALLERGY: dict[str, Any] = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}}


def questionnaire(**item: Any) -> dict[str, Any]:
    return {"resourceType": "Questionnaire", "status": "active", "item": [ITEM | item]}


def timing(**repeat: Any) -> dict[str, Any]:
    order = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/p"}}
    return order | {"medicationCodeableConcept": {"text": "x"}, "dosageInstruction": [{"timing": {"repeat": repeat}}]}


def narrative(inner: str) -> dict[str, Any]:
    return PATIENT | {"text": {"status": "generated", "div": DIV.format(inner)}}


REPEAT = "MedicationRequest.dosageInstruction[0].timing.repeat"
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    # what, resource, issue code, expression
    ("unknown type", {"resourceType": "Nonsense"}, "not-supported", "Resource"),
    ("no type", {"status": "final"}, "structure", "Resource"),
    ("unknown element", OBSERVATION | {"colour": "red"}, "structure", "Observation"),
    ("unknown element below", PATIENT | {"name": [{"first": "x"}]}, "structure", "Patient.name[0]"),
    ("required element missing", {"resourceType": "Observation", "status": "final"}, "required", "Observation.code"),
    ("required choice missing", timing() | {"medicationCodeableConcept": {}}, "structure", "MedicationRequest.medicationCodeableConcept"),
    ("array for a single element", OBSERVATION | {"status": ["final"]}, "structure", "Observation.status"),
    ("single for an array", PATIENT | {"name": {"family": "F"}}, "structure", "Patient.name"),
    ("two of a choice", OBSERVATION | {"valueString": "x"}, "structure", "Observation.value"),
    ("type not of the choice", OBSERVATION | {"valueMoney": {"value": 1}}, "structure", "Observation"),
    ("empty string", PATIENT | {"name": [{"family": ""}]}, "structure", "Patient.name[0].family"),
    ("empty object", PATIENT | {"maritalStatus": {}}, "structure", "Patient.maritalStatus"),
    ("empty array", PATIENT | {"telecom": []}, "structure", "Patient.telecom"),
    ("null", PATIENT | {"birthDate": None}, "structure", "Patient.birthDate"),
    ("null in an array without its twin", PATIENT | {"name": [{"given": ["A", None]}]}, "structure", "Patient.name[0].given[1]"),
    ("twin of another length", PATIENT | {"name": [{"given": ["A"], "_given": [None, {"id": "a"}]}]}, "structure", "Patient.name[0].given"),
    ("twin of an object", OBSERVATION | {"_code": {"id": "a"}}, "structure", "Observation"),
    ("code outside its binding", OBSERVATION | {"status": "done"}, "code-invalid", "Observation.status"),
    (
        "concept outside its binding",
        CONDITION | {"clinicalStatus": {"coding": [{"system": CLINICAL, "code": "x"}]}},
        "code-invalid",
        "Condition.clinicalStatus",
    ),
    ("date: today", PATIENT | {"birthDate": "today"}, "value", "Patient.birthDate"),
    ("date: 30 February", PATIENT | {"birthDate": "2024-02-30"}, "value", "Patient.birthDate"),
    ("date: 29 February 2023", PATIENT | {"birthDate": "2023-02-29"}, "value", "Patient.birthDate"),
    ("date: 29 February 1900", PATIENT | {"birthDate": "1900-02-29"}, "value", "Patient.birthDate"),
    ("date: month 13", PATIENT | {"birthDate": "2024-13"}, "value", "Patient.birthDate"),
    ("date with time", PATIENT | {"birthDate": "2024-01-01T00:00:00Z"}, "value", "Patient.birthDate"),
    ("date: year 0", PATIENT | {"birthDate": "0000"}, "value", "Patient.birthDate"),
    ("date as number", PATIENT | {"birthDate": 2024}, "value", "Patient.birthDate"),
    ("dateTime without zone", OBSERVATION | {"effectiveDateTime": "2024-01-01T08:00:00"}, "value", "Observation.effectiveDateTime"),
    ("dateTime without seconds", OBSERVATION | {"effectiveDateTime": "2024-01-01T08:00Z"}, "value", "Observation.effectiveDateTime"),
    ("dateTime: hour 24", OBSERVATION | {"effectiveDateTime": "2024-01-01T24:00:00Z"}, "value", "Observation.effectiveDateTime"),
    ("instant of a day", OBSERVATION | {"issued": "2024-01-01"}, "value", "Observation.issued"),
    ("boolean as text", PATIENT | {"active": "true"}, "value", "Patient.active"),
    ("decimal as text", OBSERVATION | {"valueQuantity": {"value": "1.5"}}, "value", "Observation.valueQuantity.value"),
    ("integer 1.0", OBSERVATION | {"valueQuantity": 1} | {"valueQuantity": {"value": True}}, "value", "Observation.valueQuantity.value"),
    ("integer of 33 bits", {k: v for k, v in OBSERVATION.items() if k != "valueQuantity"} | {"valueInteger": 2**31}, "value", "Observation.valueInteger"),
    ("integer with a point", {k: v for k, v in OBSERVATION.items() if k != "valueQuantity"} | {"valueInteger": 1.0}, "value", "Observation.valueInteger"),
    ("positiveInt 0", PATIENT | {"telecom": [{"system": "phone", "value": "1", "rank": 0}]}, "value", "Patient.telecom[0].rank"),
    ("id too long", PATIENT | {"id": "x" * 65}, "value", "Patient.id"),
    ("id with a blank", PATIENT | {"id": "a b"}, "value", "Patient.id"),
    ("uri with a blank", OBSERVATION | {"implicitRules": "http://a b"}, "value", "Observation.implicitRules"),
    ("base64", PATIENT | {"photo": [{"contentType": "image/png", "data": "a"}]}, "value", "Patient.photo[0].data"),
    ("control character", PATIENT | {"name": [{"family": "a\u0001"}]}, "value", "Patient.name[0].family"),
    ("script in a narrative", narrative("<script>x</script>"), "invariant", "Patient.text.div"),
    ("handler in a narrative", narrative('<p onclick="x">y</p>'), "invariant", "Patient.text.div"),
    ("script URL in a narrative", narrative('<a href=" javascript:x">y</a>'), "invariant", "Patient.text.div"),
    ("foreign element in a narrative", narrative('<svg xmlns="http://www.w3.org/2000/svg"/>x'), "invariant", "Patient.text.div"),
    ("form in a narrative", narrative("<form>x</form>"), "invariant", "Patient.text.div"),
    ("narrative that is not well formed", narrative("<p>x"), "invariant", "Patient.text.div"),
    ("empty narrative", narrative(" "), "invariant", "Patient.text.div"),
    ("narrative without namespace", PATIENT | {"text": {"status": "generated", "div": "<div>x</div>"}}, "invariant", "Patient.text.div"),
    ("entity bomb", PATIENT | {"text": {"status": "generated", "div": '<!DOCTYPE x [<!ENTITY a "b">]>' + DIV.format("&a;")}}, "invariant", "Patient.text.div"),
    ("reference to a wrong type", OBSERVATION | {"subject": {"reference": "Medication/1"}}, "value", "Observation.subject.reference"),
    ("reference to no type", PATIENT | {"generalPractitioner": [{"reference": "Doctor/1"}]}, "value", "Patient.generalPractitioner[0].reference"),
    ("reference of no form", PATIENT | {"generalPractitioner": [{"reference": "my doctor"}]}, "value", "Patient.generalPractitioner[0].reference"),
    ("ref-1", OBSERVATION | {"subject": {"reference": "#p"}}, "not-found", "Observation.subject.reference"),
    ("ext-1 none", PATIENT | {"extension": [{"url": "http://x"}]}, "invariant", "Patient.extension[0]"),
    (
        "ext-1 both",
        PATIENT | {"extension": [{"url": "http://x", "valueCode": "a", "extension": [{"url": "b", "valueCode": "c"}]}]},
        "invariant",
        "Patient.extension[0]",
    ),
    ("extension without url", PATIENT | {"extension": [{"valueCode": "a"}]}, "required", "Patient.extension[0].url"),
    ("obs-6", OBSERVATION | {"dataAbsentReason": {"text": "x"}}, "invariant", "Observation"),
    ("obs-7", OBSERVATION | {"component": [{"code": OBSERVATION["code"]}]}, "invariant", "Observation"),
    ("obs-3", OBSERVATION | {"referenceRange": [{"type": {"text": "x"}}]}, "invariant", "Observation.referenceRange[0]"),
    ("per-1", PATIENT | {"name": [{"family": "F", "period": {"start": "2024-02", "end": "2024-01-31"}}]}, "invariant", "Patient.name[0].period"),
    (
        "per-1 across zones",
        PATIENT | {"name": [{"period": {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:30:00+01:00"}}]},
        "invariant",
        "Patient.name[0].period",
    ),
    ("qty-3", OBSERVATION | {"valueQuantity": {"value": 1, "code": "mg"}}, "invariant", "Observation.valueQuantity"),
    (
        "rng-2",
        OBSERVATION | {"referenceRange": [{"text": "x", "age": {"low": {"value": 2}, "high": {"value": 1}}}]},
        "invariant",
        "Observation.referenceRange[0].age",
    ),
    ("cpt-2", PATIENT | {"telecom": [{"value": "1"}]}, "invariant", "Patient.telecom[0]"),
    ("pat-1", PATIENT | {"contact": [{"gender": "female"}]}, "invariant", "Patient.contact[0]"),
    ("att-1", PATIENT | {"photo": [{"data": "AAAA"}]}, "invariant", "Patient.photo[0]"),
    ("con-4", CONDITION | {"abatementString": "x", "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]}}, "invariant", "Condition"),
    ("ait-1", ALLERGY, "invariant", "AllergyIntolerance"),
    ("org-1", {"resourceType": "Organization", "active": True}, "invariant", "Organization"),
    ("org-2", {"resourceType": "Organization", "name": "O", "address": [{"use": "home"}]}, "invariant", "Organization.address[0]"),
    ("que-1 group", questionnaire(type="group"), "invariant", "Questionnaire.item[0]"),
    ("que-2", questionnaire(type="group", item=[ITEM]), "invariant", "Questionnaire"),
    ("que-3", questionnaire(type="display", code=[{"code": "x"}]), "invariant", "Questionnaire.item[0]"),
    ("que-6", questionnaire(type="display", required=True), "invariant", "Questionnaire.item[0]"),
    ("que-10", questionnaire(type="date", maxLength=3), "invariant", "Questionnaire.item[0]"),
    ("que-13", questionnaire(initial=[{"valueString": "a"}, {"valueString": "b"}]), "invariant", "Questionnaire.item[0]"),
    ("tim-1", timing(duration=1), "invariant", REPEAT),
    ("tim-4", timing(duration=-1, durationUnit="h"), "invariant", REPEAT),
    ("tim-9", timing(offset=10), "invariant", REPEAT),
    ("tim-10", timing(timeOfDay=["08:00:00"], when=["HS"]), "invariant", REPEAT),
    (
        "prr",
        {"resourceType": "List", "status": "current", "mode": "working", "emptyReason": {"text": "x"}, "entry": [{"item": {"display": "y"}}]},
        "invariant",
        "List",
    ),
    ("bdl-1", {"resourceType": "Bundle", "type": "collection", "total": 1}, "invariant", "Bundle"),
    ("bdl-3", {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT}]}, "invariant", "Bundle"),
    ("bdl-7", {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:1", "resource": PATIENT}] * 2}, "invariant", "Bundle"),
    ("bdl-5", {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:1"}]}, "invariant", "Bundle.entry[0]"),
    (
        "in a bundle",
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT | {"active": 1}}]},
        "value",
        "Bundle.entry[0].resource.active",
    ),
    (
        "qrs-1",
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "item": [{"linkId": "1", "answer": [{"valueString": "a"}], "item": [{"linkId": "2"}]}],
        },
        "invariant",
        "QuestionnaireResponse.item[0]",
    ),
    (
        "inv-1 of Task",
        {"resourceType": "Task", "status": "draft", "intent": "order", "authoredOn": "2024-02-01", "lastModified": "2024-01-01"},
        "invariant",
        "Task",
    ),
    (
        "fhs-2",
        {
            "resourceType": "FamilyMemberHistory",
            "status": "partial",
            "patient": {"reference": "Patient/p"},
            "relationship": {"text": "x"},
            "estimatedAge": True,
        },
        "invariant",
        "FamilyMemberHistory",
    ),
]


@pytest.mark.parametrize(("resource", "code", "expression"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_refuses(release: Release, resource: dict[str, Any], code: str, expression: str) -> None:
    issues = release.validator.validate(resource)
    assert (code, expression) in [(issue.code, issue.expression) for issue in issues]
    assert {issue.severity for issue in issues} == {"error"}


CONTAINED: dict[str, Any] = {"resourceType": "Patient", "id": "p"}


def containing(*contained: dict[str, Any], subject: str = "#p") -> dict[str, Any]:
    return OBSERVATION | {"contained": list(contained), "subject": {"reference": subject}}


@pytest.mark.parametrize(
    ("resource", "code", "expression"),
    [
        (containing({"resourceType": "Nonsense", "id": "p"}), "not-supported", "Observation.contained[0]"),
        (containing(CONTAINED | {"birthDate": "x"}), "value", "Observation.contained[0].birthDate"),
        (containing(CONTAINED | {"contained": [CONTAINED]}), "invariant", "Observation.contained[0].contained"),
        (containing(CONTAINED, subject="Patient/p"), "invariant", "Observation.contained[0]"),
        (containing(CONTAINED, {"resourceType": "Patient"}), "required", "Observation.contained[1].id"),
        (containing(CONTAINED | {"meta": {"versionId": "1"}}), "invariant", "Observation.contained[0].meta.versionId"),
        (containing(CONTAINED | {"meta": {"security": [{"code": "R"}]}}), "invariant", "Observation.contained[0].meta.security"),
        (containing(CONTAINED, subject="#q"), "not-found", "Observation.subject.reference"),
    ],
)
def test_refuses_contained(release: Release, resource: dict[str, Any], code: str, expression: str) -> None:
    assert (code, expression) in [(i.code, i.expression) for i in release.validator.validate(resource)]


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("contained", containing(CONTAINED)),
    (
        "contained of a type that is not kept",
        containing(
            CONTAINED, {"resourceType": "Substance", "id": "s", "code": {"text": "x"}, "extension": [{"url": "http://x", "valueReference": {"reference": "#"}}]}
        ),
    ),
    ("leap day", PATIENT | {"birthDate": "2000-02-29"}),
    ("leap second", OBSERVATION | {"issued": "2016-12-31T23:59:60Z"}),
    ("primitive extension only", PATIENT | {"_birthDate": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}),
    (
        "required value replaced by an extension",
        {k: v for k, v in OBSERVATION.items() if k != "status"} | {"_status": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}},
    ),
    ("aligned arrays", PATIENT | {"name": [{"given": [None, "B"], "_given": [{"id": "a"}, None]}]}),
    ("safe narrative", narrative('a<br/><a href="http://x">b</a><img src="#p" alt="c"/>&nbsp;')),
    ("open period", PATIENT | {"name": [{"family": "F", "period": {"start": "2024-01-01"}}]}),
    ("period that precision leaves open", PATIENT | {"name": [{"family": "F", "period": {"start": "2024-01-15", "end": "2024-01"}}]}),
    ("period of a moment and a day", PATIENT | {"name": [{"family": "F", "period": {"start": "2024-01-01T23:00:00-05:00", "end": "2024-01-01"}}]}),
    ("conditional reference", OBSERVATION | {"subject": {"reference": "Patient?identifier=a|b"}}),
    ("urn reference", OBSERVATION | {"subject": {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}),
    ("logical reference", OBSERVATION | {"subject": {"identifier": {"value": "1"}}}),
    (
        "one coding of the binding is enough",
        CONDITION | {"clinicalStatus": {"coding": [{"system": "http://x", "code": "y"}, {"system": CLINICAL, "code": "active"}]}},
    ),
    ("base64 with white space", PATIENT | {"photo": [{"contentType": "image/png", "data": "AAAA\n BBBB"}]}),
    ("group with items", questionnaire(type="group", item=[ITEM | {"linkId": "2"}])),
    ("parameters", {"resourceType": "Parameters", "parameter": [{"name": "a", "valueCode": "x"}, {"name": "b", "resource": PATIENT}]}),
]


@pytest.mark.parametrize("resource", [r[1] for r in RIGHT], ids=[r[0] for r in RIGHT])
def test_lets_through(release: Release, resource: dict[str, Any]) -> None:
    assert release.validator.validate(resource) == []


def test_published_examples_are_valid(release: Release, example: dict[str, Any]) -> None:
    assert release.validator.validate(example) == []


def test_no_text_holds_a_value(release: Release) -> None:
    secret = "Zaphod-secret"
    for _, resource, _, _ in WRONG:
        spoiled = json.loads(json.dumps(resource).replace('"x"', f'"{secret}"'))
        for issue in release.validator.validate(spoiled):
            assert secret not in issue.text
            assert secret not in (issue.expression or "")


def test_a_bundle_comes_in_parts(release: Release) -> None:
    entry = {"resource": copy.deepcopy(PATIENT)}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry] * 1000}
    parts = list(release.validator.parts(bundle))
    assert len(parts) == 1001
    assert not any(parts)


def test_findings_are_bounded(release: Release) -> None:
    assert len(release.validator.validate(PATIENT | {"name": [{"first": "x"}] * 5000})) == 100


def test_the_definitions_state_their_source() -> None:
    folder = Path(__file__).parent.parent.parent / "mappings/r4/definitions"
    files = sorted(folder.glob("*.json"))
    assert sum(path.stat().st_size for path in files) < 3_000_000
    for path in files:
        data = json.loads(path.read_bytes())
        assert data["license"].startswith("UCUM terms of use" if path.name == "units.json" else "CC0-1.0")
        assert data["source"]


def test_parameters_in_a_bundle_are_looked_into(release: Release) -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": PATIENT | {"active": 1}}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": parameters}]}
    wanted = [("value", "Bundle.entry[0].resource.parameter[0].resource.active")]
    assert [(i.code, i.expression) for i in release.validator.validate(bundle)] == wanted


def test_a_bundle_in_a_bundle_says_where(release: Release) -> None:
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT | {"active": 1}}]}
    outer = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert [i.expression for i in release.validator.validate(outer)] == ["Bundle.entry[0].resource.entry[0].resource.active"]


def test_every_invariant_of_the_kept_types_is_checked(release: Release) -> None:
    todo, seen, unchecked = list(release.parameters), set(), set()
    while todo:
        name = todo.pop()
        structure = release.structures.types.get(name)
        if name in seen or structure is None:
            continue
        seen.add(name)
        elements = list(structure.elements.values())
        constraints = [*structure.constraints, *(c for element in elements for c in element.constraints)]
        unchecked |= {c.key for c in constraints if not invariants.is_checked(c)}
        todo.extend(kind for element in elements for _, kind in element.keys)
    assert unchecked == set()


def test_findings_in_a_bundle_are_bounded(release: Release) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT | {"active": 1}}] * 5000}
    assert len(release.validator.validate(bundle)) == 100


TEAM: dict[str, Any] = {"resourceType": "CareTeam", "participant": [{"onBehalfOf": {"reference": "Organization/1"}, "member": {"reference": "Practitioner/1"}}]}


def member(reference: str, **more: Any) -> dict[str, Any]:
    return TEAM | {"participant": [TEAM["participant"][0] | {"member": {"reference": reference}}]} | more


@pytest.mark.parametrize(
    ("resource", "code", "expression"),
    [
        # resource.html#id: unique within the resource
        (containing(CONTAINED, CONTAINED), "duplicate", "Observation.contained[1].id"),
        # references.html: the targets of an element hold for every form of a reference that tells a type
        (containing({"resourceType": "Medication", "id": "p"}), "value", "Observation.subject.reference"),
        (OBSERVATION | {"subject": {"reference": "https://ehr.example/fhir/Medication/1"}}, "value", "Observation.subject.reference"),
        # references.html#Reference.type: "both SHALL be consistent"
        (OBSERVATION | {"subject": {"reference": "Patient/p", "type": "Group"}}, "value", "Observation.subject.type"),
        # narrative.html: xhtml has no extensions
        (narrative("x") | {"text": {"status": "generated", "div": DIV.format("x"), "_div": {"id": "a"}}}, "structure", "Patient.text"),
        # datatypes.html#SimpleQuantity
        (OBSERVATION | {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]}, "invariant", "Observation.referenceRange[0].low"),
        (timing() | {"dispenseRequest": {"quantity": {"value": 1, "comparator": ">"}}}, "invariant", "MedicationRequest.dispenseRequest.quantity"),
        # careteam.html ctm-1
        (member("Patient/1"), "invariant", "CareTeam.participant[0]"),
        (member("https://ehr.example/fhir/Patient/1"), "invariant", "CareTeam.participant[0]"),
        (member("#p", contained=[CONTAINED]), "invariant", "CareTeam.participant[0]"),
    ],
)
def test_refuses_what_only_the_whole_tells(release: Release, resource: dict[str, Any], code: str, expression: str) -> None:
    assert (code, expression) in [(i.code, i.expression) for i in release.validator.validate(resource)]
    assert not release.validator.is_certainly_valid(resource)


@pytest.mark.parametrize(
    "resource",
    [
        OBSERVATION | {"subject": {"reference": "https://ehr.example/fhir/Patient/1", "type": "Patient"}},
        OBSERVATION | {"subject": {"reference": "Patient/p", "type": "Patient"}},
        OBSERVATION | {"subject": {"reference": "https://ehr.example/persons?id=1"}},
        OBSERVATION | {"subject": {"type": "Patient", "identifier": {"value": "1"}}},
        OBSERVATION | {"valueQuantity": {"value": 1, "comparator": "<"}},
        TEAM,
        member("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        member("#p", contained=[{"resourceType": "Practitioner", "id": "p"}]),
    ],
)
def test_lets_through_what_fits(release: Release, resource: dict[str, Any]) -> None:
    assert release.validator.validate(resource) == []


def test_references_with_a_type_or_a_base_stay_on_the_fast_path(release: Release) -> None:
    for reference in ({"reference": "Patient/p", "type": "Patient"}, {"reference": "https://ehr.example/fhir/Patient/1"}):
        assert release.validator.is_certainly_valid(OBSERVATION | {"subject": reference})
