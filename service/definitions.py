"""The R4 definitions as this process uses them: validator, extractors, search parameters, kept types. Read once at start."""

import gzip
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from mappings.r4.validate import Validator
from service.knowledge import Knowledge
from service.types import Types


class Definitions(NamedTuple):
    """What is compiled from the definition files."""

    validator: Validator
    extractors: Mapping[str, Any]
    types: Types
    capability: Mapping[str, Any]


def read_definition(name: str) -> Any:
    """One generated definition file of mappings/r4/definitions."""
    folder = Path(str(files("mappings.r4"))) / "definitions"
    packed = folder / f"{name}.gz"
    return json.loads(gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes())


def capability() -> dict[str, Any]:
    """The capability file."""
    loaded: dict[str, Any] = json.loads((Path(str(files("service.fhir"))) / "capability.json").read_bytes())
    return loaded


def compile_definitions(knowledge: Knowledge) -> Definitions:
    """Compile everything. Errors: KnowledgeError for a custom search parameter that cannot be."""
    raise NotImplementedError
