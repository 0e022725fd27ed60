"""`setpoint validate FILE...`: resources in files against base R4, answers against their Questionnaires. No database is needed."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from mappings.outcome import Issue
from mappings.r4 import form
from mappings.r4.parse import Malformed, parse
from mappings.r4.validate import Validator
from mappings.scales.questionnaire import questionnaire
from mappings.vocabulary import Json
from service.commands.console import AsJson, fail

Files = Annotated[list[str], typer.Argument(help="JSON or NDJSON files; - for standard input")]


class Finding(NamedTuple):
    """One finding. `entry`: line of NDJSON or entry of a Bundle, from 1; 0 for the document itself."""

    file: str
    entry: int
    severity: str
    code: str
    expression: str | None
    text: str


class Checked(NamedTuple):
    """One resource of a file, or why there is none."""

    entry: int
    resource: Json | None
    issue: Issue | None = None


def validate(files: Files, as_json: AsJson = False) -> None:
    """Validate resources: exit code 0 when there is no error, 1 when there is, 2 when a file cannot be read."""
    from service.definitions import compile_definitions
    from service.knowledge import load

    knowledge = load(None)
    validator = compile_definitions(knowledge).validator
    forms = {str(each["url"]): each for each in map(questionnaire, knowledge.scales.values())}
    for name in files:
        forms |= {str(each["url"]): each for each in _questionnaires(name)}
    found: list[Finding] = []
    checked = errors = 0
    for name in files:
        for each in _resources(name):
            checked += 1
            for finding in _findings(name, each, validator, forms):
                errors += finding.severity in ("error", "fatal")
                if as_json:
                    found.append(finding)
                else:
                    print(_line(finding))
            _progress(checked)
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=1, ensure_ascii=False))
    print(f"{checked} resources checked, {errors} errors", file=sys.stderr)
    raise typer.Exit(1 if errors else 0)


def _line(finding: Finding) -> str:
    at = f"{finding.file}:{finding.entry}" if finding.entry else finding.file
    return f"{at}: {finding.severity} {finding.code} {finding.expression or '-'}: {finding.text}"


_shown = 0.0


def _progress(checked: int) -> None:
    """How many so far, twice a second, where somebody looks."""
    global _shown
    if sys.stderr.isatty() and time.monotonic() - _shown > 0.5:
        _shown = time.monotonic()
        print(f"\r{checked} resources checked", end="\r", file=sys.stderr, flush=True)


def _findings(name: str, each: Checked, validator: Validator, forms: dict[str, Json]) -> Iterator[Finding]:
    issues = [each.issue] if each.issue else []
    if each.resource is not None:
        issues += validator.validate(each.resource)
        canonical = each.resource.get("questionnaire")
        if each.resource.get("resourceType") == "QuestionnaireResponse" and isinstance(canonical, str) and not issues:
            known = forms.get(canonical.partition("|")[0])
            issues += form.findings(each.resource, known) if known else [_UNKNOWN]
    for issue in issues:
        yield Finding(name, each.entry, issue.severity, issue.code, issue.expression, issue.text)


_UNKNOWN = Issue(
    "information", "not-found", "The Questionnaire is not known here: the answers were not checked against it.", "QuestionnaireResponse.questionnaire"
)


def _questionnaires(name: str) -> Iterator[Json]:
    """Questionnaires of a file that answers may be checked against; standard input is read once, and gives none."""
    if name == "-":
        return
    for each in _resources(name):
        found = each.resource or {}
        entries = [entry.get("resource") for entry in found.get("entry", ()) if isinstance(entry, dict)] if found.get("resourceType") == "Bundle" else [found]
        yield from (entry for entry in entries if isinstance(entry, dict) and entry.get("resourceType") == "Questionnaire" and "url" in entry)


def _resources(name: str) -> Iterator[Checked]:
    """The resources of a file: one JSON document, or one a line. Only a line is held at a time."""
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as stream:
            first = stream.readline()
            if _is_whole(first):
                yield _parsed(1, first)
                yield from (_parsed(number, line) for number, line in enumerate(stream, 2) if line.strip())
            else:
                yield _parsed(0, first + stream.read())
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}", 2)


def _is_whole(line: bytes) -> bool:
    """Whether the first line is a resource by itself."""
    stripped = line.strip()
    if not (stripped.startswith(b"{") and stripped.endswith(b"}")):
        return False
    try:
        return isinstance(json.loads(stripped), dict)
    except ValueError:
        return True


def _parsed(entry: int, body: bytes) -> Checked:
    try:
        found: Any = parse(body)
        return Checked(entry, found)
    except Malformed as malformed:
        return Checked(entry, None, malformed.issue)
