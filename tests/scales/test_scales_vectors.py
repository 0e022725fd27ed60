"""Every scale of the library against its vector file: ranges, band edges, worked cases, missing branches, safety items alone."""

import json
from typing import Any

import pytest

from mappings.scales.scale import Scale
from mappings.scales.scoring import Scored, Total, score
from tests.scales import scale_files as files

IDS = sorted(path.stem for path in files.LIBRARY.glob("*.json"))
VECTORS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(files.VECTORS.glob("*.json"))}
CASES = [pytest.param(name, case, id=f"{name}: {case['name']}") for name, vector in VECTORS.items() for case in vector["cases"]]


def total(scored: Scored, code: str) -> Total:
    return next(each for each in scored.totals if each.code == code)


def says(found: Total) -> str:
    return " | ".join(verdict.text for verdict in found.verdicts)


def test_every_scale_has_a_vector_file_with_its_source() -> None:
    assert sorted(VECTORS) == IDS
    assert all(vector["source"] and vector["cases"] for vector in VECTORS.values())


@pytest.mark.parametrize(("name", "case"), CASES)
def test_worked_case(name: str, case: dict[str, Any]) -> None:
    scored = score(files.library()[name], files.numbered(files.library()[name], case["scores"]))
    for code, value in case["expect"].items():
        assert total(scored, code).value == value, code
    for code, texts in case.get("says", {}).items():
        assert all(text in says(total(scored, code)) for text in texts), says(total(scored, code))
    if "missing" in case:
        assert list(scored.totals[0].missing) == case["missing"]
    if "safety" in case:
        assert [hit.code for hit in scored.safety] == case["safety"]
    for code, level in case.get("levels", {}).items():
        assert {hit.code: hit.level for hit in scored.safety}[code] == level
    for text in case.get("notes", []):
        assert any(text in note for note in scored.notes), scored.notes


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if "ranges" in vector])
def test_minimum_and_maximum(name: str) -> None:
    scale = files.library()[name]
    for code, (low, high) in VECTORS[name]["ranges"].items():
        assert total(score(scale, files.numbered(scale, [item.low for item in scale.items])), code).value == low
        assert total(score(scale, files.numbered(scale, [item.high for item in scale.items])), code).value == high


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if "edges" in vector])
def test_band_edges(name: str) -> None:
    scale = files.library()[name]
    for code, rows in VECTORS[name]["edges"].items():
        for raw, value, text in rows:
            found = total(score(scale, reaching(scale, code, raw)), code)
            assert (found.value, text in says(found)) == (value, True), (code, raw, says(found))
            assert found.band is not None
            assert found.band.low <= value <= found.band.high


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if "safety_alone" in vector])
def test_each_safety_item_alone_is_found(name: str) -> None:
    scale = files.library()[name]
    for item, codes in VECTORS[name]["safety_alone"].items():
        scored = score(scale, files.response({scale.by_id[item].link: scale.by_id[item].high}))
        assert [hit.code for hit in scored.safety] == codes
        assert all("for" in hit.text and "professional review" in hit.text for hit in scored.safety)
        assert scored.totals[0].value is None or len(scale.items) == 1 or scored.totals[0].kind == "level"


def reaching(scale: Scale, code: str, raw: int) -> dict[str, Any]:
    """Answers whose raw sum in this score is `raw`: items are raised one after the other, in unequal steps where they have them."""
    names = scale.by_rule[code].items
    sums: dict[int, list[Any]] = {0: []}
    for name in names:
        item = scale.by_id[name]
        steps = sorted(item.by_score) if item.options else range(int(item.low), int(item.high) + 1)
        sums = {total_ + int(step): [*chosen, step] for total_, chosen in sums.items() for step in steps}
    if scale.id in ("gass", "qids-sr16"):
        return _with_shared_items(scale, raw)
    return files.response({scale.by_id[name].link: value for name, value in zip(names, sums[raw], strict=True)})


def _with_shared_items(scale: Scale, raw: int) -> dict[str, Any]:
    """Scales whose items share a place in the sum: search upwards from the lowest answers."""
    scores = [item.low for item in scale.items]
    place = 0
    while score(scale, files.numbered(scale, scores)).totals[0].value != raw:
        item = scale.items[place]
        steps = sorted(item.by_score) if item.options else list(range(int(item.low), int(item.high) + 1))
        if scores[place] == steps[-1]:
            place += 1
        else:
            scores[place] = steps[steps.index(scores[place]) + 1]
    return files.numbered(scale, scores)
