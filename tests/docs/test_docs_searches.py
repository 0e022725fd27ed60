"""The searches that docs/api.md shows are understood."""

import re

import httpx
import pytest

from tests.docs.pages import ROOT

TYPES = {
    "token": "Observation", "string": "Patient", "reference": "Observation", "date": "Observation", "number": "RiskAssessment",
    "quantity": "Observation", "uri": "Questionnaire",
}  # fmt: skip
"""A type that has the parameters of each row's examples; Patient for identifiers."""
PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")


def shown() -> list[str]:
    """The examples of the table, as addresses."""
    found = []
    for kind, type_ in TYPES.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {kind} | ")]
        cell = row.replace("\\|", "BAR").split("|")[3].replace("BAR", "|")
        for example in re.findall(r"`([^`]+)`", cell):
            found.append(f"{'Encounter' if example.startswith('status') else type_}?{example}")
    return [
        *found,
        "Observation?subject.family=sand",
        "Patient?_has:Observation:patient:code=x",
        "Observation?_include=Observation:subject&_sort=-date&_count=5",
    ]


@pytest.mark.parametrize("address", shown())
async def test_a_search_that_is_shown_is_answered(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
