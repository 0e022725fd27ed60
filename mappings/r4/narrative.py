"""What a Narrative.div may hold (R4 narrative.html, txt-1 and txt-2): formatting only, nothing that acts or loads."""

import re
from xml.parsers import expat

_ELEMENTS = frozenset(
    (
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    )
)
_ATTRIBUTES = frozenset(
    (
        "abbr",
        "accesskey",
        "align",
        "alt",
        "axis",
        "bgcolor",
        "border",
        "cellhalign",
        "cellpadding",
        "cellspacing",
        "cellvalign",
        "char",
        "charoff",
        "charset",
        "cite",
        "class",
        "colspan",
        "compact",
        "coords",
        "dir",
        "frame",
        "headers",
        "height",
        "href",
        "hreflang",
        "hspace",
        "id",
        "label",
        "lang",
        "longdesc",
        "name",
        "nowrap",
        "rel",
        "rev",
        "rowspan",
        "rules",
        "scope",
        "shape",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "tabindex",
        "title",
        "type",
        "valign",
        "value",
        "vspace",
        "width",
        "xml:lang",
        "xml:space",
        "xmlns",
    )
)
_LOCATION = re.compile(r"(?i)[\x00-\x20]*(?:https?:|ftp:|mailto:|tel:|data: ?image/(?:png|gif|jpeg);|#|urn:|[A-Za-z0-9./_?-]+(?![^/?#]*:))")
_NAMESPACE = "http://www.w3.org/1999/xhtml"
_STYLE = re.compile(r"(?i)expression|javascript|url\s*\((?!data: ?image/(?:png|gif|jpeg);)|@import|behavior")
_ENTITIES = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)[A-Za-z0-9]+;")


class _Unsafe(Exception):
    pass


def is_safe(div: object) -> bool:
    """Whether `div` is one XHTML div of allowed elements and attributes with some content."""
    if not isinstance(div, str) or not div.lstrip().startswith("<div"):
        return False
    seen = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = seen.start
    parser.CharacterDataHandler = seen.text
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = seen.refuse
    try:
        # Named HTML entities are allowed in a narrative and unknown to XML; what they stand for does not matter here.
        parser.Parse(_ENTITIES.sub("-", div).encode(), True)
    except (expat.ExpatError, _Unsafe, UnicodeEncodeError):
        return False
    return seen.has_content


class _Reader:
    """Looks at each part of a div as the parser meets it."""

    def __init__(self) -> None:
        self.is_root, self.has_content = True, False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.is_root and (name != "div" or attributes.get("xmlns") != _NAMESPACE):
            raise _Unsafe
        if name not in _ELEMENTS or (not self.is_root and attributes.get("xmlns", _NAMESPACE) != _NAMESPACE):
            raise _Unsafe
        self.is_root = False
        self.has_content = self.has_content or name == "img"
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES or (attribute == "style" and _STYLE.search(value)):
                raise _Unsafe
            if attribute in ("href", "src", "cite", "longdesc") and value and not _LOCATION.match(value):
                raise _Unsafe

    def text(self, data: str) -> None:
        self.has_content = self.has_content or bool(data.strip())

    def refuse(self, *_: object) -> None:
        raise _Unsafe
