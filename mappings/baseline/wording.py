"""What a judgement means, in words: for a clinician, and for the person it is about."""

import math
from typing import Final

from mappings.baseline.engine import Judgement
from mappings.baseline.prior import Prior

_DETECTORS: Final = {
    "critical": "an absolute critical limit",
    "outside-99": "outside the personal 99 % interval",
    "ewma": "a shift of the running average (EWMA)",
    "cusum": "an accumulated shift (CUSUM)",
    "anchored": "a change against the anchored baseline",
    "sustained": "a change that has lasted three weeks",
    "departed": "a level further from the anchored baseline than drift explains",
    "changepoint": "a jump of the level before one of the last values",
}


_TALK: Final = "Please talk it over with your care team."


def rounded(prior: Prior, value: float) -> int | float:
    """A value as this measure is written down: whole where scores are whole, else with the digits of its resolution."""
    number = round(float(value), digits(prior, value))
    return int(number) if number.is_integer() else number


def digits(prior: Prior, value: float) -> int:
    """Decimals to show: those of the resolution, or three significant figures."""
    if prior.resolution:
        return max(0, -math.floor(math.log10(prior.resolution) + 1e-9))
    return max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2


def limits(prior: Prior, judgement: Judgement) -> tuple[int | float, int | float]:
    """The personal 95 % limits as shown: the outermost values inside them that the measure can take."""
    low, high = judgement.lower95, judgement.upper95
    if prior.whole:
        step, origin = prior.resolution, prior.minimum or 0.0
        low = origin + step * math.ceil((low - origin) / step - 1e-9)
        high = origin + step * math.floor((high - origin) / step + 1e-9)
        if low > high:
            low = high = origin + step * round((judgement.set_point - origin) / step)
    return rounded(prior, low), rounded(prior, high)


def measured(prior: Prior, value: float) -> str:
    """The value with its unit, as a person writes it: "13" for a score, "2.1 mIU/L" for a result."""
    return f"{rounded(prior, value)}{unit(prior)}"


def unit(prior: Prior) -> str:
    return "" if prior.unit in ("1", "{score}") else f" {prior.unit_text}"


def place(prior: Prior, judgement: Judgement) -> str:
    """Where it lies, "above", "below" or "within", seen from the person's own 95 % interval."""
    if not judgement.outside95:
        return "within"
    return "above" if judgement.value > judgement.upper95 else "below"


def population_place(prior: Prior, value: float) -> str | None:
    """Where it lies, "above", "below" or "within" the population's range; None where the file gives no limits."""
    population = prior.population
    if population is None or (population.low is None and population.high is None):
        return None
    if population.low is not None and value < population.low:
        return "below"
    return "above" if population.high is not None and value > population.high else "within"


def span(judgement: Judgement) -> str:
    """As "from 10 earlier values over 63 days"."""
    if judgement.n == 0:
        return "from no earlier value: it is the population's expectation"
    days = round(judgement.span_days)
    over = f" over {days} days" if judgement.n > 1 else ""
    return f"from {judgement.n} earlier value{'s' if judgement.n > 1 else ''}{over}"


def chance(p: float) -> str:
    """A probability for reading: per cent, and no false precision at the ends."""
    return "under 1 %" if p < 0.01 else "over 99 %" if p > 0.99 else f"{round(100 * p)} %"


def tail(p: float) -> str:
    """A p value for reading."""
    return "p < 0.0001" if p < 0.0001 else f"p {p:.2g}"


