"""A scale, a code, a search parameter, a rule and more without Python: the examples of docs/add-knowledge.md, written down and run."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from service.bulk.reindexing import reindex, tasks
from service.cli import app
from service.knowledge import BrokenKnowledge, load
from tests.docs.pages import ROOT, blocks

OURS = "https://setpoint.example/fhir/CodeSystem/setpoint"
FHIR = {"content-type": "application/fhir+json"}
Json = dict[str, Any]


def write_site(folder: Path) -> Path:
    """The directory that the page describes."""
    for block in blocks(ROOT / "docs/add-knowledge.md", "json", "site="):
        path = folder / block.mark.removeprefix("site=")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def there(site: Path, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to a house that was started as an admin starts one: with SETPOINT_KNOWLEDGE_DIR and nothing else."""
    from service.app import create
    from service.settings import load as settings

    given = {"SETPOINT_KNOWLEDGE_DIR": str(site), "SETPOINT_AUTH": "open", "SETPOINT_DATABASE_URL": database_url, "SETPOINT_PUBLIC_URL": "http://site.test"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        application = create(settings())
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://site.test/fhir", headers=FHIR) as opened:
        async with application.router.lifespan_context(application):
            house = application.state.house
            for task in await tasks(house, ()):  # setpoint reindex: the database may hold plans already
                await reindex(house, task, lambda _: None)
            await house.filling.refresh()
            yield opened


async def found(client: httpx.AsyncClient, query: str) -> list[Json]:
    answer = await client.get(query)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def person(there: httpx.AsyncClient) -> str:
    """Somebody who answered the made-up scale: every day, every day, every day."""
    made = (await there.post("Patient", content='{"resourceType": "Patient"}')).json()["id"]
    items = [{"linkId": number, "answer": [{"valueCoding": {"system": OURS, "code": "tea-3.every-day"}}]} for number in "123"]
    response = {
        "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "https://setpoint.example/fhir/Questionnaire/tea-3",
        "subject": {"reference": f"Patient/{made}"}, "authored": datetime.now(UTC).isoformat(timespec="seconds"), "item": items,
    }  # fmt: skip
    answer = await there.post("QuestionnaireResponse", content=json.dumps(response))
    assert answer.status_code == 201, answer.text
    return str(made)


async def test_the_scale_is_served_and_scored(there: httpx.AsyncClient, person: str) -> None:
    assert (await there.get("Questionnaire/tea-3")).json()["title"] == "Tea Comfort Scale"
    (total,) = await found(there, f"Observation?patient={person}&code={OURS}|tea-3")
    assert total["valueQuantity"]["value"] == 6
    assert any("uncomfortable" in json.dumps(each) for each in total["interpretation"])
    (flag,) = await found(there, f"Flag?patient={person}")
    assert flag["code"]["coding"][0]["code"] == "tea-3.no-cup"


async def test_the_prior_judges_it(there: httpx.AsyncClient, person: str) -> None:
    (total,) = await found(there, f"Observation?patient={person}&code={OURS}|tea-3")
    assert "Personal 95 % range" in total["referenceRange"][-1]["text"]
    assert len(await found(there, f"Observation?patient={person}&code={OURS}|deviation")) == 1


async def test_its_codes_are_in_our_code_system(there: httpx.AsyncClient) -> None:
    concepts = {each["code"]: each["display"] for each in (await there.get("CodeSystem/setpoint")).json()["concept"]}
    assert {"tea-3", "tea-3.1", "tea-3.every-day", "tea-3.no-cup"} <= set(concepts)
    assert "Every day" in concepts["tea-3.every-day"]


async def test_the_rule_suggests_and_the_search_parameter_finds(there: httpx.AsyncClient, person: str) -> None:
    (plan,) = await found(there, f"CarePlan?plan-title=tea+comfort&patient={person}")
    assert (plan["status"], plan["intent"], plan["title"]) == ("draft", "proposal", "Tea comfort is low")
    assert plan["instantiatesCanonical"] == ["https://setpoint.example/fhir/PlanDefinition/cold-tea|1.0.0"]
    assert "PHQ-9 total" in json.dumps(plan["note"])  # worth having, and not known
    assert await found(there, f"CarePlan?plan-title=coffee&patient={person}") == []
    assert (await there.get("PlanDefinition/cold-tea")).json()["title"] == "Tea comfort is low"
    assert (await there.get("SearchParameter/careplan-plan-title")).json()["code"] == "plan-title"


async def test_metadata_lists_the_search_parameter(there: httpx.AsyncClient) -> None:
    resources = (await there.get("metadata")).json()["rest"][0]["resource"]
    (plans,) = [each for each in resources if each["type"] == "CarePlan"]
    assert {"name": "plan-title", "type": "string"} in plans["searchParam"]


async def test_the_sites_wording_is_shown(there: httpx.AsyncClient) -> None:
    form = (await there.get("Questionnaire/mars-10")).json()
    assert form["item"][0]["text"] == "The wording of item 1 that you have permission for"
    assert "Example Hospital" in form["copyright"]


async def test_what_files_gave_is_read_only(there: httpx.AsyncClient) -> None:
    for ref in ("Questionnaire/tea-3", "PlanDefinition/cold-tea", "SearchParameter/careplan-plan-title", "CodeSystem/setpoint"):
        assert (await there.delete(ref)).status_code == 405, ref


def test_the_vendor_profile_can_be_chosen(site: Path) -> None:
    assert load(str(site)).profiles["example_ehr"].forms["Flag"] == ("Flag", "Communication")


def test_check_counts_the_sites_files(site: Path) -> None:
    done = CliRunner().invoke(app, ["check", "--knowledge-dir", str(site), "--json"])
    ours = json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)
    with_site = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {name: with_site[name] - ours[name] for name in ("scales", "priors", "rules", "profiles")} == {"scales": 1, "priors": 1, "rules": 1, "profiles": 1}
    assert with_site["files"] - ours["files"] == len(blocks(ROOT / "docs/add-knowledge.md", "json", "site="))


