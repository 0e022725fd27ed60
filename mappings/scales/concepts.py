"""The concepts of our CodeSystem that a scale brings: its panel, scores, bands, levels, items and answers without LOINC, findings."""

from mappings.scales.parts import Item, Rule
from mappings.scales.scale import Scale
from mappings.vocabulary import OURS, Json


def concepts(scale: Scale) -> list[Json]:
    """CodeSystem.concept entries, each code once, in the order of the scale."""
    found: dict[str, str] = {f"{scale.id}.panel": f"{scale.title}, panel"}
    for rule in scale.rules:
        found |= _of_rule(scale, rule)
    for item in scale.items:
        found |= _of_item(scale, item)
    for finding in scale.safety:
        found.setdefault(finding.code, f"{scale.short}: safety finding, for professional review")
    return [{"code": code, "display": display} for code, display in found.items()]


def _of_rule(scale: Scale, rule: Rule) -> dict[str, str]:
    found = {rule.code: f"{scale.short}, {rule.title}"}
    found |= {band.code: f"{scale.short}, {rule.title}: {band.text}" for band in rule.bands}
    return found | {f"{rule.code}.{level.code}": f"{scale.short}: {level.text}" for level in rule.levels}


def _of_item(scale: Scale, item: Item) -> dict[str, str]:
    own = {item.code: f"{scale.short}, item {item.id}: {item.text}"} if item.system == OURS else {}
    return own | {option.code: f"{scale.short}: {option.text}" for option in item.options if option.system == OURS}
