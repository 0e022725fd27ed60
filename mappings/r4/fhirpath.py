"""FHIRPath as the R4 definitions use it (invariants and search parameters): text to a tree. Evaluated in path_evaluation.py."""

import re
from dataclasses import dataclass, field

from mappings.knowledge import KnowledgeError


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or boolean written in the expression; None is the empty collection {}."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Variable:
    """%resource, %rootResource, %context, %ucum, or $this (named "this")."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """A member by name, of `on` or (None) of the focus."""

    on: "Tree | None"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function; `on` as in Step."""

    on: "Tree | None"
    name: str
    arguments: "tuple[Tree, ...]" = field(default=())


@dataclass(frozen=True, slots=True)
class Index:
    """on[at]."""

    on: "Tree"
    at: int


@dataclass(frozen=True, slots=True)
class Typed:
    """`on` is Type, or `on` as Type; `operator` says which."""

    on: "Tree"
    operator: str
    type: str


@dataclass(frozen=True, slots=True)
class Binary:
    """left operator right."""

    operator: str
    left: "Tree"
    right: "Tree"


Tree = Literal | Variable | Step | Call | Index | Typed | Binary

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<variable>[%$][A-Za-z_`'-][A-Za-z0-9_'`-]*)|(?P<mark><=|>=|!=|!~|[.()\[\],|=~<>+*/&{}-]))"
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!=", "~", "!~"),
    ("<", "<=", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/"),
)
_SAFE_DEPTH = 60


def parse_expression(text: str) -> Tree:
    """The tree of a FHIRPath expression. Raises KnowledgeError where the text is not of the supported subset."""
    reader = _Reader(text)
    tree = reader.level(0)
    if reader.kind:
        raise KnowledgeError(f"FHIRPath: '{reader.word}' was not expected in: {text}")
    return tree


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.kind, self.word, self.depth = text, 0, "", "", 0
        self.advance()

    def advance(self) -> None:
        if not self.text[self.at :].strip():
            self.kind, self.word = "", ""
            return
        found = _TOKEN.match(self.text, self.at)
        if found is None or found.lastgroup is None:
            raise KnowledgeError(f"FHIRPath: cannot read from position {self.at}: {self.text}")
        self.at, self.kind, self.word = found.end(), found.lastgroup, found[found.lastgroup]

    def take(self, word: str) -> None:
        if self.word != word or self.kind == "string":
            raise KnowledgeError(f"FHIRPath: '{word}' was expected before position {self.at}: {self.text}")
        self.advance()

    def level(self, depth: int) -> Tree:
        if depth == len(_LEVELS):
            return self.postfix(self.primary())
        left = self.level(depth + 1)
        while self.kind in ("mark", "name") and self.word in _LEVELS[depth]:
            operator = self.word
            self.advance()
            left = Typed(left, operator, self.type_name()) if operator in ("is", "as") else Binary(operator, left, self.level(depth + 1))
        return left

    def type_name(self) -> str:
        name = self.word
        self.advance()
        if name in ("FHIR", "System") and self.word == ".":
            self.advance()
            name = self.word
            self.advance()
        return name

    def primary(self) -> Tree:
        self.depth += 1
        if self.depth > _SAFE_DEPTH * 20:
            raise KnowledgeError("FHIRPath: the expression is too long")
        kind, word = self.kind, self.word
        if word == "(" and kind == "mark":
            self.advance()
            inner = self.level(0)
            self.take(")")
            return inner
        if word == "{" and kind == "mark":
            self.advance()
            self.take("}")
            return Literal(None)
        self.advance()
        if kind == "string":
            return Literal(re.sub(r"\\(.)", r"\1", word[1:-1]))
        if kind == "number":
            return Literal(float(word) if "." in word else int(word))
        if kind == "variable":
            return Variable(word[1:].strip("'`"))
        if kind == "name":
            return Literal(word == "true") if word in ("true", "false") else self.named(None, word.strip("`"))
        raise KnowledgeError(f"FHIRPath: '{word}' was not expected in: {self.text}")

    def postfix(self, tree: Tree) -> Tree:
        while self.kind == "mark" and self.word in (".", "["):
            mark = self.word
            self.advance()
            if mark == ".":
                name = self.word.strip("`")
                if self.kind != "name":
                    raise KnowledgeError(f"FHIRPath: a name was expected after '.': {self.text}")
                self.advance()
                tree = self.named(tree, name)
                continue
            if self.kind != "number" or not self.word.isdigit():
                raise KnowledgeError(f"FHIRPath: only whole numbers in []: {self.text}")
            tree = Index(tree, int(self.word))
            self.advance()
            self.take("]")
        return tree

    def named(self, on: Tree | None, name: str) -> Tree:
        if self.word != "(" or self.kind != "mark":
            return Step(on, name)
        self.advance()
        if name in ("as", "is", "ofType"):
            type_name = self.type_name()
            self.take(")")
            return Typed(on or Variable("this"), name, type_name)
        arguments: list[Tree] = []
        while self.word != ")":
            arguments.append(self.level(0))
            if self.word == ",":
                self.advance()
            elif self.word != ")":
                self.take(")")
        self.advance()
        # trace() only tells a debugger something.
        return on if name == "trace" and on is not None else Call(on, name, tuple(arguments))