BREAKS = (
    ("scales/tea-3.json", '"score": 2}', '"score": "two"}'),
    ("scales/tea-3.json", '"low": 3,', '"low": 4,'),
    ("rules/cold-tea.json", '"fact": "tea-3.total", "op"', '"fact": "tea-3.totl", "op"'),
    ("rules/cold-tea.json", '"unit": "{score}"}]}', '"unit": "kg"}]}'),
    ("priors/tea-3.json", '"rho": 0.5', '"rho": 1.5'),
    ("profiles/example_ehr.json", '"if_match": "when-known"', '"if_match": "sometimes"'),
    ("wording/mars-10.json", '{"1": ', '{"99": '),
    ("search-parameters/careplan-plan-title.json", '"expression": "CarePlan.title"', '"expression": "CarePlan.tile"'),
)
def breaks() -> list[Any]:
    return [pytest.param(name, was, becomes, id=f"{name}: {becomes}") for name, was, becomes in BREAKS]


@pytest.mark.parametrize(("name", "was", "becomes"), breaks())
def test_a_broken_file_is_named_with_its_line(name: str, was: str, becomes: str, tmp_path: Path) -> None:
    from service.definitions import compile_definitions

    path = write_site(tmp_path) / name
    lines = path.read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if was in line]
    lines[number - 1] = lines[number - 1].replace(was, becomes)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BrokenKnowledge) as broken:
        compile_definitions(load(str(tmp_path)))
    assert any(finding.startswith(f"{path}:{number}: ") for finding in broken.value.findings), broken.value.findings


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_broken_file_stops_the_start(command: str, tmp_path: Path) -> None:
    path = write_site(tmp_path / "site") / "scales/tea-3.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"mode": "self"', '"mode": "shelf"'), encoding="utf-8")
    settings = {"SETPOINT_KNOWLEDGE_DIR": str(tmp_path / "site"), "SETPOINT_AUTH": "open", "SETPOINT_DATABASE_URL": f"sqlite:///{tmp_path}/broken.sqlite"}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", command, *(["--port", "0"] if command == "serve" else [])],
        env=dict(os.environ) | settings, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"{path}:8: " in done.stderr
