"""Writes what these pages take from the code, so that nobody has to keep it in step by hand:

    .venv/bin/python docs/generate.py

settings.md as a whole, and the tables between "generated" marks in the other pages. A test compares.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from docs import knowledge_tables, prior_tables  # noqa: E402
from docs.table import table  # noqa: E402
from service.definitions import capability  # noqa: E402
from service.errors import RETRY_AFTER_S, Kind  # noqa: E402
from service.fhir.routes import ROUTES  # noqa: E402
from service.search.query import MODIFIERS  # noqa: E402
from service.settings import _SECRETS, PREFIX, Settings  # noqa: E402

_MARK = "<!-- generated: {} -->\n{}\n<!-- end -->"
_SECTION = re.compile(r"<!-- generated: ([a-z]+) -->\n.*?<!-- end -->", re.S)


def settings() -> str:
    """docs/settings.md: every setting with its default."""
    secret = {PREFIX + name.upper() for name in _SECRETS}
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        default = "none" if field.default is None else f"`{field.default}`"
        also = f"; also `{variable}_FILE`" if variable in secret else ""
        rows.append((f"`{variable}`", default, f"{field.description}{also}"))
    return (
        "# Settings\n\n"
        "Settings come from the environment of each process; `setpoint settings` shows every one with its value and where it came from\n"
        "(secrets hidden). A `..._FILE` variant names a file that holds the value: for secrets that should not stand in an environment. Give `serve`,\n"
        "`worker` and the other commands the same settings.\n\n"
        f"{table(('setting', 'default', 'meaning'), rows)}\n\n"
        f"Beside these: the container image knows `{PREFIX}MIGRATE` ([deploy](deploy.md)), and the tests know `{PREFIX}TEST_DATABASE_URL` (a\n"
        f"PostgreSQL to test against) and `{PREFIX}TEST_ROUNDS` (more rounds of the random tests).\n"
    )


def types() -> str:
    """What may be done with each kept type."""
    declared = capability()
    common = set(declared["interactions"])
    rows = []
    for name, entry in declared["types"].items():
        offered = entry.get("interactions", declared["interactions"])
        left = "all" if set(offered) == common else ", ".join(offered)
        more = ", ".join(f"`${operation}`" for operation in entry.get("operations", ()))
        rows.append((f"`{name}`", left, more, entry.get("note", "")))
    return table(("type", "interactions", "operations", "note"), rows)


_EXAMPLES = {
    "token": ("a code or an identifier", "`code=http://loinc.org\\|44261-6`, `identifier=https://hospital.example/mrn\\|4711`, `status=active,draft`"),
    "string": ("a text, from its beginning, whatever its case and accents", "`family=sand`"),
    "reference": ("another resource", "`subject=Patient/123`, `patient=123`"),
    "date": ("a time, at the precision written; with `eq ne gt lt ge le sa eb ap`", "`date=ge2026-01&date=lt2026-02`"),
    "number": ("a number, at the precision written; the same prefixes", "`probability=gt0.8`"),
    "quantity": ("a number, if you like with unit; the same prefixes", "`value-quantity=gt10\\|\\|{score}`"),
    "uri": ("an address, exactly", "`url=https://setpoint.example/fhir/Questionnaire/phq-9`"),
}


_REST = {
    "patch": "patch",
    "history-type": "history of a type",
    "history-system": "history of everything",
    "search-system": "search over all types",
    "update-conditional": "conditional update",
    "delete-conditional": "conditional delete",
}
_CONDITIONAL = {("PUT", "T"): "update-conditional", ("DELETE", "T"): "delete-conditional"}


def missing() -> str:
    """R4's interactions that no route answers."""
    offered = {_CONDITIONAL.get((route.method, route.shape), route.interaction) for route in ROUTES}
    left = [text for name, text in _REST.items() if name not in offered]
    return f"Not offered: {', '.join(left)}." if left else "Every interaction of R4's REST API is offered."


def searches() -> str:
    """The kinds of search parameter with their modifiers."""
    rows = []
    for kind, (what, example) in _EXAMPLES.items():
        known = sorted(MODIFIERS[kind])
        modifiers = [f"`:{each}`" for each in known] + (["`:Type`"] if kind == "reference" else [])
        rows.append((kind, what, example.replace("\\|", "|"), ", ".join(modifiers)))
    return table(("kind", "finds", "example", "modifiers"), rows)


_WHEN = {
    "MALFORMED": "not JSON that may be taken: syntax, duplicate keys, NaN, bad UTF-8, too deep",
    "INVALID": "not valid R4, an unknown search parameter, a value that cannot be",
    "UNAUTHENTICATED": "no token, or one that is not accepted; the answer is always the same",
    "FORBIDDEN": "the token's scopes or its patient do not cover this, whether or not it exists",
    "NOT_FOUND": "nothing there, or no such address",
    "UNKNOWN_TYPE": "this resource type is not kept here",
    "NOT_ALLOWED": "the interaction is not offered: append-only types, resources from knowledge files",
    "NOT_ACCEPTABLE": "another format than JSON is asked for",
    "CONFLICT": "derived content was to be changed, a suggestion is not open any more, or the record is too busy",
    "GONE": "it was deleted; its history can still be read",
    "PRECONDITION": "the version in `If-Match` is not the newest one, or `If-None-Exist` is not understood",
    "SEVERAL": "more than one resource fits `If-None-Exist`",
    "TOO_LARGE": "the body or the Bundle is larger than the settings allow",
    "UNSUPPORTED_MEDIA": "the body is not declared as `application/fhir+json`, or is compressed",
    "UNPROCESSABLE": "a reference leads to nobody known here",
    "TOO_MANY": "too much waits to be written; come back later",
    "UNKNOWN": "a mistake of ours; the log has it under the request id in the answer",
    "UNAVAILABLE": "the database does not answer",
}


def errors() -> str:
    """The closed family of errors."""
    rows = []
    for kind in Kind.__members__.values():
        retry = f" (`Retry-After: {RETRY_AFTER_S[kind]}`)" if kind in RETRY_AFTER_S else ""
        rows.append((f"{kind.status}{retry}", f"`{kind.code}`", _WHEN[kind.name]))
    return table(("status", "issue code", "when"), rows)


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings}
SECTIONS: dict[str, Callable[[], str]] = {
    "missing": missing,
    "types": types,
    "searches": searches,
    "errors": errors,
    **knowledge_tables.SECTIONS,
    **prior_tables.SECTIONS,
}


def filled(text: str) -> str:
    """A page with its generated sections made anew."""
    return _SECTION.sub(lambda match: _MARK.format(match[1], SECTIONS[match[1]]()), text)


def pages() -> dict[Path, str]:
    """Every page that holds something generated, as it should be."""
    found = {HERE / name: make() for name, make in PAGES.items()}
    for path in sorted(HERE.glob("*.md")):
        if path not in found and "<!-- generated:" in path.read_text(encoding="utf-8"):
            found[path] = filled(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    for page, wanted in pages().items():
        page.write_text(wanted, encoding="utf-8")
