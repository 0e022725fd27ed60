"""Laboratory results become a report: the person is found, what contradicts the record is refused, and everything is stored in one commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from adapters.laboratory.sheet import Holder, Problem, Reading, Result, Sheet
from mappings.genes.gene import Gene
from mappings.genes.genotype import GENE_STUDIED
from mappings.genes.guidance import Finding, drugs_of, find
from mappings.genes.phenotype import Interpreted, interpret
from mappings.genes.report import Study, report
from mappings.vocabulary import Json
from service.errors import Kind, Refusal
from service.security.reach import EVERYBODY
from service.store.clock import now_us
from service.workflows.change import Change, Requester
from service.workflows.clinical_time import iso
from service.workflows.receive import receive

if TYPE_CHECKING:
    from service.house import House

UNKNOWN = "No one person is known here by this identifier"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row: created, unchanged or refused. `refs`: its genotype and phenotype Observations."""

    place: str
    outcome: str
    gene: str | None = None
    phenotype: str | None = None
    text: str | None = None
    refs: tuple[str, ...] = ()


@dataclass(slots=True)
class Ingested:
    """What became of one input. `reports`: the DiagnosticReports, new ones and those that stood already; `persons`: whom each is about."""

    rows: list[Row] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)


async def ingest(house: "House", reading: Reading, who: Requester) -> Ingested:
    """Store every sheet that can be stored, each in one commit with all that follows from it. Errors of one sheet refuse its rows only."""
    done = Ingested([_refused(problem) for problem in reading.problems])
    for sheet in reading.sheets:
        try:
            await _sheet(house, sheet, who, done)
        except Refusal as refusal:
            done.rows += [Row(each.place, "refused", each.genotype.gene, text=refusal.issues[0].text) for each in sheet.results]
    return done


def _refused(problem: Problem) -> Row:
    return Row(problem.place, "refused", problem.gene, text=problem.text)


async def _sheet(house: "House", sheet: Sheet, who: Requester, done: Ingested) -> None:
    person = await find_person(house, sheet.holder, who)
    genes = house.knowledge.genes
    taken = [(each, interpret(genes, each.genotype)) for each in sheet.results]
    kept = [(each, found) for each, found in taken if understood(found, genes)]
    done.rows += [_not_understood(each, found) for each, found in taken if not understood(found, genes)]
    if not kept:
        return
    study = Study(person, Sheet(sheet.holder, tuple(each for each, _ in kept), sheet.laboratory, sheet.effective, sheet.number).source,
                  sheet.effective, iso(now_us()), sheet.laboratory)  # fmt: skip
    interpreted = [found for _, found in kept]
    resources = report(study, genes, interpreted, _findings(house, interpreted), house.knowledge.drugs)
    fresh = await _store(house, resources, person, who)
    by_gene = _by_gene(resources)
    done.rows += [Row(each.place, "created" if fresh else "unchanged", found.gene, said(found), "; ".join(found.notes) or None,
                      tuple(by_gene.get(found.gene, ()))) for each, found in kept]  # fmt: skip
    refs = [f"{each['resourceType']}/{each['id']}" for each in resources]
    done.created += refs if fresh else []
    done.reports.append(refs[-1])
    done.persons.append(person)


def understood(found: Interpreted, genes: Mapping[str, Gene]) -> bool:
    """Whether a row says something: a phenotype, an allele status, or a gene that is none of `genes`: reported, not interpreted."""
    return bool(found.phenotype or found.statuses or (found.keys and found.diplotype)) or found.gene not in genes


def said(found: Interpreted) -> str | None:
    """Phenotype or allele statuses."""
    return found.phenotype or ", ".join(found.statuses) or None


def _not_understood(each: Result, found: Interpreted) -> Row:
    return Row(each.place, "refused", found.gene, text="; ".join(found.notes) or "Not understood")


async def find_person(house: "House", holder: Holder, who: Requester) -> str:
    """The one Patient of the identifiers. Errors: 422 for none, several, another than the record says, or one out of reach: always said alike
    where it would tell who exists."""
    found: set[str] = set()
    for system, value in holder.identifiers:
        refs = await house.patients_with(system or house.settings.patient_system, value)
        if len(refs) == 1:
            found.add(refs[0])
    if len(found) != 1:
        raise Refusal(Kind.UNPROCESSABLE, UNKNOWN, code="not-found")
    person = found.pop()
    stored = await house.store.read(person)
    if stored is None or stored.deleted or not who.reach.covers(person):
        raise Refusal(Kind.UNPROCESSABLE, UNKNOWN, code="not-found")
    if _contradicts(holder, house.parse_stored(stored.body)):
        raise Refusal(Kind.UNPROCESSABLE, "Name, birth date or sex in the message contradict the record of this person", code="business-rule")
    return person


def _contradicts(holder: Holder, patient: Json) -> bool:
    """Only what both sides say can contradict."""
    families = {str(name["family"]).casefold() for name in patient.get("name", ()) if isinstance(name, dict) and name.get("family")}
    if holder.family and families and holder.family.casefold() not in families:
        return True
    birth = patient.get("birthDate")
    if holder.birth and isinstance(birth, str) and not holder.birth.startswith(birth[: len(holder.birth)]):
        return True
    return bool(holder.sex and patient.get("gender") in ("female", "male") and patient["gender"] != holder.sex)


def _findings(house: "House", interpreted: list[Interpreted]) -> list[Finding]:
    """What the sources say of every drug that these genes speak about."""
    return [finding for drug in drugs_of(house.knowledge.guidance, interpreted) for finding in find(house.knowledge.guidance, interpreted, drug)]


async def _store(house: "House", resources: list[Json], person: str, who: Requester) -> bool:
    """Store a report that is not there yet; False where it is. The same report sent twice at once is stored once."""
    ref = f"{resources[-1]['resourceType']}/{resources[-1]['id']}"
    standing = await house.store.read(ref)
    if standing is not None and not standing.deleted:
        return False
    changes = [Change("update", each["resourceType"], each["id"], each, orjson.dumps(each), expected=0, person=person) for each in resources]
    # all of it is about the one person who was found within reach; its ids are of our making, which a patient-bound token may not choose
    asked = replace(who, reach=EVERYBODY)
    try:
        await receive(house, changes, asked)
    except Refusal as refusal:
        if refusal.kind is Kind.PRECONDITION:
            return False
        raise
    return True


def _by_gene(resources: list[Json]) -> dict[str, list[str]]:
    """Gene -> refs of its genotype, by the gene studied."""
    found: dict[str, list[str]] = {}
    for each in resources:
        for component in each.get("component", ()):
            if any(coding.get("code") == GENE_STUDIED for coding in component["code"].get("coding", ())):
                found.setdefault(component["valueCodeableConcept"]["text"], []).append(f"Observation/{each['id']}")
    return found
