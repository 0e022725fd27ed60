"""Observation/$deviation: a value against the person's own baseline, judged by the earlier values alone; nothing is stored."""

import orjson

from mappings.baseline.fhir import Measured, Refused, deviation, measure_value
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.fhir.parameters import resource_of
from service.store.clock import now_us
from service.workflows import people
from service.workflows.clinical_time import effective, iso
from service.workflows.series import Entry
from service.workflows.trajectory import trajectory

KIND = "Observation"


async def deviate(call: Call) -> Answer:
    """POST with the Observation, or Parameters with `resource`. 200 with the deviation Observation that storing it would give; the value itself is
    contained in it. Errors: 400, 422 for one that has no baseline (no known measure, unit or value, no person)."""
    house = call.house
    reach = house.gate.authorise(call.principal, "read", KIND)
    observation = resource_of(house, parsed(await call.fhir_body()), KIND, "resource")
    found = measure_value(house.knowledge.priors_by_code, observation)
    if isinstance(found, Refused):
        raise Refusal(Kind.UNPROCESSABLE, issues=(found.issue,))
    if not isinstance(found, Measured):
        raise Refusal(Kind.UNPROCESSABLE, "This Observation is of no measure with a baseline, or no result", f"{KIND}.code", code="not-supported")
    person = await people.resolve(house, KIND, observation)
    if person is None or not reach.covers(person):
        raise Refusal(Kind.UNPROCESSABLE, "The Observation names no person known here", f"{KIND}.subject", code="not-found")
    at, text = effective(observation, now_us())
    prior = house.knowledge.priors[found.measure]
    rows = await house.store.story(person) or ()
    _, told = await trajectory(house, person, rows, prior, at, Entry(at, "#judged", now_us(), found.value, found.stream))
    judgement = told[-1].judgement
    assert judgement is not None
    made = deviation(prior, judgement, "#judged", person, text, iso(now_us()))
    made["contained"] = [{key: value for key, value in observation.items() if key not in ("meta", "contained", "text")} | {"id": "judged"}]
    del made["id"]
    await house.audit.seen(call, "operation", KIND, None, person)
    return Answer(200, orjson.dumps(made), [FHIR_JSON])
