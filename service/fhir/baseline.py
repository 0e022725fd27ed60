"""Patient/[id]/$baseline: a person's trajectory in one measure, judged value by value - as Parameters, or drawn as SVG."""

from urllib.parse import parse_qsl

import orjson

from mappings.baseline.chart import Phase, Point, trajectory_svg
from mappings.baseline.engine import Judgement, Prediction, predict, replay
from mappings.baseline.prior import Prior
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.house import House
from service.store.clock import now_us
from service.workflows.clinical_time import microseconds
from service.workflows.series import DAY_US
from service.workflows.story import Story

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
    values = await values_of(house, ref, measure)
    await house.audit.seen(call, "operation", "Patient", ref, ref)
    judged, state = replay(prior, ((day, value) for day, value in values))
    if drawn:
        points = [Point(day, value, judgement) for (day, value), judgement in zip(values, judged, strict=True)]
        svg = trajectory_svg(prior, points, _phases(Story(ref, rows)), prior.title)
        return Answer(
            200,
            svg.encode(),
            [(b"content-type", b"image/svg+xml; charset=utf-8"), (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")],
        )
    following = predict(prior, state, max(now_us() / DAY_US, values[-1][0] if values else 0.0))
    return Answer(200, orjson.dumps(_parameters(prior, judged, following)), [FHIR_JSON])


def _asked(call: Call) -> tuple[str, bool]:
    pairs = dict(parse_qsl(call.query.decode("ascii", "replace"), keep_blank_values=True))
    measure = pairs.get("measure", "")
    if not measure:
        raise Refusal(Kind.INVALID, "measure names a scale or measure, such as phq-9", "measure", code="required")
    drawn = pairs.get("_format", "").replace(" ", "+").startswith(SVG) or SVG.encode() in call.headers.get(b"accept", b"")
    return measure, drawn


async def values_of(house: House, person: str, measure: str) -> list[tuple[float, float]]:
    """(day, value) in clinical time; of two at one instant the last received stands."""
    sql = "SELECT at, value, body FROM reading WHERE person = $1 AND measure = $2 ORDER BY at, received, source"
    found = {row[0]: row[1] for row in await house.store.fetch(sql, (person, measure)) if orjson.loads(bytes(row[2]))["scored"]}
    return [(at / DAY_US, value) for at, value in found.items()]


def _phases(story: Story) -> list[Phase]:
    """When which medicine was taken, as far as the prescriptions say."""
    found = []
    for _, row in story.all("medicine"):
        start = microseconds(row["start"]) if row["start"] else None
        if start is not None and row["drug"] and (row["active"] or row["stopped"]):
            end = microseconds(row["end"]) if row["end"] else None
            found.append(Phase(row["drug"], start / DAY_US, None if end is None else end / DAY_US))
    return found


def _parameters(prior: Prior, judged: list[Judgement], following: Prediction) -> Json:
    """The measure, how many values stand, and what the next one is expected to be."""

    def quantity(name: str, value: float) -> Json:
        return {"name": name, "valueQuantity": {"value": round(value, 4), "unit": prior.unit, "system": "http://unitsofmeasure.org", "code": prior.unit}}

    parameter = [{"name": "measure", "valueString": prior.measure}, {"name": "n", "valueInteger": len(judged)}]
    parameter += [quantity(name, getattr(following, name)) for name in ("lower95", "upper95", "lower99", "upper99")]
    for each in judged[-1:]:
        parameter += [quantity("newest", each.value), quantity("set-point", each.set_point), {"name": "z", "valueDecimal": round(each.z, 4)}]
    return {"resourceType": "Parameters", "parameter": parameter}
