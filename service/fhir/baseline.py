"""Patient/[id]/$baseline: a person's trajectory in one measure, judged value by value - as Parameters, or drawn as SVG."""

from urllib.parse import parse_qsl

import orjson

from mappings.baseline.chart import Phase, Point, trajectory_svg
from mappings.baseline.engine import STILL, Prediction, predict, start
from mappings.baseline.prior import Prior
from mappings.baseline.weekday import weekdays
from mappings.vocabulary import UCUM, Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.store.clock import now_us
from service.workflows.clinical_time import microseconds
from service.workflows.series import DAY_US, Series, Told
from service.workflows.story import Story
from service.workflows.trajectory import trajectory

SVG = "image/svg+xml"


async def baseline(call: Call) -> Answer:
    """GET Patient/[id]/$baseline?measure=phq-9[&_format=image/svg+xml]. 404 for an unknown person, 400 for a measure without a prior."""
    _, id_, _ = call.parts
    house, ref = call.house, f"Patient/{id_}"
    reach = house.gate.authorise(call.principal, "read", "Observation")
    measure, drawn = _asked(call)
    rows = await house.store.story(ref)
    if rows is None or not reach.covers(ref):
        raise Refusal(Kind.NOT_FOUND, "No such person")
    prior = house.knowledge.priors.get(measure)
    if prior is None:
        raise Refusal(Kind.INVALID, "There is no baseline for this measure", "measure", code="not-found")
    await house.audit.seen(call, "operation", "Patient", ref, ref)
    series, told = await trajectory(house, ref, rows, prior)
    if drawn:
        svg = _drawing(Story(ref, rows), series, told, prior)
        return Answer(
            200,
            svg.encode(),
            [(b"content-type", b"image/svg+xml; charset=utf-8"), (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")],
        )
    return Answer(200, orjson.dumps(_parameters(prior, told, _following(prior, series, told))), [FHIR_JSON])


def _following(prior: Prior, series: Series, told: list[Told]) -> Prediction:
    """What the next value by the newest method is expected to be, now."""
    state = series.states.get(told[-1].entry.stream) if told else None
    day = max(now_us() / DAY_US, state.last if state else 0.0)
    if state is None:
        return predict(prior, start(prior), day)
    return predict(prior, state, day, series.timeline.drive(state, day) if series.timeline else STILL)


def _drawing(story: Story, series: Series, told: list[Told], prior: Prior) -> str:
    points = [Point(each.entry.at / DAY_US, each.entry.value, each.judgement) for each in told if each.entry.value is not None and each.judgement]
    said = [(point.day, point.judgement.set_point, bool(point.judgement.drive.shift)) for point in points]
    return trajectory_svg(prior, points, _phases(story), prior.title, series.timeline.foretold(said) if series.timeline else [])


def _asked(call: Call) -> tuple[str, bool]:
    pairs = dict(parse_qsl(call.query.decode("ascii", "replace"), keep_blank_values=True))
    measure = pairs.get("measure", "")
    if not measure:
        raise Refusal(Kind.INVALID, "measure names a scale or measure, such as phq-9", "measure", code="required")
    drawn = pairs.get("_format", "").replace(" ", "+").startswith(SVG) or SVG.encode() in call.headers.get(b"accept", b"")
    return measure, drawn


def _phases(story: Story) -> list[Phase]:
    """When which medicine was taken, as far as the prescriptions say."""
    found = []
    for _, row in story.all("medicine"):
        text = row["doses"][0][0] if row.get("doses") else row["start"]
        began = microseconds(text) if text else None
        if began is not None and row["drug"] and (row["active"] or row["stopped"]):
            ended = row.get("until") or row["end"]
            end = microseconds(ended) if ended else None
            found.append(Phase(row["drug"], began / DAY_US, None if end is None else end / DAY_US))
    return found


def _parameters(prior: Prior, told: list[Told], following: Prediction) -> Json:
    """The measure, how many values stand, what the next one is expected to be, the newest value's judgement, and the weekdays of a daily series."""

    def quantity(name: str, value: float) -> Json:
        return {"name": name, "valueQuantity": {"value": round(value, 4), "unit": prior.unit, "system": UCUM, "code": prior.unit}}

    parameter: list[Json] = [{"name": "measure", "valueString": prior.measure}, {"name": "n", "valueInteger": following.n}]
    parameter += [quantity(name, getattr(following, name)) for name in ("lower95", "upper95", "lower99", "upper99")]
    parameter.append(quantity("expected", following.set_point))
    judgement = told[-1].judgement if told else None
    if judgement is not None:
        parameter += [quantity("newest", judgement.value), quantity("set-point", judgement.set_point)]
        chances = (("z", judgement.z), ("p-real-change", judgement.p_real_change), ("p-changepoint", judgement.p_changepoint))
        parameter += [{"name": name, "valueDecimal": round(value, 4)} for name, value in chances]
        parameter.append({"name": "alert", "valueBoolean": judgement.alert})
    values = [(each.entry.at / DAY_US, each.entry.value) for each in told if each.entry.value is not None]
    for each in weekdays(values):
        part = [{"name": "day", "valueCode": each.name}, quantity("difference", each.difference), quantity("standard-error", each.error),
                {"name": "n", "valueInteger": each.n}]  # fmt: skip
        parameter.append({"name": "weekday", "part": part})
    return {"resourceType": "Parameters", "parameter": parameter}
