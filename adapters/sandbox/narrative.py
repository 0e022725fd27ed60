"""Narratives from outside, made fit for a page: a strict allow-list, no attributes, everything else as text."""

from html import escape
from html.parser import HTMLParser
from typing import Final

_WORDS: Final = "p div span b strong i em u small sub sup ul ol li br hr table caption thead tbody tfoot tr td th dl dt dd pre code blockquote"
_KEPT: Final = frozenset(_WORDS.split())
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_EMPTY: Final = frozenset({"br", "hr"})
_SILENT: Final = frozenset({"script", "style", "title", "textarea", "template", "noscript", "iframe", "object", "svg", "math", "select"})
_DEEPEST: Final = 40


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        tag = "h4" if tag in _HEADINGS else tag
        if tag in _SILENT:
            self.silent.append(tag)
        elif not self.silent and (tag in _KEPT or tag == "h4") and len(self.open) < _DEEPEST:
            self.parts.append(f"<{tag}>")
            if tag not in _EMPTY:
                self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _EMPTY:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        tag = "h4" if tag in _HEADINGS else tag
        if self.silent:
            if tag == self.silent[-1]:
                self.silent.pop()
        elif tag in self.open:
            while self.open:
                closed = self.open.pop()
                self.parts.append(f"</{closed}>")
                if closed == tag:
                    break

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(escape(data))


def clean(div: str) -> str:
    """Safe, balanced HTML of a narrative."""
    cleaner = _Cleaner()
    cleaner.feed(div)
    cleaner.close()
    return "".join(cleaner.parts) + "".join(f"</{tag}>" for tag in reversed(cleaner.open))
