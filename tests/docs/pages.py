"""The pages a user reads, taken apart: fenced blocks, links, names of files, settings and make targets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.S | re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """One fenced block: ```language mark"""

    page: Path
    language: str
    mark: str
    text: str


def blocks(page: Path, language: str, mark: str = "") -> list[Block]:
    """The blocks of a language whose mark begins so."""
    found = (Block(page, *match.groups()) for match in _FENCE.finditer(page.read_text(encoding="utf-8")))
    return [block for block in found if block.language == language and block.mark.startswith(mark)]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    yield from _LINK.findall(page.read_text(encoding="utf-8"))


def named(page: Path) -> Iterator[str]:
    """What stands in single backticks."""
    yield from _CODE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
