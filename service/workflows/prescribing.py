"""Prescriptions against genes and other medicines: rows of the story, findings, DetectedIssues that come and go with them."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from mappings.genes.genotype import Genotype, genotypes_of
from mappings.genes.guidance import Finding
from mappings.genes.phenotype import interpret
from mappings.medicines.checking import Checked, Context, Known, checked
from mappings.medicines.dosage import daily_mg
from mappings.medicines.interactions import Interaction
from mappings.medicines.issues import detected_issue
from mappings.medicines.monitoring import Value, values_of
from mappings.medicines.prescription import Medicine, medicine_of
from mappings.medicines.warnings import Person
from mappings.suggestions import collect, history
from mappings.vocabulary import Json
from service.workflows import records, treating
from service.workflows.change import Change
from service.workflows.clinical_time import iso, microseconds

if TYPE_CHECKING:
    from service.workflows.telling import Telling

_MORE = ("security", "mg", "doses", "until")
MEDICINES = ("MedicationRequest", "MedicationStatement")


class Prescribing:
    """The medicines and genes of one person in one use case."""

    def __init__(self, telling: "Telling") -> None:
        self._telling, self._story, self._knowledge = telling, telling.story, telling.house.knowledge
        self.changed = False
        self._security: dict[str, list[Json]] = {}

    def note(self, changes: Iterable[Change]) -> None:
        """Keep what the changes say of medicines, genes and the person."""
        for change in changes:
            self.changed |= records.note(self._telling.house, self._story, change)
            if change.kind in MEDICINES:
                self._medicine(change)
            elif change.kind == "Observation":
                self._gene(change)
                treating.note(self._knowledge, self._story, change)
            elif change.kind == "AllergyIntolerance" or (change.kind == "Patient" and any(self._story.all("medicine"))):
                self.changed = True

    def _medicine(self, change: Change) -> None:
        self.changed = True
        self._security[change.ref] = (change.resource or {}).get("meta", {}).get("security", [])
        if records.gone(change):
            self._story.drop("medicine", change.ref)
            return
        medicine = medicine_of({**(change.resource or {}), "id": change.id}, self._knowledge.drugs, change.related)
        mg, before = daily_mg(change.resource or {}), self._story.get("medicine", change.ref) or {}
        more = {"security": self._security[change.ref], "mg": mg} | _in_time(before, medicine, mg, iso(self._telling.now))
        self._story.put("medicine", change.ref, asdict(medicine) | more)

    def _gene(self, change: Change) -> None:
        found = [] if change.method == "delete" else genotypes_of({**(change.resource or {}), "id": change.id})
        if found:
            self.changed = True
            self._story.put("gene", change.ref, {"genotypes": [asdict(genotype) for genotype in found]})
        elif self._story.raw("gene", change.ref) is not None:
            self.changed = True
            self._story.drop("gene", change.ref)

    # What follows rests on the rows alone, which stand once the changes are noted: each is worked out once, on the first question.

    @cached_property
    def medicines(self) -> list[Medicine]:
        """Everything prescribed or taken, by ref."""
        return [_medicine(row) for _, row in self._story.all("medicine")]

    def of_class(self, name: str) -> list[tuple[Medicine, tuple[str, ...]]]:
        """The medicines with an ingredient of a class (collect.CLASSES), each with those ingredients."""
        groups, drugs = collect.CLASSES[name], self._knowledge.drugs.by_id
        found = [(each, tuple(drug for drug in each.ingredients if drug in drugs and drugs[drug].group in groups)) for each in self.medicines]
        return [(medicine, mine) for medicine, mine in found if mine]

    @cached_property
    def checks(self) -> list[Checked]:
        """Every active medicine against everything that is known of the person."""
        known, active = self._known(), [medicine for medicine in self.medicines if medicine.active]
        context = self._context() if active else None
        return [checked(known, medicine, self._daily(medicine.ref), context) for medicine in active] if context else []

    def _known(self) -> Known:
        own = self._knowledge
        return Known(own.genes, own.guidance, own.inhibitors, own.drugs, own.interactions, own.warnings, own.monitoring, self._telling.house.external)

    def _context(self) -> Context:
        genotypes = [Genotype(**genotype) for _, row in self._story.all("gene") for genotype in row["genotypes"]]
        interpreted = [interpret(self._knowledge.genes, genotype) for genotype in genotypes]
        recorded = [row for _, row in self._story.all("allergy")]
        return Context(self.medicines, interpreted, recorded, self._person(), iso(self._telling.now)[:10], self.values)

    @cached_property
    def values(self) -> dict[str, Value]:
        """The newest value of each measure that medicines are monitored by."""
        return values_of(self._story.all("latest"), self._knowledge.monitoring.measures, collect.instant)

    def heard(self, measures: set[str]) -> None:
        """New values of these measures: limits under a medicine are looked at again."""
        self.changed |= bool(measures & self._knowledge.monitoring.measures) and any(medicine.active for medicine in self.medicines)

    def _person(self) -> Person:
        patient, now = self._story.get("patient") or {}, iso(self._telling.now)
        age = collect.person_facts(patient, now).get("person.age-years")
        states = history.facts(self._knowledge.history, self._story.all("history"), now)
        pregnant, smoker = states.get("person.pregnant"), states.get("person.smoker")
        refs = tuple(ref for state in (pregnant, smoker) if state is not None and state.value for ref in state.refs)
        return Person(int(age.value) if age else None, patient.get("gender"), bool(pregnant.value) if pregnant else None, bool(smoker and smoker.value), refs)

    def _daily(self, ref: str) -> float | None:
        found: float | None = (self._story.get("medicine", ref) or {}).get("mg")
        return found

    @cached_property
    def findings(self) -> list[tuple[Medicine, Finding]]:
        """What the guidelines say of the active medicines with these genes, each in its own words."""
        return [(each.medicine, finding) for each in self.checks for finding in each.findings]

    @cached_property
    def interactions(self) -> list[tuple[Medicine, Interaction]]:
        """What else stands against an active prescription."""
        return [(each.medicine, found) for each in self.checks if each.medicine.ref.startswith("MedicationRequest/") for found in each.interactions]

    def settle(self) -> None:
        """Bring the DetectedIssues in step with medicines and genes."""
        if not self.changed:
            return
        now = self._telling.now
        standing: list[tuple[Medicine, Any]] = [(medicine, finding) for medicine, finding in self.findings if finding.actionable]
        wanted: dict[str, tuple[Json, Medicine]] = {}
        for medicine, found in [*standing, *self.interactions]:
            issue = detected_issue(found, medicine, self._story.person, [], iso(now))
            wanted[issue["id"]] = (issue, medicine)
        for id_, (issue, medicine) in wanted.items():
            self._stand(id_, issue, self._labels(medicine.ref))
        for id_, row in self._story.all("issue"):
            if id_ not in wanted and row["body"]["status"] == "preliminary":
                self._fall(id_, row["body"])

    def _labels(self, ref: str) -> list[Json]:
        row = self._story.get("medicine", ref) or {}
        labels: list[Json] = row.get("security", [])
        return labels

    def _stand(self, id_: str, issue: Json, security: list[Json]) -> None:
        row, digest = self._story.get("issue", id_), _digest(issue)
        if row is None or row["digest"] != digest or row["body"]["status"] != "preliminary":
            self._story.put("issue", id_, {"digest": digest, "body": issue})
            self._telling.put(f"DetectedIssue/{id_}", issue, security)

    def _fall(self, id_: str, body: Json) -> None:
        """Cancelled when the prescription ended or the gene changed; entered in error when what it stood on is withdrawn."""
        sources = [reference["reference"] for reference in body.get("implicated", ())]
        withdrawn = any(self._story.raw("medicine", ref) is None for ref in sources)
        fallen = body | {"status": "entered-in-error" if withdrawn else "cancelled"}
        self._story.put("issue", id_, {"digest": "", "body": fallen})
        self._telling.put(f"DetectedIssue/{id_}", fallen, [label for ref in sources for label in self._security.get(ref, [])])


def _medicine(row: Json) -> Medicine:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key not in _MORE}
    return Medicine(**values)


def _in_time(before: Json, medicine: Medicine, mg: float | None, now: str) -> Json:
    """`doses`: (time, mg a day) as they followed each other; `until`: the end, or when we heard that what we knew as taken was stopped. Of one that
    is first heard of when it is over, and says no end, nobody knows until when it was taken: nothing is made of it."""
    until = medicine.end or (before.get("until") or (now if before.get("active") else None) if medicine.stopped else None)
    return {"doses": _doses(before, medicine.start, mg, now), "until": until}


def _doses(before: Json, start: str | None, mg: float | None, now: str) -> list[list[Any]]:
    """A change of dose holds from its new start, or from now where none is given; another start with the same dose corrects it."""
    doses: list[list[Any]] = list(before.get("doses", ()))
    moved, same = start != before.get("start"), bool(doses) and doses[-1][1] == mg
    if not doses or (moved and not same):
        return [*(each for each in doses if _follows(each[0], start)), [start, mg]]
    if not same:
        return [*doses, [now, mg]]
    if not moved:
        return doses
    return [*doses[:-1], [start, mg]] if doses[-1][0] == before.get("start") else [[start, doses[0][1]], *doses[1:]]


def _follows(earlier: str | None, later: str | None) -> bool:
    one, two = (microseconds(each) if each else None for each in (earlier, later))
    return one is not None and two is not None and one < two


def _digest(issue: Json) -> str:
    bare = {key: value for key, value in issue.items() if key != "identifiedDateTime"}
    return hashlib.sha256(orjson.dumps(bare, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
