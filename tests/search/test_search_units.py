"""Quantities in different UCUM units (R4 search.html, 3.1.1.4.11: "servers ... should ... compare ... in canonical units"). Factors are those of UCUM's own
tables (ucum.org, 2.2): 1 g = 1000 mg, 1 [lb_av] = 0.45359237 kg, t(K) = t(Cel) + 273.15, 1 mm[Hg] = 133.322387415 Pa."""

import json
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from mappings.r4.ucum import table, unit
from service.definitions import read_definition
from tests.fhir.persons import found, new_person, observation, stored

UCUM = "http://unitsofmeasure.org"
VALUES = {
    "gram": (1, "g"), "milligrams": (1000, "mg"), "pound": (1, "[lb_av]"), "kilos": (0.4536, "kg"), "fever": (38.5, "Cel"), "fahrenheit": (101.3, "[degF]"),
    "lithium": (0.8, "mmol/L"), "lithium-small": (800, "umol/L"), "tsh": (2.5, "m[IU]/L"), "tsh-other": (2.5, "u[IU]/mL"), "cells": (2.5, "10*9/L"),
    "score": (5, "{score}"), "ratio": (500, "%"), "egfr": (90, "mL/min/{1.73_m2}"), "flow": (90, "mL/min"),
    "kilodalton": (66.5, "kDa"), "dalton": (66500, "dalton"),
}  # fmt: skip
QUERIES = [
    ("1|U|g", {"gram", "milligrams"}),
    ("1000|U|mg", {"gram", "milligrams"}),
    ("1000.0|U|mg", {"gram", "milligrams"}),
    ("gt0.45|U|kg", {"pound", "kilos"}),
    ("lt1|U|[lb_av]", {"gram", "milligrams"}),
    ("ge1|U|[lb_av]", {"pound", "kilos"}),
    ("38.5|U|Cel", {"fever", "fahrenheit"}),
    ("gt300|U|K", {"fever", "fahrenheit"}),
    ("0.8|U|mmol/L", {"lithium", "lithium-small"}),
    ("8e2|U|umol/L", {"lithium", "lithium-small"}),
    ("2.5|U|m[IU]/L", {"tsh", "tsh-other"}),
    ("2.5|U|10*9/L", {"cells"}),
    ("5|U|{score}", {"score"}),
    ("5|U|1", {"ratio"}),
    ("90|U|mL/min", {"flow"}),
    ("90|U|mL/min/{1.73_m2}", {"egfr"}),
    ("1||g", {"gram"}),  # without a system it is a code or a unit as written
    ("1000", {"milligrams"}),  # a bare number is compared with the number as written
    ("ne1|U|g", {"pound", "kilos"}),
    ("66.5|U|kDa", {"kilodalton"}),  # not UCUM: compared as written
    ("1|U|m", set()),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tag(client: httpx.AsyncClient) -> str:
    tag = "u" + uuid4().hex[:12]
    person = await new_person(client)
    for name, (value, code) in VALUES.items():
        quantity = {"value": value, "unit": code, "system": UCUM, "code": code}
        await stored(client, observation(person, tag, 1) | {"valueQuantity": quantity, "note": [{"text": name}]})
    return tag


@pytest.mark.parametrize(("query", "names"), QUERIES)
async def test_units(client: httpx.AsyncClient, tag: str, query: str, names: set[str]) -> None:
    matches = await found(client, f"Observation?code={tag}&value-quantity={query.replace('|U|', f'|{UCUM}|')}")
    assert {each["note"][0]["text"] for each in matches} == names


@pytest.mark.parametrize(("query", "names"), [("CODE$1000|U|mg", {"gram", "milligrams"}), ("CODE$gt0.0009|U|kg", {"gram", "milligrams", "pound", "kilos"})])
async def test_units_within_a_composite(client: httpx.AsyncClient, tag: str, query: str, names: set[str]) -> None:
    asked = query.replace("CODE", tag).replace("|U|", f"|{UCUM}|")
    assert {each["note"][0]["text"] for each in await found(client, f"Observation?code-value-quantity={asked}")} == names


def test_the_table_is_what_the_library_says() -> None:
    from ucumvert import PintUcumRegistry

    registry, known = PintUcumRegistry(), table(read_definition("units.json"))
    for code in ("mg/dL", "[lb_av]", "Cel", "m[IU]/L", "mL/min/{1.73_m2}", "10*3/uL", "mm[Hg]"):
        assert unit(code, registry) == known[code]
    assert unit("kDa", registry) is None


@given(st.floats(1e-6, 1e6), st.sampled_from([("g", "mg"), ("mmol/L", "umol/L"), ("Cel", "K"), ("[lb_av]", "kg"), ("mm[Hg]", "kPa")]))
def test_there_and_back(value: float, pair: tuple[str, str]) -> None:
    known = table(json.loads(json.dumps(read_definition("units.json"))))
    one, other = known[pair[0]], known[pair[1]]
    assert other.change(one.change(value, other), one) == pytest.approx(value, rel=1e-9, abs=1e-9)
