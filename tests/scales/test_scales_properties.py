"""What must hold for every scale, whatever the answers."""

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.scales.assembly import reversed_score
from mappings.scales.parts import Item
from mappings.scales.scale import Scale
from mappings.scales.scoring import score
from tests.scales import scale_files as files

ROUNDS = int(os.environ.get("SETPOINT_TEST_ROUNDS", "1"))
SCALES = sorted(files.library().values(), key=lambda scale: scale.id)
SUMS = [scale for scale in SCALES if scale.total.kind == "number" and not scale.skips]
EACH = settings(max_examples=200 * ROUNDS, deadline=None)


def steps(item: Item) -> list[Any]:
    return sorted(item.by_score) if item.options else list(range(int(item.low), int(item.high) + 1))


@st.composite
def answered(draw: st.DrawFn, scales: list[Scale], gaps: bool) -> tuple[Scale, dict[str, Any]]:
    scale = draw(st.sampled_from(scales))
    seed = draw(st.integers(0, 2**32))
    pick = random.Random(seed)
    return scale, {item.link: pick.choice(steps(item)) for item in scale.items if not (gaps and pick.random() < 0.1)}


@EACH
@given(answered(SCALES, gaps=True))
def test_scores_lie_in_their_range(made: tuple[Scale, dict[str, Any]]) -> None:
    scale, answers = made
    for rule, total in zip(scale.rules, score(scale, files.response(answers)).totals, strict=True):
        assert total.value is None or rule.low <= total.value <= rule.high


@EACH
@given(answered(SCALES, gaps=True), st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(made: tuple[Scale, dict[str, Any]], rng: random.Random) -> None:
    scale, answers = made
    pairs = list(answers.items())
    rng.shuffle(pairs)
    assert score(scale, files.response(answers)) == score(scale, files.response(dict(pairs)))


@EACH
@given(answered(SUMS, gaps=False), st.randoms(use_true_random=False))
def test_a_worse_answer_never_gives_a_better_total(made: tuple[Scale, dict[str, Any]], rng: random.Random) -> None:
    scale, answers = made
    item = rng.choice(scale.items)
    higher = [step for step in steps(item) if step > answers[item.link]]
    if higher:
        before = score(scale, files.response(answers)).totals[0].value
        after = score(scale, files.response(answers | {item.link: rng.choice(higher)})).totals[0].value
        assert before is not None
        assert after is not None
        assert after >= before


@EACH
@given(answered(SUMS, gaps=False), st.randoms(use_true_random=False))
def test_a_missing_item_never_lowers_a_total_unsaid(made: tuple[Scale, dict[str, Any]], rng: random.Random) -> None:
    scale, answers = made
    gone = scale.by_id[rng.choice(scale.total.items)]
    scored = score(scale, files.response({link: value for link, value in answers.items() if link != gone.link}))
    assert scored.totals[0].missing == (gone.id,)
    assert any(note.startswith("Missing: item(s)") for note in scored.notes)
    assert scored.totals[0].value is None or scale.total.missing.allowed


@given(st.integers(-5, 5), st.integers(0, 10), st.integers(0, 10))
def test_reversal_is_an_involution(low: int, span: int, at: int) -> None:
    value = low + min(at, span)
    assert reversed_score(reversed_score(value, low, low + span), low, low + span) == value


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.id)
def test_every_option_scores_alike_by_code_and_by_number(scale: Scale) -> None:
    for item in scale.items:
        for option in item.options:
            by_code = score(scale, files.response({item.link: {"valueCoding": {"system": option.system, "code": option.code}}}))
            assert by_code.items[0].score == option.score
            if option.score is not None:
                assert score(scale, files.response({item.link: option.score})).items[0].score == option.score
