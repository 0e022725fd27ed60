"""Reads every knowledge file at start. A broken one stops the start with its file and line."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar

import jsonschema_rs

from adapters.ehr import profile
from adapters.laboratory import authority
from mappings.baseline import prior
from mappings.genes import gene, guidance, inhibitors
from mappings.knowledge import KnowledgeError, line_of
from mappings.medicines import drug, interactions, monitoring, staging, warnings
from mappings.questionnaires import form_file
from mappings.scales import adaptive, scale, trajectory, wording
from mappings.suggestions import facts, history, review_points, rule
from mappings.vocabulary import Json

Built = TypeVar("Built")


class BrokenKnowledge(Exception):
    """Knowledge files that must not be used; one finding a line, each "file:line: what"."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that the pure part is told: loaded once, handed down, never changed."""

    scales: Mapping[str, scale.Scale]
    curves: Mapping[str, trajectory.Curve]
    follow_up: tuple[adaptive.Link, ...]
    questionnaires: tuple[Json, ...]
    priors: Mapping[str, prior.Prior]
    priors_by_code: Mapping[tuple[str, str], prior.Prior]
    genes: Mapping[str, gene.Gene]
    guidance: tuple[guidance.Guidance, ...]
    drugs: drug.Drugs
    interactions: interactions.Interactions
    inhibitors: inhibitors.Inhibitors
    warnings: tuple[warnings.Warning_, ...]
    monitoring: monitoring.Monitoring
    staging: Mapping[str, Any]
    catalogue: facts.Catalogue
    rules: tuple[rule.Rule, ...]
    review_points: review_points.Schedule
    history: history.History
    profiles: Mapping[str, profile.Profile]
    authorities: Mapping[str, str]
    search_parameters: tuple["Located[Json]", ...]
    read: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Located(Generic[Built]):
    """Something read from a file, with the file's path and text for findings that come later."""

    path: Path
    text: str
    built: Built

    def finding(self, problem: KnowledgeError) -> str:
        """The problem as "file:line: what"."""
        return f"{self.path}:{line_of(self.text, problem.path)}: {problem.message}"


class _Reader:
    """Reads files and collects findings; a site's own directory stands beside ours and wins on equal names."""

    def __init__(self, site: Path | None) -> None:
        self._site = site
        self.findings: list[str] = []
        self.read: list[str] = []

    def _paths(self, package: str, folder: str, name: str) -> Iterator[Path]:
        """Our files of a folder, and the site's under `name`; on equal file names the site's stands."""
        ours = {path.name: path for path in sorted(Path(str(files(package))).joinpath(folder).glob("*.json"))} if folder else {}
        site = {path.name: path for path in sorted((self._site / name).glob("*.json"))} if self._site else {}
        yield from (ours | site).values()

    def folder(self, package: str, folder: str, name: str, schema: Json, build: Callable[[Json], Built]) -> list[Built]:
        """Every file of a folder, built; broken ones become findings."""
        return [each.built for each in self.located(package, folder, name, schema, build)]

    def located(self, package: str, folder: str, name: str, schema: Json, build: Callable[[Json], Built]) -> list[Located[Built]]:
        """The same, each with its file."""
        validator = jsonschema_rs.validator_for(schema)
        found = [self._file(path, validator, build) for path in self._paths(package, folder, name)]
        return [each for each in found if each is not None]

    def one(self, package: str, name: str, schema: Json, build: Callable[[Json], Built]) -> Built | None:
        """One file."""
        found = self._file(Path(str(files(package))) / name, jsonschema_rs.validator_for(schema), build)
        return found.built if found else None

    def _file(self, path: Path, validator: Any, build: Callable[[Json], Built]) -> Located[Built] | None:
        self.read.append(path.name)
        text = path.read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            self.findings.append(f"{path}:{error.lineno}: {error.msg}")
            return None
        wrong = list(validator.iter_errors(data))
        self.findings += [f"{path}:{line_of(text, tuple(each.instance_path))}: {each.message}" for each in wrong]
        try:
            return None if wrong else Located(path, text, build(data))
        except KnowledgeError as problem:
            self.findings.append(f"{path}:{line_of(text, problem.path)}: {problem.message}")
            return None


