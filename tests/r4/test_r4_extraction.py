"""Index values: literal tables from search.html of R4, and fhirpathpy as the oracle over published examples."""

import re
from decimal import Decimal
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from mappings.knowledge import KnowledgeError
from mappings.r4.extract import Extractor
from mappings.r4.index_values import Composite, Date, Number, Quantity, Ref, Text, Token, Uri
from mappings.r4.release import Release
from mappings.r4.search_parameters import FROM_COLUMNS, Parameter, compile_parameters

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
PATIENT = {"reference": "Patient/1"}


def values(release: Release, resource: dict[str, Any], name: str) -> set[Any]:
    return {value[1:] for value in release.extractors[resource["resourceType"]].extract(resource) if value.param == name}


def shortened(found: set[Any], width: int) -> set[Any]:
    return {value[:width] for value in found}


@pytest.mark.parametrize(
    ("resource", "name", "wanted"),
    [
        # tokens (search.html#token): system, code, text, implied
        ({"resourceType": "Patient", "gender": "male"}, "gender", {("http://hl7.org/fhir/administrative-gender", "male", None, True)}),
        ({"resourceType": "Patient", "active": True}, "active", {(None, "true", None, True)}),
        ({"resourceType": "Patient"}, "deceased", {(None, "false", None, True)}),
        ({"resourceType": "Patient", "deceasedBoolean": False}, "deceased", {(None, "false", None, True)}),
        ({"resourceType": "Patient", "deceasedBoolean": True}, "deceased", {(None, "true", None, True)}),
        ({"resourceType": "Patient", "deceasedDateTime": "2020"}, "deceased", {(None, "true", None, True)}),
        (
            {"resourceType": "Patient", "telecom": [{"system": "email", "value": "a@b"}, {"system": "phone", "value": "1"}]},
            "email",
            {("email", "a@b", None, True)},
        ),
        (
            {"resourceType": "Condition", "code": {"coding": [{"system": "s", "code": "c", "display": "d"}, {"code": "e"}], "text": "t"}},
            "code",
            {("s", "c", "d", False), (None, "e", None, False), (None, None, "t", False)},
        ),
        ({"resourceType": "Patient", "meta": {"tag": [{"system": "s", "code": "c"}]}}, "_tag", {("s", "c", None, False)}),
    ],
)
def test_tokens(release: Release, resource: dict[str, Any], name: str, wanted: set[Any]) -> None:
    assert shortened(values(release, resource, name), 4) == wanted


def test_identifier_type_is_kept_for_of_type(release: Release) -> None:
    identifier = {"system": "s", "value": "v", "type": {"coding": [{"system": "t", "code": "MR"}], "text": "x"}}
    found = values(release, {"resourceType": "Patient", "identifier": [identifier]}, "identifier")
    assert found == {("s", "v", "x", False, (("t", "MR"),))}


