"""Writes mappings/r4/definitions/*.json from the npm packages hl7.fhir.r4.examples and hl7.fhir.r4.expansions (both CC0).

    python tools/generate_r4.py EXAMPLES_PACKAGE_FOLDER EXPANSIONS_PACKAGE_FOLDER [OUTPUT_FOLDER]

The same packages always give the same bytes. What is written is what validation and search need, nothing else.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

KEPT = [
    "Patient",
    "RelatedPerson",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "CareTeam",
    "Encounter",
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "AllergyIntolerance",
    "Questionnaire",
    "QuestionnaireResponse",
    "Observation",
    "Specimen",
    "DiagnosticReport",
    "Medication",
    "MedicationRequest",
    "MedicationStatement",
    "CarePlan",
    "PlanDefinition",
    "Goal",
    "Task",
    "ServiceRequest",
    "DetectedIssue",
    "RiskAssessment",
    "Flag",
    "Communication",
    "DocumentReference",
    "Consent",
    "Provenance",
    "AuditEvent",
    "Device",
    "Group",
    "List",
    "Bundle",
    "CodeSystem",
    "ValueSet",
    "SearchParameter",
]
LICENSE = "CC0-1.0"
INHERITED = {"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6"}
"""Constraints that every element or every resource repeats; they are written once, at Element, Extension and DomainResource."""
ERRATA = {
    # The definitions of its two components are exchanged in R4: `code` is a token, `target` a reference.
    "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship": {
        "component": [
            {"definition": "http://hl7.org/fhir/SearchParameter/DocumentReference-relation", "expression": "code"},
            {"definition": "http://hl7.org/fhir/SearchParameter/DocumentReference-relatesto", "expression": "target"},
        ]
    }
}
PROFILE = "http://hl7.org/fhir/StructureDefinition/"


def documents(folder: Path, prefix: str) -> list[Json]:
    """Every JSON document in `folder` whose file name begins with `prefix`, ordered by url then file name; one per url."""
    found: dict[tuple[str, str], Json] = {}
    for path in sorted(folder.glob(prefix + "*")):
        if path.is_file():
            document = json.loads(path.read_bytes())
            found.setdefault((document.get("url", ""), document.get("id", "")), document)
    return [found[key] for key in sorted(found)]


def source(folder: Path, what: str) -> Json:
    """The head of a generated file: where it comes from and under which licence."""
    package = json.loads((folder / "package.json").read_bytes())
    return {"about": what, "source": [f"npm {package['name']} {package['version']}"], "license": LICENSE}


def structures(folder: Path) -> Json:
    """All R4 types: elements with cardinality, types, reference targets, required binding and error constraints."""
    types: Json = {}
    for definition in documents(folder, "StructureDefinition-"):
        if definition.get("derivation") == "constraint" or definition["kind"] == "logical":
            continue
        if definition["kind"] == "primitive-type":
            base = definition.get("baseDefinition", "").removeprefix(PROFILE)
            types[definition["name"]] = {"kind": "primitive", "base": base}
            continue
        kind = "resource" if definition["kind"] == "resource" else "complex"
        described(types, definition, kind)
    return types


def described(types: Json, definition: Json, kind: str) -> None:
    """Adds one complex type or resource and its backbone elements (named by their path) to `types`."""
    name = definition["name"]
    base = definition.get("baseDefinition", "").removeprefix(PROFILE)
    elements = definition["snapshot"]["element"]
    if kind == "resource" and elements[1]["path"] == f"{name}.id":
        # The snapshots call it a string; resource.html and the patterns of references say id.
        elements[1]["type"] = [{"code": "id"}]
    parents = {element["path"].rpartition(".")[0] for element in elements}
    types[name] = {"kind": kind, "base": base, "elements": {}} | constraints(elements[0], name)
    for element in elements[1:]:
        path = element["path"]
        parent, _, last = path.rpartition(".")
        if path in parents:
            types[path] = {"kind": "backbone", "elements": {}} | constraints(element, path)
        types[parent]["elements"][last] = one_element(element, path in parents)


def one_element(element: Json, is_backbone: bool) -> Json:
    """min, max and types of an element, and what else restricts it."""
    found: Json = {"min": element["min"], "max": element["max"]}
    if "contentReference" in element:
        return found | {"types": [element["contentReference"].removeprefix("#")]}
    found["types"] = [element["path"]] if is_backbone else [type_code(kind) for kind in element.get("type", [])]
    targets = sorted({t.removeprefix(PROFILE) for kind in element.get("type", []) for t in kind.get("targetProfile", [])})
    if targets and targets != ["Resource"]:
        found["targets"] = targets
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        found["values"] = binding["valueSet"].split("|")[0]
    return found if is_backbone else found | constraints(element, element["path"])


def type_code(kind: Json) -> str:
    """The FHIR type behind an element's type; System types (Element.id, Extension.url) carry it in an extension."""
    for extension in kind.get("extension", []):
        if extension["url"].endswith("structuredefinition-fhir-type"):
            return str(extension["valueUrl"])
    return str(kind["code"].removeprefix("http://hl7.org/fhirpath/System.").replace("String", "string"))