_SEARCH_PARAMETER: Json = {
    "type": "object",
    "required": ["resourceType", "id", "url", "name", "status", "description", "code", "base", "type", "expression"],
    "properties": {"resourceType": {"const": "SearchParameter"}, "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}},
}


def _same(data: Json) -> Json:
    return data


def _prior(data: Json, drugs: drug.Drugs | None, curves: Mapping[str, trajectory.Curve]) -> prior.Prior:
    """The prior in `data`. Errors: KnowledgeError for a treatment with a drug, class or course that is not known."""
    built, given = prior.build(data), data.get("treatment", {})
    if drugs is None:
        return built
    known = {"drug": frozenset(drugs.by_id), "class": frozenset(each.group for each in drugs.by_id.values())}
    for name, field in (("drug", "drugs"), ("class", "classes")):
        for at, each in enumerate(given.get(field, ())):
            if each not in known[name]:
                raise KnowledgeError(f"no such {name}", ("treatment", field, at))
    if built.treatment and built.treatment.expected and built.measure not in curves:
        raise KnowledgeError("no course of this measure was published", ("treatment", "expected"))
    return built


@cache
def load(site: str | None = None) -> Knowledge:
    """All knowledge, read once a process; `site` is a directory with a site's own files. Errors: BrokenKnowledge with every finding."""
    if site and not Path(site).is_dir():
        raise BrokenKnowledge([f"{site}: there is no such directory"])
    reader = _Reader(Path(site) if site else None)
    words = {worded.built["scale"]: worded for worded in reader.located("mappings.scales", "", "wording", wording.SCHEMA, _same)}

    def worded_scale(data: Json) -> scale.Scale:
        worded = words.get(data["id"])
        if worded is not None:
            try:
                return scale.build(wording.put_on(data, worded.built))
            except KnowledgeError as problem:
                reader.findings.append(worded.finding(problem))
        return scale.build(data)

    scales = {built.id: built for built in reader.folder("mappings.scales", "library", "scales", scale.SCHEMA, worded_scale)}
    curves = {built.id: built for built in reader.folder("mappings.scales", "curves", "curves", trajectory.SCHEMA, trajectory.build)}
    follow_up = reader.one("mappings.scales", "follow-up.json", adaptive.SCHEMA, lambda data: adaptive.build(data, scales.values()))
    forms = tuple(reader.folder("mappings.questionnaires", "library", "questionnaires", form_file.SCHEMA, lambda data: form_file.build(data, scales)))
    drugs = reader.one("mappings.medicines", "drugs.json", drug.SCHEMA, drug.build)
    measured = reader.folder("mappings.baseline", "priors", "priors", prior.SCHEMA, lambda data: _prior(data, drugs, curves))
    priors = {built.measure: built for built in measured}
    genes = {built.gene: built for built in reader.folder("mappings.genes", "library", "genes", gene.SCHEMA, gene.build)}
    guidances = tuple(reader.folder("mappings.genes", "guidance", "guidance", guidance.SCHEMA, guidance.build))
    pairs = reader.one("mappings.medicines", "interactions.json", interactions.SCHEMA, interactions.build)
    warned = reader.one("mappings.medicines", "warnings.json", warnings.SCHEMA, lambda data: warnings.build(data, drugs)) if drugs else None
    watched = reader.one("mappings.medicines", "monitoring.json", monitoring.SCHEMA, lambda data: monitoring.build(data, drugs, priors)) if drugs else None
    stages = reader.one("mappings.medicines", "staging.json", staging.SCHEMA, staging.build)
    inhibiting = reader.one("mappings.genes", "inhibitors.json", inhibitors.SCHEMA, inhibitors.build)
    catalogue = reader.one("mappings.suggestions", "facts.json", facts.SCHEMA, lambda data: facts.build(data, scales.values(), priors.values()))
    rules = tuple(reader.folder("mappings.suggestions", "rules", "rules", rule.SCHEMA, lambda data: rule.build(data, catalogue))) if catalogue else ()
    reviews = reader.one("mappings.suggestions", "review-points.json", review_points.SCHEMA, review_points.build)
    past = reader.one("mappings.suggestions", "history.json", history.SCHEMA, history.build)
    profiles = {built.name: built for built in reader.folder("adapters.ehr", "profiles", "profiles", profile.SCHEMA, profile.build)}
    named = reader.folder("adapters.laboratory", "authorities", "authorities", authority.SCHEMA, authority.build)
    custom = tuple(reader.located("mappings.r4", "search-parameters", "search-parameters", _SEARCH_PARAMETER, _same))
    if reader.findings or drugs is None or pairs is None or inhibiting is None or warned is None or stages is None or watched is None:
        raise BrokenKnowledge(reader.findings)
    if catalogue is None or follow_up is None or reviews is None or past is None:
        raise BrokenKnowledge(reader.findings)
    by_code = {code: built for built in priors.values() for code in built.codes}
    return Knowledge(
        scales, curves, follow_up, forms, priors, by_code, genes, guidances, drugs, pairs, inhibiting, warned, watched, stages,
        catalogue, rules, reviews, past,
        profiles, {name: system for each in named for name, system in each.items()}, custom, tuple(reader.read),
    )  # fmt: skip
