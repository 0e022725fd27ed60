"""Everything that the R4 definitions say about the kept types, built once at start from the files in definitions/."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mappings.r4 import compartment, extract, search_parameters, structures
from mappings.r4.compartment import Compartment
from mappings.r4.extract import Extractor
from mappings.r4.search_parameters import Parameter
from mappings.r4.structures import Structures
from mappings.r4.validate import Validator
from mappings.vocabulary import Json

FILES = ("structures.json", "value_sets.json", "search_parameters.json", "compartments.json")
"""The files of definitions/ that build() wants, parsed, by name."""
REQUEST_BODIES = ("Parameters", "OperationOutcome")
"""Types that are never stored, but come as bodies; validated as fast as the kept ones."""


@dataclass(frozen=True, slots=True)
class Release:
    """The tables, the validator, and by resource type the search parameters, the extractor and the Patient compartment."""

    structures: Structures
    validator: Validator
    parameters: Mapping[str, tuple[Parameter, ...]]
    extractors: Mapping[str, Extractor]
    compartment: Compartment


def build(files: Mapping[str, Json], types: Sequence[str], custom: Iterable[Json] = ()) -> Release:
    """The R4 release for the kept `types`. `custom` are SearchParameter resources of the site, beside those of R4.

    Raises KnowledgeError for a definition that cannot be used. Takes about a third of a second.
    """
    tables = structures.build(files["structures.json"], files["value_sets.json"])
    definitions = [*files["search_parameters.json"]["parameters"], *custom]
    parameters = search_parameters.compile_parameters(definitions, tables, types)
    return Release(
        tables,
        Validator(tables, (*types, *REQUEST_BODIES)),
        parameters,
        extract.extractors(parameters, tables),
        compartment.build(files["compartments.json"], parameters),
    )
