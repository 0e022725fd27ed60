"""Every example of our types that HL7 publishes (npm hl7.fhir.r4.examples 4.0.1, CC0; definitional resources and files past 100 kB apart) is stored
through the API and comes back identical, numbers to the letter. examples.ndjson.xz holds them, a line each, without white space between tokens."""

import json
import lzma
from pathlib import Path
from typing import Any

import httpx

from mappings.r4 import exact_json

EXAMPLES = lzma.decompress((Path(__file__).parent / "examples.ndjson.xz").read_bytes()).splitlines()
REFUSED = {
    "MedicationRequest/medrx0301": "dispenseRequest.performer may lead to an Organization alone",
    "Observation/clinical-gender": "performer leads to a type that it may not lead to",
    "Questionnaire/qs1": "an item without linkId",
    "Questionnaire/zika-virus-exposure-assessment": "txt-2: the narrative is empty",
    "QuestionnaireResponse/bb": "about a Patient elsewhere (422)",
    "QuestionnaireResponse/ussg-fht-answers": "about a Patient elsewhere (422)",
    "ServiceRequest/myringotomy": "about a Patient elsewhere (422)",
}
"""Examples that do not keep to R4 themselves, or speak of people who are not here."""


def content(body: bytes) -> bytes:
    """The exact text without what the server gives: id, versionId, lastUpdated."""
    resource = exact_json.loads(body)
    meta = {key: value for key, value in resource.pop("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    resource.pop("id", None)
    return exact_json.dumps(resource | ({"meta": meta} if meta else {}))


def persons(value: Any) -> set[str]:
    """The Patients that a resource refers to."""
    if isinstance(value, dict):
        reference = value.get("reference")
        own = {reference.split("/_history")[0]} if isinstance(reference, str) and reference.startswith("Patient/") else set()
        return own.union(*(persons(inner) for inner in value.values()))
    return set().union(*map(persons, value)) if isinstance(value, list) else set()


async def test_examples_come_back_identical(client: httpx.AsyncClient) -> None:
    parsed = [(line, json.loads(line)) for line in EXAMPLES]
    known = {f"{resource['resourceType']}/{resource.get('id')}" for _, resource in parsed}
    for ref in sorted(set().union(*(persons(resource) for _, resource in parsed)) - known):
        await client.put(ref, content=json.dumps({"resourceType": "Patient", "id": ref.split("/")[1]}))
    refused, stored = dict[str, str](), 0
    for line, resource in sorted(parsed, key=lambda each: each[1]["resourceType"] != "Patient"):
        name = f"{resource['resourceType']}/{resource.get('id')}"
        appends = resource["resourceType"] in ("AuditEvent", "Provenance")
        answer = await client.post(resource["resourceType"], content=line) if appends else await client.put(name, content=line)
        if answer.status_code not in (200, 201):
            refused[name] = answer.text
            continue
        stored += 1
        again = await client.get("/".join(answer.headers["location"].split("/")[-4:-2]))
        assert content(again.content) == content(line), name
    assert refused.keys() == REFUSED.keys(), refused
    assert stored == len(EXAMPLES) - len(REFUSED) > 390