@pytest.mark.parametrize(
    ("resource", "name", "wanted"),
    [
        ({"resourceType": "Patient", "name": [{"family": "F", "given": ["A", "B"], "prefix": ["Dr"]}]}, "name", {("F",), ("A",), ("B",), ("Dr",)}),
        ({"resourceType": "Patient", "name": [{"given": [None, "B"], "_given": [{"id": "x"}, None]}]}, "given", {("B",)}),
        ({"resourceType": "Patient", "address": [{"line": ["l"], "city": "c"}]}, "address", {("l",), ("c",)}),
        ({"resourceType": "Patient", "address": [{"line": ["l"], "city": "c"}]}, "address-city", {("c",)}),
        ({"resourceType": "Patient", "birthDate": "1970-01-01"}, "birthdate", {(0, 86_400_000_000)}),
        ({"resourceType": "Encounter", "period": {"start": "1970-01-02"}}, "date", {(86_400_000_000, 2**62)}),
        ({"resourceType": "Encounter", "period": {"end": "1970-01-01"}}, "date", {(-(2**62), 86_400_000_000)}),
        ({"resourceType": "Observation", "subject": PATIENT}, "patient", {("Patient/1", "Patient", None)}),
        ({"resourceType": "Observation", "subject": PATIENT}, "subject", {("Patient/1", "Patient", None)}),
        ({"resourceType": "Observation", "subject": {"reference": "Group/1"}}, "patient", set()),
        (
            {"resourceType": "Observation", "subject": {"reference": "http://x.org/fhir/Patient/1"}},
            "patient",
            {("http://x.org/fhir/Patient/1", "Patient", None)},
        ),
        (
            {"resourceType": "Observation", "subject": {"type": "Patient", "identifier": {"system": "s", "value": "v"}}},
            "patient",
            {(None, "Patient", ("s", "v"))},
        ),
        ({"resourceType": "Observation", "subject": {"reference": "#p"}}, "subject", set()),
        ({"resourceType": "CarePlan", "instantiatesCanonical": ["http://x|1"]}, "instantiates-canonical", {("http://x|1", None, None)}),
        ({"resourceType": "Questionnaire", "url": "http://x"}, "url", {("http://x",)}),
        ({"resourceType": "Patient", "meta": {"profile": ["http://p"]}}, "_profile", {("http://p",)}),
        ({"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 0.25}]}, "probability", {(0.25, None)}),
        ({"resourceType": "Condition", "onsetAge": {"value": 5, "unit": "a", "system": UCUM, "code": "a"}}, "onset-age", {(5, UCUM, "a", "a", None)}),
        (
            {"resourceType": "Condition", "onsetRange": {"low": {"value": 1, "code": "a", "system": UCUM}}},
            "onset-age",
            {(1, UCUM, "a", None, float("inf"))},
        ),
        ({"resourceType": "Observation", "valueQuantity": {"value": 5, "comparator": "<"}}, "value-quantity", {(float("-inf"), None, None, None, 5)}),
        ({"resourceType": "Location", "position": {"longitude": 7.5, "latitude": 47.5}}, "near", {(47.5, 7.5)}),
        ({"resourceType": "MedicationRequest", "dosageInstruction": [{"timing": {"event": ["1970-01-01", "1970-01-03"]}}]}, "date", None),
    ],
)
def test_values(release: Release, resource: dict[str, Any], name: str, wanted: set[Any] | None) -> None:
    found = values(release, resource, name)
    day = 86_400_000_000
    assert found == ({(0, day), (2 * day, 3 * day)} if wanted is None else wanted)


def test_timing_is_its_outer_limits(release: Release) -> None:
    resource = {"resourceType": "ServiceRequest", "occurrenceTiming": {"event": ["1970-01-01", "1970-01-03"]}}
    assert values(release, resource, "occurrence") == {(0, 3 * 86_400_000_000)}


def test_code_does_not_look_into_components(release: Release) -> None:
    component = {"code": {"coding": [{"system": LOINC, "code": "b"}]}, "valueQuantity": {"value": 1}}
    resource = {"resourceType": "Observation", "code": {"coding": [{"system": LOINC, "code": "a"}]}, "component": [component]}
    assert {value[1] for value in values(release, resource, "code")} == {"a"}
    assert {value[1] for value in values(release, resource, "combo-code")} == {"a", "b"}


def test_a_composite_keeps_the_parts_of_one_element_together(release: Release) -> None:
    def component(code: str, value: int) -> dict[str, Any]:
        return {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value}}

    resource = {"resourceType": "Observation", "code": {"text": "x"}, "component": [component("a", 1), component("b", 2)]}
    found = [v for v in release.extractors["Observation"].extract(resource) if isinstance(v, Composite) and v.param == "component-code-value-quantity"]
    assert [(c.parts[0][0].code, c.parts[1][0].value) for c in found] == [("a", 1), ("b", 2)]


def test_id_and_last_updated_come_from_the_row(release: Release) -> None:
    resource = {"resourceType": "Patient", "id": "a", "meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}
    assert {value.param for value in release.extractors["Patient"].extract(resource)} == {"deceased"}
    assert {"_id", "_lastUpdated"} <= {parameter.name for parameter in release.parameters["Patient"]}


CUSTOM: dict[str, Any] = {
    "resourceType": "SearchParameter",
    "url": "https://example.org/mothers-name",
    "code": "mothers-name",
    "type": "string",
    "base": ["Patient"],
    "expression": "Patient.contact.where(relationship.coding.code = 'N' and gender = 'female').name.family",
}


def custom(release: Release, **changes: Any) -> Extractor:
    parameters = compile_parameters([CUSTOM | changes], release.structures, ["Patient"])
    return Extractor(parameters["Patient"], release.structures)


def test_a_custom_parameter(release: Release) -> None:
    mother = {"gender": "female", "relationship": [{"coding": [{"code": "N"}]}], "name": {"family": "M"}}
    father = mother | {"gender": "male", "name": {"family": "F"}}
    assert custom(release).extract({"resourceType": "Patient", "contact": [mother, father]}) == [Text("mothers-name", "M")]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"expression": "Patient.colour"}, ("expression",)),
        ({"expression": "Patient.name.where("}, ("expression",)),
        ({"expression": "Patient.managingOrganization.resolve().name"}, ("expression",)),
        ({"expression": "Patient.name.family.substring(1)"}, ("expression",)),
        ({"expression": "Patient.birthDate"}, ("expression",)),
        ({"type": "colour"}, ("type",)),
        ({"expression": ""}, ("expression",)),
        ({"code": None}, ("code",)),
    ],
)
def test_a_custom_parameter_that_cannot_be_compiled_says_where(release: Release, changes: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(KnowledgeError) as wrong:
        custom(release, **changes)
    assert wrong.value.path == path


def test_a_name_may_be_claimed_once(release: Release) -> None:
    with pytest.raises(KnowledgeError, match="two search parameters"):
        compile_parameters([CUSTOM, CUSTOM | {"url": "https://example.org/other"}], release.structures, ["Patient"])


def oracle(resource: dict[str, Any], parameter: Parameter) -> list[Any]:
    expression = " | ".join(branch for branch in parameter.expression.split(" | ") if resource["resourceType"] in branch or branch.startswith("Resource"))
    # What the engine does not take: `as` on several items, hasExtension(url), Resource as the name of the root.
    expression = re.sub(r"\((\S+) as (\w+)\)|\.as\((\w+)\)", lambda m: f"{m[1] or ''}.ofType({m[2] or m[3]})", expression)
    expression = re.sub(r"^Resource\.", resource["resourceType"] + ".", expression)
    expression = re.sub(r"hasExtension\(([^)]*)\)", r"extension(\1).exists()", expression)
    return fhirpathpy.evaluate(resource, expression, [], models["r4"])


def comparable(value: Any) -> Any:
    match value:
        case Token(_, _, code) if code is not None:
            return code
        case Text(_, text) | Uri(_, text) | Number(_, text):
            return text
        case Quantity(_, number, _, _, _, None):
            return number
        case Ref(_, reference) if reference is not None:
            return reference
    return None


def expected(node: Any, kind: str) -> set[Any]:
    """The comparable values of a node that is simple enough to be read without our code."""
    if isinstance(node, bool):
        return {"true" if node else "false"}
    if kind == "reference" and str(node).startswith("#"):
        return set()
    if not isinstance(node, dict):
        return {float(node) if isinstance(node, Decimal) else node}
    if kind == "token" and "coding" in node:
        return {coding["code"] for coding in node["coding"] if "code" in coding}
    if kind == "reference" and "reference" in node:
        return {node["reference"]} - {ref for ref in [node["reference"]] if ref.startswith("#")}
    if kind == "quantity" and "value" in node and "comparator" not in node:
        return {float(node["value"])}
    return set()


def test_extractors_find_what_fhirpath_finds(release: Release, example: dict[str, Any]) -> None:
    found: dict[str, list[Any]] = {}
    for value in release.extractors[example["resourceType"]].extract(example):
        found.setdefault(value.param, []).append(value)
    checked = 0
    for parameter in release.parameters[example["resourceType"]]:
        if parameter.name in FROM_COLUMNS or parameter.type in ("composite", "special") or parameter.computed or "resolve()" in parameter.expression:
            continue
        nodes = oracle(example, parameter)
        own = found.get(parameter.name, [])
        if parameter.type == "date":
            assert all(isinstance(value, Date) for value in own)
        else:
            wanted = set().union(*(expected(node, parameter.type) for node in nodes)) if nodes else set()
            assert wanted <= {comparable(value) for value in own}, parameter.name
        assert bool(own) <= bool(nodes), parameter.name
        checked += bool(nodes)
    assert checked


def test_compartment(release: Release) -> None:
    from mappings.r4.compartment import people

    resource = {"resourceType": "Observation", "subject": PATIENT, "performer": [{"reference": "Patient/2"}, {"reference": "Practitioner/3"}]}
    found = release.extractors["Observation"].extract(resource)
    assert people(release.compartment, "Observation", found) == {"Patient/1", "Patient/2"}
    assert release.compartment["Medication"] == ()
    assert release.compartment["CarePlan"] == ("patient", "performer")
