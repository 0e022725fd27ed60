"""The typed face of what we emit, for Python users: `fhir.resources` (R4B) models. The one module that imports it.

It has no 4.0.1 models; R4B (4.3.0) reads what we emit. It does not replace the validation of `mappings.r4`: it lets unknown codes through
and turns 1.50 into 1.5.
"""

from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from mappings.vocabulary import Json


class NoModel(ValueError):
    """The resource, or one contained in it, is of a type that has no model."""


def as_model(resource: Json) -> Any:
    """The pydantic model of a resource. Errors: NoModel; pydantic.ValidationError for a resource that is none."""
    try:
        model = get_fhir_model_class(resource["resourceType"])
    except (KeyError, ValueError):
        raise NoModel("no model for this type") from None
    try:
        return model.model_validate(resource)
    except KeyError:  # a contained resource without a model: the library lets its look-up fail bare
        raise NoModel("no model for a contained type") from None