def constraints(element: Json, path: str) -> Json:
    """The error constraints that this element itself brings in."""
    own = [
        {"key": c["key"], "text": c["human"], "expression": c.get("expression", "")}
        for c in element.get("constraint", [])
        if c["severity"] == "error"
        and (c["key"] not in INHERITED or path in ("Extension", "DomainResource"))
        and c["key"] != "ele-1"
        and (path.split(".")[0] in c.get("source", path).rpartition("/")[2] or "source" not in c)
    ]
    return {"constraints": own} if own else {}


def value_sets(folder: Path, types: Json) -> Json:
    """The codes of every value set that a required binding names, by system; None where the set cannot be enumerated."""
    needed = {e["values"] for t in types.values() for e in t.get("elements", {}).values() if "values" in e}
    expansions = {document["url"]: document for document in documents(folder, "ValueSet-")}
    return {url: codes_of(expansions.get(url, {})) for url in sorted(needed)}


def codes_of(value_set: Json) -> dict[str, list[str]] | None:
    expansion = value_set.get("expansion", {})
    contains = list(flat(expansion.get("contains", [])))
    if not contains or expansion.get("total", len(contains)) > len(contains):
        return None
    if any(e["url"].endswith(("valueset-unclosed", "valueset-toocostly")) for e in expansion.get("extension", [])):
        return None
    systems: dict[str, set[str]] = {}
    for entry in contains:
        systems.setdefault(entry.get("system", ""), set()).add(entry["code"])
    return {system: sorted(codes) for system, codes in sorted(systems.items())}


def flat(contains: list[Json]) -> Iterator[Json]:
    """The selectable concepts of an expansion, nested ones too."""
    for entry in contains:
        if not entry.get("abstract") and "code" in entry:
            yield entry
        yield from flat(entry.get("contains", []))


def search_parameters(folder: Path) -> list[Json]:
    """The R4 search parameters of the kept types, each cut down to these types. Examples of the specification stay out."""
    found = []
    for definition in documents(folder, "SearchParameter-"):
        bases = [base for base in definition.get("base", []) if base in KEPT or base in ("Resource", "DomainResource")]
        wanted = bases and "expression" in definition and not definition["id"].startswith("example")
        if not wanted or not definition["url"].startswith("http://hl7.org/fhir/SearchParameter/"):
            continue
        kept: Json = {key: definition[key] for key in ("url", "code", "type", "target", "component") if key in definition}
        kept |= {"base": sorted(bases), "expression": cut(definition["expression"], bases)} | ERRATA.get(definition["url"], {})
        found.append({key: kept[key] for key in sorted(kept)})
    return found


def cut(expression: str, bases: list[str]) -> str:
    """The branches of a union that begin at one of `bases`."""
    branches = [branch.strip() for branch in expression.split(" | ")]
    return " | ".join(b for b in branches if re.match(r"\(?([A-Za-z]+)", b)[1] in bases or len(branches) == 1)  # type: ignore[index]


def compartments(folder: Path) -> Json:
    """Type -> the search parameters that put a resource into the Patient compartment (an empty list: never in it)."""
    document = json.loads((folder / "CompartmentDefinition-patient.json").read_bytes())
    return {"Patient": {r["code"]: r.get("param", []) for r in sorted(document["resource"], key=lambda r: str(r["code"]))}}


def summaries(folder: Path) -> Json:
    """Type, or path of a backbone element -> its elements that belong to a summary (R4 elementdefinition.html, isSummary); choices without [x]."""
    found: dict[str, list[str]] = {}
    for name in KEPT:
        snapshot = json.loads((folder / f"StructureDefinition-{name}.json").read_bytes())["snapshot"]["element"]
        for element in snapshot[1:]:
            holder, _, own = element["path"].rpartition(".")
            found.setdefault(holder, [])
            if element.get("isSummary"):
                found[holder].append(own.removesuffix("[x]"))
    return {holder: sorted(names) for holder, names in sorted(found.items())}


def write(path: Path, head: Json, **content: Any) -> None:
    """One generated file: a line for each entry, so that a new package shows as a readable difference."""
    lines = ["{"] + [f' "{key}": {json.dumps(value, ensure_ascii=False)},' for key, value in head.items()]
    for name, value in content.items():
        rows = [compact(entry) for entry in value] if isinstance(value, list) else [f"{json.dumps(key)}: {compact(entry)}" for key, entry in value.items()]
        brackets = "[]" if isinstance(value, list) else "{}"
        lines.append(f' "{name}": {brackets[0]}\n  ' + ",\n  ".join(rows) + f"\n {brackets[1]},")
    lines[-1] = lines[-1].rstrip(",")
    path.write_text("\n".join([*lines, "}", ""]), encoding="utf-8")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def generate(examples: Path, expansions: Path, output: Path) -> None:
    """Writes every generated definition file."""
    types = structures(examples)
    write(output / "structures.json", source(examples, "R4 types from their StructureDefinitions"), types=types)
    write(output / "value_sets.json", source(expansions, "Codes of required bindings"), value_sets=value_sets(expansions, types))
    parameters = search_parameters(examples)
    write(output / "search_parameters.json", source(examples, "R4 SearchParameters"), parameters=parameters)
    write(output / "summaries.json", source(examples, "Elements of R4 summaries"), summaries=summaries(examples))
    write(output / "compartments.json", source(examples, "R4 compartments"), compartments=compartments(examples))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    target = sys.argv[3] if len(sys.argv) == 4 else Path(__file__).parent.parent / "mappings/r4/definitions"
    generate(Path(sys.argv[1]), Path(sys.argv[2]), Path(target))
