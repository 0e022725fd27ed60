"""A resource as plain text, for the forms that hold nothing else. The text is the narrative, which our resources always carry."""

from html.parser import HTMLParser
from typing import Final

from mappings.vocabulary import Json

WITHDRAWN: Final = ("revoked", "entered-in-error")
_LINE: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "dt", "dd", "hr", "caption"})
_HEADINGS: Final = {
    "draft": "Suggestion for review. It is a proposal, not an order.", "active": "In force.", "revoked": "WITHDRAWN: this no longer holds.",
    "entered-in-error": "WITHDRAWN: this was sent in error.", "inactive": "Resolved.", "completed": "Completed.", "on-hold": "On hold.",
}  # fmt: skip


def plain_text(resource: Json) -> str:
    """The status in words, then the narrative; without one, title, description and code text."""
    narrative = _narrative(resource.get("text", {}).get("div", ""))
    heading = _HEADINGS.get(str(resource.get("status")), "")
    return "\n".join(line for line in (heading, narrative or _fallback(resource)) if line)


def title(resource: Json) -> str:
    """A short title."""
    said = resource.get("title") or resource.get("code", {}).get("text") or resource.get("description")
    return str(said or resource["resourceType"])[:200]


def _fallback(resource: Json) -> str:
    parts = (resource.get("title"), resource.get("code", {}).get("text"), resource.get("description"))
    return "\n".join(dict.fromkeys(str(part) for part in parts if part))


def _narrative(div: str) -> str:
    reader = _Reader()
    reader.feed(div)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LINE:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _LINE:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\n", " "))
