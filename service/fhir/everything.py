"""Patient/[id]/$everything: https://hl7.org/fhir/R4/operation-patient-everything.html"""

from collections.abc import Sequence
from urllib.parse import quote

from service.errors import Kind, Refusal
from service.fhir.across import confine, page, walk_of
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.parameters import asked_of
from service.fhir.search import compartment_parameters
from service.search.query import Query
from service.security.reach import SHARED
from service.store.unit import Stored

REFERRED = ("Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device")
"""Types outside the compartment that its resources refer to and cannot be read without."""
DATES = {
    "AllergyIntolerance": "date", "CarePlan": "date", "CareTeam": "date", "Communication": "sent", "Condition": "onset-date", "Consent": "date",
    "DetectedIssue": "identified", "DiagnosticReport": "date", "DocumentReference": "date", "Encounter": "date", "FamilyMemberHistory": "date",
    "Flag": "date", "Goal": "start-date", "List": "date", "MedicationRequest": "authoredon", "MedicationStatement": "effective", "Observation": "date",
    "Procedure": "date", "QuestionnaireResponse": "authored", "RiskAssessment": "date", "ServiceRequest": "authored", "Specimen": "collected",
    "Task": "authored-on",
}  # fmt: skip
"""The parameter that says when care was given, of the types that have one; start and end speak of it."""
MOST = 1000
_NAMES = ("start", "end", "_since", "_type", "_count", "_cursor", "_format", "_pretty", "_elements", "_summary")


async def everything(call: Call) -> Answer:
    """The Patient, the resources of the compartment and what they refer to, in pages. `start` and `end` bound the dates of care, `_since` the
    last update. 404 for an unknown person; a patient-bound token may ask for its own alone."""
    house = call.house
    reach = house.gate.authorise(call.principal, "search-type", "Patient")
    person = "/".join(call.parts[:2]) if call.parts[1:2] != ["$everything"] else reach.person
    if person is None:
        raise Refusal(Kind.INVALID, "Patient/$everything is for a token that speaks for one patient; name a patient", code="required")
    if not reach.covers(person) or not await house.person_stands(person):
        raise Refusal(Kind.NOT_FOUND, "No such person")
    asked = await asked_of(call, _NAMES)
    for name in ("start", "end", "_since"):
        if name in asked and not asked[name][:1].isdigit():
            raise Refusal(Kind.INVALID, f"{name} must be a date", name, code="value")
    kinds = ["Patient", *(kind for kind in house.types.searched() if kind != "Patient" and compartment_parameters(house, kind))]
    walk = walk_of(call, _query(asked), kinds, f"{person}/$everything", lambda kind, query: _narrow(call, query, person, asked))
    walk.used = [(name, value) for name, value in asked.items() if name not in ("_cursor", "_format", "_pretty")]
    body = await page(call, walk, lambda matches: _referred(call, matches))
    await house.audit.seen(call, "operation", "Patient", person, person)
    return Answer(200, body, [FHIR_JSON])


def _query(asked: dict[str, str]) -> bytes:
    """What the walk itself understands of the parameters."""
    own = {name: value for name, value in asked.items() if name in ("_type", "_count", "_cursor", "_elements", "_summary", "_pretty")}
    own = {"_count": str(MOST), "_total": "accurate"} | own
    if "_since" in asked:
        own["_lastUpdated"] = f"ge{asked['_since']}"
    return "&".join(f"{name}={quote(value)}" for name, value in own.items()).encode()


def _narrow(call: Call, query: Query, person: str, asked: dict[str, str]) -> None:
    confine(call, query, person)
    date = DATES.get(query.kind)
    bounds = [f"{date}={prefix}{quote(asked[name])}" for name, prefix in (("start", "ge"), ("end", "le")) if date and name in asked]
    if bounds:
        query.criteria += call.house.searcher.understand(query.kind, "&".join(bounds).encode()).criteria


async def _referred(call: Call, matches: Sequence[Stored]) -> list[Stored]:
    """The shared resources that a page refers to directly."""
    if not matches:
        return []
    marks = ", ".join(f"${number}" for number in range(1, len(matches) + 1))
    rows = await call.house.store.fetch(f"SELECT DISTINCT i.target FROM idx_reference i WHERE i.rid IN ({marks}) ORDER BY 1", [each.rid for each in matches])
    granted = [kind for kind in REFERRED if call.house.gate.allows(call.principal, "read", kind)]
    refs = [row[0] for row in rows if row[0].split("/")[0] in granted]
    stored = await call.house.store.read_many(refs) if refs else {}
    found = [stored[ref] for ref in refs if ref in stored and not stored[ref].deleted]
    return [each for each in found if each.ref.split("/")[0] in SHARED or call.principal.kind != "patient"]
