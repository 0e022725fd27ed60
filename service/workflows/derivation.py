"""What stands on one answer or value: Observations with ranges, and the deviation. All of it from the source alone and its judgement."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mappings.baseline.fhir import Judged, Measured, deviation, judged, measure_value
from mappings.scales.assembly import whole
from mappings.scales.course import Earlier, course
from mappings.scales.observations import observations
from mappings.scales.recognition import answered, is_scored
from mappings.scales.scale import Scale
from mappings.scales.scoring import Scored, score
from mappings.vocabulary import Json
from service.workflows.change import Change
from service.workflows.clinical_time import authored, effective, iso
from service.workflows.series import Told

if TYPE_CHECKING:
    from service.house import House


@dataclass(slots=True)
class Event:
    """A value in clinical time. `scored` and `scale` for an answer; neither for a plain Observation, whose method is its `stream`."""

    measure: str
    source: str
    at: int
    text: str
    value: float | None
    resource: Json
    scale: Scale | None = None
    scored: Scored | None = None
    stream: str = ""

    @property
    def security(self) -> list[Json]:
        """The labels that everything made from it inherits."""
        labels: list[Json] = self.resource.get("meta", {}).get("security", [])
        return labels


def events_of(house: "House", change: Change, received: int) -> list[Event]:
    """The values that a received resource gives: none, one, or one for each scale that a response answers."""
    if change.resource is None:
        return []
    if change.kind == "QuestionnaireResponse":
        return _answers(house, change, change.resource, received)
    if change.kind == "Observation":
        return _measured(house, change.ref, change.resource, received)
    return []


def _answers(house: "House", change: Change, response: Json, received: int) -> list[Event]:
    if not is_scored(response):
        return []
    at, text = authored(response, received)
    found = []
    for scale, part in answered(response, house.knowledge.scales, change.related):
        scored = score(scale, part, change.related)
        total = scored.totals[0].value
        found.append(Event(scale.id, change.ref, at, text, None if total is None else float(total), response, scale, scored))
    return found


def _measured(house: "House", ref: str, observation: Json, received: int) -> list[Event]:
    found = measure_value(house.knowledge.priors_by_code, observation)
    if not isinstance(found, Measured):
        return []
    at, text = effective(observation, received)
    return [Event(found.measure, ref, at, text, found.value, observation, stream=found.stream)]


def speaks(told: Told) -> bool:
    """Whether content stands on a value: on every answer, and on a plain value that is out of the person's ordinary."""
    judgement = told.judgement
    return told.entry.source.startswith("QuestionnaireResponse/") or (judgement is not None and (judgement.outside95 or bool(judgement.reasons)))


def content(house: "House", person: str, event: Event, told: Told) -> list[Json]:
    """The resources that stand on this value."""
    return _of_answer(house, person, event, told) if event.scored else _of_value(house, person, event, told)


def _of_answer(house: "House", person: str, event: Event, told: Told) -> list[Json]:
    prior = house.knowledge.priors.get(event.measure)
    assert event.scale is not None
    assert event.scored is not None
    issued, judgement = iso(told.entry.received), told.judgement
    found = judged(prior, judgement) if prior and judgement else Judged([], [], [])
    on_totals = {event.scale.id: _with_course(found, event.scale, event.value, told)}
    made = observations(event.scale, event.scored, event.resource, event.source, person, event.text, issued, on_totals)
    if prior and judgement:
        total = total_ref(made, event.scale.id)
        made.append(deviation(prior, judgement, total, person, event.text, issued))
    return made


def _with_course(found: Judged, scale: Scale, value: float | None, told: Told) -> Judged:
    """What the baseline says, and beside it the change since the person's first and previous answers."""
    points = [("the first answer", told.start)] + ([("the previous answer", told.previous)] if told.previous != told.start else [])
    since = [Earlier(what, whole(point.value), iso(point.at)[:10]) for what, point in points if point is not None]
    if value is None or not since or scale.total.kind != "number":
        return found
    added = course(scale, whole(value), since)
    return Judged(found.reference_range, found.interpretation + added.interpretation, found.note + added.note)


def _of_value(house: "House", person: str, event: Event, told: Told) -> list[Json]:
    prior, judgement = house.knowledge.priors.get(event.measure), told.judgement
    if prior is None or judgement is None or not speaks(told):
        return []
    return [deviation(prior, judgement, event.source, person, event.text, iso(told.entry.received))]


def total_ref(made: list[Json], code: str) -> str:
    """The Observation that carries this total."""
    for resource in made:
        if any(coding.get("code") == code for coding in resource["code"].get("coding", ())):
            return f"Observation/{resource['id']}"
    raise LookupError(code)
