"""The simulation as a page: tables, and what they show, said from the figures themselves so that it cannot outlive them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.baseline.judging import LEARNED, LEARNERS, OURS, Judgements
from bench.baseline.panels import RHYTHM, SIZES, Panel
from bench.baseline.people import FALL_DAYS
from bench.baseline.scores import STAGES, WITHIN_DAYS, alarms_a_year, changes_found, covered, interval_score, matching, neglected, stage
from mappings.baseline.engine import ALONE

NEAR: Final = (0.93, 0.97)
"""Coverage between these is called near its nominal 95 %."""


@dataclass(slots=True)
class Results:
    """`cohorts`: those without a change; `changes`: for the weekly score and for the bounded scale, the people without and those with a change;
    `budgets`: the same with ours at other budgets; `wrong`: how the stable cohort fares under priors that are wrong."""

    command: str
    cohorts: list[Judgements] = field(default_factory=list)
    treated: Judgements | None = None
    changes: list[tuple[Judgements, list[Judgements]]] = field(default_factory=list)
    budgets: list[list[tuple[float, Judgements, list[Judgements]]]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    wrong: list[tuple[str, Judgements]] = field(default_factory=list)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def percent(share: float, digits: int = 1) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.{digits}f}"


def by_method(judged: Sequence[Judgements], cell: Callable[[Judgements, str], str], heads: Sequence[str] | None = None) -> str:
    """A row for each method, a column for each cohort."""
    methods = list(judged[0].found)
    return table(("method", *(heads or [each.cohort.name for each in judged])), [(name, *(cell(each, name) for each in judged)) for name in methods])


def page(results: Results) -> str:
    """The whole page."""
    parts = (_head, _findings, _people, _methods, _coverage, _stages, _scores, _alarms, _detection, _budgets, _treatment, _measures, _wrong)
    return "\n\n".join(part(results) for part in parts) + "\n"


def _head(results: Results) -> str:
    return (
        "# The baseline against people whose truth is known\n\n"
        f"Written by\n\n```sh\n{results.command}\n```\n\n"
        "and by nobody's hand: the tables and the sentences under \"What it shows\" are worked out from the same run. Simulated people show whether\n"
        "the arithmetic keeps its promises and where it breaks; they do not show that real people are like that. The model is explained in\n"
        "[the personal baseline](baseline.md)."
    )


def _findings(results: Results) -> str:
    said = [*_on_coverage(results), *_on_scores(results), *_on_alarms(results), *_on_detection(results), *_on_measures(results)]
    return "## What it shows\n\n" + "\n".join(f"* {each}" for each in said)


def _on_coverage(results: Results) -> list[str]:
    shares = {each.cohort.name: covered(each, OURS) for each in results.cohorts}
    worst = min(shares, key=lambda name: shares[name].share)
    off = [f"{name} ({percent(each.share)} %)" for name, each in shares.items() if not NEAR[0] <= each.share <= NEAR[1]]
    early = []
    for each in results.cohorts:
        for low, high in STAGES[:4]:
            found = covered(each, OURS, low, high)
            if found.size and abs(found.share - 0.95) > max(0.02, 2 * found.error):
                early.append(f"{each.cohort.name} at n = {stage((low, high))} ({percent(found.share)} %)")
    best = max(shares, key=lambda name: shares[name].share)
    return [
        f"Coverage of the 95 % range is between {percent(shares[worst].share)} ({worst}) and {percent(shares[best].share)} % ({best}) "
        f"in the {len(shares)} cohorts. Outside {percent(NEAR[0], 0)} to {percent(NEAR[1], 0)} %: {', '.join(off) or 'none'}.",
        f"By the number of earlier values, off by more than two points and two standard errors among the first eight values: {', '.join(early) or 'nowhere'}.",
    ]


def _on_scores(results: Results) -> list[str]:
    lost, near = [], []
    for each in results.cohorts:
        rivals = {name: interval_score(each, name) for name in each.found if name not in (OURS, LEARNED)}
        best = min(rivals, key=lambda name: rivals[name])
        near.append(rivals[best])
        if rivals[best] < 1.0:
            lost.append(f"{each.cohort.name} to {best} ({rivals[best]:.3f})")
    return [f"The best rival's interval score is {min(near):.2f} to {max(near):.2f} times ours. Lost: {', '.join(lost) or 'no cohort'}."]


def _on_alarms(results: Results) -> list[str]:
    over, rates = [], []
    for each in results.cohorts:
        rate = alarms_a_year(each, OURS)
        rates.append(rate)
        if rate - 2 * math.sqrt(rate / each.years) > ALONE:
            over.append(f"{each.cohort.name} ({rate:.2f})")
    return [
        f"The engine spends a budget of {ALONE:g} alarms a year on one measure; where nothing happens it raised {min(rates):.2f} to {max(rates):.2f}. "
        f"Above the budget by more than chance: {', '.join(over) or 'none'}."
    ]


def _on_detection(results: Results) -> list[str]:
    beaten = []
    for calm, changed in results.changes:
        rate = alarms_a_year(calm, OURS)
        for each in changed:
            own = changes_found(each, OURS).share
            best, share = _best(calm, each, rate)
            if share >= own:
                beaten.append(f"{each.cohort.name} ({best} {percent(share, 0)} %, ours {percent(own, 0)} %)")
    return [f"At equal false alarms another method finds as many changes or more in: {', '.join(beaten) or 'none of the changes tried'}."]


def _on_measures(results: Results) -> list[str]:
    return [
        f"All alerts of a patient with {SIZES[-1]} measures, {panel.name}: {panel.of(SIZES[-1]).mean():.2f} a year (meant: 1 to 2); "
        f"{percent(float((panel.of(SIZES[-1]) > 2).mean()), 0)} % of patients had more than two."
        for panel in results.panels
    ]


def _people(results: Results) -> str:
    everybody = [*results.cohorts, *([results.treated] if results.treated else [])]
    rows = [
        (each.cohort.name, "yes" if each.cohort.follows else "**no**", each.cohort.about, str(len(each.day)), f"{each.years:.0f}",
         str(int(np.isfinite(each.value).sum()))) for each in everybody
    ]  # fmt: skip
    return (
        "## Who was simulated\n\n"
        "Most of the cohorts are *not* what the model believes: real noise has heavier tails, people persist in their own ways, levels are skewed,\n"
        "and sums of rounded answers are no rounded logits. Where the model is the truth, its prior is the truth too, which no site ever has; the\n"
        "last section takes that away.\n\n"
        + table(("cohort", "follows the model", "what it is", "people", "patient-years", "values"), rows)
    )


def _methods(results: Results) -> str:
    learned = f"* **{LEARNED}**: the same engine with what `setpoint baseline fit` makes of {LEARNERS} people of the training half.\n"
    return (
        "## What each method knows\n\n"
        "Every method foretells each value from the person's earlier ones. Of the population, all but ours know the mean, the standard deviations\n"
        "between and within people and the correlation of a person's first two values, measured on a training half as large as the half that is\n"
        "judged. On a logarithmic measure all work on logs, on a bounded scale all limits are cut to its ends. Personal means and standard deviations\n"
        "are used from the fifth earlier value on; before it the population range. Code with sources: `bench/baseline/references.py`.\n\n"
        f"* **{OURS}**: the theta the people were drawn with, or, where none describes them, the nearest: right standard deviations, for the\n"
        f"  rest what shipped priors assume. It knows times, the others do not.\n{learned if _has_learned(results) else ''}"
        "* **RCV**: the previous value; **RCI**: the first value; **prRI**: the mean of all, with the population's SD within a subject or the\n"
        "  person's own.\n"
        "* **empirical Bayes**: the mean of all, shrunk to the population's.\n"
        "* **EWMA**: weight 0.2; its alarm is a control chart (2.86 SD) around the first five values.\n\n"
        "Alarms: ours are its `alert`; of the others a value outside the 95 % interval (EWMA: the chart). Alarms on values that follow one another\n"
        "count once. On the bounded scale only rises count, for all."
    )


def _has_learned(results: Results) -> bool:
    return any(LEARNED in each.found for each in results.cohorts)


def _coverage(results: Results) -> str:
    return (
        "## Coverage\n\nShare of values inside the nominal 95 % range, percent. In brackets: percent of people (with 20 values or more) whose own\n"
        "coverage lies below 85 %.\n\n"
        + by_method(results.cohorts, lambda each, name: f"{percent(covered(each, name).share)} ({percent(neglected(each, name), 0)})")
        + f"\n\nStandard errors of ours: {', '.join(f'{each.cohort.name} {percent(covered(each, OURS).error)}' for each in results.cohorts)}."
    )


def _stages(results: Results) -> str:
    heads = [stage(each) for each in STAGES]
    parts = ["## Coverage by the number of earlier values"]
    for each in results.cohorts:
        if each.cohort.name in ("stable", "sparse", "own persistence", "bounded scale"):
            rows = [(name, *(percent(covered(each, name, *at).share) for at in STAGES)) for name in each.found]
            parts.append(f"*{each.cohort.name}*\n\n" + table(("method", *heads), rows))
    rows = [(each.cohort.name, *(percent(covered(each, OURS, *at).share) for at in STAGES)) for each in results.cohorts]
    parts.append("*ours, all cohorts*\n\n" + table(("cohort", *heads), rows))
    return "\n\n".join(parts)


def _scores(results: Results) -> str:
    return (
        "## Interval score\n\nWidth plus 40 times the distance of each miss (Winkler 1972), relative to ours; **bold** where a method is better than ours.\n\n"
        + by_method(results.cohorts, lambda each, name: _bold(interval_score(each, name)))
    )


def _bold(score: float) -> str:
    return f"**{score:.2f}**" if score < 0.9995 else f"{score:.2f}"


def _alarms(results: Results) -> str:
    return (
        "## False alarms\n\nAlarms a patient-year where nothing begins that an alarm could rightly find (in the drifting cohort people do move, but as\n"
        "they always have).\n\n"
        + by_method(results.cohorts, lambda each, name: f"{alarms_a_year(each, name):.2f}")
    )


def _detection(results: Results) -> str:
    parts = [
        "## Changes found\n\n"
        f"An alarm that begins within {WITHIN_DAYS:.0f} days of the onset: percent of people (median delay in days of those found). *By chance*: the same\n"
        "where nothing changes. A method that cries often finds much, so the second table of each pair sets every limit so that the method alarms\n"
        "as often as ours where nothing changes."
    ]
    for calm, changed in results.changes:
        names = [each.cohort.name for each in changed]
        rate = alarms_a_year(calm, OURS)
        methods = [name for name in calm.found if name != LEARNED]
        parts.append(f"*{calm.cohort.name}, each method by its own rule*\n\n" + table(
            ("method", "alarms a year", "by chance", *names),
            [(name, f"{alarms_a_year(calm, name):.2f}", percent(changes_found(calm, name, onset=changed[0].cohort.onset).share, 0),
              *(_found(each, name, 1.0) for each in changed)) for name in methods]))  # fmt: skip
        factors = {name: matching(calm, name, rate) for name in methods}
        rows = [(name, f"{factors[name]:.2f}", *(_found(each, name, factors[name]) for each in changed)) for name in methods]
        parts.append(f"*{calm.cohort.name}, all at {rate:.2f} alarms a year*\n\n" + table(("method", "limit times", *names), rows))
    return "\n\n".join(parts)


def _budgets(results: Results) -> str:
    parts = [
        "## Changes found at other budgets\n\n"
        "What ours finds where it may cost fewer or more false alarms, and the best of the others with its limits set to the rate that ours then\n"
        "has. Where the rate does not rise with the budget, the engine's limits have reached the loosest it knows."
    ]
    for curve in results.budgets:
        names = [each.cohort.name for each in curve[0][2]]
        rows = []
        for budget, calm, changed in curve:
            rate = alarms_a_year(calm, OURS)
            best = [_best(calm, each, rate) for each in changed]
            pairs = [f"{percent(changes_found(each, OURS).share, 0)} / {percent(share, 0)} {name}" for each, (name, share) in zip(changed, best, strict=True)]
            rows.append((f"{budget:g}", f"{rate:.2f}", *pairs))
        parts.append(f"*{curve[0][1].cohort.name}: ours / best other, percent*\n\n" + table(("budget", "alarms a year", *names), rows))
    return "\n\n".join(parts)


def _best(calm: Judgements, changed: Judgements, rate: float) -> tuple[str, float]:
    """The other method that finds most at `rate` alarms a year, and its share."""
    shares = {name: changes_found(changed, name, matching(calm, name, rate)).share for name in changed.found if name not in (OURS, LEARNED)}
    best = max(shares, key=lambda name: shares[name])
    return best, shares[best]


def _found(judged: Judgements, name: str, factor: float) -> str:
    found = changes_found(judged, name, factor)
    return f"{percent(found.share, 0)} ({found.delay:.0f})" if found.share else "0"


def _treatment(results: Results) -> str:
    judged = results.treated
    if judged is None:
        return ""
    upto = int(np.searchsorted(np.nanmean(judged.day, 0), FALL_DAYS))
    rows = [
        (name, percent(covered(judged, name, 0, upto - 1).share), percent(covered(judged, name, upto).share), _bold(interval_score(judged, name)),
         f"{alarms_a_year(judged, name):.2f}") for name in judged.found
    ]  # fmt: skip
    return (
        "## Under treatment\n\nOurs has the mean course in its prior (`shift`, `T_days`); nobody knows who will respond.\n\n"
        + table(("method", f"coverage, first {FALL_DAYS / 7:.0f} weeks", "after", "interval score", "alarms a year"), rows)
    )


def _measures(results: Results) -> str:
    rhythm = ", ".join(f"`{name}` every {gap:g} days" if gap > 1 else f"`{name}` daily" for name, gap in RHYTHM.items())
    parts = [
        f"## Several measures of one patient\n\nShipped priors, a year in which nothing happens; the first 1, 3, 5 and 10 of {rhythm}.\n"
        "Alerts a patient-year over all measures, in brackets percent of patients with more than two. The measures are independent here, which real\n"
        "ones are not. In the second row noise has heavy tails (Student's t with 4 degrees of freedom), and each person a persistence and a memory of\n"
        "their own around the prior's."
    ]
    rows = [(panel.name, *(f"{panel.of(size).mean():.2f} ({percent(float((panel.of(size) > 2).mean()), 0)})" for size in SIZES))
            for panel in results.panels]  # fmt: skip
    parts.append(table(("people", *(f"{size} measure{'s' if size > 1 else ''}" for size in SIZES)), rows))
    single = [(panel.name, *(f"{each:.2f}" for each in panel.alerts[:, :, -1].mean(0))) for panel in results.panels]
    parts.append("One by one:\n\n" + table(("people", *RHYTHM), single))
    return "\n\n".join(parts)


def _wrong(results: Results) -> str:
    rows = [(what, *(percent(covered(each, OURS, *at).share) for at in STAGES), f"{_against(each, results.wrong[0][1]):.2f}",
             f"{alarms_a_year(each, OURS):.2f}") for what, each in results.wrong]  # fmt: skip
    return (
        "## With a wrong prior\n\nThe stable cohort judged by ours with one thing wrong at a time. Coverage by the number of earlier values; interval\n"
        "score relative to the true prior.\n\n"
        + table(("prior", *(stage(each) for each in STAGES), "interval score", "alarms a year"), rows)
    )


def _against(judged: Judgements, true: Judgements) -> float:
    """Ours against ours: a reference's score cancels out."""
    other = "population range"
    return interval_score(true, other) / interval_score(judged, other)
