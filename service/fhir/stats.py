"""Observation/$stats: https://hl7.org/fhir/R4/observation-operation-stats.html - statistics of a person's values of one or several codes."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote

import orjson

from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.lastn import every
from service.fhir.parameters import asked_of, parameters_of, parts_of
from service.store.clock import now_us
from service.workflows.clinical_time import effective, iso
from service.workflows.series import DAY_US

SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/observation-statistics"
_NAMES: Final = ("subject", "patient", "code", "system", "coding", "duration", "start", "end", "statistic", "include", "limit", "_format", "_pretty")
_RESULT: Final = frozenset(("final", "amended", "corrected"))
Points = Sequence[tuple[float, float]]
"""(day, value) in the order of time."""


def _percentile(share: float) -> Callable[[Points], float | None]:
    """By linear interpolation between the ranks (R type 7)."""

    def of(points: Points) -> float:
        values = sorted(value for _, value in points)
        place = share * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (values[high] - values[low]) * (place - low)

    return of


def _of(work: Callable[[list[float]], float], least: int = 1) -> Callable[[Points], float | None]:
    return lambda points: work([value for _, value in points]) if len(points) >= least else None


def _moment(power: int) -> Callable[[list[float]], float]:
    """Standardised central moment of the sample (population formula)."""

    def of(values: list[float]) -> float:
        mean, sd = statistics.fmean(values), statistics.pstdev(values)
        return statistics.fmean([((value - mean) / sd) ** power for value in values]) if sd else 0.0

    return of


def _slope(points: Points) -> float | None:
    """Least squares, in units a day."""
    if len({day for day, _ in points}) < 2:
        return None
    return statistics.linear_regression([day for day, _ in points], [value for _, value in points]).slope


STATISTICS: Final[Mapping[str, Callable[[Points], float | None]]] = {
    "average": _of(statistics.fmean), "maximum": _of(max), "minimum": _of(min), "count": lambda points: float(len(points)),
    "median": _of(statistics.median), "std-dev": _of(statistics.stdev, 2), "sum": _of(sum), "variance": _of(statistics.variance, 2),
    "20-percent": _percentile(0.2), "80-percent": _percentile(0.8), "4-lower": _percentile(0.25), "4-upper": _percentile(0.75),
    "skew": _of(_moment(3), 3), "kurtosis": _of(lambda values: _moment(4)(values) - 3, 4), "regression": _slope,
}  # fmt: skip
"""observation-statistics codes; `total-count` counts what has no number as well."""


async def stats(call: Call) -> Answer:
    """GET or POST with `subject`, `code` (and `system`) or `coding`, `statistic`, and `duration` in hours, `start` and `end`, or (POST) a `period`.
    200 with Parameters: one Observation for each code, its statistics as components; with `include` the Observations too. Without bounds one
    without a date counts as of its last change. Errors: 400, 413, 422 for values in several units."""
    house = call.house
    reach = house.gate.authorise(call.principal, "search-type", "Observation")
    asked = await asked_of(call, _NAMES)
    person = asked.get("subject") or asked.get("patient")
    wanted = [each for each in asked.get("statistic", "").split(",") if each]
    codes = _codes(asked)
    for name, given in (("subject", person), ("code", codes), ("statistic", wanted)):
        if not given:
            raise Refusal(Kind.INVALID, f"{name} is needed", name, code="required")
    if any(each not in STATISTICS and each != "total-count" for each in wanted):
        raise Refusal(Kind.INVALID, f"statistic is one of {', '.join([*STATISTICS, 'total-count'])}", "statistic", code="value")
    parameters, span = list[Json](), _span(asked | await _period(call))
    for code in codes:
        found = await _results(call, str(person), code, span, reach.only)
        parameters.append({"name": "statistics", "resource": _statistics(str(person), code, found, wanted)})
        if asked.get("include") == "true":
            limit = int(asked["limit"]) if asked.get("limit", "").isdecimal() else len(found)
            parameters += [{"name": "source", "resource": each} for _, each in found[:limit]]
    await house.audit.seen(call, "operation", "Observation", None, reach.person)
    return Answer(200, orjson.dumps({"resourceType": "Parameters", "parameter": parameters}), [FHIR_JSON])


def _codes(asked: Mapping[str, str]) -> list[str]:
    """Each as a token of a search: system|code, or a bare code."""
    system = asked.get("system")
    found = [f"{system}|{each}" if system else each for each in asked.get("code", "").split(",") if each]
    return found + [each for each in asked.get("coding", "").split(",") if each]


async def _period(call: Call) -> dict[str, str]:
    """`start` and `end` of the Period in a body: an address has no form for one. Errors: 400."""
    body = await call.fhir_body() if call.method == "POST" else b""
    given: Any = next((each.get("valuePeriod") for each in parts_of(parameters_of(body)) if each["name"] == "period"), {}) if body else {}
    if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in ("start", "end")):
        raise Refusal(Kind.INVALID, "period is a valuePeriod", "period", code="value")
    return {name: given[name] for name in ("start", "end") if name in given}


def _span(asked: Mapping[str, str]) -> list[str]:
    """Bounds as parameters of a search. Errors: 400."""
    if "duration" in asked:
        try:
            hours = float(asked["duration"])
        except ValueError:
            raise Refusal(Kind.INVALID, "duration is a number of hours", "duration", code="value") from None
        return [f"date=ge{quote(iso(now_us() - int(hours * 3_600_000_000)))}"]
    return [f"date={mark}{quote(asked[name])}" for name, mark in (("start", "ge"), ("end", "le")) if name in asked]


async def _results(call: Call, person: str, code: str, span: list[str], only: str | None) -> list[tuple[int, Json]]:
    """(microseconds, Observation) of the results of one code in the order of time. Errors: 413."""
    stored = await every(call, "&".join([f"subject={quote(person)}", f"code={quote(code)}", *span]), only)
    found = [(each.updated, call.house.parse_stored(each.body)) for each in stored]
    return sorted(((effective(each, at)[0], each) for at, each in found if each.get("status") in _RESULT), key=itemgetter(0))


def _statistics(person: str, code: str, found: Sequence[tuple[int, Json]], wanted: Sequence[str]) -> Json:
    """The Observation of one code. Errors: 422 for values in several units."""
    points, units = list[tuple[float, float]](), dict[tuple[Any, ...], Json]()
    for at, each in found:
        quantity = each.get("valueQuantity") or ({"value": each["valueInteger"]} if "valueInteger" in each else {})
        if isinstance(quantity.get("value"), int | float) and "comparator" not in quantity:
            points.append((at / DAY_US, float(quantity["value"])))
            units[quantity.get("system"), quantity.get("code") or quantity.get("unit")] = quantity
    if len(units) > 1:
        raise Refusal(Kind.UNPROCESSABLE, "The values are in several units: their statistics would mean nothing", "code", code="not-supported")
    unit = {name: value for name, value in next(iter(units.values()), {}).items() if name in ("unit", "system", "code")}
    system, bar, bare = code.rpartition("|")
    coding: Json = {"code": bare} | ({"system": system} if bar and system else {})
    made: Json = {"resourceType": "Observation", "status": "final", "code": found[0][1]["code"] if found else {"coding": [coding]},
                  "subject": {"reference": person if "/" in person else f"Patient/{person}"}}  # fmt: skip
    if points:
        made["effectivePeriod"] = {"start": iso(round(points[0][0] * DAY_US)), "end": iso(round(points[-1][0] * DAY_US))}
    made["component"] = [_component(name, points, len(found), unit) for name in wanted]
    return made


def _component(name: str, points: Points, total: int, unit: Json) -> Json:
    code = {"code": {"coding": [{"system": SYSTEM, "code": name}]}}
    value = float(total) if name == "total-count" else STATISTICS[name](points) if points or name == "count" else None
    if value is None:
        absent = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}], "text": "Too few values"}
        return code | {"dataAbsentReason": absent}
    plain = int(value) if value.is_integer() else round(value, 10)
    counts = {"unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}
    return code | {"valueQuantity": {"value": plain} | (counts if name in ("count", "total-count", "skew", "kurtosis") else unit)}
