"""Building the score rules of a scale, and proving them: every range, table and band is worked out again from the items."""

from collections.abc import Mapping
from itertools import pairwise

from mappings.knowledge import KnowledgeError, Path
from mappings.scales.assembly import sources, whole
from mappings.scales.condition import Condition, Number, condition
from mappings.scales.parts import Band, Code, Cutoff, Item, Level, Missing, Part, Rule, Screen
from mappings.vocabulary import LOINC, OURS, SYSTEMS, Json

_COMPLETE = Missing(0, "none", "none", "", ())


def codes(data: list[Json]) -> tuple[Code, ...]:
    """The standard codes of an element that were seen in a source; an unverified one stays in the file."""
    return tuple(Code(SYSTEMS[each["system"]], each["code"], each["status"], sources(each)) for each in data if each["status"] == "verified")


def rules(data: Json, items: Mapping[str, Item]) -> tuple[Rule, ...]:
    """All scores of the scale, the total first. Errors: KnowledgeError with the path to the wrong element."""
    listed: list[Json] = data["scores"]
    names = [each["id"] for each in listed]
    for at, name in enumerate(names):
        if name in names[:at] or (name != data["id"] if at == 0 else not name.startswith(data["id"] + ".")):
            raise KnowledgeError("the first score is named as the scale, others scale.name, each once", ("scores", at, "id"))
    return _Builder(data, listed, items).all()


class _Builder:
    """Builds each score after those it rests on."""

    def __init__(self, scale: Json, listed: list[Json], items: Mapping[str, Item]) -> None:
        self._scale, self._listed, self._items = scale, listed, items
        self._names = [each["id"] for each in listed]
        self._known, self._built, self._open = frozenset(self._names), dict[str, Rule](), list[str]()

    def all(self) -> tuple[Rule, ...]:
        return tuple(self._rule(name) for name in self._names)

    def _rule(self, name: str, path: Path = ()) -> Rule:
        if name in self._open:
            raise KnowledgeError("scores rest on each other in a circle", path)
        if name not in self._built:
            self._open.append(name)
            at = self._names.index(name)
            self._built[name] = self._make(self._listed[at], ("scores", at))
            self._open.pop()
        return self._built[name]

    def _condition(self, data: Json | None, path: Path) -> Condition | None:
        if data is None:
            return None
        found = condition(data, path, frozenset(self._items), self._known)
        for ref in found.refs("score"):
            if ref != self._open[-1]:
                self._rule(ref, path)
        return found

    def _make(self, data: Json, path: Path) -> Rule:
        kind = "number" if "of" in data else "boolean" if "holds" in data else "level" if "levels" in data else "profile"
        parts = tuple(self._part(each, (*path, "of", at)) for at, each in enumerate(data.get("of", ())))
        holds = self._condition(data.get("holds"), (*path, "holds"))
        levels = tuple(self._level(each, (*path, "levels", at)) for at, each in enumerate(data.get("levels", ())))
        if levels and (levels[-1].when is not None or any(level.when is None for level in levels[:-1])):
            raise KnowledgeError("every level but the last needs a condition", (*path, "levels"))
        table = {whole(float(key)): value for key, value in data["table"].items()} if "table" in data else None
        multiply = data.get("multiply", 1)
        low, high = self._range(data, path, parts, multiply, table) if parts else (0, max(len(levels) - 1, 1))
        step = 1 if all(isinstance(value, int) for value in (low, high)) else 0.1
        used = self._used(parts, holds, levels)
        return Rule(
            code=data["id"], title=data["title"], kind=kind, codes=codes(data.get("codes", [])),  # type: ignore[arg-type]
            items=used, links=tuple(self._items[name].link for name in used), parts=parts,
            plain=_plain(parts), multiply=multiply, table=table, low=low, high=high,
            missing=_missing(data.get("missing"), (*path, "missing"), len(parts)),
            bands=_bands(data.get("bands"), (*path, "bands"), data["id"], low, high, step),
            cutoffs=tuple(_cutoff(each, (*path, "cutoffs", at), low, high) for at, each in enumerate(data.get("cutoffs", ()))),
            screen=self._screen(data.get("screen"), (*path, "screen")), holds=holds, levels=levels, source=sources(data),
            concept=_concept(data, _title(self._scale, data)),
        )  # fmt: skip

    def _part(self, data: str | Json, path: Path) -> Part:
        if isinstance(data, str):
            data = {"item": data}
        if "when" in data:
            return Part((), False, whole(data["points"]), 0, 0, self._condition(data["when"], (*path, "when")))
        if "score" in data:
            if data["score"] not in self._known or self._rule(data["score"], path).kind != "number":
                raise KnowledgeError(f"score {data['score']!r} is not a number of this scale", (*path, "score"))
            return Part((data["score"],), True, data.get("weight", 1), 0, 1)
        refs = tuple(data["max"]) if "max" in data else (data["item"],)
        for ref in refs:
            if ref not in self._items:
                raise KnowledgeError(f"item {ref!r} is not in this scale", path)
        need = data.get("need", len(refs))
        if need > len(refs):
            raise KnowledgeError("more needed than there are", (*path, "need"))
        return Part(refs, False, data.get("weight", 1), data.get("minus", 0), need)

    def _level(self, data: Json, path: Path) -> Level:
        return Level(data["code"], data["text"], self._condition(data.get("when"), (*path, "when")), data.get("loinc"))

    def _screen(self, data: Json | None, path: Path) -> Screen | None:
        when = self._condition(data["when"], (*path, "when")) if data else None
        return Screen(when, data["positive"], data["negative"], sources(data)) if data and when else None

    def _used(self, parts: tuple[Part, ...], holds: Condition | None, levels: tuple[Level, ...]) -> tuple[str, ...]:
        used: list[str] = []
        conditions = [holds, *(level.when for level in levels), *(part.when for part in parts)]
        for part in parts:
            used += self._built[part.refs[0]].items if part.is_score else part.refs
        for each in conditions:
            if each is not None:
                used += each.refs("item")
                for ref in each.refs("score"):
                    used += self._built[ref].items
        chosen = frozenset(used)
        return tuple(name for name in self._items if name in chosen)

    def _range(self, data: Json, path: Path, parts: tuple[Part, ...], multiply: Number, table: dict[Number, Number] | None) -> tuple[Number, Number]:
        ends = [self._ends(part) for part in parts]
        low, high = whole(sum(each[0] for each in ends) * multiply), whole(sum(each[1] for each in ends) * multiply)
        if table is not None:
            low, high = _table_ends(table, low, high, (*path, "table"))
        if [low, high] != data["range"]:
            raise KnowledgeError(f"its parts give {low} to {high}", (*path, "range"))
        return low, high

    def _ends(self, part: Part) -> tuple[Number, Number]:
        if part.when is not None:
            return min(0, part.weight), max(0, part.weight)
        if part.is_score:
            rule = self._built[part.refs[0]]
            low, high = rule.low, rule.high
        else:
            chosen = [self._items[ref] for ref in part.refs]
            low, high = max(item.low for item in chosen), max(item.high for item in chosen)
        ends = ((low - part.minus) * part.weight, (high - part.minus) * part.weight)
        return min(ends), max(ends)


