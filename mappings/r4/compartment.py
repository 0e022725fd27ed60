"""The Patient compartment (R4 compartmentdefinition-patient.html): which resources belong to a person."""

from collections.abc import Iterable, Mapping, Sequence

from mappings.knowledge import KnowledgeError
from mappings.r4.index_values import IndexValue, Ref
from mappings.r4.search_parameters import Parameter
from mappings.vocabulary import Json

Compartment = Mapping[str, tuple[str, ...]]
"""Resource type -> the names of the reference parameters that bind it to a Patient; types that never belong have none."""


def build(data: Json, parameters: Mapping[str, Sequence[Parameter]]) -> Compartment:
    """The Patient compartment of the parsed compartments.json for the types that `parameters` has.

    Raises KnowledgeError where it names a parameter that a type does not have.
    """
    listed = data["compartments"]["Patient"]
    found = {name: tuple(listed.get(name, ())) for name in parameters}
    for name, members in found.items():
        unknown = set(members) - {parameter.name for parameter in parameters[name]}
        if unknown:
            raise KnowledgeError(f"{name} has no search parameter {sorted(unknown)[0]}", ("compartments", "Patient", name))
    return found


def people(compartment: Compartment, type: str, values: Iterable[IndexValue]) -> set[str]:
    """The references to a Patient, as written, that put a resource with these index values into someone's compartment."""
    names = compartment.get(type, ())
    return {value.reference for value in values if isinstance(value, Ref) and value.param in names and value.type == "Patient" and value.reference is not None}
