"""Which scale a response answers, and whether a response in its state may be scored at all."""

from collections.abc import Iterable, Mapping

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


def scale_of(response: Json, scales: Mapping[str, Scale], questionnaire_url_to_id: Mapping[str, str] | None = None) -> Scale | None:
    """The scale that was answered, or None.

    By the canonical of our Questionnaire (of any version), or by one of `questionnaire_url_to_id` (canonical -> scale id); by a
    relative or foreign address that ends in a scale's id, if items of that scale are there; else by the LOINC codes of its items.
    """
    canonical = response.get("questionnaire")
    keys = _keys(response)
    if isinstance(canonical, str):
        url = canonical.partition("|")[0].partition("#")[0]
        known = (questionnaire_url_to_id or {}).get(url)
        base, _, name = url.rpartition("Questionnaire/")
        if known is not None and known in scales:
            return scales[known]
        if name in scales and (base in ("", CANONICAL + "/") or _fits(scales[name], keys)):
            return scales[name]
    return _by_items(scales.values(), keys)


def _keys(response: Json) -> frozenset[str]:
    found: set[str] = set()
    stack = [response.get("item")]
    while stack:
        level = stack.pop()
        for node in level if isinstance(level, list) else ():
            if isinstance(node, dict):
                found.add(str(node.get("linkId", "")).strip().rsplit("/", 1)[-1])
                found.update(str(coding.get("code")) for coding in node.get("code", ()) if isinstance(coding, dict))
                definition = node.get("definition")
                if isinstance(definition, str):
                    found.add(definition.replace("#", "/").rsplit("/", 1)[-1].rsplit(".", 1)[-1])
                stack.append(node.get("item"))
                stack += [answer.get("item") for answer in node.get("answer", ()) if isinstance(answer, dict)]
    return frozenset(found)


def _fits(scale: Scale, keys: frozenset[str]) -> bool:
    """Whether at least half of the questions of a foreign form of this name are there under names we know."""
    return 2 * sum(bool(keys & {item.id, item.link, item.code}) for item in scale.items) >= len(scale.items)


def _by_items(scales: Iterable[Scale], keys: frozenset[str]) -> Scale | None:
    """The scale that explains the most of the response's codes, and of those the one with the fewest items unasked."""
    coded = [(scale, frozenset(scale.by_key) | frozenset(scale.score_keys) - {"total", "total-score"}) for scale in scales]
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
