"""Composite parameters (R4 search.html, 3.1.1.4.17): the parts must hold in the same element. Literal tables."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fhir.persons import found, issue, new_person, observation, stored

S = "urn:test:codes"
MMHG = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


def _concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": S, "code": code}]}


def _components(*parts: tuple[str, Any]) -> list[dict[str, Any]]:
    return [
        {"code": _concept(code)} | ({"valueQuantity": {"value": value, **MMHG}} if not isinstance(value, str) else {"valueCodeableConcept": _concept(value)})
        for code, value in parts
    ]


OBSERVATIONS: dict[str, dict[str, Any]] = {
    "high": {"component": _components(("systolic", 150), ("diastolic", 80))},
    "wide": {"component": _components(("systolic", 90), ("diastolic", 150))},
    "plain": {"valueQuantity": {"value": 150, **MMHG}, "code": _concept("systolic")},
    "colour": {"component": _components(("skin", "blue"), ("eye", "green"))},
    "answer": {"code": _concept("skin"), "valueCodeableConcept": _concept("blue")},
    "when": {"code": _concept("onset"), "valueDateTime": "2024-05"},
    "said": {"code": _concept("mood"), "valueString": "Müde und leer"},
}
COMPOSITES = [
    # systolic of 150 and diastolic of 150 are not the same component
    ("component-code-value-quantity={S}|systolic$gt140", {"high"}),
    ("component-code-value-quantity={S}|diastolic$gt140", {"wide"}),
    ("component-code-value-quantity=systolic$150", {"high"}),
    ("component-code-value-quantity={S}|systolic$lt100", {"wide"}),
    ("component-code-value-quantity={S}|systolic$150|http://unitsofmeasure.org|mm[Hg]", {"high"}),
    ("component-code-value-quantity={S}|systolic$150||mmHg", {"high"}),
    ("component-code-value-quantity={S}|systolic$150||kg", set()),
    ("component-code-value-quantity={S}|systolic$gt140,{S}|diastolic$gt140", {"high", "wide"}),
    ("component-code-value-quantity={S}|systolic$gt140&component-code-value-quantity={S}|diastolic$lt100", {"high"}),
    ("combo-code-value-quantity={S}|systolic$gt140", {"high", "plain"}),
    ("combo-code-value-quantity={S}|systolic$ge90", {"high", "wide", "plain"}),
    ("code-value-quantity={S}|systolic$gt140", {"plain"}),
    ("code-value-quantity={S}|systolic$150|http://unitsofmeasure.org|mm[Hg]", {"plain"}),
    ("code-value-quantity={S}|other$gt140", set()),
    ("component-code-value-concept={S}|skin${S}|blue", {"colour"}),
    ("component-code-value-concept={S}|skin${S}|green", set()),
    ("combo-code-value-concept=skin$blue", {"colour", "answer"}),
    ("code-value-concept={S}|skin$blue", {"answer"}),
    ("code-value-concept={S}|skin$green", set()),
    ("code-value-date=onset$2024", {"when"}),
    ("code-value-date=onset$gt2024-06", set()),
    ("code-value-date=onset$ge2024-05-20", {"when"}),
    ("code-value-string=mood$mud", {"said"}),
    ("code-value-string=skin$mud", set()),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def measured(client: httpx.AsyncClient) -> str:
    person = await new_person(client)
    for name, more in OBSERVATIONS.items():
        body = observation(person, "panel") | {"note": [{"text": name}]} | more
        if "valueQuantity" not in more:
            body.pop("valueQuantity")
        await stored(client, body)
    return person.split("/")[1]


@pytest.mark.parametrize(("query", "names"), COMPOSITES)
async def test_composites(client: httpx.AsyncClient, measured: str, query: str, names: set[str]) -> None:
    assert {each["note"][0]["text"] for each in await found(client, f"Observation?patient={measured}&{query.replace('{S}', S)}")} == names


@pytest.mark.parametrize("value", ["systolic", "systolic$", "a$1$2", "systolic$high", "$5"])
async def test_wrong_number_of_parts(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.get(f"Observation?component-code-value-quantity={value}")
    assert answer.status_code == 400
    assert issue(answer)["code"] == "value"


async def test_composite_through_a_chain(client: httpx.AsyncClient, measured: str) -> None:
    matches = await found(client, f"Patient?_id={measured}&_has:Observation:patient:component-code-value-quantity=systolic$gt140")
    assert [each["id"] for each in matches] == [measured]


async def test_composite_follows_an_update(client: httpx.AsyncClient) -> None:
    """The rows of a replaced version are gone."""
    person = await new_person(client)
    first = await stored(client, observation(person, "panel", component=_components(("systolic", 150))))
    changed = first | {"component": _components(("systolic", 120))}
    assert (await client.put(f"Observation/{first['id']}", json=changed)).status_code == 200
    assert await found(client, f"Observation?_id={first['id']}&component-code-value-quantity=systolic$gt140") == []
    assert len(await found(client, f"Observation?_id={first['id']}&component-code-value-quantity=systolic$120")) == 1


async def test_group_characteristic(client: httpx.AsyncClient) -> None:
    tag = uuid4().hex
    characteristic = [{"code": _concept("gender"), "valueCodeableConcept": _concept(tag), "exclude": False},
                      {"code": _concept("owner"), "valueBoolean": True, "exclude": False}]  # fmt: skip
    await stored(client, {"resourceType": "Group", "type": "person", "actual": True, "characteristic": characteristic})
    assert len(await found(client, f"Group?characteristic-value=gender${tag}")) == 1
    assert len(await found(client, f"Group?characteristic-value=owner$true&characteristic-value={S}|gender${S}|{tag}")) == 1
    assert await found(client, f"Group?characteristic-value=owner${tag}") == []
