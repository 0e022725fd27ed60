"""What the knowledge files say, as tables of the pages: scales, priors, genes, medicines, vendors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs.table import table
from mappings.scales.scale import Scale
from mappings.vocabulary import LOINC
from service.knowledge import load

ROOT = Path(__file__).resolve().parent.parent


def vendors() -> str:
    """The vendor profiles: in which form a plan and a Flag arrive."""
    rows = []
    for profile in sorted(load().profiles.values(), key=lambda each: (each.name != "general", each.name)):
        needs = [f"{form}: {', '.join(names)}" for form, names in profile.needs.items()]
        plan, flag = (", ".join(profile.forms[kind]) for kind in ("CarePlan", "Flag"))
        rows.append((f"`{profile.name}`", profile.title, plan, flag, "; ".join(needs) or "nothing", ", ".join(profile.algorithms)))
    return table(("profile", "EHR", "a plan arrives as (first that works)", "a safety Flag as", "must be named there", "keys"), rows)


def scales() -> str:
    """Every scale with its owner's notice."""
    rows = []
    for scale in sorted(load().scales.values(), key=lambda each: each.short.lower()):
        shown = "ships" if scale.licence.wording == "ships" else "topics"
        rows.append((scale.short, scale.title, scale.licence.state.replace("-", " "), shown, scale.licence.notice))
    return table(("scale", "title", "terms", "wording", "notice"), rows)


def library() -> str:
    """Every scale: what it measures, its codes, its terms, its sources."""
    rows = []
    for scale in _by_name():
        total = scale.total
        span = f"{total.low} to {total.high}" if total.kind == "number" else {"level": "a level", "profile": "no total"}.get(total.kind, total.kind)
        panel = ", ".join(code.code for code in scale.panel if code.system == LOINC) or "none verified"
        terms = f"{scale.licence.state.replace('-', ' ')}; {'wording ships' if scale.licence.wording == 'ships' else 'topics only'}"
        rows.append((f"`{scale.id}`", scale.title, scale.mode, str(len(scale.items)), span, panel, terms, ", ".join(scale.source)))
    return table(("id", "scale", "answered by", "items", "total", "LOINC panel", "terms", "source"), rows)


def bands() -> str:
    """Bands, cut-offs and screens of every total, and how many items may be missing."""
    rows = []
    for scale in _by_name():
        for rule in scale.rules:
            if rule.bands:
                said = "; ".join(f"{band.low:g} to {band.high:g} {band.text}" for band in rule.bands)
            elif rule.cutoffs:
                said = "; ".join(cutoff.met for cutoff in rule.cutoffs)
            else:
                said = "; ".join(level.text for level in rule.levels) or (f"{rule.screen.positive} or {rule.screen.negative}" if rule.screen else "")
            missing = {"prorate": f"up to {rule.missing.allowed}, prorated"}.get(rule.missing.fill, "none") if rule.kind == "number" else ""
            sources = ", ".join(dict.fromkeys(source for band in (*rule.bands, *rule.cutoffs) for source in band.source)) or ", ".join(rule.source)
            rows.append((f"`{rule.code}`", rule.title, said, missing, sources))
    return table(("score", "what", "bands, cut-offs, levels", "missing items allowed", "source"), rows)


def safety() -> str:
    """What raises a Flag."""
    rows = []
    for scale in _by_name():
        for rule in scale.safety:
            what = f"item {', '.join(rule.items)} at {rule.low:g} or more" if rule.items else f"`{rule.score}` at {rule.low:g} or more"
            rows.append((f"`{rule.code}`", what, rule.level, ", ".join(rule.source)))
    return table(("Flag", "raised by", "how pressing", "source"), rows)


def changes() -> str:
    """The published statistics of change. V: read in a source; L: standard literature from memory; derived: computed from a source."""
    rows = []
    for scale in _by_name():
        for fact in scale.change:
            figures = {"value": fact.value, "min": fact.low, "max": fact.high, "r": fact.r, "mean": fact.mean, "sd": fact.sd}
            said = ", ".join(f"{name} {figure:g}" for name, figure in figures.items() if figure is not None) + (" %" if fact.percent else "")
            rows.append((f"`{fact.score}`", fact.kind, said, "; ".join(filter(None, (fact.sample, fact.note))), fact.evidence, ", ".join(fact.source)))
    return table(("score", "statistic", "figures", "sample, note", "evidence", "source"), rows)


def curves() -> str:
    """The published courses under treatment."""
    rows = []
    for _, curve in sorted(load().curves.items()):
        start, linear, quadratic = curve.coefficients
        model = f"{start:g} {linear:+g} w {quadratic:+g} w^2"
        spread = "published" if curve.variance else "not published: none is given"
        rows.append((f"`{curve.id}`", curve.population, model, f"{curve.last_week:g}", spread, ", ".join(curve.source)))
    return table(("measure", "people", "mean in week w", "last week", "spread", "source"), rows)


