"""The story's steps: what an EHR sends, and what comes back."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from service.demo import person
from service.demo.screen import Screen
from service.demo.setting import Doors, Setting

Json = dict[str, Any]


class Story:
    """One run for one person."""

    def __init__(self, setting: Setting, doors: Doors) -> None:
        self._setting, self._service, self._ehr = setting, doors.service, doors.ehr
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._person = self._response = self._plan = ""
        self._mrn = f"MRN-{uuid4().hex[:8]}"

    # Sending

    def load(self) -> str:
        """The person as an EHR would send it; the same person stands in the EHR."""
        seeded = httpx.post(f"{self._setting.sandbox}/sandbox/load", json={"resources": [person.patient(self._mrn) | {"id": "mika"}]}, trust_env=False)
        _ok(seeded)
        self._person = "Patient/" + self._create(person.patient(self._mrn))["id"]
        results = []
        for _, resource in person.background(self._now):
            self._create(json.loads(json.dumps(resource).replace('"PERSON"', json.dumps(self._person))))
        for resource in person.genes(self._person, self._now):
            results.append("Observation/" + self._create(resource)["id"])
        self._create(person.report(self._person, results, self._now))
        counts = 0
        for resource in [*person.laboratory(self._person, self._now), *person.weekly(self._person, self._now), *person.nights(self._person, self._now)]:
            self._create(resource)
            counts += 1
        return f"Patient, Encounter, Condition, two Goals, citalopram, a PGx report, and {counts} answers and measurements"

    def unusual(self) -> str:
        """The answer that starts it all."""
        started = time.perf_counter()
        self._response = "QuestionnaireResponse/" + self._create(person.unusual(self._person, self._now))["id"]
        return f"201 Created in {(time.perf_counter() - started) * 1000:.0f} ms; everything that follows from it was stored in the same commit"

    # Reading what came of it

    def judgement(self, screen: Screen) -> None:
        """Score, ranges, deviation, safety, genes: read back over the API."""
        id_ = self._person.split("/")[1]
        total = self._newest(f"Observation?patient={id_}&code=https://setpoint.example/fhir/CodeSystem/setpoint|phq-9&_sort=-date&_count=1")
        screen.fact("PHQ-9 total", f"{total['valueQuantity']['value']} ({', '.join(each.get('text', '') for each in total.get('interpretation', ()))})")
        for reach in total.get("referenceRange", ()):
            screen.fact("Range", f"{reach.get('low', {}).get('value', '-')} to {reach.get('high', {}).get('value', '-')}: {reach.get('text', '')}")
        deviation = self._newest(f"Observation?patient={id_}&code=https://setpoint.example/fhir/CodeSystem/setpoint|deviation&_sort=-date&_count=1")
        for note in deviation.get("note", ()):
            screen.fact("Deviation", note["text"])
        for flag in self._all(f"Flag?patient={id_}"):
            screen.fact("Safety flag", f"{flag['status']}: {flag['code']['text']}")
        for issue in self._all(f"DetectedIssue?patient={id_}"):
            screen.fact("Gene and drug", f"{issue['severity']}: {issue['detail']}")

    def delivered(self, screen: Screen) -> str:
        """The CarePlan and the Flag, read from the EHR with an ordinary FHIR client."""
        plans = self._wait_for("CarePlan?subject=Patient/mika", self._raised())
        self._wait_for("Flag?subject=Patient/mika", 1)
        for plan in plans:
            screen.fact("In the EHR", f"CarePlan {plan['status']}, {plan['intent']}: {plan['title']}")
        plan = next((each for each in plans if "depression-worsening" in json.dumps(each.get("instantiatesCanonical", ""))), plans[0])
        self._plan = next(each["value"] for each in plan["identifier"] if "suggestion" in each["system"])
        screen.fact("Why", plan["description"])
        for note in plan.get("note", ()):
            screen.fact("", note["text"])
        for activity in plan.get("activity", ()):
            screen.fact("Proposed", activity["detail"]["description"])
        return f"{len(plans)} drafts and the safety Flag stand in the EHR"

    def _raised(self) -> int:
        """How many drafts the service holds for this person: so many must come to stand in the EHR."""
        return len(self._all(f"CarePlan?patient={self._person.split('/')[1]}&status=draft"))

    def reviewed(self, screen: Screen) -> str:
        """The clinician accepts; the decision stands in both houses."""
        asked = {"service": f"{self._setting.service}/fhir", "plan": self._plan, "decision": "accept", "reason": "Discussed with the patient today."}
        answer = _ok(httpx.post(f"{self._setting.sandbox}/sandbox/review", json=asked, trust_env=False, timeout=30))
        if answer["status"] != 200:
            raise AssertionError(f"$review answered {answer['status']}: {json.dumps(answer['answer'])[:400]}")
        screen.fact("Review", f"CarePlan is now {answer['answer']['status']}, still a {answer['answer']['intent']}")
        provenance = self._all(f"Provenance?target=CarePlan/{self._plan}&_sort=-recorded&_count=1")[0]
        screen.fact("By", json.dumps(provenance["agent"][0]["who"]))
        end = time.monotonic() + 20
        while time.monotonic() < end:
            plans = self._found(self._ehr, "CarePlan?subject=Patient/mika&status=active")
            if plans:
                return "the EHR shows the accepted plan as active"
            time.sleep(0.1)
        raise AssertionError("the accepted plan did not reach the EHR")

    def chart(self) -> str:
        """The trajectory as an SVG file."""
        answer = self._service.get(f"{self._person}/$baseline", params={"measure": "phq-9", "_format": "image/svg+xml"})
        if answer.status_code != 200:
            raise AssertionError(f"$baseline answered {answer.status_code}")
        path = self._setting.folder / "trajectory.svg"
        path.write_bytes(answer.content)
        return f"{path} ({len(answer.content) // 1024} kB)"

    # Speaking FHIR

    def _create(self, resource: Json) -> Json:
        return _ok(self._service.post(f"/{resource['resourceType']}", content=json.dumps(resource)))

    def _all(self, query: str) -> list[Json]:
        return self._found(self._service, query)

    def _newest(self, query: str) -> Json:
        found = self._all(query)
        if not found:
            raise AssertionError(f"nothing found for {query.split('?')[0]}")
        return found[0]

    @staticmethod
    def _found(client: httpx.Client, query: str) -> list[Json]:
        bundle = _ok(client.get("/" + query))
        return [entry["resource"] for entry in bundle.get("entry", ()) if entry.get("search", {}).get("mode", "match") == "match"]

    def _wait_for(self, query: str, count: int, seconds: float = 20) -> list[Json]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self._found(self._ehr, query)
            if len(found) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"the EHR shows {len(self._found(self._ehr, query))} of {count}: {query.split('?')[0]}")


def _ok(answer: httpx.Response) -> Json:
    if answer.status_code >= 400:
        raise AssertionError(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text[:600]}")
    found: Json = answer.json()
    return found
