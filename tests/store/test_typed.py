"""What we emit is read by an independent library's models."""

from typing import Any

import pytest

from mappings.typed import NoModel, as_model
from service.shelf import resources


def test_everything_on_the_shelf_is_read_by_fhir_resources(knowledge: Any) -> None:
    class House:
        pass

    house: Any = House()
    house.knowledge = knowledge
    for resource in resources(house):
        assert as_model(resource).get_resource_type() == resource["resourceType"]


def test_a_missing_class_is_said() -> None:
    with pytest.raises(NoModel):
        as_model({"resourceType": "Wizard"})
    with pytest.raises((NoModel, ValueError)):
        as_model({"resourceType": "Patient", "contained": [{"resourceType": "Wizard"}]})
