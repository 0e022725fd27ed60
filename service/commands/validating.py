"""`setpoint validate`: FHIR files against R4 4.0.1, without a database. Reads NDJSON line by line, so that any size fits."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple

import typer

from mappings.outcome import Issue
from mappings.r4 import questionnaire_response as answered
from mappings.r4.parse import Malformed, parse
from mappings.r4.validate import Validator
from mappings.scales.questionnaire import questionnaire
from mappings.vocabulary import Json
from service.commands.console import AsJson

PROGRESS = 2000
_ENTRY = re.compile(r"(?:Bundle\.)?(entry\[\d+\])")
_ERRORS = ("error", "fatal")


class Document(NamedTuple):
    """One resource's bytes; `line` where it is a line of NDJSON."""

    line: int | None
    body: bytes


class Checked:
    """The checks, and what they counted."""

    def __init__(self, validator: Validator, questionnaires: dict[str, list[Json]]) -> None:
        self._validator, self._questionnaires = validator, questionnaires
        self.resources = self.errors = self.others = 0

    def issues(self, body: bytes) -> list[Issue]:
        """Every finding in one resource."""
        self.resources += 1
        try:
            resource = parse(body)
        except Malformed as malformed:
            return self._counted([malformed.issue])
        issues = self._validator.validate(resource)
        if not issues:
            learn(self._questionnaires, resource)
            issues = [issue for path, response in answered.responses_in(resource) for issue in self._answers(response, path)]
        return self._counted(issues)

    def _answers(self, response: Json, path: str) -> list[Issue]:
        form = answered.contained_questionnaire(response) or self._form(str(response.get("questionnaire", "")))
        found = [answered.not_checked()] if form is None else answered.check(response, form, self._validator.members)
        head = "QuestionnaireResponse"
        return [Issue(issue.severity, issue.code, issue.text, path + (issue.expression or head).removeprefix(head)) for issue in found]

    def _form(self, address: str) -> Json | None:
        url, _, version = address.partition("|")
        fitting = [each for each in self._questionnaires.get(url, ()) if not version or each.get("version") == version]
        return fitting[-1] if fitting else None

    def _counted(self, issues: list[Issue]) -> list[Issue]:
        wrong = sum(issue.severity in _ERRORS for issue in issues)
        self.errors, self.others = self.errors + wrong, self.others + len(issues) - wrong
        return issues


def validate(
    files: Annotated[list[str], typer.Argument(help="JSON (a resource or a Bundle) or NDJSON; - for standard input")],
    as_json: AsJson = False,
) -> None:
    """Validate FHIR files against R4 4.0.1. Exit code 1 for errors in them, 2 for a file that cannot be read."""
    checked, out, unread = Checked(*_prepared(files)), _Printer(as_json), False
    for name in files:
        try:
            with _opened(name) as stream:
                for document in documents(stream, name):
                    for issue in checked.issues(document.body):
                        out.show(name, document, issue)
                    _progress(checked.resources)
        except OSError as error:
            print(f"setpoint: {name}: {error.strerror or 'cannot be read'}", file=sys.stderr)
            unread = True
    out.end()
    print(f"{checked.resources} resources, {checked.errors} errors, {checked.others} warnings and notes", file=sys.stderr if as_json else sys.stdout)
    raise typer.Exit(2 if unread else 1 if checked.errors else 0)


def _prepared(files: list[str]) -> tuple[Validator, dict[str, list[Json]]]:
    """The validator, and the Questionnaires by address: our scales, then those in the files, whatever their order."""
    from service.commands.console import read_settings
    from service.definitions import compile_definitions
    from service.knowledge import load

    knowledge = load(read_settings().knowledge_dir)
    validator = compile_definitions(knowledge).validator
    known: dict[str, list[Json]] = {}
    for made in map(questionnaire, knowledge.scales.values()):
        known[made["url"]] = [made]
    for name in files:
        if name != "-":
            _learn_file(known, validator, name)
    return validator, known


def _learn_file(known: dict[str, list[Json]], validator: Validator, name: str) -> None:
    """Take the Questionnaires out of a file; one that is not valid is reported later, and nothing is checked against it."""
    try:
        with _opened(name) as stream:
            for document in documents(stream, name):
                if b'"Questionnaire"' in document.body:
                    resource = parse(document.body)
                    if not validator.validate(resource):
                        learn(known, resource)
    except (OSError, Malformed):
        return


def learn(known: dict[str, list[Json]], resource: Json) -> None:
    """Keep a Questionnaire, or those in a Bundle, under its address."""
    if resource.get("resourceType") == "Questionnaire" and "url" in resource:
        listed = known.setdefault(resource["url"], [])
        if resource not in listed:
            listed.append(resource)
    elif resource.get("resourceType") == "Bundle":
        for entry in resource.get("entry", ()):
            if isinstance(entry.get("resource"), dict):
                learn(known, entry["resource"])


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def documents(stream: BinaryIO, name: str) -> Iterator[Document]:
    """The resources of a stream: NDJSON by its name or by a first line that is a whole resource, else one JSON document."""
    is_lines = name.lower().endswith((".ndjson", ".jsonl"))
    first, number = b"", 0
    while not first.strip():
        first, number = stream.readline(), number + 1
        if not first:
            return
    if not is_lines and not _is_whole(first):
        yield Document(None, first + stream.read())
        return
    second = stream.readline()
    yield Document(number if is_lines or second.strip() else None, first)
    while second:
        number += 1
        if second.strip():
            yield Document(number, second)
        second = stream.readline()


def _is_whole(line: bytes) -> bool:
    try:
        parse(line)
    except Malformed:
        return False
    return True


def _progress(done: int) -> None:
    if done % PROGRESS == 0 and sys.stderr.isatty():
        print(f"\r{done} resources", end="", file=sys.stderr, flush=True)


class _Printer:
    """Findings as they come: a line each, or the elements of one JSON array."""

    def __init__(self, as_json: bool) -> None:
        self._as_json, self._count = as_json, 0

    def show(self, name: str, document: Document, issue: Issue) -> None:
        inside = _ENTRY.match(issue.expression or "")
        entry: Any = document.line if document.line is not None else inside[1] if inside else None
        self._count += 1
        if self._as_json:
            row = {"file": name, "entry": entry, "severity": issue.severity, "code": issue.code, "expression": issue.expression, "text": issue.text}
            print("[" if self._count == 1 else ",", json.dumps(row, ensure_ascii=False))
            return
        where = name if entry is None else f"{name}:{entry}"
        print(f"{where}: {issue.severity} {issue.code} {issue.expression or '-'}: {issue.text}")

    def end(self) -> None:
        if self._as_json:
            print("]" if self._count else "[]")
