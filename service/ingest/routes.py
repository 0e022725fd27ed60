"""The table of what is answered below /ingest."""

from service.errors import Kind, Refusal
from service.fhir.routes import Route
from service.ingest import hl7v2, pharmcat, table

ROUTES = (
    Route("POST", "pharmcat", "operation", pharmcat.receive, draws=True),
    Route("POST", "hl7v2", "operation", hl7v2.receive, draws=True),
    Route("POST", "csv", "operation", table.receive, draws=True),
)


def find(method: str, parts: list[str]) -> Route:
    """The route of a request. Errors: 404, 405."""
    for route in ROUTES:
        if parts == [route.shape]:
            if method == route.method:
                return route
            raise Refusal(Kind.NOT_ALLOWED, "This method is not offered here")
    raise Refusal(Kind.NOT_FOUND, "There is no such address below /ingest", code="not-supported")
