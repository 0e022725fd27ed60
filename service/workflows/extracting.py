"""What responses become by the marks of their Questionnaire (SDC): made with them, made again when they are amended, withdrawn with them."""

from typing import TYPE_CHECKING

from mappings.questionnaires.extraction import Source, extract, extracts
from mappings.scales.recognition import answered, is_scored
from mappings.vocabulary import Json
from service.workflows.change import Change
from service.workflows.clinical_time import authored, iso

if TYPE_CHECKING:
    from service.workflows.telling import Telling

ROW = "extract"
_STATUS = {"Goal": "lifecycleStatus"}
_VERIFICATION = {"Condition": "condition-ver-status", "AllergyIntolerance": "allergyintolerance-verification"}


class Extracting:
    """The extraction of one person's responses in one use case. `changes`: what it made or withdrew, for those that go on from it."""

    def __init__(self, telling: "Telling") -> None:
        self._telling, self._story = telling, telling.story
        self.changes: list[Change] = []

    def settle(self) -> None:
        """Bring what stands on each changed response in step with it."""
        for change in self._telling.changes:
            if change.kind == "QuestionnaireResponse":
                self._settle(change, self._made(change))

    def _made(self, change: Change) -> list[Json]:
        response, house = change.resource, self._telling.house
        if change.method == "delete" or response is None or change.related is None or not is_scored(response):
            return []
        if not extracts(change.related):
            return []
        scored = {name for scale, _ in answered(response, house.knowledge.scales, change.related) for name in (*scale.by_key, *scale.score_keys)}
        _, effective = authored(response, self._telling.now)
        source = Source(response, change.ref, self._story.person, effective, iso(self._telling.now))
        return [each for each in extract(source, change.related, house.structures, scored) if self._holds(each)]

    def _holds(self, resource: Json) -> bool:
        """Whether what was extracted is a valid resource: a Questionnaire may leave out what its type requires."""
        return all(issue.severity not in ("error", "fatal") for issue in self._telling.house.validator.validate(resource))

    def _settle(self, change: Change, made: list[Json]) -> None:
        row = self._story.get(ROW, change.ref) or {}
        stood: dict[str, Json] = row.get("bodies", {})
        wanted = {f"{each['resourceType']}/{each['id']}": each for each in made}
        security = (change.resource or {}).get("meta", {}).get("security", [])
        for ref, resource in wanted.items():
            if ref not in stood or _content(stood[ref]) != _content(resource):
                self._put(ref, resource, security)
            else:
                wanted[ref] = stood[ref]
        for ref in sorted(set(stood) - set(wanted)):
            self._put(ref, withdrawn(stood[ref]), security)
        if wanted:
            self._story.put(ROW, change.ref, {"bodies": wanted})
        elif row:
            self._story.drop(ROW, change.ref)

    def _put(self, ref: str, resource: Json, security: list[Json]) -> None:
        self._telling.put(ref, resource, security)
        kind, id_ = ref.split("/")
        self.changes.append(Change("update", kind, id_, resource, person=self._story.person))


def withdrawn(resource: Json) -> Json:
    """The same, entered in error, in the element that its type has for it."""
    kind = resource["resourceType"]
    if kind in _VERIFICATION:
        coding = {"system": f"http://terminology.hl7.org/CodeSystem/{_VERIFICATION[kind]}", "code": "entered-in-error"}
        return {key: value for key, value in resource.items() if key != "clinicalStatus"} | {"verificationStatus": {"coding": [coding]}}
    return resource | {_STATUS.get(kind, "status"): "entered-in-error"}


def _content(resource: Json) -> Json:
    """A time of issue alone does not make it new."""
    return {key: value for key, value in resource.items() if key != "issued"}