def for_clinician(prior: Prior, judgement: Judgement) -> str:
    """Value, both ranges, how sure, what was raised, and what it does not mean."""
    low, high = limits(prior, judgement)
    said = [_critical(prior, judgement)] if judgement.critical else []
    said += [
        f"{prior.short} {measured(prior, judgement.value)} lies {place(prior, judgement)} this person's own 95 % range, {low} to {high}{unit(prior)}, "
        f"{span(judgement)}; expected about {rounded(prior, judgement.set_point)}, z {judgement.z:.1f}, {tail(judgement.p)}.",
        _population(prior, judgement),
    ]
    if judgement.n:
        said.append(_leaning(judgement))
    if judgement.p_real_change > 0:
        since = "the period confirmed as stable" if judgement.confirmed else "four weeks ago or earlier"
        by = f"at least {rounded(prior, prior.mcid)}{unit(prior)}" if prior.mcid else "more than short-term variation explains"
        said.append(f"Probability that the level has really changed by {by} against {since}: {chance(judgement.p_real_change)}.")
    if judgement.p_changepoint >= 0.5:
        said.append(f"Probability that the level jumped before one of the last values: {chance(judgement.p_changepoint)}.")
    if judgement.learnt_unwell and prior.unwell:
        said.append(f"Learnt while ill: {_unwell(judgement)} ({prior.unwell.text}); this range says what was usual then.")
    if judgement.driven and prior.treatment:
        said.append(f"Treatment changed or acted since the value before, and the range allows for it ({prior.treatment.text}).")
    if judgement.outside95:
        said.append(f"Probability of a one-off (a slip, a wrong sample, an exceptional day): {chance(judgement.p_gross_error)}; only a repeat can tell.")
    raised = [_DETECTORS[reason] for reason in judgement.reasons]
    if raised:
        said.append(f"Raised: {'; '.join(raised)}.")
    said.append("The personal range says what is usual for this person, not what is healthy; one value in twenty lies outside it by chance.")
    said.append(f"Method: {judgement.method} {judgement.version}.")
    return " ".join(each for each in said if each)


def for_patient(prior: Prior, judgement: Judgement) -> str:
    """The same in plain words, without statistics."""
    low, high = limits(prior, judgement)
    what = f"Your {prior.title} was {measured(prior, judgement.value)}."
    if judgement.critical:
        return f"{what} This is a value that needs attention soon, whatever is usual for you. Please contact your care team today."
    if judgement.n == 0:
        return f"{what} It is the first one we have, so we cannot yet say what is usual for you."
    usual = f"Going by your {judgement.n} earlier result{'s' if judgement.n > 1 else ''}, we would have expected something between {low} and {high}."
    if judgement.prior_share > 0.5:
        usual += " So far this leans mostly on what is usual for other people."
    if judgement.learnt_unwell:
        usual += " Most of those results are from a time when you were not well."
    if not judgement.outside95:
        if judgement.reasons:
            return f"{what} {usual} So it is in line with your latest results, but they have moved from what was usual before. {_TALK}"
        return f"{what} {usual} So it is in line with what is usual for you."
    side = "higher" if place(prior, judgement) == "above" else "lower"
    return (
        f"{what} {usual} So it is {side} than usual for you. This compares you with yourself, not with other people. "
        "A single unusual result can have many causes, and chance is one of them. " + _TALK
    )


def _unwell(judgement: Judgement) -> str:
    count, n = judgement.expected.unwell, judgement.n
    return "the one earlier value is that of somebody ill" if n == 1 else f"{count} of {n} earlier values are those of somebody ill"


def _leaning(judgement: Judgement) -> str:
    share = f"{chance(judgement.prior_share)} of what is assumed about this person's usual level still comes from the population"
    return f"Most of this range is not yet the person's own: {share}." if judgement.prior_share > 0.5 else f"{share}."


def _critical(prior: Prior, judgement: Judgement) -> str:
    text = prior.critical.text if prior.critical else ""
    return f"CRITICAL: {prior.short} {measured(prior, judgement.value)} is {judgement.critical} by an absolute limit ({text}); no personal range outweighs it."


def _population(prior: Prior, judgement: Judgement) -> str:
    where, population = population_place(prior, judgement.value), prior.population
    if where is None or population is None:
        return ""
    low, high = population.low, population.high
    bounds = f"{low} to {high}" if low is not None and high is not None else f"from {low}" if low is not None else f"up to {high}"
    return f"It lies {where} the {population.name}, {bounds}{unit(prior)} ({population.applies_to or 'adults'})."
