"""The prior files: valid, marked, and believable; broken ones say where."""

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import mappings.baseline
from mappings.baseline.engine import Judgement, predict, replay, start
from mappings.baseline.grid import Theta
from mappings.baseline.prior import SCHEMA, Prior, build
from mappings.knowledge import KnowledgeError
from service.knowledge import Knowledge

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
FOLDER = Path(mappings.baseline.__file__).parent / "priors"
FILES = sorted(FOLDER.glob("*.json"))
MINIMAL: dict[str, Any] = {
    "measure": "x", "transform": "log", "theta": {"mu0": 0.0, "tau_b2": 1.0, "sigma0": 1.0, "s_logsigma": 0.4, "rho": 0.3, "L_days": 30, "pi_out": 0.02}
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    jsonschema_rs.validator_for(SCHEMA).validate(data)
    prior = build(data)
    assert prior.measure == path.stem
    assert prior.source
    given = {name for name in ("population", "critical", "mcid", "unwell", "treatment") if name in data}
    given |= {name for name in ("inflation", "trough_hours", "steady_state_days") if name in data.get("treatment", {})}
    assert {"mu0", "tau_b2", "sigma0", "s_logsigma", "rho", "L_days", "pi_out", "kappa"} | given <= prior.marks.keys()
    for mark in prior.marks.values():
        assert mark.source or mark.mark != "verified"
    found = predict(prior, start(prior), 0.0)
    assert prior.minimum is None or found.lower99 >= prior.minimum
    assert found.lower95 < found.set_point < found.upper95
    assert found.upper95 < 50 * found.set_point


def test_no_code_names_two_measures() -> None:
    codes = [code for path in FILES for code in build(json.loads(path.read_text(encoding="utf-8"))).codes]
    assert len(codes) == len(set(codes))


def _person(theta: Theta, rng: random.Random, days: list[float]) -> list[float]:
    """Values of one person drawn from the model of baseline.md itself, on the transformed scale."""
    zed = min(2.4, max(-2.4, rng.gauss(0, 1)))
    sigma = theta.sigma0 * math.exp(theta.s_logsigma * zed)
    trait = theta.mu0 + math.sqrt(theta.tau_b2) * rng.gauss(0, 1)
    state, before, found = math.sqrt(theta.rho) * sigma * rng.gauss(0, 1), days[0], []
    for day in days:
        phi = math.exp((before - day) / theta.L_days)
        state, before = phi * state + math.sqrt(theta.rho * (1 - phi * phi)) * sigma * rng.gauss(0, 1), day
        wide = theta.kappa if rng.random() < theta.pi_out else 1.0
        found.append(trait + state + wide * math.sqrt(1 - theta.rho) * sigma * rng.gauss(0, 1))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stable_people_are_covered(path: Path) -> None:
    """Of 8 people with 20 values each, drawn from the prior itself, about 95 % lie inside; more on coarse scales and at good ends.

    The values of one person hang together, so the bounds are wide; alerts may be few.
    """
    prior = build(json.loads(path.read_text(encoding="utf-8")))
    rng, gap = random.Random(path.stem), 1.0 if prior.theta.L_days < 30 else 7.0
    inside = alerts = 0
    for _ in range(8 * ROUNDS):
        days = [20_000.0 + gap * at for at in range(20)]
        values = [taken(prior, prior.transform.back(y)) for y in _person(prior.theta, rng, days)]
        judged, _ = replay(prior, zip(days, values, strict=True))
        inside += sum(not judgement.outside95 for judgement in judged)
        alerts += sum(judgement.alert and not judgement.critical for judgement in judged)
    assert 0.89 <= inside / (160 * ROUNDS) <= 1.0
    assert alerts <= 4 * ROUNDS


def taken(prior: Prior, value: float) -> float:
    """The nearest value that the measure can take and a device or laboratory would report."""
    if prior.resolution:
        value = max(prior.resolution if prior.transform.kind == "log" else 0.0, prior.resolution * round(value / prior.resolution))
    return min(value, prior.maximum) if prior.maximum is not None else value


def _last(measure: str, values: list[float], gap: float) -> list[Judgement]:
    prior = build(json.loads((FOLDER / f"{measure}.json").read_text(encoding="utf-8")))
    return replay(prior, [(20_000.0 + gap * at, value) for at, value in enumerate(values)])[0]


def test_a_phq_9_of_13_after_ten_weeks_of_4_to_6() -> None:
    rng = random.Random(1)
    for _ in range(20 * ROUNDS):
        judgement = _last("phq-9", [*(float(rng.choice((4, 5, 6))) for _ in range(10)), 13.0], 7.0)[-1]
        assert judgement.outside95
        assert judgement.upper95 < 13


def test_a_week_of_short_nights_is_raised() -> None:
    rng = random.Random(2)
    for nights in (14, 30, 90):
        judged = _last("sleep-minutes", [*(float(round(rng.gauss(425, 22))) for _ in range(nights)), *[345.0] * 7], 1.0)
        assert any(judgement.outside95 for judgement in judged[-7:])
        assert any(judgement.reasons for judgement in judged[-7:])
        assert not any(judgement.alert for judgement in judged[:-7])


def test_a_steady_tsh_stays_quiet() -> None:
    for gap in (30.0, 90.0, 365.0):
        for judgement in _last("tsh", [1.8, 2.1, 1.9], gap):
            assert (judgement.outside95, judgement.alert, judgement.reasons) == (False, False, ())


@pytest.mark.parametrize(
    ("name", "top", "mean", "error"),
    [
        ("phq-9", 27, 10.0, 2.5),  # Loewe 2004, at 10 points
        ("gad-7", 21, 10.57, 5.59 * math.sqrt(1 - 0.87)),  # Bischoff 2020
        ("isi", 28, 14.0, 2.52),  # Dieperink 2020
        ("epds", 30, 11.0, 4 / (1.96 * math.sqrt(2))),  # from the reliable change index of Matthey 2004
        ("pcl-5", 80, 38.0, 18 * math.sqrt(1 - 0.84)),  # Bovin 2016, SD assumed
        ("wsas", 40, 18.0, 9 * math.sqrt(1 - 0.73)),  # Mundt 2002, SD assumed
        ("madrs", 60, 22.0, 11.6 * math.sqrt(1 - 0.91)),  # 24-hour version, SD assumed
    ],
)
def test_scales_follow_their_formula(name: str, top: int, mean: float, error: float) -> None:
    """(1 - rho) sigma0^2 = SD^2 (1 - r), carried to the logit scale with the slope (M + 1) / ((m + .5) (M - m + .5))."""
    theta = _ours(name).theta
    slope = (top + 1) / ((mean + 0.5) * (top - mean + 0.5))
    assert math.sqrt(1 - theta.rho) * theta.sigma0 == pytest.approx(error * slope, rel=1e-3)
    assert theta.mu0 == pytest.approx(math.log((mean + 0.5) / (top - mean + 0.5)), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "within", "analytical", "between", "total"),
    [
        ("albumin", 2.5, 1.25, 5.1, 6.7),
        ("alp", 5.3, 2.65, 24.9, 17.8),
        ("alt", 9.3, 4.65, 28.2, 34.2),
        ("ast", 9.5, 4.75, 20.3, 24.7),
        ("cholesterol", 5.18, 2.59, 17.4, 13.9),
        ("ck", 14.5, 7.25, 31.5, None),
        ("creatinine", 4.4, 2.2, None, 12.2),
        ("crp", 29.4, 14.7, 87.0, None),
        ("ft4", 4.8, 2.4, None, None),
        ("ggt", 8.9, 4.45, 41.7, 34.2),
        ("glucose", 4.7, 2.35, 8.1, 13.7),
        ("hba1c", 1.2, 1.0, 5.4, 8.6),
        ("hdl", 5.67, 2.835, 25.1, 24.4),
        ("ldl", 8.46, 4.23, 28.2, 20.6),
        ("leukocytes", 10.01, 3.0, 16.48, 19.2),
        ("potassium", 4.0, 2.0, 4.5, 7.1),
        ("sodium", 0.5, 0.25, 1.0, 1.5),
        ("triglycerides", 19.8, 5.0, 40.3, 26.1),
        ("tsh", 17.7, 2.0, None, None),
        ("vitamin-d", 6.3, 3.15, None, None),
    ],
)
def test_analytes_follow_their_formula(name: str, within: float, analytical: float, between: float | None, total: float | None) -> None:
    """(1 - rho) sigma0^2 = CVa^2 + CVi^2, tau_b = CVg, sigma0 = the variation within a person over months; all in percent, carried to the log."""
    theta = _ours(name).theta
    assert (1 - theta.rho) * theta.sigma0**2 == pytest.approx(_log_variance(within) + _log_variance(analytical), rel=0.02)
    if between:
        assert theta.tau_b2 == pytest.approx(_log_variance(between), rel=2e-3)
    if total:
        assert theta.sigma0**2 == pytest.approx(_log_variance(total), rel=2e-3)


