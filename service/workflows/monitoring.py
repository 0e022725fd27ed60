"""Measurements that are due under the person's medicines: a Task each, done when the result arrives, cancelled when the medicine stops."""

from typing import TYPE_CHECKING

from mappings.medicines import monitoring
from mappings.suggestions import collect
from mappings.vocabulary import Json
from service.workflows.clinical_time import iso
from service.workflows.tasks import Tasks

if TYPE_CHECKING:
    from service.workflows.prescribing import Prescribing
    from service.workflows.telling import Telling

ROW = "monitor"


class Monitoring:
    """The monitoring Tasks of one person in one use case."""

    def __init__(self, telling: "Telling", prescribing: "Prescribing") -> None:
        self._telling, self._story, self._prescribing = telling, telling.story, prescribing
        self._rules, self._tasks = telling.house.knowledge.monitoring, Tasks(telling, ROW)

    def settle(self) -> None:
        """One open Task for each medicine and schedule, at the day it is next due."""
        wanted = self._wanted()
        for key, row in self._story.all(ROW):
            if key not in wanted:
                self._tasks.close(key, row, "cancelled", "The medicine was stopped.")
                self._story.drop(ROW, key)
            elif row["body"]["id"] != wanted[key]["id"]:
                self._tasks.close(key, row, "completed", "A result arrived.")
        for key, body in wanted.items():
            row_ = self._story.get(ROW, key)
            if row_ is None or row_["body"]["id"] != body["id"]:
                self._tasks.put(key, body)

    def _wanted(self) -> dict[str, Json]:
        values = self._prescribing.values
        found: dict[str, Json] = {}
        for medicine in self._prescribing.medicines:
            began = collect.instant(medicine.start)
            for plan in monitoring.plans_for(self._rules, medicine) if medicine.active and began else ():
                last = max((values[measure].at for measure in plan.measures if measure in values), default=None)
                assert began is not None
                due = plan.due(began, last)
                found[f"{medicine.ref}|{plan.id}"] = monitoring.task(self._rules, plan, medicine, self._story.person, due, iso(self._telling.now))
        return found
