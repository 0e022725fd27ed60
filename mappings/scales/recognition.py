"""Which scale a response answers, and whether a response in its state may be scored at all."""

from collections.abc import Iterable, Mapping

from mappings.scales.answers import item_codes, walk
from mappings.scales.scale import Scale
from mappings.vocabulary import CANONICAL, Json

SCORED = frozenset(("completed", "amended"))
_REASONS = {
    "in-progress": "The response is still being answered; it is scored when it is completed.",
    "stopped": "The response was broken off; it is kept and not scored.",
    "entered-in-error": "The response was entered in error; nothing may rest on it.",
}


def is_scored(response: Json) -> bool:
    """Whether this response is scored: only a completed or an amended one is."""
    return response.get("status") in SCORED


def reason_not_scored(response: Json) -> str | None:
    """Why this response is not scored, in a sentence; None where it is."""
    return None if is_scored(response) else _REASONS.get(str(response.get("status")), "The response has no status that is scored.")


def scale_of(response: Json, scales: Mapping[str, Scale], questionnaire: Json | None = None) -> Scale | None:
    """The scale that was answered, or None.

    By the canonical of our Questionnaire (of any version); by a relative or foreign address that ends in a scale's id, if items of that
    scale are there; else by the LOINC codes of its items, which may stand in the `questionnaire` that was answered.
    """
    canonical = response.get("questionnaire")
    keys = _keys(response, questionnaire)
    if isinstance(canonical, str):
        url = canonical.partition("|")[0].partition("#")[0]
        base, _, name = url.rpartition("Questionnaire/")
        if name in scales and (base in ("", CANONICAL + "/") or _fits(scales[name], keys)):
            return scales[name]
    return _by_items(scales.values(), keys)


def answered(response: Json, scales: Mapping[str, Scale], questionnaire: Json | None = None) -> list[tuple[Scale, Json]]:
    """Every scale that was answered, with the part of the response that answers it.

    A form of another may hold several (an intake, an adaptive session): each after the first needs its own items beside those of the others.
    A response to one of our Questionnaires answers that scale alone, and everything in it is for that scale to read.
    """
    first = scale_of(response, scales, questionnaire)
    if first is None or (names_ours(response) and first.id == _named(response)):
        return [] if first is None else [(first, response)]
    found, keys = [first], _keys(response, questionnaire) - first.names
    while (more := _by_items((scale for scale in scales.values() if not scale.names & _items_of(found)), keys)) is not None:
        found.append(more)
        keys -= more.names
    if len(found) == 1:
        return [(first, response)]
    codes = item_codes(response, questionnaire)
    return [(scale, _without(response, _names_of([other for other in found if other is not scale]), codes)) for scale in found]


def _named(response: Json) -> str:
    return str(response.get("questionnaire")).partition("|")[0].partition("#")[0].rpartition("/")[2]


def _names_of(scales: Iterable[Scale]) -> frozenset[str]:
    return frozenset().union(*(scale.names for scale in scales))


def _items_of(scales: Iterable[Scale]) -> frozenset[str]:
    return frozenset().union(*(scale.by_key for scale in scales))


def _without(response: Json, names: frozenset[str], codes: Mapping[str, list[str]]) -> Json:
    """The response without the questions that go by one of these names."""

    def kept(nodes: object) -> list[Json]:
        found = []
        for node in nodes if isinstance(nodes, list) else ():
            if not isinstance(node, dict) or _node_names(node, codes) & names:
                continue
            found.append(node | ({"item": kept(node["item"])} if "item" in node else {}))
        return found

    return response | {"item": kept(response.get("item"))}


def names_ours(response: Json) -> bool:
    """Whether the response names a Questionnaire of ours, so that no other one needs to be looked for."""
    canonical = response.get("questionnaire")
    return isinstance(canonical, str) and canonical.startswith(f"{CANONICAL}/Questionnaire/")


def _keys(response: Json, questionnaire: Json | None) -> frozenset[str]:
    codes = item_codes(response, questionnaire)
    return frozenset().union(*(_node_names(node, codes) for node in walk(response)))


def _node_names(node: Json, codes: Mapping[str, list[str]]) -> set[str]:
    """Every name that a question goes by: linkId, codes, definition, and the codes of its item where it has an answer."""
    link = str(node.get("linkId", "")).strip()
    found = {link.rsplit("/", 1)[-1]}
    found.update(codes.get(link, ()) if node.get("answer") else ())
    found.update(str(coding.get("code")) for coding in node.get("code", ()) if isinstance(coding, dict))
    definition = node.get("definition")
    if isinstance(definition, str):
        found.add(definition.replace("#", "/").rsplit("/", 1)[-1].rsplit(".", 1)[-1])
    return found


def _fits(scale: Scale, keys: frozenset[str]) -> bool:
    """Whether at least half of the questions of a foreign form of this name are there under names we know."""
    return 2 * sum(bool(keys & {item.id, item.link, item.code}) for item in scale.items) >= len(scale.items)


def _by_items(scales: Iterable[Scale], keys: frozenset[str]) -> Scale | None:
    """The scale that explains the most of the response's codes, and of those the one with the fewest items unasked."""
    coded = [(scale, scale.names) for scale in scales]
    ours = frozenset().union(*(names for _, names in coded))
    best: tuple[int, int] | None = None
    chosen: Scale | None = None
    for scale, names in coded:
        hits = sum(item.code in keys or f"{scale.id}.{item.id}" in keys for item in scale.items)
        if hits < min(2, len(scale.items)):
            continue
        rank = (len((keys & ours) - names), len(scale.items) - hits)
        if best is None or rank < best:
            best, chosen = rank, scale
    return chosen