def _log_variance(percent: float) -> float:
    return math.log1p((percent / 100) ** 2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_assumed_prior_starts_wide(path: Path, knowledge: Knowledge) -> None:
    """Before the first value its range holds the population range; that of a scale reaches from the lowest band or cut-off to the highest."""
    prior = _ours(path.stem)
    if not any(prior.marks[name].mark == "assumed" for name in ("tau_b2", "sigma0", "s_logsigma")):
        return
    found = predict(prior, start(prior), 0.0)
    if path.stem in knowledge.scales:
        total = knowledge.scales[path.stem].total
        ends = {end for each in (*total.bands, *total.cutoffs) for end in (each.low, each.high) if end is not None and total.low < end < total.high}
        assert found.lower95 <= min(ends, default=found.lower95)
        assert found.upper95 >= max(ends, default=found.upper95)
        assert prior.minimum is not None
        assert prior.maximum is not None
        assert found.upper95 - found.lower95 > 0.45 * (prior.maximum - prior.minimum)
    elif prior.population and prior.population.low is not None and prior.population.high is not None:
        assert found.lower95 <= prior.population.low
        assert found.upper95 >= prior.population.high


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_range_computed_from_theta_is_up_to_date(path: Path) -> None:
    prior = _ours(path.stem)
    if prior.population and prior.population.source == ("computed from theta at n = 0",):
        found = predict(prior, start(prior), 0.0)
        lower = prior.direction == "lower-worse"
        assert (prior.population.low, prior.population.high) == (
            (math.ceil(found.lower95 / prior.resolution) * prior.resolution, prior.maximum)
            if lower
            else (prior.minimum, math.floor(found.upper95 / prior.resolution) * prior.resolution)
        )


def test_every_scale_with_a_verified_reliability_has_a_prior(knowledge: Knowledge) -> None:
    """A retest, a standard error or a reliable change index that was read in a source. The AUDIT's is no pure retest."""
    kinds = {"reliability", "sem", "rci", "reliable"}
    read = {scale.id for scale in knowledge.scales.values() for fact in scale.change if fact.kind in kinds and fact.evidence == "V"}
    assert read - {"audit"} <= {path.stem for path in FILES}


def _ours(name: str) -> Prior:
    return build(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def test_a_hand_written_file_needs_three_things() -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(MINIMAL)
    prior = build(MINIMAL)
    assert (prior.unit, prior.resolution, prior.direction, prior.theta.kappa, prior.theta.f) == ("1", 0.0, "both", 4.0, 1.0)


@pytest.mark.parametrize(
    "broken",
    [
        {"measure": "x", "transform": "log"},
        MINIMAL | {"transform": "cube"},
        MINIMAL | {"transform": "logit"},
        MINIMAL | {"mcid": 0},
        MINIMAL | {"extra": 1},
        MINIMAL | {"theta": MINIMAL["theta"] | {"tau_b": 1.0}},
        MINIMAL | {"theta": MINIMAL["theta"] | {"rho": 1.0}},
        MINIMAL | {"theta": MINIMAL["theta"] | {"sigma0": 0.0}},
        MINIMAL | {"levels": {"0.005": 0.005}},
    ],
)
def test_the_schema_refuses(broken: dict[str, Any]) -> None:
    assert not jsonschema_rs.validator_for(SCHEMA).is_valid(broken)


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (MINIMAL | {"transform": "logit:27:0"}, ("transform",)),
        (MINIMAL | {"transform": "logit:0:27", "minimum": 1}, ("transform",)),
        (MINIMAL | {"unit": "min", "units": {"h": 60}}, ("units",)),
        (MINIMAL | {"minimum": 3, "maximum": 2}, ("maximum",)),
        (MINIMAL | {"population": {"low": 3, "high": 2, "text": "t", "source": ["s"]}}, ("population",)),
        (MINIMAL | {"levels": {"0.005": 0.3, "0.025": 0.2, "0.975": 0.97, "0.995": 0.99}}, ("levels",)),
        (MINIMAL | {"theta": MINIMAL["theta"] | {"rho": 0.0, "s_rho": 0.5}}, ("theta", "s_rho")),
    ],
)
def test_contradictions_say_where(broken: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(KnowledgeError) as caught:
        build(broken)
    assert caught.value.path == path


def test_the_range_of_a_scale_and_of_its_prior_agree() -> None:
    """A total beyond the prior's ends would be refused, so the ends are the scale's own."""
    library = Path(mappings.baseline.__file__).parent.parent / "scales" / "library"
    for path in FILES:
        scale = library / path.name
        if scale.exists():
            rules = json.loads(scale.read_text(encoding="utf-8"))
            prior = build(json.loads(path.read_text(encoding="utf-8")))
            low, high = (rules.get("scores") or rules.get("rules") or [{}])[0].get("range", (prior.minimum, prior.maximum))
            assert (prior.minimum, prior.maximum) == (low, high), path.stem
            assert (prior.direction == "lower-worse") == (rules["direction"] == "higher-better"), path.stem


def test_at_least_45_measures() -> None:
    assert len(FILES) >= 45
