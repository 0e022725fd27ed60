"""What is generated is in step with the code: pages, OpenAPI, capability statement; its examples work; the picture can be read."""

import json
import xml.dom.minidom
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from docs import generate
from mappings.baseline import engine, prior
from service.app import create
from service.cli import app
from service.definitions import capability
from service.entry import open_house
from service.openapi_examples import EXAMPLES
from service.settings import Settings
from tests.conftest import FHIR, SECRET
from tests.docs.pages import ROOT, blocks
from tests.smart.installation import BASE, PUBLIC, Smart, bearer, user

AGAIN = "run: .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("page", sorted(generate.pages()), ids=lambda page: page.name)
def test_generated_pages_are_in_step(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generate.pages()[page], AGAIN


def test_every_assumed_figure_of_a_prior_is_listed(knowledge: Any) -> None:
    """One row a measure in the last table of the page."""
    lines = (ROOT / "docs/priors.md").read_text(encoding="utf-8").rpartition("| measure | assumed |")[2].splitlines()
    rows = {line.split("`")[1]: line.split("`")[3::2] for line in lines if line.startswith("| `")}
    assert rows.keys() == knowledge.priors.keys()
    for measure, built in knowledge.priors.items():
        assert {name for name, mark in built.marks.items() if mark.mark == "assumed"} <= set(rows[measure]), measure


def test_settings_page_lists_exactly_the_settings() -> None:
    rows = [line.split("`")[1] for line in (ROOT / "docs/settings.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"SETPOINT_{name.upper()}" for name in Settings.model_fields]


def test_openapi_is_in_step(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["openapi", "--out", str(tmp_path / "openapi.json")])
    assert done.exit_code == 0
    made = (tmp_path / "openapi.json").read_text(encoding="utf-8")
    assert (ROOT / "openapi/openapi.json").read_text(encoding="utf-8") == made, "run: .venv/bin/setpoint openapi --out openapi/openapi.json"


def documented() -> dict[str, tuple[str, Any]]:
    """Example name -> (path, body), from the document itself."""
    document = json.loads((ROOT / "openapi/openapi.json").read_text(encoding="utf-8"))
    found = {}
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/fhir+json", {})
        for example in content.get("examples", {}).values():
            found[path.rsplit("/", 1)[-1].removeprefix("$")] = (path, example["value"])
    return found


def test_openapi_shows_every_example() -> None:
    assert {name: body for name, (_, body) in documented().items()} == EXAMPLES


@pytest_asyncio.fixture(loop_scope="session")
async def smart(tmp_path: Path, knowledge: Any, definitions: Any) -> AsyncIterator[Smart]:
    """An installation as it is by default: with tokens."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/smart.sqlite", auth="smart", public_url=PUBLIC, secret=SECRET)
    house = await open_house(settings, knowledge, definitions)
    application = create(settings, house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url=BASE, headers=FHIR) as http:
        async with application.router.lifespan_context(application):
            opened = Smart(house, http)
            await opened.register()
            opened.system = bearer(await opened.token("plain"))
            yield opened
    await house.close()


async def test_openapi_examples_are_answered(smart: Smart) -> None:
    """Sent in order: what a backend sends with its token, then the review of what came of it with a clinician's."""
    shown = documented()
    for name in EXAMPLES:
        path, body = shown[name]
        reviewing = "{id}" in path
        address = path.replace("{id}", await _open_suggestion(smart)) if reviewing else path
        answer = await smart.http.post(f"{PUBLIC}{address}", content=json.dumps(body), headers=user() if reviewing else smart.system)
        assert answer.is_success, f"{name}: {answer.text}"


async def _open_suggestion(smart: Smart) -> str:
    """A draft of the examples' person. The example answer may be too old to raise one, so it is sent once more as of now."""
    await smart.store(EXAMPLES["QuestionnaireResponse"] | {"authored": datetime.now(UTC).isoformat(timespec="seconds")})
    found = (await smart.http.get("CarePlan", params={"status": "draft"}, headers=smart.system)).json()
    return str(found["entry"][0]["resource"]["id"])


async def test_capability_statement_equals_the_file(client: httpx.AsyncClient, house: Any) -> None:
    statement = (await client.get("metadata")).json()
    (rest,) = statement["rest"]
    declared = capability()
    assert [each["type"] for each in rest["resource"]] == sorted(declared["types"])
    for each in rest["resource"]:
        entry = declared["types"][each["type"]]
        offered = entry.get("interactions", declared["interactions"])
        assert sorted(code["code"] for code in each["interaction"]) == sorted(offered), each["type"]
        needs = {"meta-add": "update", "meta-delete": "update", "meta": "vread"}
        common = [name for name in declared["operations"] if needs.get(name, "read") in offered]
        assert [operation["name"] for operation in each["operation"]] == [*entry.get("operations", []), *common], each["type"]
        assert each.get("documentation") == entry.get("note"), each["type"]
        stated = {parameter["name"] for parameter in each["searchParam"]}
        assert stated == set(house.types.parameters(each["type"])) | {"_id"}, each["type"]


def test_the_baseline_by_hand() -> None:
    page = ROOT / "docs/baseline.md"
    (block,) = blocks(page, "json", "prior")
    data = json.loads(block.text)
    assert jsonschema_rs.validator_for(prior.SCHEMA).is_valid(data)
    rows = [line.split("|")[2:-1] for line in page.read_text(encoding="utf-8").splitlines() if line[:4] in ("| 1 ", "| 2 ", "| 3 ")]
    judged, _ = engine.replay(prior.build(data), [(float(night), float(row[0])) for night, row in enumerate(rows)])
    for row, each in zip(rows, judged, strict=True):
        shown = [row[0], f"{each.lower95:.1f} to {each.upper95:.1f}", f"{each.set_point:.1f}", f"{each.z:.2f}", f"{100 * each.prior_share:.0f} %"]
        assert [cell.strip() for cell in row] == [cell.strip() for cell in shown]


def test_change_by_hand() -> None:
    """EWMA and CUSUM from the z by their own recursions; the rest as the engine says it."""
    page = ROOT / "docs/baseline.md"
    (block,) = blocks(page, "json", "score")
    rows = [line.split("|")[1:-1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| week ") and line[7].isdigit()]
    judged, _ = engine.replay(prior.build(json.loads(block.text)), [(7.0 * week, float(row[1])) for week, row in enumerate(rows)])
    ewma = cusum = 0.0
    for number, (row, each) in enumerate(zip(rows, judged, strict=True), 1):
        ewma, cusum = 0.6 * ewma + 0.4 * each.z, max(0.0, cusum + each.z - 0.5)
        score = ewma / (0.25 * (1 - 0.6 ** (2 * number))) ** 0.5
        shown = [f"week {number}", row[1], f"{each.set_point:.2f}", f"{each.z:.2f}", f"{score:.2f}", f"{cusum:.2f}", f"{each.p_real_change:.3f}",
                 "yes" if each.alert else "no"]  # fmt: skip
        assert [cell.strip() for cell in row] == [cell.strip().replace("-0.00", "0.00") for cell in shown]


def test_the_gene_drug_row_is_one_of_ours() -> None:
    (block,) = blocks(ROOT / "docs/add-knowledge.md", "json", "row=")
    file = json.loads((ROOT / block.mark.removeprefix("row=")).read_text(encoding="utf-8"))
    assert json.loads(block.text) in [row for source in file["sources"] for row in source["rows"]]


def test_the_picture_is_well_formed_and_says_what_it_shows() -> None:
    svg = xml.dom.minidom.parse(str(ROOT / "docs/setpoint.svg")).documentElement
    for element in ("title", "desc"):
        assert svg.getElementsByTagName(element)[0].firstChild.data.strip()
    assert "prefers-color-scheme: dark" in svg.toxml()
