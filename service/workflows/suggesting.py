"""From what is newest to suggestions and safety Flags. Both speak about the person now: only the newest answer of a measure,
within the age its rule sets, raises one; older answers stay quiet."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mappings.medicines import trials
from mappings.suggestions import collect, history, provenance
from mappings.suggestions.care_plan import canonical, care_plan, facts_digest, withdrawn
from mappings.suggestions.decision import Action, Existing, decide
from mappings.suggestions.facts import FactValue
from mappings.suggestions.flag import safety_flag
from mappings.suggestions.rule import Rule, Verdict, evaluate
from mappings.vocabulary import Json, identity
from service.release import release
from service.workflows.clinical_time import iso
from service.workflows.derivation import Event
from service.workflows.series import Told

if TYPE_CHECKING:
    from service.workflows.prescribing import Prescribing
    from service.workflows.telling import Telling

DAY_US = 86_400_000_000
COURSE = 60
"""How many values of a measure are remembered for finding the one at which a treatment began."""
FLAG_AGE_DAYS = 14.0
"""Oldest answer that raises a Flag where no safety rule of its scale sets another age."""


class Suggesting:
    """The suggestions and Flags of one person in one use case."""

    def __init__(self, telling: "Telling", prescribing: "Prescribing") -> None:
        self._telling, self._story, self._knowledge = telling, telling.story, telling.house.knowledge
        self._prescribing = prescribing
        self._news: set[str] = set()
        self._moved: set[str] = set()
        self._spoke: list[Rule] = []
        self._labels: list[Json] = []

    def heard(self, measure: str, told: Told | None, event: Event | None, gone: set[str], fresh: bool, whole: list[tuple[int, float]] | None) -> None:
        """The newest value of a measure as it stands now. `fresh`: it came with this use case; `gone`: sources that give nothing any more;
        `whole`: all values of the series in order, where they were loaded."""
        self._moved.add(measure)
        self._drop_flags(measure, gone, event)
        if told is None or event is None:
            self._story.drop("latest", measure)
            return
        course = self._course(measure, told, whole)
        self._story.put(
            "latest",
            measure,
            {
                "at": told.entry.at,
                "source": told.entry.source,
                "facts": self._facts(measure, told, event, course),
                "security": event.security,
                "encounter": event.resource.get("encounter"),
                "course": course,
            },
        )
        if fresh:
            self._news.add(measure)
            self._flag(measure, told, event)

    def _course(self, measure: str, told: Told, whole: list[tuple[int, float]] | None) -> list[list[Any]]:
        """The last values with their times, by which a treatment's start value is found."""
        if whole is not None:
            return [[iso(at), value] for at, value in whole[-COURSE:]]
        kept: list[list[Any]] = (self._story.get("latest", measure) or {}).get("course", [])
        return kept if told.entry.value is None else [*kept, [iso(told.entry.at), told.entry.value]][-COURSE:]

    def _facts(self, measure: str, told: Told, event: Event, course: list[list[Any]]) -> dict[str, list[Any]]:
        refs = (told.entry.source, *told.entry.derived[-2:])
        start = collect.start_value(((text, value) for text, value in course), self._began())
        found = collect.series_facts(measure, told.entry.value, told.judgement, told.first, refs, event.text, start)
        if event.scored is not None and event.scale is not None:
            found |= collect.scored_facts(event.scored, refs, event.text, event.scale.safety)
        return {name: [value.value, list(value.refs), value.as_of] for name, value in found.items()}

    def _began(self) -> str | None:
        """When the newest active antidepressant was started."""
        given = self._prescribing.of_class("antidepressant")
        return max((medicine.start for medicine, _ in given if medicine.active and medicine.start), default=None)

    # Flags

    def _flag(self, measure: str, told: Told, event: Event) -> None:
        if event.scored is None or event.scale is None or self._telling.now - told.entry.at > self._flag_age(measure) * DAY_US:
            return
        for hit in event.scored.safety:
            row = self._story.get("flag", hit.code)
            is_open = row is not None and row["status"] == "active"
            id_ = row["ref"].split("/")[1] if row is not None and is_open else identity("flag", self._story.person, hit.code, event.source, event.text)
            refs = [event.source, *[ref for ref in told.entry.derived if ref.startswith("Observation/")][:1]]
            flag = safety_flag(hit, id_, event.scale.title, self._story.person, refs, iso(told.entry.at), event.resource.get("encounter"))
            if row is not None and row["source"] == event.source and row["status"] != "entered-in-error":
                continue
            self._put_flag(hit.code, flag, event.source, event.security)

    def _flag_age(self, measure: str) -> float:
        ages = [rule.max_age_days for rule in self._knowledge.rules if rule.measure == measure and rule.priority == "safety"]
        return max(ages, default=FLAG_AGE_DAYS)

    def _put_flag(self, key: str, flag: Json, source: str, security: list[Json]) -> None:
        ref = f"Flag/{flag['id']}"
        self._story.put("flag", key, {"ref": ref, "status": flag["status"], "source": source, "body": flag})
        self._telling.put(ref, flag, security)
        self._telling.push_refs[ref] = True

    def _drop_flags(self, measure: str, gone: set[str], event: Event | None) -> None:
        """A Flag whose answer was withdrawn, or amended so that it no longer says so, was raised in error."""
        for key, row in self._story.all("flag"):
            if not key.startswith(f"{measure}."):
                continue
            amended = event is not None and row["source"] == event.source and event.scored is not None and key not in {hit.code for hit in event.scored.safety}
            if row["status"] == "active" and (row["source"] in gone or amended):
                self._put_flag(key, row["body"] | {"status": "entered-in-error"}, row["source"], [])

    # Suggestions

    def settle(self) -> None:
        """Evaluate the rules that what happened concerns."""
        if not self._moved and not self._prescribing.changed:
            return
        concerned = [rule for rule in self._knowledge.rules if self._concerns(rule)]
        if concerned or self._telling.derived:
            self._labels = [label for _, row in self._story.all("latest") for label in row["security"]]
        facts = self._all_facts() if concerned else {}
        for rule in concerned:
            self._evaluate(rule, facts)
        self._provenance()

    def _concerns(self, rule: Rule) -> bool:
        if rule.measure is None:
            return self._prescribing.changed
        return rule.measure in self._moved or (self._story.get("suggestion", rule.id) or {}).get("status") == "draft"

    def _all_facts(self) -> dict[str, FactValue]:
        found: dict[str, FactValue] = {}
        for series, row in self._story.all("latest"):
            found |= {name: FactValue(value, tuple(refs), as_of) for name, (value, refs, as_of) in row["facts"].items()}
            found |= collect.age_fact(series, row["at"], self._telling.now)
        medicines = self._prescribing.medicines
        by_id = self._knowledge.drugs.by_id
        found |= collect.medicine_facts(medicines, lambda drug: by_id[drug].group if drug in by_id else None, iso(self._telling.now))
        found |= trials.facts(self._trials())
        found |= collect.person_facts(self._story.get("patient") or {}, iso(self._telling.now))
        genes = tuple(key for key, _ in self._story.all("gene"))
        findings = self._prescribing.findings
        refs = (*genes, *dict.fromkeys(medicine.ref for medicine, _ in findings))
        found |= collect.gene_facts([finding for _, finding in findings], bool(genes), refs)
        against = any(each.kind != "warning" for _, each in self._prescribing.interactions)
        found["interaction.present"] = FactValue(against, tuple(medicine.ref for medicine in medicines))
        found |= history.facts(self._knowledge.history, self._story.all("history"), iso(self._telling.now))
        goals = tuple(key for key, _ in self._story.all("goal"))
        found["goal.present"] = FactValue(bool(goals), goals)
        return found

    def _trials(self) -> list[trials.Trial]:
        """Antidepressants as trials, judged by the course of the PHQ-9."""
        given = self._prescribing.of_class("antidepressant")
        drugs = frozenset(drug for _, mine in given for drug in mine)
        scores = [(at, value) for at, value in (self._story.get("latest", "phq-9") or {}).get("course", [])]
        return trials.trials([medicine for medicine, _ in given], drugs, scores, iso(self._telling.now))

    def _evaluate(self, rule: Rule, facts: dict[str, FactValue]) -> None:
        verdict, row, now = evaluate(rule, facts), self._story.get("suggestion", rule.id), self._telling.now
        existing = Existing(row["status"], row["digest"], row["values"], row["decided_at"], row["dates"]) if row else None
        action = decide(rule, verdict, existing, now, self._may_raise(rule))
        if action in (Action.RAISE, Action.SUPERSEDE):
            replaces = row["ref"] if row and action is Action.SUPERSEDE else None
            self._put_plan(rule, verdict, identity("suggestion", self._story.person, rule.id, str(uuid4())), iso(now), replaces)
        elif action is Action.REVISE and row is not None:
            self._put_plan(rule, verdict, row["ref"].split("/")[1], row["created"], row["replaces"])
        elif action is Action.WITHDRAW and row is not None:
            self._withdraw(rule, row)

    def _may_raise(self, rule: Rule) -> bool:
        if rule.measure is None:
            return self._prescribing.changed
        latest = self._story.get("latest", rule.measure)
        return rule.measure in self._news and latest is not None and self._telling.now - latest["at"] <= rule.max_age_days * DAY_US

    def _put_plan(self, rule: Rule, verdict: Verdict, id_: str, created: str, replaces: str | None) -> None:
        latest = self._story.get("latest", rule.measure) if rule.measure else None
        encounter = latest.get("encounter") if latest else None
        plan = care_plan(rule, verdict, self._knowledge.catalogue, id_, self._story.person, iso(self._telling.now), created, replaces, encounter)
        ref = f"CarePlan/{id_}"
        values = {name: value.value for name, value in verdict.used.items()}
        dates = {name: value.as_of for name, value in verdict.used.items()}
        self._story.put(
            "suggestion",
            rule.id,
            {
                "ref": ref,
                "status": "draft",
                "digest": facts_digest(verdict),
                "values": values,
                "dates": dates,
                "created": created,
                "decided_at": None,
                "replaces": replaces,
                "body": plan,
            },
        )
        self._telling.put(ref, plan, self._labels)
        self._telling.push_refs[ref] = rule.priority == "safety"
        self._spoke.append(rule)

    def _withdraw(self, rule: Rule, row: Json) -> None:
        plan = withdrawn(row["body"], "Withdrawn: the newest facts no longer show that the rule is met.")
        self._story.put("suggestion", rule.id, row | {"status": "withdrawn", "body": plan})
        self._telling.put(row["ref"], plan, self._labels)
        self._telling.push_refs[row["ref"]] = rule.priority == "safety"

    def _provenance(self) -> None:
        """One Provenance for everything that this use case derived."""
        targets = sorted(self._telling.derived)
        if not targets:
            return
        id_ = str(uuid4())
        sources = [change.ref for change in self._telling.changes]
        policies = [canonical(rule) for rule in self._spoke]
        body = provenance.derived(id_, targets, sources, policies, iso(self._telling.now), release())
        self._telling.put(f"Provenance/{id_}", body, self._labels)
