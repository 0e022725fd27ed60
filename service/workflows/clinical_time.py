"""Clinical time: when a value or an answer was true of the person, in microseconds UTC."""

from datetime import MAXYEAR, UTC, datetime, timedelta

from mappings.vocabulary import Json
from service.store.unit import instant


def microseconds(text: str) -> int | None:
    """A FHIR date, dateTime or instant as microseconds UTC: the start of what it covers; without a zone it is read as UTC."""
    padded = text if len(text) > 7 else {4: text + "-01-01", 7: text + "-01"}.get(len(text), text)
    try:
        moment = datetime.fromisoformat(padded.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def last_microsecond(text: str) -> int | None:
    """The end of what a FHIR date covers: a Period that ends on a date includes that day; of a dateTime or instant itself."""
    begin = microseconds(text)
    if begin is None or len(text) > 10:
        return begin
    day = (datetime(1970, 1, 1) + timedelta(microseconds=begin)).date()
    reach = {4: 366, 7: 31}.get(len(text), 1)
    if day.year == MAXYEAR:
        return begin  # "9999-12-31" is how some say that there is no end
    following = day + timedelta(days=reach)
    after = microseconds(following.isoformat()[: len(text)])
    return None if after is None else after - 1


def iso(us: int) -> str:
    """The FHIR instant of these microseconds."""
    return instant(us).decode()


def authored(response: Json, received: int) -> tuple[int, str]:
    """(microseconds, FHIR text) of a QuestionnaireResponse; without `authored` it is the time of receipt."""
    return _first((response.get("authored"),), received)


def effective(observation: Json, received: int) -> tuple[int, str]:
    """(microseconds, FHIR text) of an Observation: effective[x] (of a Period the start), else issued, else the time of receipt."""
    period = observation.get("effectivePeriod", {})
    return _first(
        (observation.get("effectiveDateTime"), observation.get("effectiveInstant"), period.get("start"), period.get("end"), observation.get("issued")), received
    )


def _first(texts: tuple[str | None, ...], received: int) -> tuple[int, str]:
    for text in texts:
        at = microseconds(text) if isinstance(text, str) else None
        if at is not None and text is not None:
            return at, text
    return received, iso(received)
