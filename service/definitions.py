"""The R4 definitions as this process uses them: validator, extractors, search parameters, kept types. Read once at start."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from mappings.knowledge import KnowledgeError
from mappings.r4 import structures
from mappings.r4.extract import extractors
from mappings.r4.search_parameters import compile_parameters
from mappings.r4.ucum import Unit, table
from mappings.r4.validate import Validator
from service.knowledge import BrokenKnowledge, Knowledge
from service.search.sources import indexed
from service.types import Types


class Definitions(NamedTuple):
    """What is compiled from the definition files."""

    structures: structures.Structures
    summaries: Mapping[str, frozenset[str]]
    validator: Validator
    extractors: Mapping[str, Any]
    types: Types
    capability: Mapping[str, Any]
    units: Mapping[str, Unit]


def read_definition(name: str) -> Any:
    """One generated definition file of mappings/r4/definitions."""
    folder = Path(str(files("mappings.r4"))) / "definitions"
    return json.loads((folder / name).read_bytes())


def capability() -> dict[str, Any]:
    """The capability file."""
    loaded: dict[str, Any] = json.loads((Path(str(files("service.fhir"))) / "capability.json").read_bytes())
    return loaded


def _findings(knowledge: Knowledge, listed: list[Any], built: structures.Structures, kept: tuple[str, ...]) -> list[str]:
    """Which of the custom search parameters cannot be compiled, each tried by itself."""
    found = []
    for each in knowledge.search_parameters:
        try:
            compile_parameters([*listed, each.built], built, kept)
        except KnowledgeError as problem:
            found.append(each.finding(problem))
    return found


def compile_definitions(knowledge: Knowledge) -> Definitions:
    """Compile everything. Errors: BrokenKnowledge for a custom search parameter that cannot be."""
    declared = capability()
    kept = tuple(declared["types"])
    built = structures.build(read_definition("structures.json"), read_definition("value_sets.json"))
    listed = read_definition("search_parameters.json")["parameters"]
    try:
        compiled = compile_parameters([*listed, *(each.built for each in knowledge.search_parameters)], built, kept)
    except KnowledgeError as problem:
        raise BrokenKnowledge(_findings(knowledge, listed, built, kept) or [problem.message]) from None
    parameters = {kind: {each.name: each for each in own if each.type != "special"} for kind, own in compiled.items()}
    validator = Validator(built, (*kept, "Parameters", "OperationOutcome"))
    summaries = {name: frozenset(each) for name, each in read_definition("summaries.json")["summaries"].items()}
    found = extractors(indexed(compiled), built)
    return Definitions(built, summaries, validator, found, Types(declared, parameters), declared, table(read_definition("units.json")))