def _table_ends(table: dict[Number, Number], low: Number, high: Number, path: Path) -> tuple[Number, Number]:
    """Ends of a transformation table. It must know every raw score and rise or fall all the way (misprints fail on this)."""
    if sorted(table) != list(range(int(low), int(high) + 1)):
        raise KnowledgeError(f"the table must hold every raw score from {low} to {high}", path)
    values = [table[key] for key in sorted(table)]
    rises = [after > before for before, after in pairwise(values)]
    if any(rises) and not all(rises):
        raise KnowledgeError("the table is not monotone", (*path, str(sorted(table)[rises.index(not rises[0]) + 1])))
    return min(values), max(values)


def _plain(parts: tuple[Part, ...]) -> tuple[str, ...]:
    return tuple(part.refs[0] for part in parts) if all(part.is_plain for part in parts) else ()


def _title(scale: Json, data: Json) -> str:
    return f"{scale['title'] if data['id'] == scale['id'] else scale['short'] + ':'} {data['title']}"


def _concept(data: Json, text: str) -> Json:
    loinc = [{"system": LOINC, "code": code.code} for code in codes(data.get("codes", [])) if code.system == LOINC]
    return {"coding": [*loinc, {"system": OURS, "code": data["id"], "display": text}], "text": text}


def _missing(data: Json | None, path: Path, parts: int) -> Missing:
    if data is None:
        return _COMPLETE
    if data["allowed"] >= max(parts, 1):
        raise KnowledgeError("allows as many missing as there are", (*path, "allowed"))
    if (data["allowed"] > 0) != (data["fill"] != "none"):
        raise KnowledgeError("missing items that are allowed need a way to fill them, and only they", (*path, "fill"))
    return Missing(data["allowed"], data["fill"], data.get("round", "none"), data["evidence"], sources(data))


def _bands(data: Json | None, path: Path, score: str, low: Number, high: Number, step: Number) -> tuple[Band, ...]:
    if data is None:
        return ()
    found = tuple(_band(each, score, sources(data)) for each in data["list"])
    spans = sorted([(band.low, band.high, at) for at, band in enumerate(found)] + [(*pair, -1) for pair in data.get("unnamed", ())])
    for at, (start, end, place) in enumerate(spans):
        due = low if at == 0 else spans[at - 1][1] + step
        if end < start or (round(start - due, 6) > 0 if at == 0 else abs(start - due) > 1e-6):
            raise KnowledgeError("bands leave a gap, overlap, or run backwards", (*path, "list", place, "low"))
    if spans[-1][1] < high:
        raise KnowledgeError(f"the last band ends below {high}", (*path, "list", spans[-1][2], "high"))
    return found


def _band(data: Json, score: str, source: tuple[str, ...]) -> Band:
    word = "-".join("".join(letter if letter.isalnum() else " " for letter in data["text"].lower()).split())
    return Band(data["low"], data["high"], data["text"], f"{score}.band.{word}", source)


def _cutoff(data: Json, path: Path, low: Number, high: Number) -> Cutoff:
    for name in ("min", "max"):
        if name in data and not low <= data[name] <= high:
            raise KnowledgeError("a cut-off outside the range", (*path, name))
    return Cutoff(data.get("min"), data.get("max"), data["met"], data["not_met"], data.get("group", ""), sources(data))
