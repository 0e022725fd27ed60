"""Review points of a treatment: Tasks that come with its start, fall with its end, and are completed by a person."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mappings.suggestions import collect
from mappings.suggestions.review_points import Treatment, at_risk, due, task
from mappings.vocabulary import Json
from service.workflows.clinical_time import iso
from service.workflows.tasks import Tasks

if TYPE_CHECKING:
    from service.workflows.prescribing import Prescribing
    from service.workflows.telling import Telling

ROW = "review"


class Reviewing:
    """The review Tasks of one person in one use case."""

    def __init__(self, telling: "Telling", prescribing: "Prescribing") -> None:
        self._telling, self._story, self._prescribing = telling, telling.story, prescribing
        self._schedule, self._tasks = telling.house.knowledge.review_points, Tasks(telling, ROW)

    def settle(self) -> None:
        """Ask for what is due under the treatment that runs now, and cancel what belongs to another."""
        treatment = self._treatment()
        wanted = self._wanted(treatment) if treatment else {}
        for key, body in wanted.items():
            if self._story.get(ROW, key) is None:
                self._tasks.put(key, body)
        for key, row in self._story.all(ROW):
            if treatment is None or not key.startswith(f"{_key(treatment)}|"):
                self._tasks.close(key, row, "cancelled", "The treatment ended, or another one began.")

    def _wanted(self, treatment: Treatment) -> dict[str, Json]:
        now = datetime.fromtimestamp(self._telling.now / 1e6, UTC)
        age = collect.person_facts(self._story.get("patient") or {}, iso(self._telling.now)).get("person.age-years")
        risk = at_risk((key, row["status"]) for key, row in self._story.all("flag"))
        points = due(self._schedule, treatment, now, int(age.value) if age else None, risk)
        return {f"{_key(treatment)}|{point.week}": task(self._schedule, point, treatment, self._story.person, iso(self._telling.now)) for point in points}

    def _treatment(self) -> Treatment | None:
        """The newest active treatment of the class whose start is known."""
        found = []
        for medicine, mine in self._prescribing.of_class(self._schedule.medicines):
            began = collect.instant(medicine.start)
            if medicine.active and began is not None:
                found.append(Treatment(medicine.ref, began, mine))
        return max(found, key=lambda each: (each.began, each.ref), default=None)


def _key(treatment: Treatment) -> str:
    return f"{treatment.ref}|{treatment.began.date().isoformat()}"
