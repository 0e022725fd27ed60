"""A site's own wording file: the words of a scale that the site may show and we may not ship.

It changes texts only; codes, scores and rules stay ours. `put_on` gives the scale's file with the site's words, to be built as any other.
"""

from typing import Final

from mappings.knowledge import KnowledgeError
from mappings.vocabulary import Json

_TEXT: Final[Json] = {"type": "string", "minLength": 1}
_TEXTS: Final[Json] = {"type": "object", "additionalProperties": _TEXT, "minProperties": 1}

SCHEMA: Final[Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "scale": _TEXT,
        "introduction": _TEXT,
        "items": _TEXTS,
        "answers": {"type": "object", "additionalProperties": _TEXTS, "minProperties": 1},
        "notice": _TEXT,
        "source": {"type": "array", "items": _TEXT, "minItems": 1},
    },
    "required": ["scale", "items", "notice", "source"],
    "additionalProperties": False,
}


def put_on(scale: Json, wording: Json) -> Json:
    """The scale file `scale` with the words of `wording`: `items` by item id, `answers` by list and answer code.

    `notice` is the site's permission. Errors: KnowledgeError whose path leads into the wording file.
    """
    if wording["scale"] != scale["id"]:
        raise KnowledgeError("it is for another scale", ("scale",))
    licence = scale["licence"] | {"wording": "ships", "notice": f"{scale['licence']['notice']} {wording['notice']}"}
    made = scale | {"licence": licence, "items": _items(scale["items"], wording["items"])}
    if "introduction" in wording:
        made["introduction"] = wording["introduction"]
    if "answers" in wording:
        made["answers"] = _answers(scale.get("answers", {}), wording["answers"])
    return made


def _items(items: list[Json], words: Json) -> list[Json]:
    known = {item["id"] for item in items}
    for name in words:
        if name not in known:
            raise KnowledgeError(f"item {name!r} is not in this scale", ("items", name))
    return [_worded(item, words[item["id"]]) if item["id"] in words else item for item in items]


def _worded(item: Json, text: str) -> Json:
    return {("wording" if key == "topic" else key): (text if key in ("topic", "wording") else value) for key, value in item.items()}


def _answers(lists: Json, words: Json) -> Json:
    made = dict(lists)
    for name, texts in words.items():
        codes = [option.get("loinc") or option.get("code") for option in lists.get(name, [])]
        for code in texts:
            if code not in codes:
                raise KnowledgeError(f"answer {code!r} is not in this list", ("answers", name, code))
        made[name] = [option | {"text": texts.get(code, option["text"])} for code, option in zip(codes, lists[name], strict=True)]
    return made
