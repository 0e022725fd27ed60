"""A rating scale as its file declares it. `scale.id` is the measure id and the file's stem.

`build` turns the parsed file (valid against SCHEMA) into a Scale, and refuses what a schema cannot see: a range that its items
cannot give, bands with gaps, a reference to nothing, a table that is incomplete or not monotone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.knowledge import KnowledgeError, Path
from mappings.scales.assembly import item_of, skip_of, sources
from mappings.scales.parts import ChangeFact, Code, Item, Licence, Rule, SafetyRule, Skip
from mappings.scales.rules import codes, rules
from mappings.scales.schema import SCHEMA
from mappings.vocabulary import Json

__all__ = ["SCHEMA", "Scale", "build"]


@dataclass(frozen=True, slots=True)
class Scale:
    """One rating scale. `rules[0]` gives the total, coded as the scale itself. `by_key` finds an item by every name a linkId may
    have; `numbers` by its bare number; `score_keys` a stated total; `names`: all of these that are this scale's alone."""

    id: str
    title: str
    short: str
    version: str
    edition: str
    domain: str
    mode: str
    recall: str
    frequency: str
    direction: str
    introduction: str
    licence: Licence
    codes: tuple[Code, ...]
    panel: tuple[Code, ...]
    items: tuple[Item, ...]
    by_id: Mapping[str, Item]
    by_key: Mapping[str, Item]
    numbers: Mapping[str, Item]
    score_keys: Mapping[str, Rule]
    names: frozenset[str]
    skips: tuple[Skip, ...]
    rules: tuple[Rule, ...]
    by_rule: Mapping[str, Rule]
    safety: tuple[SafetyRule, ...]
    change: tuple[ChangeFact, ...]
    notes: tuple[str, ...]
    source: tuple[str, ...]

    @property
    def total(self) -> Rule:
        """The rule of THE total."""
        return self.rules[0]

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score is good news."""
        return self.direction == "higher-better"


def build(data: Json) -> Scale:
    """The scale in `data`. Errors: KnowledgeError whose path leads to the wrong element."""
    items = _items(data)
    by_id = {item.id: item for item in items}
    found = rules(data, by_id)
    by_rule = {rule.code: rule for rule in found}
    by_key, score_keys, licence = _keys(data["id"], items), _score_keys(found), data["licence"]
    if licence["wording"] == "site":
        _refuse_wording(data)
    return Scale(
        id=data["id"], title=data["title"], short=data["short"], version=data["version"], edition=data["edition"],
        domain=data["domain"], mode=data["mode"], recall=data.get("recall", ""), frequency=data.get("frequency", ""),
        direction=data["direction"], introduction=data.get("introduction", ""),
        licence=Licence(licence["state"], licence["wording"], licence["notice"], sources(licence)),
        codes=codes(data.get("codes", [])), panel=codes(data.get("panel", [])),
        items=items, by_id=by_id, by_key=by_key, numbers={item.id: item for item in items},
        score_keys=score_keys, names=(frozenset(by_key) | frozenset(score_keys)) - {"total", "total-score"},
        skips=tuple(skip_of(each, ("skips", at), by_id) for at, each in enumerate(data.get("skips", []))),
        rules=found, by_rule=by_rule,
        safety=tuple(_safety(each, ("safety", at), data["id"], by_id, by_rule) for at, each in enumerate(data.get("safety", []))),
        change=tuple(_change(each, ("change", at), by_rule, data["id"]) for at, each in enumerate(data.get("change", []))),
        notes=tuple(data.get("notes", [])), source=sources(data),
    )  # fmt: skip


def _items(data: Json) -> tuple[Item, ...]:
    items: list[Item] = []
    seen: dict[str, str] = {}
    for at, each in enumerate(data["items"]):
        item = item_of(each, ("items", at), data["id"], data.get("answers", {}))
        for key in dict.fromkeys((item.id, item.link)):
            if key in seen:
                name = "loinc" if key == each.get("loinc") else "id"
                raise KnowledgeError(f"{key!r} names two items", ("items", at, name))
            seen[key] = item.id
        items.append(item)
    return tuple(items)


def _refuse_wording(data: Json) -> None:
    for at, each in enumerate(data["items"]):
        if "wording" in each:
            raise KnowledgeError("the licence lets no wording ship: give a topic in our own words", ("items", at, "wording"))


def _keys(scale_id: str, items: tuple[Item, ...]) -> dict[str, Item]:
    keys: dict[str, Item] = {}
    for item in items:
        keys[item.code] = item
        keys[f"{scale_id}.{item.id}"] = item
    return keys


def _score_keys(found: tuple[Rule, ...]) -> dict[str, Rule]:
    keys = {code.code: rule for rule in found for code in rule.codes}
    return {"total": found[0], "total-score": found[0]} | keys | {rule.code: rule for rule in found}


def _safety(data: Json, path: Path, scale_id: str, items: Mapping[str, Item], known: Mapping[str, Rule]) -> SafetyRule:
    names, score = tuple(data.get("items", [])), data.get("score")
    for at, name in enumerate(names):
        if name not in items:
            raise KnowledgeError(f"item {name!r} is not in this scale", (*path, "items", at))
        if not items[name].low < data["min"] <= items[name].high:
            raise KnowledgeError(f"no answer of item {name!r} separates at this score", (*path, "min"))
    if score is not None and (score not in known or known[score].kind != "number"):
        raise KnowledgeError(f"score {score!r} is not a number of this scale", (*path, "score"))
    return SafetyRule(f"{scale_id}.{data['key']}", names, score, data["min"], data["level"], data["text"], sources(data))


def _change(data: Json, path: Path, known: Mapping[str, Rule], scale_id: str) -> ChangeFact:
    score = data.get("score", scale_id)
    if score not in known:
        raise KnowledgeError(f"score {score!r} is not in this scale", (*path, "score"))
    return ChangeFact(
        data["kind"], score, data.get("value"), data.get("min"), data.get("max"), data.get("percent", False), data.get("floor", 0),
        data.get("r"), data.get("mean"), data.get("sd"), data.get("sample", ""), data.get("note", ""), data["evidence"], sources(data),
    )  # fmt: skip
