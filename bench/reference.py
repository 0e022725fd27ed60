"""The reference: a bare Starlette route that parses the same body and returns it. Run by uvicorn as `bench.reference:app`."""

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

KEPT: dict[str, bytes] = {}


async def take(request: Request) -> Response:
    """Parse and return the body."""
    body = await request.body()
    return Response(orjson.dumps(orjson.loads(body)), 201, media_type="application/fhir+json")


async def give(request: Request) -> Response:
    """Parse and return a kept body."""
    return Response(orjson.dumps(orjson.loads(BODY)), media_type="application/fhir+json")


BODY = orjson.dumps(
    {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/00000000-0000-4000-8000-000000000000"},
        "effectiveDateTime": "2026-01-05T08:00:00Z",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
            }
            for code in ("8480-6", "8462-4")
        ],
    }
)
app = Starlette(routes=[Route("/fhir/Observation", take, methods=["POST"]), Route("/fhir/Observation/{id}", give)])
