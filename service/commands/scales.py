"""`setpoint scales`: the library on the command line - list, show, score, change, expected. No database is needed."""

import json
from math import isfinite
from typing import Annotated, Any

import typer

from mappings.scales import change as changing
from mappings.scales import trajectory
from mappings.scales.questionnaire import item_text
from mappings.scales.scale import Scale
from mappings.scales.scoring import Scored, Total, score
from mappings.scales.sheet import BadSheet, in_order, keyed
from mappings.vocabulary import LOINC, Json
from service.commands.console import AsJson, fail, read_settings, show, show_one
from service.knowledge import BrokenKnowledge, Knowledge, load

app = typer.Typer()
ScaleId = Annotated[str, typer.Argument(metavar="ID", help="a scale, for instance phq-9")]


@app.callback(invoke_without_command=True)
def scales(context: typer.Context) -> None:
    """The rating scales; without a command, their list."""
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every scale with its licence state and where it comes from."""
    show([_row(each) for _, each in sorted(_knowledge().scales.items())], as_json)


@app.command("show")
def show_(id_: ScaleId, as_json: AsJson = False) -> None:
    """One scale: items with their codes, scores, bands, safety rules, change statistics, licence, sources."""
    found = _described(_scale(id_))
    if as_json:
        show_one(found, True)
        return
    show_one({name: value for name, value in found.items() if not isinstance(value, list | dict)} | {"source": ", ".join(found["source"])}, False)
    for name in ("items", "scores", "safety", "change", "notes"):
        rows = found[name]
        if rows:
            print(f"\n{name}")
            show([each if isinstance(each, dict) else {"note": each} for each in map(_flat, rows)], False)


@app.command("score")
def score_(
    id_: ScaleId,
    answers: Annotated[str | None, typer.Option(help="one score for each item in the published order, - for a missing one: 1,2,-,3")] = None,
    items: Annotated[str | None, typer.Option(help='answers by code or number of the item, as JSON: {"44250-9": "LA6570-1"}')] = None,
    as_json: AsJson = False,
) -> None:
    """Score answers: every score, band, safety finding, missing item, and what had to be decided."""
    scale = _scale(id_)
    if (answers is None) == (items is None):
        fail("give the answers either with --answers or with --items", 2)
    try:
        response = in_order(scale, answers) if answers is not None else keyed(scale, _object(items or ""))
    except BadSheet as bad:
        fail(str(bad), 2)
    found = _scored(score(scale, response))
    if as_json:
        show_one(found, True)
        return
    show([{"score": code, "value": "not scored" if value is None else value, "says": _says(found, code)} for code, value in found["scores"].items()], False)
    show_one({name: "; ".join(map(str, found[name])) or "none" for name in ("missing", "notes")}, False)
    for hit in found["safety"]:
        print(f"safety ({hit['level']}): {hit['text']}")


@app.command("change")
def change_(
    id_: ScaleId,
    from_: Annotated[float, typer.Option("--from", help="the earlier score")],
    to: Annotated[float, typer.Option("--to", help="the later score")],
    reliability: Annotated[float | None, typer.Option(help="reliability of the own sample, 0 to 1; with --sd")] = None,
    sd: Annotated[float | None, typer.Option(help="standard deviation of the own sample at the first measurement")] = None,
    mean: Annotated[float | None, typer.Option(help="its mean")] = None,
    functional_mean: Annotated[float | None, typer.Option(help="mean of a functional group")] = None,
    functional_sd: Annotated[float | None, typer.Option(help="standard deviation of a functional group")] = None,
    with_: Annotated[str | None, typer.Option("--with", metavar="ID:FROM:TO", help="the paired scale of NHS Talking Therapies: gad-7:12:7")] = None,
    as_json: AsJson = False,
) -> None:
    """What each published method says of a change, with its statistic, threshold and reference."""
    known = _knowledge()
    try:
        pair = changing.Pair(_scale(id_), _whole(from_), _whole(to))
        sample = _sample(reliability, sd, mean, functional_mean, functional_sd)
        found = changing.changes(pair, sample, _paired(known, with_) if with_ else None)
    except ValueError as problem:
        fail(str(problem), 2)
    show([_verdict(each, as_json) for each in found], as_json, "no method has a published index for this scale")


@app.command("expected")
def expected_(
    id_: Annotated[str, typer.Argument(metavar="ID", help="a measure with a published course: phq-9, gad-7, qids-a17")],
    weeks: Annotated[str, typer.Option(help="weeks since the treatment began: 0,2,4")],
    baseline: Annotated[float | None, typer.Option(help="the person's own score at week 0")] = None,
    level: Annotated[float, typer.Option(help="the share of people whom the band holds")] = trajectory.LEVEL,
    as_json: AsJson = False,
) -> None:
    """The expected course of a score under treatment; nothing where no source says it."""
    curves = _knowledge().curves
    if id_ not in curves:
        fail(f"there is no published course for this measure; there is one for {', '.join(sorted(curves))}", 2)
    try:
        found = trajectory.expected(curves[id_], _weeks(weeks), baseline, level)
    except ValueError as problem:
        fail(str(problem), 2)
    show([_week(each, as_json) for each in found], as_json)
    if not as_json:
        print("\n".join([f"\n{curves[id_].title}: {curves[id_].population}. Source: {', '.join(curves[id_].source)}.", *curves[id_].notes]))


def _weeks(text: str) -> list[float | int]:
    try:
        return [_whole(float(each)) for each in text.split(",")]
    except (ValueError, OverflowError):
        raise ValueError("weeks are numbers from 0 on, separated by commas") from None


def _week(found: trajectory.Expected, exact: bool) -> dict[str, Any]:
    row = {"week": found.week, "mean": found.mean, "sd": found.sd, "low": found.low, "high": found.high}
    return row if exact else {name: _rounded(value) for name, value in row.items()}


def _knowledge() -> Knowledge:
    try:
        return load(read_settings().knowledge_dir)
    except BrokenKnowledge as broken:
        fail("\n".join(broken.findings))


def _scale(id_: str) -> Scale:
    found = _knowledge().scales.get(id_.strip().lower())
    if found is None:
        fail("there is no such scale; setpoint scales list shows all", 2)
    return found


def _object(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadSheet("--items is a JSON object of item code to answer")
    return found


def _whole(value: float) -> float | int:
    return int(value) if isfinite(value) and value.is_integer() else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _row(scale: Scale) -> dict[str, Any]:
    total = scale.total
    return {
        "id": scale.id,
        "title": scale.title,
        "domain": scale.domain,
        "mode": scale.mode,
        "items": len(scale.items),
        "range": f"{total.low}-{total.high}" if total.kind == "number" else total.kind,
        "licence": scale.licence.state,
        "wording": scale.licence.wording,
        "loinc": next((code.code for code in scale.panel if code.system == LOINC), None),
        "version": scale.version,
        "source": ", ".join(scale.source),
    }


def _described(scale: Scale) -> dict[str, Any]:
    return {
        "id": scale.id, "title": scale.title, "short": scale.short, "version": scale.version, "edition": scale.edition, "domain": scale.domain,
        "mode": scale.mode, "recall": scale.recall, "frequency": scale.frequency, "direction": scale.direction,
        "licence": {"state": scale.licence.state, "wording": scale.licence.wording, "notice": scale.licence.notice, "source": list(scale.licence.source)},
        "panel": [{"system": code.system, "code": code.code} for code in scale.panel],
        "items": [
            {"id": item.id, "code": item.code, "system": item.system, "text": item_text(item), "wording": item.wording, "min": item.low, "max": item.high,
             "answers": [{"code": option.code, "text": option.text, "score": option.score} for option in item.options]}
            for item in scale.items
        ],
        "scores": [
            {"id": rule.code, "title": rule.title, "kind": rule.kind, "items": list(rule.items), "min": rule.low, "max": rule.high,
             "missing_allowed": rule.missing.allowed, "missing_fill": rule.missing.fill,
             "codes": [code.code for code in rule.codes], "bands": [{"low": band.low, "high": band.high, "text": band.text} for band in rule.bands],
             "cutoffs": [{"min": cut.low, "max": cut.high, "met": cut.met, "not_met": cut.not_met, "group": cut.group, "source": list(cut.source)}
                         for cut in rule.cutoffs], "source": list(rule.source)}
            for rule in scale.rules
        ],
        "safety": [{"code": rule.code, "items": list(rule.items), "score": rule.score, "min": rule.low, "level": rule.level, "text": rule.text,
                    "source": list(rule.source)} for rule in scale.safety],
        "change": [{"kind": fact.kind, "score": fact.score, "value": fact.value, "min": fact.low, "max": fact.high, "percent": fact.percent, "r": fact.r,
                    "mean": fact.mean, "sd": fact.sd, "sample": fact.sample, "note": fact.note, "evidence": fact.evidence, "source": list(fact.source)}
                   for fact in scale.change],
        "notes": list(scale.notes), "source": list(scale.source),
    }  # fmt: skip


def _flat(row: Any) -> Any:
    """A row for a person: lists in one cell, what is empty left out."""
    if not isinstance(row, dict):
        return row
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(" ".join(str(part) for part in each.values() if part is not None) if isinstance(each, dict) else str(each) for each in value)
    return value


def _scored(scored: Scored) -> dict[str, Any]:
    total = scored.totals[0]
    return {
        "scale": scored.scale_id,
        "scores": {each.code: _value(each) for each in scored.totals if each.kind != "profile"},
        "band": _band(total),
        "interpretation": [
            {"score": each.code, "value": _value(each), "text": verdict.text, "source": list(verdict.source)}
            for each in scored.totals for verdict in each.verdicts
        ],
        "safety": [{"code": hit.code, "item": hit.item, "score": hit.score, "level": hit.level, "text": hit.text} for hit in scored.safety],
        "missing": list(total.missing),
        "used": list(total.used_items),
        "complete": scored.complete,
        "notes": list(scored.notes),
    }  # fmt: skip


def _says(found: dict[str, Any], code: str) -> str:
    return "; ".join(f"{each['text']} ({', '.join(each['source'])})" for each in found["interpretation"] if each["score"] == code)


def _value(total: Total) -> Any:
    if total.level is not None:
        return total.level.code
    return bool(total.value) if total.kind == "boolean" and total.value is not None else total.value


def _band(total: Total) -> str | None:
    """The band of the total; where a scale has none, what its cut-off, screen or level says."""
    if total.band is not None:
        return total.band.text
    return "; ".join(verdict.text for verdict in total.verdicts) or None


def _sample(
    reliability: float | None, sd: float | None, mean: float | None, functional_mean: float | None, functional_sd: float | None
) -> changing.Sample | None:
    if reliability is None and sd is None:
        if (mean, functional_mean, functional_sd) != (None, None, None):
            raise ValueError("a sample needs --reliability and --sd")
        return None
    if reliability is None or sd is None:
        raise ValueError("--reliability and --sd belong together")
    if (functional_mean is None) != (functional_sd is None):
        raise ValueError("--functional-mean and --functional-sd belong together")
    return changing.Sample(reliability, sd, mean, functional_mean, functional_sd)


def _paired(known: Knowledge, text: str) -> changing.Pair:
    id_, *scores = text.split(":")
    if id_ not in known.scales or len(scores) != 2:
        raise ValueError("--with is a scale and its two scores: gad-7:12:7")
    try:
        before, after = (_whole(float(each)) for each in scores)
    except ValueError:
        raise ValueError("--with is a scale and its two scores: gad-7:12:7") from None
    return changing.Pair(known.scales[id_], before, after)


def _verdict(found: changing.ChangeVerdict, exact: bool) -> dict[str, Any]:
    return {
        "method": found.method,
        "verdict": found.verdict,
        "statistic": found.statistic if exact else _rounded(found.statistic),
        "threshold": found.threshold,
        "unit": found.unit,
        "reference": found.reference,
    } | ({"figures": dict(found.figures)} if exact else {})
