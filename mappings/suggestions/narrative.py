"""The words of a suggestion: what was seen, why for this person, what is proposed, what it rests on and what it does not know.

Everything that comes from outside is escaped; the div holds text, lists and bold, no links and no styles (R4 narrative.html).
"""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from mappings.suggestions.condition import in_words
from mappings.suggestions.facts import Catalogue, Fact, FactValue, Value, rounded
from mappings.suggestions.rule import Rule, Verdict
from mappings.vocabulary import Json

PROPOSAL: Final = "This is a proposal for review by a clinician together with the person. Nothing has been ordered or changed."
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RANGE: Final = ("set-point", "personal-low", "personal-high", "earlier-values")


def told(verdict: Verdict, catalogue: Catalogue) -> Iterator[tuple[Fact, FactValue, bool]]:
    """The facts a suggestion tells, with whether the verdict rests on them. Ages change by themselves and are not told; a duration is
    told as the date it began."""
    for name, value in verdict.used.items():
        fact = catalogue[name]
        if fact.unit not in ("d", "a"):
            yield fact, value, name in verdict.reasons


def plain(fact: Fact, value: FactValue) -> Value | None:
    """The value as it is told; of a duration the date it began."""
    return value.as_of if fact.unit == "wk" else rounded(value.value)


def reasons(verdict: Verdict, catalogue: Catalogue) -> list[str]:
    """What the verdict rests on, each with its date."""
    return [_said(fact, value) + _dated(fact, value) for fact, value, is_reason in told(verdict, catalogue) if is_reason]


def _dated(fact: Fact, value: FactValue) -> str:
    return f", {value.as_of[:10]}" if value.as_of and fact.unit != "wk" else ""


def sources(verdict: Verdict) -> str:
    """Where the reasons were read from."""
    return f"Read from {', '.join(verdict.refs)}." if verdict.refs else "No source is recorded."


def _said(fact: Fact, value: FactValue) -> str:
    shown = plain(fact, value)
    if isinstance(shown, bool):
        return f"{fact.description}: {'yes' if shown else 'no'}"
    if isinstance(shown, float | int):
        return f"{fact.description}: {_amount(shown, fact.display)}"
    return f"{fact.description}: {shown}" if fact.unit != "wk" else f"{fact.description}: {(shown or 'at an unknown date')[:10]}"


def _amount(value: float, unit: str) -> str:
    return f"{_number(value)} {unit.removesuffix('s') if value == 1 else unit}".rstrip()


def _number(value: float) -> str:
    """Three digits; of what is a hundred or more no fraction, else of what is one or more a tenth."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{round(value, 1):g}" if abs(value) >= 1 else f"{value:.3g}"


def background(verdict: Verdict, catalogue: Catalogue) -> list[str]:
    """What else is known."""
    others = [(fact, value) for fact, value, is_reason in told(verdict, catalogue) if not is_reason]
    return [_said(fact, value) for fact, value in others if fact.name.rpartition(".")[2] not in _RANGE]


def expectations(verdict: Verdict, catalogue: Catalogue) -> list[str]:
    """What was expected of this person, by measure, where the rule asks for set point, range and number of earlier values."""
    found = dict[str, dict[str, FactValue]]()
    for fact, value, _ in told(verdict, catalogue):
        measure, _, part = fact.name.rpartition(".")
        if part in _RANGE:
            found.setdefault(measure, {})[part] = value
    return [line for measure, parts in found.items() for line in _ranges(measure, parts, catalogue)]


def _ranges(measure: str, parts: dict[str, FactValue], catalogue: Catalogue) -> list[str]:
    if set(parts) != set(_RANGE):
        return []
    set_point, low, high, earlier = (float(parts[part].value) for part in _RANGE)
    label, unit = catalogue[f"{measure}.value"].description.removeprefix("newest "), catalogue[f"{measure}.value"].display
    times = "1 earlier value" if earlier == 1 else f"{earlier:.0f} earlier values"
    return [f"From {times}, the next {label} of this person was expected around {_number(set_point)}, between {_number(low)} and {_number(high)} {unit}."]


def missing(verdict: Verdict, catalogue: Catalogue) -> list[str]:
    """What was not known, and would have been worth having."""
    facts = (catalogue[name] for name in verdict.missing)
    return [f"{fact.description} (yes or no)" if fact.type == "boolean" else fact.description for fact in facts]


def proposals(verdict: Verdict) -> list[str]:
    """What is proposed, each with its term."""
    return [each.text + (f" (within {days(each.in_days)})" if each.in_days is not None else "") for each in verdict.planned]


def alternatives(verdict: Verdict) -> list[str]:
    """The other ways, and why not first."""
    return [f"{other.text}: {other.why_not}" for each in verdict.planned for other in each.alternatives]


def left_out(verdict: Verdict) -> list[str]:
    """What the rule would propose to others, and why not to this person."""
    return [f"{each.text}: {each.why_not}" for each in verdict.left_out]


def days(count: int) -> str:
    """A number of days in words."""
    return "1 day" if count == 1 else f"{count} days"


def evidence(rule: Rule) -> list[str]:
    """Each source with its grade and what it supports."""
    return [f"{each.citation} ({each.grade}). {each.supports}" + (f" {each.link}" if each.link else "") for each in rule.evidence]


def narrative(rule: Rule, verdict: Verdict, catalogue: Catalogue) -> Json:
    """The Narrative of a suggestion."""
    parts = [
        paragraph(rule.title, bold=True),
        paragraph(PROPOSAL),
        *section("What was seen", reasons(verdict, catalogue)),
        paragraph(sources(verdict)),
        paragraph(" ".join(["Why for this person:", rule.why, *expectations(verdict, catalogue)])),
        *section("Also known", background(verdict, catalogue)),
        *section("Proposed", proposals(verdict)),
        *section("Other ways, and why not first", alternatives(verdict)),
        *section("Not proposed for this person", left_out(verdict)),
        *section("Aim", [rule.goal]),
        *section("Not known", missing(verdict, catalogue)),
        *section("Evidence", evidence(rule)),
        *section("Limits", rule.limits),
        paragraph(f"Rule {rule.id}, version {rule.version}: {in_words(rule.condition)}."),
    ]
    return generated(parts)


def generated(parts: Iterable[str]) -> Json:
    """A Narrative of these parts, each already XHTML."""
    return {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">' + "".join(parts) + "</div>"}


def paragraph(text: str, bold: bool = False) -> str:
    """One paragraph of plain text."""
    return f"<p><b>{safe(text)}</b></p>" if bold else f"<p>{safe(text)}</p>"


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A title and a list; nothing where there are no lines."""
    items = "".join(f"<li>{safe(line)}</li>" for line in lines)
    return [f"<p><b>{safe(title)}</b></p><ul>{items}</ul>"] if items else []


def safe(text: str) -> str:
    """Plain text as XHTML; characters that XML cannot hold are left out."""
    return escape(_NOT_XML.sub("", text), quote=False)
