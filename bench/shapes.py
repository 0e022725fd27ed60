"""The FHIR API shape by shape: load by transactions, reads, histories and searches, each in CPU per request of the service and its database, and as a
ratio to a read of the same run. A shape should cost what it shows and not what is stored: SETPOINT_BENCH_PEOPLE says how many people are loaded."""

import json
import os
import random
from dataclasses import dataclass, field
from typing import Any

import psutil

from bench.load import drive

PEOPLE = int(os.environ.get("SETPOINT_BENCH_PEOPLE", "300"))
LOINC, UCUM, CLASS = "http://loinc.org", "http://unitsofmeasure.org", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FAMILIES, GIVEN = ("Silva", "Okafor", "Smith", "Nguyen", "Garcia", "Tanaka"), ("Ana", "Ben", "Chi", "Dara")
MEASURES = (("44261-6", "{score}", 12.0), ("3016-3", "m[IU]/L", 2.0), ("29463-7", "kg", 75.0), ("8867-4", "/min", 72.0))
SHAPES = {
    "patient": "Observation?patient={person}&_count=20",
    "patient, code, newest": "Observation?patient={person}&code=http://loinc.org%7C44261-6&_sort=-date&_count=20",
    "code": "Observation?code=http://loinc.org%7C44261-6&_count=20",
    "code, total": "Observation?code=http://loinc.org%7C44261-6&_total=accurate&_count=20",
    "date": "Observation?date=ge2025-06-01&_count=20",
    "code, quantity": "Observation?code=http://loinc.org%7C3016-3&value-quantity=gt2.5&_count=20",
    "chain": "Observation?subject:Patient.family=Silva&code=http://loinc.org%7C44261-6&_count=20",
    "include": "Observation?code=http://loinc.org%7C44261-6&_include=Observation:subject&_count=20",
    "family, given": "Patient?family=Silva&given=Ana&_count=20",
    "birth date": "Patient?birthdate=ge1980-01-01&birthdate=lt1990-01-01&_count=20",
    "_has": "Patient?_has:Observation:patient:code=http://loinc.org%7C44261-6&_count=10",
    "visits by date": "Encounter?date=ge2025-06-01&_sort=date&_count=20",
    "history": "{person}/_history",
}


@dataclass(slots=True)
class Population:
    """Synthetic people, always the same ones; `people` are the refs they got."""

    chance: random.Random = field(default_factory=lambda: random.Random(1))
    people: list[str] = field(default_factory=list)

    def bundle(self) -> bytes:
        """One person with two visits and a dozen values."""
        chance, who = self.chance, "urn:uuid:00000000-0000-4000-8000-000000000000"
        person = {"resourceType": "Patient", "name": [{"family": chance.choice(FAMILIES), "given": [chance.choice(GIVEN)]}],
                  "birthDate": f"{chance.randint(1940, 2000)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"}  # fmt: skip
        entries: list[dict[str, Any]] = [{"fullUrl": who, "resource": person, "request": {"method": "POST", "url": "Patient"}}]
        for _ in range(2):
            day = f"{chance.randint(2024, 2026)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"
            entries.append(_entry({"resourceType": "Encounter", "status": "finished", "class": {"system": CLASS, "code": "AMB"}, "subject": {"reference": who},
                                   "period": {"start": f"{day}T08:00:00Z", "end": f"{day}T09:00:00Z"}}))  # fmt: skip
        for _ in range(12):
            code, unit, mean = chance.choice(MEASURES)
            value = round(abs(chance.gauss(mean, mean / 5)), 0 if unit == "{score}" else 1)
            at = f"{chance.randint(2024, 2026)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}T08:{chance.randint(10, 59)}:00Z"
            entries.append(_entry({"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": LOINC, "code": code}]},
                                   "subject": {"reference": who}, "effectiveDateTime": at,
                                   "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}))  # fmt: skip
        return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def cpu_s(pids: list[int]) -> float:
    """CPU seconds of these processes and their children so far."""
    total = 0.0
    for pid in pids:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total


async def run(base: str, pids: list[int], seconds: float) -> None:
    """Load, then every shape. `pids`: the service and, where it has one, its database server."""
    import httpx

    population, before = Population(), cpu_s(pids)
    async with httpx.AsyncClient(base_url=f"{base}/fhir", headers={"content-type": "application/fhir+json"}, trust_env=False, timeout=60) as client:
        for _ in range(PEOPLE):
            answer = await client.post("", content=population.bundle())
            answer.raise_for_status()
            population.people.append("/".join(answer.json()["entry"][0]["response"]["location"].split("/")[-4:-2]))
    stored = PEOPLE * 15
    print(f"  loaded {stored} resources: {(cpu_s(pids) - before) * 1000 / stored:.2f} ms CPU each", flush=True)
    reference = await _shape(base, pids, "read", "{person}", population, seconds, None)
    for name, url in SHAPES.items():
        await _shape(base, pids, name, url, population, seconds, reference)


async def _shape(base: str, pids: list[int], name: str, url: str, population: Population, seconds: float, reference: float | None) -> float:
    def make(number: int) -> tuple[str, str, bytes]:
        return "GET", "/fhir/" + url.format(person=population.people[number * 7919 % len(population.people)]), b""

    await drive(base, make, 0.5)
    before = cpu_s(pids)
    result = await drive(base, make, seconds)
    each = (cpu_s(pids) - before) * 1000 / (result.per_s * seconds)
    ratio = f"  {each / reference:.1f} reads" if reference else ""
    print(f"  {name:<24}{result.per_s:>8.0f}/s  p50 {result.p50:>6.2f} ms  p99 {result.p99:>6.2f} ms  CPU {each:>5.2f} ms  failures {result.failures}{ratio}",
          flush=True)  # fmt: skip
    return each
