"""A stable period, as a clinician confirms it: an Observation with our code and an effectivePeriod that has ended."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mappings.baseline.measured import codes_of
from mappings.baseline.prior import Prior
from mappings.baseline.treatment import Period
from mappings.vocabulary import OURS, Json

STABLE_PERIOD: Final = "stable-period"
_SAID: Final = frozenset({"final", "amended", "corrected"})


def is_stable_period(observation: Json) -> bool:
    """Whether this Observation is one."""
    return (OURS, STABLE_PERIOD) in codes_of(observation)


def stable_period(observation: Json, priors_by_code: Mapping[tuple[str, str], Prior]) -> Json | None:
    """What a story keeps of it: `start`, `end` (FHIR times) and `measures`, those that components name, or None for all. None where it says nothing:
    another status, no end, or components that name no measure."""
    period = observation.get("effectivePeriod") or {}
    if not is_stable_period(observation) or observation.get("status") not in _SAID or not (period.get("start") and period.get("end")):
        return None
    components = observation.get("component")
    if not components:
        return {"start": period["start"], "end": period["end"], "measures": None}
    named = sorted({priors_by_code[code].measure for component in components for code in codes_of(component) if code in priors_by_code})
    return {"start": period["start"], "end": period["end"], "measures": named} if named else None


def period_of(row: Mapping[str, Any], day_of: Callable[[str], float | None], end_of: Callable[[str], float | None]) -> Period | None:
    """The period of a kept row; None where its times are none, or do not rise. `day_of`, `end_of`: the first and the last moment of a FHIR time."""
    start, end = day_of(row["start"]), end_of(row["end"])
    if start is None or end is None or end < start:
        return None
    return Period(start, end, None if row["measures"] is None else frozenset(row["measures"]))
