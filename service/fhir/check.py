"""MedicationRequest/$check: what stands against a prescription before it is stored; nothing is stored."""

import orjson

from mappings.genes.genotype import Genotype
from mappings.medicines.dosage import daily_mg
from mappings.medicines.prescription import medicine_of
from mappings.outcome import Issue, operation_outcome
from mappings.r4.references import led
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.fhir.answer import FHIR_JSON, Answer
from service.fhir.call import Call
from service.fhir.intake import parsed
from service.fhir.parameters import resource_of, resources_in
from service.house import House
from service.workflows.change import Change, Requester
from service.workflows.receive import foresee
from service.workflows.story import Story

KIND = "MedicationRequest"


async def check(call: Call) -> Answer:
    """POST MedicationRequest/$check with the prescription, or Parameters with `resource` (and `medication`). 200 with a Bundle: the prescription,
    the DetectedIssues that storing it would raise about it, and an OperationOutcome of what was looked at. Errors: as those of a create."""
    house = call.house
    reach = house.gate.authorise(call.principal, "create", KIND)
    house.gate.authorise(call.principal, "read", "DetectedIssue")
    body = parsed(await call.fhir_body())
    request = {key: value for key, value in resource_of(house, body, KIND, "resource").items() if key != "id"}
    medication = _medication(body)
    change = Change("create", KIND, resource=request, related=medication)
    tellings = await foresee(house, [change], Requester.of(call, reach, "operation"))
    if not tellings:
        raise Refusal(Kind.UNPROCESSABLE, "The prescription names no person known here", f"{KIND}.subject", code="not-found")
    (telling,) = tellings
    issues = [body for ref, (body, _) in telling.derived.items() if ref.startswith("DetectedIssue/") and _about(body, change.ref)]
    await house.audit.seen(call, "operation", KIND, None, telling.story.person)
    entries = [{"fullUrl": f"urn:uuid:{change.id}", "resource": request}]
    entries += [{"fullUrl": f"urn:uuid:{each['id']}", "resource": led(each, {change.ref: f"urn:uuid:{change.id}"})} for each in sorted(issues, key=_rank)]
    entries.append({"resource": operation_outcome(*_looked_at(house, telling.story, change, medication, len(issues)))})
    return Answer(200, orjson.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), [FHIR_JSON])


def _medication(body: Json) -> Json | None:
    """The Medication sent with the prescription."""
    found = resources_in(body).get("medication")
    return found if isinstance(found, dict) and found.get("resourceType") == "Medication" else None


def _about(issue: Json, ref: str) -> bool:
    return issue["status"] == "preliminary" and any(each["reference"] == ref for each in issue.get("implicated", ()))


def _rank(issue: Json) -> tuple[int, str]:
    return {"high": 0, "moderate": 1, "low": 2}[issue["severity"]], issue["detail"]


def _looked_at(house: House, story: Story, change: Change, medication: Json | None, found: int) -> list[Issue]:
    """What the check rests on and what it could not see: none of it is a value."""
    assert change.resource is not None
    medicine = medicine_of(change.resource, house.knowledge.drugs, medication or change.related)
    genes = sorted({Genotype(**each).gene for _, row in story.all("gene") for each in row["genotypes"]})
    others = sum(1 for ref, _ in story.all("medicine") if ref != change.ref)
    said = [
        f"{found} finding(s) on this prescription.",
        f"Mapped by {medicine.how}, {medicine.sure}." if medicine.how != "unmapped" else "The medicine is not recognised: genes and interactions not checked.",
        f"Other medicines on record: {others}. Recorded allergies and intolerances: {sum(1 for _ in story.all('allergy'))}.",
        f"Genes on record: {', '.join(genes)}." if genes else "No genotype is on record: no gene-drug guidance was looked up.",
    ]
    if daily_mg(change.resource) is None:
        said.append("The daily dose could not be read: no dose limit was checked.")
    if "birthDate" not in (story.get("patient") or {}):
        said.append("The age is not known: warnings bound to age were not checked.")
    return [Issue("information", "informational", text) for text in said]
