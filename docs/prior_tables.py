"""The priors as tables of docs/priors.md: what each begins with, whom it calls ill, what moves it, and all that is assumed."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from docs.table import table
from mappings.baseline.prior import Prior
from service.knowledge import load

_MANY: Final = 8
_NAMES: Final = {"http://loinc.org": "LOINC", "http://snomed.info/sct": "SNOMED"}


def priors() -> str:
    """Every prior with its theta carried back to the unit of the measure."""
    rows = []
    for prior in _all():
        theta, codes = prior.theta, ", ".join(f"{_NAMES[system]} {code}" for system, code in prior.codes if system in _NAMES)
        people = f"{_figure(prior, theta.mu0)} ({_around(prior, theta.tau_b2**0.5)})"
        person = f"{_around(prior, theta.sigma0)}; {100 * theta.rho:.0f} % of it lasts about {theta.L_days:g} days"
        rows.append((f"`{prior.measure}`", prior.title, codes or "ours alone", prior.unit_text, prior.transform.name, people, person, "; ".join(prior.source)))
    return table(("measure", "what", "codes", "unit", "judged on", "people: middle (± 1 SD)", "one person at the middle: ± 1 SD", "source"), rows)


def _figure(prior: Prior, y: float) -> str:
    """A point of the transformed scale in the unit of the measure."""
    x = prior.transform.back(y)
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


def _around(prior: Prior, sd: float) -> str:
    return f"{_figure(prior, prior.theta.mu0 - sd)} to {_figure(prior, prior.theta.mu0 + sd)}"


def moved() -> str:
    """From where on somebody counts as ill, and which medicines move the measure."""
    rows = []
    for prior in _all():
        if prior.unwell or prior.treatment:
            rows.append((f"`{prior.measure}`", _unwell(prior), _medicines(prior), _sampling(prior)))
    return table(("measure", "counts as ill", "moved by", "how"), rows)


def _unwell(prior: Prior) -> str:
    if prior.unwell is None:
        return ""
    low, high = prior.unwell.low, prior.unwell.high
    ends = [f"{end:g} or {side}" for end, side in ((low, "less"), (high, "more")) if end is not None]
    return f"{', '.join(ends)}: {prior.unwell.text} ({', '.join(prior.unwell.source)})"


def _medicines(prior: Prior) -> str:
    if prior.treatment is None:
        return ""
    named = [*(f"`{each}`" for each in sorted(prior.treatment.classes)), *sorted(prior.treatment.drugs)]
    return f"{', '.join(named)} ({', '.join(prior.treatment.source)})"


def _sampling(prior: Prior) -> str:
    treatment = prior.treatment
    if treatment is None:
        return ""
    said = [treatment.text]
    if treatment.trough_hours:
        said.append(f"only levels {treatment.trough_hours[0]:g} to {treatment.trough_hours[1]:g} hours after a dose")
    if treatment.steady_state_days:
        said.append(f"steady {treatment.steady_state_days:g} days after a change")
    if treatment.expected:
        said.append("a published course is expected after a start")
    return "; ".join(said)


def assumed() -> str:
    """Every figure that no source gives, by measure; why, once for those that many measures share."""
    every = [(prior, name, mark.how) for prior in _all() for name, mark in prior.marks.items() if mark.mark == "assumed"]
    times = Counter((name, how) for _, name, how in every)
    shared = [(f"`{name}`", how, str(count)) for (name, how), count in sorted(times.items()) if count >= _MANY]
    told: dict[str, list[str]] = {prior.measure: [] for prior in _all()}
    for prior, name, how in every:
        figure = f"`{name}` {_value(prior, name)}".strip()
        told[prior.measure].append(figure if times[name, how] >= _MANY else f"{figure}: {how}")
    rows = [(f"`{measure}`", "; ".join(figures)) for measure, figures in told.items()]
    return f"{table(('assumption of many', 'how', 'measures'), shared)}\n\n{table(('measure', 'assumed'), rows)}"


def _value(prior: Prior, name: str) -> str:
    """The figure a mark speaks of, as the file has it; nothing for what is no figure."""
    for holder in (prior.theta, prior.treatment, prior):
        found = getattr(holder, name, None)
        if isinstance(found, int | float):
            return f"{found:g}"
        if isinstance(found, tuple):
            return " to ".join(f"{each:g}" for each in found)
    ends = getattr(prior, name, None)
    given = [f"{end:g}" for end in (getattr(ends, "low", None), getattr(ends, "high", None)) if end is not None]
    return " to ".join(given)


def _all() -> list[Prior]:
    return sorted(load().priors.values(), key=lambda each: each.measure)


SECTIONS: dict[str, Callable[[], str]] = {"priors": priors, "moved": moved, "assumed": assumed}
"""By the name in a page's "generated" mark."""