def followup() -> str:
    """What leads on in an adaptive session."""
    rows = []
    for link in load().follow_up:
        where = f"item {link.item}" if link.item else "total"
        men = f" ({link.men_low:g} for men)" if link.men_low != link.low else ""
        rows.append((f"`{link.after}`", f"{where} {link.low:g} or more{men}", f"`{link.then}`", ", ".join(link.source)))
    return table(("after", "if", "then", "source"), rows)


def reviews() -> str:
    """The review points of a treatment."""
    rows = []
    for point in load().review_points.points:
        only = " or ".join(filter(None, (f"age under {point.age_below}" if point.age_below else "", "suicide risk" if point.suicide_risk else "")))
        rows.append((f"week {point.week}", only or "everybody", point.text, ", ".join(point.source)))
    return table(("when", "for", "what", "source"), rows)


def alleles() -> str:
    """The genes that are interpreted."""
    rows = []
    for gene in sorted(load().genes.values(), key=lambda each: each.gene):
        data: dict[str, Any] = json.loads((ROOT / f"mappings/genes/library/{gene.gene.lower()}.json").read_text(encoding="utf-8"))
        rows.append((gene.gene, gene.kind, str(len(gene.alleles)), gene.version, "; ".join(data["source"])))
    return table(("gene", "rule", "alleles", "table", "source"), rows)


def pairs() -> str:
    """Every gene-drug pair with what each source says, by lookup key."""
    rows = []
    for one in sorted(load().guidance, key=lambda each: each.drug):
        for source in one.sources:
            levels = f"level {source.level}" if source.level else ""
            rows.append((one.drug, ", ".join(one.genes), source.source, levels, str(len(source.rows)), source.version, source.date))
    return table(("drug", "genes", "source", "level", "rows", "version", "date"), rows)


def interactions() -> str:
    """The pair rules."""
    rows = [(rule.title, rule.severity, rule.text, rule.mitigation, rule.source) for rule in load().interactions.rules]
    return table(("what", "severity", "why", "what to do", "source"), rows)


def warnings() -> str:
    """Warnings that hang on the person."""
    rows = [(each.title, each.severity, each.text, each.mitigation, each.source) for each in load().warnings]
    return table(("what", "severity", "why", "what to do", "source"), rows)


def monitoring() -> str:
    """What is measured under which medicine."""
    rows = []
    for plan in load().monitoring.plans:
        weeks = ", ".join(map(str, plan.weeks)) if len(plan.weeks) < 9 else f"{plan.weeks[0]} to {plan.weeks[-1]} ({len(plan.weeks)} times)"
        rows.append((", ".join(sorted(plan.drugs)), plan.name, weeks, str(plan.every), plan.source))
    return table(("under", "what", "weeks from the start", "then every (weeks)", "source"), rows)


def limits() -> str:
    """Values that call for action under a medicine."""
    rows = []
    for limit in load().monitoring.limits:
        span = f"from {limit.low:g}" if limit.low is not None else ""
        span += f" below {limit.high:g}" if limit.high is not None else ""
        rows.append((", ".join(sorted(limit.drugs)), limit.measure, span.strip(), limit.severity, limit.mitigation, limit.source))
    return table(("under", "measure", "value", "severity", "what to do", "source"), rows)


def sources() -> str:
    """What the short names of sources stand for."""
    named = json.loads((ROOT / "mappings/scales/sources.json").read_text(encoding="utf-8"))["sources"]
    return table(("name", "source"), [(f"`{name}`", text) for name, text in named.items()])


def _by_name() -> list[Scale]:
    return sorted(load().scales.values(), key=lambda each: each.id)


def genes() -> str:
    """Where guidance and alleles come from."""
    found: dict[tuple[str, str], int] = {}
    for path in sorted((ROOT / "mappings/genes/guidance").glob("*.json")):
        for source in json.loads(path.read_text(encoding="utf-8"))["sources"]:
            found[source["source"], source["licence"]] = found.get((source["source"], source["licence"]), 0) + 1
    rows = [(name, str(count), licence) for (name, licence), count in sorted(found.items())]
    named: dict[str, list[str]] = {}
    for path in sorted((ROOT / "mappings/genes/library").glob("*.json")):
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        named.setdefault(data["licence"], []).append(data["gene"])
    alleles = [(", ".join(names), licence) for licence, names in sorted(named.items())]
    return table(("guidance", "pairs", "licence"), rows) + "\n\n" + table(("alleles and phenotypes of", "licence"), alleles)


SECTIONS: dict[str, Callable[[], str]] = {
    "vendors": vendors,
    "scales": scales,
    "genes": genes,
    "library": library,
    "bands": bands,
    "safety": safety,
    "changes": changes,
    "curves": curves,
    "followup": followup,
    "reviews": reviews,
    "sources": sources,
    "alleles": alleles,
    "pairs": pairs,
    "interactions": interactions,
    "warnings": warnings,
    "monitoring": monitoring,
    "limits": limits,
}
"""By the name in a page's "generated" mark."""
