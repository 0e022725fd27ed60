"""Knowledge files: how a broken one says where. Reading them from disk is the service's work (`service/knowledge.py`)."""

import json
import re
from typing import Any

Path = tuple[str | int, ...]


class KnowledgeError(ValueError):
    """A knowledge file that must not be used. `path` leads to the wrong element, e.g. ("items", 3, "loinc")."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message, self.path = message, path


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def line_of(text: str, path: Path) -> int:
    """The 1-based line on which the element at `path` stands in JSON `text`; the nearest enclosing one where it is missing."""
    stack: list[list[Any]] = []
    best, best_line, key, expect_key = -1, 1, None, False
    for token in _TOKEN.finditer(text):
        word = token.group()
        if expect_key and word.startswith('"'):
            key, expect_key = json.loads(word), False
            depth, here = len(stack) - 1, key
        elif word in "}]":
            stack.pop()
            expect_key = False
            continue
        elif word == ",":
            if stack[-1][0] == "[":
                stack[-1][1] += 1
            else:
                expect_key = True
            continue
        elif word == ":":
            continue
        elif stack and stack[-1][0] == "[":
            depth, here = len(stack) - 1, stack[-1][1]
        else:
            depth, here = -1, None
        if depth >= 0:
            if stack[depth][0] == "{":
                stack[depth][1] = here
            trail = [level[1] for level in stack[: depth + 1]]
            if depth > best and tuple(trail) == path[: depth + 1]:
                best, best_line = depth, text.count("\n", 0, token.start()) + 1
        if word in "{[":
            stack.append([word, None if word == "{" else 0])
            expect_key = word == "{"
    return best_line
